"""Measure the baselines of an experiment, without a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, print_json, run_command

if TYPE_CHECKING:
    from fashion_hash.config.requests import RequestConfig


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Measure popularity, neighbours, EASE, GF-CF, factorisations and float models on the data of a "
        "configuration. Settings are chosen on the validation split.",
    )
    parser.add_argument("config", help="a YAML file, such as configs/demo.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the configuration; may be repeated",
    )
    parser.add_argument("--only", metavar="NAMES", help="baselines by name, separated by commas (default: all)")
    parser.add_argument("--split", default="test", help="train, valid or test (default: test)")
    parser.add_argument(
        "--drawn", action="store_true", help="also rank against ten drawn negatives, random and hard, as in evaluate"
    )
    add_matched(parser)
    parser.add_argument(
        "--full", action=argparse.BooleanOptionalAction, help="rank everything, or do not, as in evaluate"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="the folder in which the figures are kept (default: runs/NAME.baselines)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return run_command(parser, _baselines, argv)


def add_matched(parser: argparse.ArgumentParser) -> None:
    """Adds --matched, which evaluate has as well."""
    parser.add_argument(
        "--matched",
        nargs="?",
        const="times",
        metavar="CLOCK",
        help="also measure against negatives of the same time and popularity; CLOCK is times (of the outfits, the "
        "default), or ids, where the ids of items are numbers that grow with time",
    )


def names_of(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _baselines(args: argparse.Namespace) -> int:
    from fashion_hash.config.experiment import load_experiment
    from fashion_hash.config.requests import RequestConfig
    from fashion_hash.evaluation.report import table
    from fashion_hash.training.baselines.report import baselines

    config = load_experiment(args.config, args.set)
    if isinstance(config, RequestConfig):
        return _of_requests(config, args)
    report = baselines(
        config,
        args.split,
        only=None if args.only is None else names_of(args.only),
        drawn=args.drawn,
        matched=args.matched,
        full=args.full,
        out=args.out,
        tell=lambda line: print(line, file=sys.stderr),
    )
    if args.json:
        print_json(report)
    else:
        print(table(report))
    return 0


def _of_requests(config: RequestConfig, args: argparse.Namespace) -> int:
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.measure.requests import request_baselines, request_table

    of_outfits = {
        "--only": args.only is not None,
        "--drawn": args.drawn,
        "--matched": args.matched is not None,
        "--full": args.full is not None,
        "--out": args.out is not None,
    }
    for option, is_set in of_outfits.items():
        if is_set:
            raise ConfigError(f"{option} is for configurations of outfits, but {args.config} is one of requests")
    report = request_baselines(config, args.split)
    if args.json:
        print_json(report)
    else:
        print(request_table(report))
    return 0
