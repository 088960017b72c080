"""Write the codes of new items as Parquet, in parts that an interrupted job goes on with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.bulk.options import AGAIN, add_options, run, workers_of
from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Write the codes that a bundle gives to new items: Parquet files with the columns item_id, type, "
        "one for each modality (packed bits) and reason (why an item was coded without its picture), and a manifest "
        "with their checksums. The bundle stays as it is.",
        epilog=AGAIN,
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument(
        "items", help="a table (CSV, TSV, JSON lines, Parquet): item_id, type; title, picture and columns where known"
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument("--pictures", metavar="SOURCE", help="where the pictures are that the column picture names")
    pictures.add_argument("--vectors", metavar="DIR", help="what picture-vectors wrote of those pictures")
    add_options(parser)
    return run_command(parser, _codes, argv)


def _codes(args: argparse.Namespace) -> int:
    from fashion_hash.bulk.items import ItemCodes

    workers = workers_of(args)
    pictures, vectors = (None if path is None else Path(path).absolute() for path in (args.pictures, args.vectors))
    job = ItemCodes.of(Path(args.bundle).absolute(), Path(args.items).absolute(), pictures, vectors)
    run(args, job, workers, f"of {counted(job.items, 'item')}")
    return 0
