"""Training and measuring the request model."""
