"""Measure a run: tools/evaluate.py runs/NAME [--split test] [--json]."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from fashion_hash.commands.door import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="evaluate", description="Measure a run by every protocol of its split.")
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--split", default="test", help="train, valid or test (default: test)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return run_command(parser, _evaluate, argv)


def _evaluate(args: argparse.Namespace) -> int:
    from fashion_hash.evaluation.report import table
    from fashion_hash.training.evaluate import evaluate
    from fashion_hash.training.run import Run

    report = evaluate(Run.open(args.run), args.split)
    print(json.dumps(report, indent=2) if args.json else table(report))
    return 0
