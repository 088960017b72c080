"""Seconds and memory from files to a bundle at the size of a large shop: benchmarks/bench_shop_scale.py.

A made shop of a million outfits over 500,000 items is written to files, read, checked, divided, trained for one epoch
and exported, each step in the same process. Prints for each step its seconds, those of them that the process computed,
and the peak memory of the process (RSS) so far. Smaller sizes show what grows faster than the data.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from machine import machine

import results
from fashion_hash.config.experiment import Config, make_config
from fashion_hash.data.checks.outfits import check_dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.data.splits.files import MadeSplit
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit

Result = TypeVar("Result")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=500_000, help="of both types together (default 500,000)")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--format", choices=("iqon3000", "shop"), default="iqon3000", help="of the files")
    parser.add_argument("--split", default="per_user", help="data.split.kind (default per_user)")
    results.add_options(parser)
    options = parser.parse_args()
    steps: list[dict[str, object]] = []

    def timed(name: str, work: Callable[[], Result]) -> Result:
        started, computed = time.perf_counter(), time.process_time()
        result = work()
        seconds, busy, peak = time.perf_counter() - started, time.process_time() - computed, _peak()
        steps.append({"step": name, "seconds": round(seconds, 1), "computed": round(busy, 1), "peak_mb": round(peak)})
        if not options.json:
            print(f"| {name} | {seconds:.1f} | {busy:.1f} | {peak:,.0f} |", flush=True)
        return result

    if not options.json:
        print(f"{options.outfits:,} outfits, {options.items:,} items, {options.users:,} users; {machine()}")
        print("| step | seconds | computed | peak, MB |\n|---|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        timed("write the files", lambda: write_shop(root, options))
        config = _config(root, options)
        timed("check", lambda: check_dataset(config.data.format, root))
        whole = timed("read", lambda: load_dataset(config.data.format, root))
        assert config.data.split is not None
        split = config.data.split
        made = timed("split", lambda: MadeSplit.make(whole, split))
        timed("write the split", lambda: made.write(Path(folder) / "split.csv"))
        again = split.model_copy(update={"file": str(Path(folder) / "split.csv")})
        made = timed("read the split", lambda: MadeSplit.make(whole, again))
        dataset = made.dataset
        report = None if options.json else lambda line: print(line, file=sys.stderr, flush=True)
        run = timed("train one epoch", lambda: fit(config, dataset, Path(folder) / "run", report=report))
        timed("export", lambda: export_bundle(run, dataset=dataset))
    results.hand_over(options, {"options": vars(options), "steps": steps})


def write_shop(root: Path, options: argparse.Namespace) -> None:
    """The files of outfits of a top and a bottom: a few items and users are in many outfits, most in few.

    Form iqon3000: train.csv. Form shop: items.csv, and outfits.csv with times and weights.
    """
    rng = np.random.default_rng(0)
    root.mkdir()
    each = options.items // 2
    users = (options.users * rng.random(options.outfits) ** 2).astype(np.int64)
    tops, bottoms = ((each * rng.random(options.outfits) ** 2).astype(np.int64) for _ in range(2))
    rare = np.arange(min(each, options.outfits))  # every item is in an outfit
    tops[rare], bottoms[rare[::-1]] = rare, rare
    outfits = zip(range(options.outfits), *(column.tolist() for column in (users, tops, bottoms)))
    if options.format == "iqon3000":
        _write(root / "train.csv", "user,top,bottom", (f"u{user},t{top},b{bottom}" for _, user, top, bottom in outfits))
        return
    items = (
        f"{item_type[0]}{row},{item_type},the {item_type} {row},{row % 90}.50"
        for item_type in ("top", "bottom")
        for row in range(each)
    )
    _write(root / "items.csv", "item_id,type,title,price", items)
    lines = (
        f"o{row},u{user},t{top} b{bottom},{1_600_000_000 + row},{1 + row % 3}" for row, user, top, bottom in outfits
    )
    _write(root / "outfits.csv", "outfit_id,user_id,item_ids,timestamp,weight", lines)


def _write(path: Path, header: str, lines: Iterable[str]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(f"{header}\n")
        stream.writelines(f"{line}\n" for line in lines)


def _config(root: Path, options: argparse.Namespace) -> Config:
    return make_config(
        {
            "name": "scale",
            "data": {"format": options.format, "root": str(root), "split": {"kind": options.split, "valid": 0.02}},
            "id": {},
            "model": {"num_bits": options.bits, "item_bias": True},
            "negatives": {"per_positive": 1},
            "optimiser": {"kind": "adam"},
            "train": {"epochs": 1, "batch_size": 4096},
        }
    )


def _peak() -> float:
    """The peak memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
