"""Exporting a finished run to a bundle."""
