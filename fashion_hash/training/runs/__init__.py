"""A run on disk, and everything that can be asked of it later."""
