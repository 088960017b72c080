"""Many texts in mapped files: each by its place, and the place of each."""
