"""What a request in words says: facts of the catalogue, prices, exclusions, and what it is to go with."""
