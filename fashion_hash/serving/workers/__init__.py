"""The processes that answer: one listening socket, several workers, each restarted when it dies."""
