"""Train one experiment: see `python tools/train.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.cli import run

if __name__ == "__main__":
    raise SystemExit(run("train"))
