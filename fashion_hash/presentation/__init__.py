"""Answers as users see them: tiles, text tables, JSON, a sheet (PNG) and a page (HTML)."""
