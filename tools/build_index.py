"""Export a run as a bundle and index its outfits: see `python tools/build_index.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.cli import run

if __name__ == "__main__":
    raise SystemExit(run("build-index"))
