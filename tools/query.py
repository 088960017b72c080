"""Find the best outfits for a user, or items for a request: see `python tools/query.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.cli import run

if __name__ == "__main__":
    raise SystemExit(run("query"))
