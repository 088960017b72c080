"""Users who are removed: at once, from the files at the next compaction, and from retraining for good."""
