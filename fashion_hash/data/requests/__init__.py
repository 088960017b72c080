"""Requests for items: loading them, and making them from outfits."""
