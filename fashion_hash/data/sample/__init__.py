"""The generated sample: a small world of garments and users with planted tastes."""
