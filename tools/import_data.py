"""Check a data set before anyone trains on it: see `python tools/import_data.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.commands.import_data import main

if __name__ == "__main__":
    raise SystemExit(main())
