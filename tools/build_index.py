#!/usr/bin/env python3
"""See `python tools/build_index.py --help`; the command itself is fashion_hash.commands.build_index."""

import sys

from fashion_hash.commands.build_index import main

sys.exit(main())
