"""Check a data set before training on it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fashion_hash.commands.run_command import Parser, print_json, run_command


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command(_parser(prog), _check, argv)


def _check(options: argparse.Namespace) -> int:
    from fashion_hash.data.checks.outfits import check_dataset
    from fashion_hash.data.checks.requests import check_requests
    from fashion_hash.data.load import FORMATS

    slots = options.slots.split(",") if options.slots else None
    if options.format not in FORMATS or options.requests:
        report = check_requests(
            options.format,
            options.root,
            subset=options.subset,
            slots=slots,
            metadata=options.metadata,
            min_rating=options.min_rating,
            min_events=options.min_events,
            copies=options.copies,
        )
    else:
        with _notes_in_the_report():
            report = check_dataset(options.format, options.root, options.subset, slots, options.pictures)
    if options.json:
        print_json(report.to_dict())
    else:
        print(report)
    return 0 if report.ok else 1


@contextmanager
def _notes_in_the_report() -> Iterator[None]:
    """Keeps the readers from logging what is odd, as they do before a training: the report says it."""
    readers = logging.getLogger("fashion_hash.data")
    level = readers.level
    readers.setLevel(logging.ERROR)
    try:
        yield
    finally:
        readers.setLevel(level)


def _parser(prog: str | None) -> argparse.ArgumentParser:
    from fashion_hash.data.load import FORMATS as OUTFITS
    from fashion_hash.data.requests.load import FORMATS as REQUESTS

    parser = Parser(prog=prog, description="Look at a data set before training on it.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="check")
    check = actions.add_parser(
        "check",
        help="report what a data set holds and what is wrong with it",
        description="Report what a data set holds and what is wrong with it. Nothing is changed.",
        epilog="Exit status: 0 without errors (there may be warnings), 1 for errors in the data, "
        "2 if it could not be checked.",
    )
    check.add_argument(
        "format",
        metavar="FORMAT",
        help=f"of outfits: {', '.join(OUTFITS)}; of requests: {', '.join(REQUESTS)}",
    )
    check.add_argument("root", metavar="ROOT", help="the folder of the data set; for requests, also the file itself")
    check.add_argument("--subset", help="of the data set, such as tuples_630 or disjoint; needed if there are several")
    check.add_argument("--slots", help="the type of each slot, such as top,bottom,shoe, where the files do not say it")
    check.add_argument("--pictures", action="store_true", help="decode every picture, not only look for it")
    check.add_argument("--requests", action="store_true", help="outfits: check the requests made from them instead")
    check.add_argument(
        "--metadata", metavar="FILE", help="requests: the file that describes the items, if it is not beside them"
    )
    check.add_argument("--min-rating", type=float, help="reviews: leave out those with fewer stars")
    check.add_argument("--min-events", type=int, default=1, help="requests: leave out users with fewer (default: 1)")
    check.add_argument(
        "--copies",
        choices=("drop", "blank"),
        default="drop",
        help="reviews: drop the copies of a held-out review, or blank their words (default: drop)",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser
