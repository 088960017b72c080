"""The routes under /v1, and those that look after the service."""
