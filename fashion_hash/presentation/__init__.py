"""Answers as people look at them: tiles, a sheet (PNG) and a page (HTML)."""
