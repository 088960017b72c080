"""Requests in words: items that match them, and outfits around those items."""
