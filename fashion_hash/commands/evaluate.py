"""Measure a run: tools/evaluate.py runs/NAME [--split test] [--json]."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import run_command

if TYPE_CHECKING:
    from fashion_hash.training.requests.run import RequestRun


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="evaluate", description="Measure a run by every protocol of its split.")
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--split", default="test", help="train, valid or test (default: test)")
    parser.add_argument(
        "--lists",
        type=int,
        metavar="K",
        help="also measure how varied the top K lists of its bundle are, with and without MMR",
    )
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="also rank against ten drawn negatives a positive, random and hard, where the data set has not several",
    )
    parser.add_argument(
        "--cold",
        type=int,
        nargs="+",
        metavar="N",
        help="how many outfits each user hidden from training tells (default: 1 and 5, of runs with data.cold_users)",
    )
    parser.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        help="weigh the terms of the score on the validation split first, or not (default: as the run says)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return run_command(parser, _evaluate, argv)


def _evaluate_requests(run: RequestRun, args: argparse.Namespace) -> int:
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.measure.requests import evaluate_requests, request_table

    given = {
        "--lists": args.lists is not None,
        "--drawn": args.drawn,
        "--cold": args.cold is not None,
        "--calibrate": args.calibrate is not None,
    }
    if wrong := [option for option, there in given.items() if there]:
        raise ConfigError(f"{wrong[0]} is for runs on outfits, {args.run} is one on requests")
    report = evaluate_requests(run, args.split)
    print(json.dumps(report, indent=2) if args.json else request_table(report))
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from fashion_hash.evaluation.report import table
    from fashion_hash.retrieval.measure import measure_lists
    from fashion_hash.retrieval.recommender import Recommender
    from fashion_hash.training.measure.outfits import evaluate
    from fashion_hash.training.requests.run import RequestRun, open_run

    run = open_run(args.run)
    if isinstance(run, RequestRun):
        return _evaluate_requests(run, args)
    report = evaluate(run, args.split, drawn=args.drawn, cold=args.cold, calibrate=args.calibrate)
    if args.lists is not None:
        recommender = Recommender.load(run.path / "bundle")
        report["lists"] = {
            name: measure_lists(recommender, args.lists, diversity=diversity)
            for name, diversity in (("plain", 0.0), ("diversity 0.5", 0.5))
        }
    if args.json:
        print(json.dumps(report, indent=2))
        return 0
    print(table(report))
    for name, found in report.get("lists", {}).items():
        items = ", ".join(f"{share:.1%} of the {kind} items" for kind, share in found["item_coverage"].items())
        print(
            f"lists of {found['k']}, {name}: intra-list diversity {found['intra_list_diversity']:.4f}; they show "
            f"{found['outfit_coverage']:.1%} of the outfits, {items} ({found['users']} users)"
        )
    return 0
