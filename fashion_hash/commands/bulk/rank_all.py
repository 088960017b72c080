"""Rank everything for everybody, in parts that an interrupted job goes on with, and print the metrics."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.bulk.options import AGAIN, add_options, run, workers_of
from fashion_hash.commands.run_command import Parser, print_json, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Rank all outfits for each user, and all items of each type for each outfit without one, by a run "
        "as its bundle answers: Parquet files that say where each positive stands, a manifest with their checksums, "
        "and metrics.json, what `fashion-hash evaluate --full` measures.",
        epilog=AGAIN,
    )
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--split", default="test", help="train, valid or test (default: test)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_options(parser)
    return run_command(parser, _rank, argv)


def _rank(args: argparse.Namespace) -> int:
    import sys
    from contextlib import redirect_stdout

    from fashion_hash.bulk.ranking import RankAll

    workers = workers_of(args)
    job = RankAll.of(Path(args.run).absolute(), args.split)
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        run(args, job, workers, f"of {counted(job.lists, 'list')}")
    metrics = job.write_metrics(Path(args.out))
    if args.json:
        print_json(metrics)
        return 0
    for measured in metrics.values():
        print(measured["statement"])
        print("  ".join(f"{metric} {value:.4f}" for metric, value in measured.items() if isinstance(value, float)))
    return 0
