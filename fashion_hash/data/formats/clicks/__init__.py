"""Logs of who clicked which outfit: POG / iFashion in its forms."""
