"""Find the best outfits for a user, or items for a request: see `python tools/query.py --help`."""

import os.path
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # a clone works without being installed

if __name__ == "__main__":
    try:
        from fashion_hash.cli import run

        status = run("query")
    except KeyboardInterrupt:  # before the command could catch it
        status = 130
    raise SystemExit(status)
