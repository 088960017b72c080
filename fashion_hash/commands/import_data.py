"""`tools/import_data.py check FORMAT ROOT`: look at a data set before training on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from fashion_hash.commands.run_command import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(_parser(), _check, argv)


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
        report = check_dataset(options.format, options.root, options.subset, slots, options.pictures)
    print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if options.json else report)
    return 0 if report.ok else 1


def _parser() -> argparse.ArgumentParser:
    from fashion_hash.data.load import FORMATS as OUTFITS
    from fashion_hash.data.requests.load import FORMATS as REQUESTS

    parser = argparse.ArgumentParser(prog="import_data.py", description="Data sets as others made them.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="check")
    check = actions.add_parser(
        "check",
        help="report what a data set holds and what is wrong with it",
        description="Reports what a data set holds and what is wrong with it; changes nothing.",
        epilog="Exit status: 0 no errors, warnings perhaps; 1 errors in the data; 2 it was not checked.",
    )
    check.add_argument(
        "format",
        metavar="FORMAT",
        help=f"outfits: {', '.join(OUTFITS)}; requests: {', '.join(REQUESTS)}",
    )
    check.add_argument("root", metavar="ROOT", help="the folder of the data set; of requests also the file itself")
    check.add_argument("--subset", help="polyvore_u: tuples_630, or 630; needed when there are several")
    check.add_argument("--slots", help="polyvore_u without headers: the type of each column, as top,bottom,shoe")
    check.add_argument("--pictures", action="store_true", help="decode every picture, not only look for it")
    check.add_argument("--requests", action="store_true", help="of outfits: check the requests made from them instead")
    check.add_argument("--metadata", help="requests: the file of what is known of the items, if not beside them")
    check.add_argument("--min-rating", type=float, help="reviews: leave out those of fewer stars")
    check.add_argument("--min-events", type=int, default=1, help="requests: leave out people with fewer")
    check.add_argument(
        "--copies", choices=("drop", "blank"), default="drop", help="what becomes of copies of a held-out review"
    )
    check.add_argument("--json", action="store_true", help="print one JSON object instead of a text")
    return parser
