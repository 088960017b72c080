"""Draw a small data set in the Polyvore-U layout: see `tools/make_sample.py --help`."""

from fashion_hash.commands.make_sample import main

if __name__ == "__main__":
    raise SystemExit(main())
