"""Engines that search a pool; all give the same answers bit for bit."""
