#!/usr/bin/env python3
"""See `python tools/evaluate.py --help`; the command itself is fashion_hash.commands.evaluate."""

import sys

from fashion_hash.commands.evaluate import main

sys.exit(main())
