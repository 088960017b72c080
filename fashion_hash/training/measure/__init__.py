"""Measuring finished runs: outfits, requests, cold users."""
