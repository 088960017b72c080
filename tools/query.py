"""The best outfits for a user: see `python tools/query.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.commands.query import main

if __name__ == "__main__":
    raise SystemExit(main())
