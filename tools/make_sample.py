"""Draw a small data set in the Polyvore-U layout: see `python tools/make_sample.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.commands.make_sample import main

if __name__ == "__main__":
    raise SystemExit(main())
