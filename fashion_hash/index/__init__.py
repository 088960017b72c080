"""Finds the best outfits and the nearest items, exactly."""
