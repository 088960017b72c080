"""The best outfits of a pool, and lists of them that vary."""
