"""What building costs: the index and the scan files of ten million outfits, and partner lists of 100,000 items a type.

    python benchmarks/bench_build.py [--outfits 10000000] [--items 100000] [--partners 100000] [--json]

Codes are made, since a training would take longer than all else: clustered ones, which look like learned codes, of
128 bits in one modality (compose_world.py). The pool is drawn over --items items of three types together, and 100,000
users like ten of its outfits each. Partner lists are those of two types of --partners items, and of three. Prints for
each step its seconds by the clock, those that the process computed, and the memory that it held at most beyond what it
held before: its own, and together with pages of files that it wrote, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from compose_world import CODES, compose_contents, compose_world
from machine import machine

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.early import load_kernels
from fashion_hash.index.partners import build_partners

THREE = ("top", "bottom", "shoe")
USERS, LIKED = 100_000, 10


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--outfits", type=int, default=10_000_000, help="of the pool; 0 for none")
    parser.add_argument("--items", type=int, default=100_000, help="of three types together, which the pool is made of")
    parser.add_argument("--partners", type=int, default=100_000, help="items a type for partner lists; 0 for none")
    parser.add_argument("--codes", choices=CODES, default="clustered")
    results.add_options(parser)
    options = parser.parse_args(argv)
    load_kernels()
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.outfits:
            bundle, outfits = pool_world(Path(folder) / "pool", options)
            steps.append(measured("index and scan files", lambda: build_index(bundle, outfits)))
            steps.append(measured("partner lists of its items", lambda: build_partners(bundle)))
        for slots in (THREE[:2], THREE) if options.partners else ():
            world = compose_world(Path(folder) / "partners", options.codes, options.partners, 1, slots, 128, 1)
            name = f"partner lists, {len(slots)} types of {options.partners:,}"
            steps.append(measured(name, lambda: build_partners(world)))  # noqa: B023
    if results.hand_over(options, {"options": vars(options), "steps": steps}):
        return
    print(f"{machine()}\n{options.outfits:,} outfits over {options.items:,} items")
    for step in steps:
        print(step)


def pool_world(path: Path, options: argparse.Namespace) -> tuple[Bundle, Outfits]:
    """A bundle whose users like outfits of the pool, and the pool: some items are in many outfits, most in few."""
    rng, each = generator(0, "bench_build"), options.items // 3
    items = np.stack([(each * rng.random(options.outfits) ** 2).astype(np.int32) for _ in THREE], axis=1)
    outfits = Outfits(THREE, np.zeros(len(items), dtype=np.int32), items)
    liked = rng.integers(0, len(items), USERS * LIKED)
    history = Outfits(THREE, np.repeat(np.arange(USERS, dtype=np.int32), LIKED), items[liked])
    contents = compose_contents(options.codes, each, USERS, THREE, num_modalities=1)
    return write_bundle(path, replace(contents, history=history)), outfits


def measured(name: str, work: Callable[[], object]) -> dict[str, Any]:
    """Seconds and memory of one step."""
    peaks, before, done = dict(held()), held(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peaks.update({kind: max(peaks[kind], now) for kind, now in held().items()})

    watching = threading.Thread(target=watch)
    watching.start()
    started, computed = time.perf_counter(), time.process_time()
    try:
        work()
    finally:
        seconds, busy = time.perf_counter() - started, time.process_time() - computed
        done.set()
        watching.join()
    own, mapped = (round(peaks[kind] - before[kind]) for kind in ("RssAnon", "VmRSS"))
    return {
        "step": name,
        "seconds": round(seconds, 1),
        "computed": round(busy, 1),
        "own_mb": own,
        "with_files_mb": mapped,
    }


def held() -> dict[str, float]:
    """The memory that the process holds now, in MB: its own, and with pages of files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {kind: int(lines[kind].split()[0]) * 1024 / 1e6 for kind in ("RssAnon", "VmRSS")}


if __name__ == "__main__":
    main()
