"""Personalised outfit recommendation in binary codes."""
