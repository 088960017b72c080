"""Write the best outfits of every user as Parquet, in parts that an interrupted job goes on with."""

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
        description="Write the best outfits of the pool for every user of a bundle: Parquet files with the columns "
        "user, place, outfit and score, and a manifest with their checksums.",
        epilog=AGAIN,
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument("-k", type=int, default=10, help="outfits for each user; default: %(default)s")
    parser.add_argument("--include-liked", action="store_true", help="also outfits that a user is known to like")
    add_options(parser)
    return run_command(parser, _top_k, argv)


def _top_k(args: argparse.Namespace) -> int:
    from fashion_hash.bulk.top_k import TopK

    workers = workers_of(args)
    job = TopK.of(Path(args.bundle).absolute(), args.k, include_liked=args.include_liked)
    run(args, job, workers, f"for {counted(job.users, 'user')}")
    return 0
