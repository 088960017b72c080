"""Pictures and features on disk, read one at a time."""
