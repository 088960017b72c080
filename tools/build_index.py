"""Export a run's bundle and index its outfits: see `python tools/build_index.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.commands.build_index import main

if __name__ == "__main__":
    raise SystemExit(main())
