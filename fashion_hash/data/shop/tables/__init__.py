"""Which tables a shop has, and what their columns are called."""
