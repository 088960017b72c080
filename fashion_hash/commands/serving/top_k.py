"""Write the best outfits of every user as Parquet, in parts that an interrupted job goes on with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import ConfigError, counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Write the best outfits of the pool for every user of a bundle: Parquet files with the columns "
        "user, place, outfit and score, and a manifest with their checksums.",
        epilog="After an interruption the same command goes on with what is missing.",
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder, or that of an interrupted job")
    parser.add_argument("-k", type=int, default=10, help="outfits for each user; default: %(default)s")
    parser.add_argument("--include-liked", action="store_true", help="also outfits that a user is known to like")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes at once, by Ray; 0 for this one, without Ray; default: 0"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster whose machines all reach both folders; needs --workers"
    )
    return run_command(parser, _top_k, argv)


def _top_k(args: argparse.Namespace) -> int:
    from fashion_hash.bulk.jobs import Workers, run_job
    from fashion_hash.bulk.top_k import TopK

    if args.workers < 0:
        raise ConfigError(f"--workers must be at least 0, got {args.workers}")
    if args.address and not args.workers:
        raise ConfigError("--address is where --workers work: give both, or neither")
    job = TopK.of(Path(args.bundle).absolute(), args.k, include_liked=args.include_liked)
    done = run_job(job, Path(args.out), Workers(args.workers, args.address or ""))
    old = done.parts - done.new
    there = f", {counted(old, 'part')} of them there before" if old else ""
    rows, users, parts = counted(done.rows, "row"), counted(job.users, "user"), counted(done.parts, "part")
    print(f"wrote {args.out}: {rows} for {users} in {parts}{there}")
    return 0
