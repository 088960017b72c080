"""What the commands of bulk work have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.errors import ConfigError, counted

if TYPE_CHECKING:
    from fashion_hash.bulk.jobs import Done, Job, Workers

AGAIN = "After an interruption the same command goes on with what is missing."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where a job is written, and who does it."""
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder, or that of an interrupted job")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes at once, by Ray; 0 for this one, without Ray; default: 0"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster whose machines all reach the same folders; needs --workers",
    )


def workers_of(args: argparse.Namespace) -> Workers:
    """Who does the work. Raises ConfigError for options without meaning."""
    from fashion_hash.bulk.jobs import Workers

    if args.workers < 0:
        raise ConfigError(f"--workers must be at least 0, got {args.workers}")
    if args.address and not args.workers:
        raise ConfigError("--address is where --workers work: give both, or neither")
    return Workers(args.workers, args.address or "")


def run(args: argparse.Namespace, job: Job, workers: Workers, of_what: str) -> Done:
    """Does a job, and prints what was written: so many rows `of_what`."""
    from fashion_hash.bulk.jobs import run_job

    done = run_job(job, Path(args.out), workers)
    old = done.parts - done.new
    there = f", {counted(old, 'part')} of them there before" if old else ""
    print(f"wrote {args.out}: {counted(done.rows, 'row')} {of_what} in {counted(done.parts, 'part')}{there}")
    return done
