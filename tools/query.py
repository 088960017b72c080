"""The best outfits for a user: see `tools/query.py --help`."""

from fashion_hash.commands.query import main

if __name__ == "__main__":
    raise SystemExit(main())
