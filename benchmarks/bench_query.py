"""How long one query takes over pools of growing size, each engine beside faiss's plain Hamming search.

    python benchmarks/bench_query.py [--sizes 10000,200000] [--json]

Pools are random outfits over random codes (T3: both bit weights learned). Engines take turns user by
user in one run, so the ratio to plain Hamming holds on a machine that is busy with other things too.
The last column of each size is the cold start: a new process of tools/query.py, to the first answer.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.factored import Factored
from fashion_hash.index.engines.hamming import Hamming
from fashion_hash.index.engines.plain import Scan
from fashion_hash.index.pool import Pool

PROJECT = Path(__file__).resolve().parent.parent
NUM_USERS = 64
SCANNED = 3  # the plain scan takes seconds: it runs for these users only, and is checked against


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="10000,100000,200000,1000000", help="outfits in the pool")
    parser.add_argument("--slots", default="top,bottom", help="item types of the slots")
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("--modalities", type=int, default=1)
    parser.add_argument("--spread", type=float, default=0.3, help="deviation of the bit weights from 1")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--queries", type=int, default=20)
    results.add_options(parser)
    options = parser.parse_args(argv)
    faiss.omp_set_num_threads(1)
    rows = []
    for size in (int(part) for part in options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), size, options))
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }
    if results.hand_over(options, {"machine": machine, "options": vars(options), "results": rows}):
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine.items()) + "; one thread")
    print(f"{options.slots}, {options.modalities} x {options.bits} bits, k = {options.k}")
    print("median milliseconds a query (and as a multiple of faiss's plain Hamming search)\n")
    names = ("factored", "hamming", "scan", "plain")
    print(f"{'outfits':>9}" + "".join(f"{name:>18}" for name in names) + "  shortlists proven  cold start")
    for row in rows:
        times = row["milliseconds"]
        cells = "".join(_cell(times[name], times["plain"]) for name in names)
        print(f"{row['outfits']:>9}{cells}{row['shortlists_proven']:19.0%}{row['cold_start_seconds']:10.2f} s")
    return 0


def _cell(milliseconds: float, plain: float) -> str:
    return f"{milliseconds:9.2f} {f'({milliseconds / plain:.1f})':>8}"


def measure(folder: Path, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Times of the engines over one pool; raises AssertionError when they do not answer alike."""
    bundle = synthetic_bundle(folder / "bundle", size, options)
    pool = Pool.open(bundle, verify=False)
    factored, hamming, scan = Factored(bundle, pool), Hamming(bundle, pool), Scan(bundle, pool)
    times: dict[str, list[float]] = {"factored": [], "hamming": [], "scan": [], "plain": []}
    proven = 0
    for user in range(-1, options.queries):  # user -1 warms up
        code, exclude = bundle.user_codes[user], pool.liked(user % NUM_USERS)
        best = timed(times, "factored", user, lambda c=code, e=exclude: factored.search(c, options.k, e))
        short = timed(times, "hamming", user, lambda c=code, e=exclude: hamming.search(c, options.k, e))
        proven += user >= 0 and hamming.shortlist < len(pool)
        timed(times, "plain", user, lambda c=code: hamming.faiss_search(c, options.k))
        if user < SCANNED:
            plain = timed(times, "scan", user, lambda c=code, e=exclude: scan.search(c, options.k, e))
            assert plain.rows.tolist() == best.rows.tolist() == short.rows.tolist()
            assert plain.scores.tolist() == best.scores.tolist() == short.scores.tolist()
    return {
        "outfits": size,
        "milliseconds": {name: statistics.median(taken) for name, taken in times.items()},
        "worst_milliseconds": {name: max(taken) for name, taken in times.items()},
        "shortlists_proven": proven / options.queries,
        "cold_start_seconds": cold_start(bundle, options.k),
    }


def timed(times: dict[str, list[float]], name: str, user: int, search: Callable[[], Any]) -> Any:
    """Runs a search and notes its milliseconds, unless it is the warm-up."""
    start = time.perf_counter()
    answer = search()
    if user >= 0:
        times[name].append((time.perf_counter() - start) * 1000)
    return answer


def cold_start(bundle: Bundle, k: int) -> float:
    """Seconds from starting a process to its answer, checksums included: the median of three."""
    command = [
        sys.executable,
        str(PROJECT / "tools/query.py"),
        str(bundle.path),
        "--user",
        "user-7",
        "-k",
        str(k),
    ]
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def synthetic_bundle(path: Path, size: int, options: argparse.Namespace) -> Bundle:
    """Random codes; half as many items of each type as outfits, somewhat more than IQON3000 has."""
    rng = generator(0, "bench", size)
    slots = tuple(options.slots.split(","))
    num_items = max(100, size // 2)

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.int8) * np.int8(2) - np.int8(1)

    kinds = tuple(dict.fromkeys(slots))
    pool = Outfits.of(slots, np.zeros(size), rng.integers(0, num_items, (size, len(slots)), dtype=np.int32))
    liked = rng.integers(0, size, 10 * NUM_USERS)
    bundle = write_bundle(
        path,
        BundleContents(
            name="bench",
            slots=slots,
            modalities=tuple(f"modality {number}" for number in range(options.modalities)),
            users=tuple(f"user-{number}" for number in range(NUM_USERS)),
            items={kind: tuple(f"{kind}-{number}" for number in range(num_items)) for kind in kinds},
            user_codes=signs(NUM_USERS, options.bits),
            item_codes={kind: signs(num_items, options.modalities, options.bits) for kind in kinds},
            item_bias={kind: rng.normal(0, 0.3, num_items) for kind in kinds},
            preference_weights=rng.normal(1, options.spread, options.bits),
            compatibility_weights=rng.normal(1, options.spread, options.bits),
            preference_scale=10,
            compatibility_scale=10,
            repeat_empty=False,
            history=Outfits.of(slots, np.arange(len(liked)) % NUM_USERS, pool.items[liked]),
            details={},
            pictures={},
            model={"variant": "T3"},
        ),
    )
    build_index(bundle, pool)
    return bundle


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    raise SystemExit(main())
