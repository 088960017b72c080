"""The sub-commands that measure."""
