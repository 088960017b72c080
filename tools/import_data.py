#!/usr/bin/env python3
"""See `python tools/import_data.py --help`; the command itself is fashion_hash.commands.import_data."""

import sys

from fashion_hash.commands.import_data import main

sys.exit(main())
