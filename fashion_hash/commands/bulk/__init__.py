"""Sub-commands that write something for everybody, or of everything, at once."""
