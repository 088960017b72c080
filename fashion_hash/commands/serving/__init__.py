"""The commands that answer over HTTP."""
