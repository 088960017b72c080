"""What a user asks of a bundle: recommend, compose, complete, search, explain."""
