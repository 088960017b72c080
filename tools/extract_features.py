"""Extract image features into a store: see `tools/extract_features.py --help`."""

from fashion_hash.commands.extract import main

if __name__ == "__main__":
    raise SystemExit(main())
