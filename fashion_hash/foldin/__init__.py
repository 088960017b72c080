"""A new user's code or vector, computed from liked outfits without training."""
