"""What was told to a live catalogue since the data was exported: as tables, and joined with a data set."""
