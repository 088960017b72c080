"""Computes the code or vector of a new user from liked and disliked outfits, without training."""
