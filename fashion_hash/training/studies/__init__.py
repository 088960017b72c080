"""Studies: many runs of one experiment, trained, measured once, compared, and written as tables."""
