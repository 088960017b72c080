"""Figures on file: what a benchmark measured, with the machine, the commit and the day, under results/.

Every benchmark takes --json (print one JSON object) and --save [NAME] (also keep it as results/NAME.json). The
documents take their figures from these files: `python benchmarks/draw.py` redraws them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import machine

from fashion_hash.core.files import write_text

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "results"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds --json and --save."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--save", nargs="?", const="", metavar="NAME", help="keep the figures as results/NAME.json")


def hand_over(options: argparse.Namespace, figures: Mapping[str, Any]) -> bool:
    """Saves and prints the figures as the options say; returns whether the JSON was printed instead of a table."""
    if options.save is not None:
        save(options.save or Path(sys.argv[0]).stem.removeprefix("bench_"), figures)
    if options.json:
        print(json.dumps(figures, default=str))
    return bool(options.json)


def save(name: str, figures: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Writes results/NAME.json: the figures, and what they were measured with."""
    measured = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": machine(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }
    figures = {key: value for key, value in figures.items() if key != "machine"}
    if "options" in figures:
        figures["options"] = {key: value for key, value in figures["options"].items() if key not in ("json", "save")}
    path = folder / f"{name}.json"
    folder.mkdir(exist_ok=True)
    write_text(path, json.dumps({**measured, "figures": figures}, ensure_ascii=False, indent=1, default=str) + "\n")
    print(f"wrote {path}", file=sys.stderr)
    return path


def read(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """The content of results/NAME.json."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content


def commit() -> str:
    """The commit that the figures belong to, "+" behind it where files were changed since; "" outside a clone."""
    said = subprocess.run(
        ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    return said.stdout.strip()
