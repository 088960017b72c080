"""Write what the live catalogue of a bundle was told as tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(prog=prog, description="Write what the live catalogue of a bundle was told as JSON lines.")
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument("folder", help="the folder to write; one that this command wrote before is replaced")
    return run_command(parser, _export, argv)


def _export(args: argparse.Namespace) -> int:
    from fashion_hash.errors import QueryError
    from fashion_hash.retrieval.generations.told import export_told

    folder = Path(args.folder)
    if folder.exists() and not (folder / "about.json").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise QueryError(f"{folder} exists and was not written by this command: name another folder")
    told = export_told(Path(args.bundle), folder)
    print(f"wrote {folder}: {told.counts()}")
    for (kind, item_type, name), reason in told.left_behind.items():
        print(f"  {item_type or kind} {name!r} is not in the present bundle: {reason}")
    coded = [name for (_, name), item in told.items.items() if item.coded]
    if coded:
        items = counted(len(coded), "item was given as a code", "items were given as codes")
        print(f"  {items} alone, such as {coded[0]!r}: another model cannot take that")
    return 0
