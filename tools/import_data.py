"""Check a data set before training on it: see `python tools/import_data.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone works without being installed

from fashion_hash.cli import run

if __name__ == "__main__":
    raise SystemExit(run("import-data"))
