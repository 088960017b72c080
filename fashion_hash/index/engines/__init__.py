"""Engines that search a pool; all give the same answer to the last bit."""
