"""Composition under an outfit encoder."""
