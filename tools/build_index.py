"""Export a run as a bundle and index its outfits: see `python tools/build_index.py --help`."""

import os.path
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # a clone works without being installed

if __name__ == "__main__":
    try:
        from fashion_hash.cli import run

        status = run("build-index")
    except KeyboardInterrupt:  # before the command could catch it
        status = 130
    raise SystemExit(status)
