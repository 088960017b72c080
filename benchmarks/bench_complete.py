"""Completion of one open slot: all candidates scored exactly for a user and the given items, top 10.

    python benchmarks/bench_complete.py [--sizes 10000,100000,1000000] [--repeats 50] [--json]

One thread; 128 bits, 2 modalities, both bit weights learned; a top and a shoe are given, a bottom is
asked for. In turns with faiss's plain Hamming search over the same codes (not the right score), so that
the ratio holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from compose_world import compose_world
from machine import machine

import results
from fashion_hash.index import exact
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask

NUM_USERS = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="candidates for the open slot")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=50)
    results.add_options(parser)
    options = parser.parse_args(argv)
    sizes = [int(size) for size in options.sizes.split(",")]
    if min(*sizes, options.k, options.repeats) < 1:
        parser.error("--sizes, -k and --repeats from 1 on")
    faiss.omp_set_num_threads(1)
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder) / "bundle", size, options.k, options.repeats))
    result = {
        "machine": machine(),
        **{f"milliseconds_{row['candidates']}": row["milliseconds"] for row in rows},
        "rows": rows,
    }
    if results.hand_over(options, result):
        return 0
    print(f"{result['machine']}; one thread, k = {options.k}\n")
    print("candidates      best    median   processor   faiss Hamming    ratio")
    for row in rows:
        print(
            f"{row['candidates']:10}{row['milliseconds']:7.2f} ms{row['median_milliseconds']:7.2f} ms"
            f"{row['processor_milliseconds']:9.2f} ms{row['hamming_milliseconds']:13.2f} ms"
            f"{row['milliseconds'] / row['hamming_milliseconds']:8.2f} x"
        )
    return 0


def measure(path: Path, size: int, k: int, repeats: int) -> dict[str, Any]:
    """All figures for one number of candidates."""
    bundle = compose_world(path, "random", size, NUM_USERS)
    codes = bundle.item_codes["bottom"].reshape(size, -1)
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    compose(CompositionTask(bundle, bundle.user_codes[0], fixed={"top": 1, "shoe": 1}), k)  # compiled, files read once
    ours, processor, theirs = [], [], []
    for turn in range(repeats):
        user, fixed = bundle.user_codes[turn % NUM_USERS], {"top": turn % size, "shoe": (7 * turn) % size}
        task = CompositionTask(bundle, user, fixed=fixed)
        busy = time.process_time()
        ours.append(milliseconds(lambda: compose(task, k)))  # noqa: B023
        processor.append((time.process_time() - busy) * 1e3)
        query = np.tile(user, len(bundle.modalities))[None]
        theirs.append(milliseconds(lambda: index.search(query, k)))  # noqa: B023
    items = np.zeros((size, 3), dtype=np.int64)
    items[:, 0], items[:, 1], items[:, 2] = fixed["top"], np.arange(size), fixed["shoe"]
    items = items[:200_000]
    task = CompositionTask(bundle, user, allowed={"bottom": items[:, 1]}, fixed=fixed)
    scores = exact.scores(bundle, exact.terms(bundle, user, items))
    assert np.array_equal(compose(task, k).items[:, 1], exact.top(scores, k))
    return {
        "candidates": size,
        "milliseconds": min(ours),
        "median_milliseconds": float(np.median(ours)),
        "processor_milliseconds": float(np.median(processor)),
        "hamming_milliseconds": min(theirs),
    }


def milliseconds(work: Callable[[], object]) -> float:
    """Wall-clock milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    raise SystemExit(main())
