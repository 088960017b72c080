"""What is wrong with a data set, said before anyone trains on it."""
