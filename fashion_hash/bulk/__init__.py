"""Work on everything at once, in parts: in this process, or as tasks of a Ray cluster."""
