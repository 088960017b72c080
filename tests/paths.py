"""Where tests find the project."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "fashion_hash"
