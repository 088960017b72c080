"""The records of a live catalogue."""
