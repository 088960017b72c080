"""Measure a trained run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fashion_hash.commands.measure.baselines import add_matched, names_of
from fashion_hash.commands.run_command import Parser, print_json, run_command
from fashion_hash.errors import counted, item_noun

if TYPE_CHECKING:
    from fashion_hash.training.requests.run import RequestRun


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(prog=prog, description="Measure a run by every protocol of a split.")
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--split", default="test", help="train, valid or test (default: test)")
    parser.add_argument(
        "--lists",
        type=int,
        metavar="K",
        help="also measure how varied the top K lists of its bundle are, with and without diversity",
    )
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="also rank each positive against ten drawn negatives, random and hard, "
        "if the data set does not have several",
    )
    parser.add_argument(
        "--cold",
        type=int,
        nargs="+",
        metavar="N",
        help="how many outfits are known of each user hidden from training "
        "(default: 1 and 5, for runs with data.cold_users)",
    )
    parser.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        help="weigh the terms of the score on the validation split first, or do not (default: as the run says)",
    )
    parser.add_argument(
        "--full",
        action=argparse.BooleanOptionalAction,
        help="also rank all outfits for each user, and all items of each type for each outfit without one, or do not "
        "(default: where that takes at most a billion scores)",
    )
    parser.add_argument(
        "--baselines",
        nargs="?",
        const="",
        metavar="NAMES",
        help="also popularity, neighbours, EASE, factorisations and the others, or those named, separated by commas; "
        "kept in RUN/baselines",
    )
    add_matched(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return run_command(parser, _evaluate, argv)


def _names(text: str | None) -> bool | tuple[str, ...]:
    """What `--baselines` asks for."""
    return False if text is None else names_of(text) or True


def _evaluate(args: argparse.Namespace) -> int:
    from fashion_hash.evaluation.report import table
    from fashion_hash.retrieval.measure import measure_lists
    from fashion_hash.retrieval.recommender import Recommender
    from fashion_hash.training.measure.outfits import evaluate
    from fashion_hash.training.requests.run import RequestRun, open_run

    run = open_run(args.run)
    if isinstance(run, RequestRun):
        return _evaluate_requests(run, args)
    report = evaluate(
        run,
        args.split,
        drawn=args.drawn,
        cold=args.cold,
        calibrate=args.calibrate,
        full=args.full,
        matched=args.matched,
        baselines=_names(args.baselines),
    )
    if args.lists is not None:
        recommender = Recommender.load(run.path / "bundle")
        report["lists"] = {
            name: measure_lists(recommender, args.lists, diversity=diversity)
            for name, diversity in (("plain", 0.0), ("diversity 0.5", 0.5))
        }
    if args.json:
        print_json(report)
        return 0
    print(table(report))
    for name, measured in report.get("lists", {}).items():
        print(_lists_line(name, measured))
    return 0


def _evaluate_requests(run: RequestRun, args: argparse.Namespace) -> int:
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.measure.requests import evaluate_requests, request_table

    of_outfits = {
        "--lists": args.lists is not None,
        "--drawn": args.drawn,
        "--cold": args.cold is not None,
        "--calibrate": args.calibrate is not None,
        "--full": args.full is not None,
        "--baselines": args.baselines is not None,
        "--matched": args.matched is not None,
    }
    for option, is_set in of_outfits.items():
        if is_set:
            raise ConfigError(f"{option} is for runs on outfits, but {args.run} was trained on requests")
    report = evaluate_requests(run, args.split)
    if args.json:
        print_json(report)
    else:
        print(request_table(report))
    return 0


def _lists_line(name: str, measured: Mapping[str, Any]) -> str:
    """How varied the lists of the users are, on one line."""
    shares = measured["item_coverage"].items()
    items = ", ".join(f"{share:.1%} of the {item_noun(item_type)}s" for item_type, share in shares)
    return (
        f"lists of {measured['k']}, {name}: intra-list diversity {measured['intra_list_diversity']:.4f}; they show "
        f"{measured['outfit_coverage']:.1%} of the outfits, {items} ({counted(measured['users'], 'user')})"
    )
