"""Feedback of a service: as tables that training reads, or as a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, print_json, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(prog=prog, description="What users did with the answers of a service.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    export = commands.add_parser("export", help="write feedback, outfits and items as tables that training reads")
    export.add_argument("bundle", help="the bundle that answered, such as runs/demo/bundle")
    export.add_argument("folder", help="the folder to write; one that this command wrote before is replaced")
    report = commands.add_parser("report", help="print what was shown, liked and bought, by model")
    report.add_argument("bundle", help="the bundle whose service wrote the feedback")
    report.add_argument("--json", action="store_true", help="print one JSON object")
    for each in (export, report):
        each.add_argument("--state", metavar="DIR", help="as of `fashion-hash serve`; default: service/ in the bundle")
    return run_command(parser, _export_or_report, argv)


def _export_or_report(args: argparse.Namespace) -> int:
    from fashion_hash.bundle.bundle import Bundle
    from fashion_hash.errors import QueryError
    from fashion_hash.feedback.export import export_feedback
    from fashion_hash.feedback.report import report_feedback, report_text
    from fashion_hash.feedback.store import FeedbackStore, feedback_folder
    from fashion_hash.live.catalogue import LiveCatalogue

    bundle = Path(args.bundle)
    store = FeedbackStore(Path(args.state) if args.state else feedback_folder(bundle))
    if args.command == "report":
        Bundle.open(bundle, verify=False)
        reports = report_feedback(store.events())
        if args.json:
            print_json({"models": [each.to_dict() for each in reports]})
        else:
            print(report_text(reports))
        return 0
    folder = Path(args.folder)
    if folder.exists() and not (folder / "about.json").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise QueryError(f"{folder} exists and was not written by this command: name another folder")
    live = LiveCatalogue(bundle, verify=False)
    exported = export_feedback(live, store, folder)
    live.close()
    print(
        f"wrote {folder}: {counted(exported.items, 'item')}, {counted(exported.outfits, 'outfit')}, "
        f"{counted(exported.events, 'event')} with "
        f"outfits, {exported.interactions:,} with items"
    )
    print(f"train on it: fashion-hash init {folder}")
    return 0
