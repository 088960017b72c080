"""The console script: `fashion-hash COMMAND ...`, the same commands as tools/COMMAND.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from fashion_hash import __version__
from fashion_hash.errors import suggest

COMMANDS = {
    "demo": "a sample, a model, an index and outfits, from nothing, in a minute",
    "make-sample": "draw a small data set with planted tastes",
    "import-data": "check a data set before anyone trains on it",
    "extract-features": "extract image features to a store",
    "train": "train one experiment",
    "evaluate": "measure a run",
    "build-index": "export a run's bundle and index its outfits",
    "query": "the best outfits for a user",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a sub-command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: fashion-hash COMMAND ...   (fashion-hash COMMAND --help tells more)")
        print("       fashion-hash --version\n")
        for name, what in COMMANDS.items():
            print(f"  {name:18}{what}")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"fashion-hash {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        print(f"error: no command {name!r}{suggest(name, COMMANDS)}; see fashion-hash --help", file=sys.stderr)
        return 2
    # imported when it runs: a query never loads torch, and help is instant
    command = import_module(f"fashion_hash.commands.{name.replace('-', '_')}")
    status: int = command.main(rest)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
