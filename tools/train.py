#!/usr/bin/env python3
"""See `python tools/train.py --help`; the command itself is fashion_hash.commands.train."""

import sys

from fashion_hash.commands.train import main

sys.exit(main())
