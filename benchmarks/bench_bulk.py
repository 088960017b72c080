"""The best outfits of every user at once, beside faiss's plain Hamming search, and a job that is killed.

    python benchmarks/bench_bulk.py [--outfits 1000000] [--users 16384] [--workers 0] [--json] [--save]

A bundle of random codes, outfits of top, bottom and shoe in two modalities. The job writes exact scores and ids as
Parquet, without what a user likes already; faiss answers by plain Hamming distance over the 768 bits of an outfit,
which is not even the right score, keeps its answers in memory, and leaves nothing out. Both have one thread a process.
Then the command is killed in the middle of a part, and started again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from serve_world import make_bundle

import results
from fashion_hash.bulk.jobs import Workers, run_job
from fashion_hash.bulk.top_k import TopK
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.index.engines.early import load_kernels
from fashion_hash.index.pool import Pool

K = 10
OF_FAISS = 512  # users that faiss is timed on


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000, help="of each type")
    parser.add_argument("--users", type=int, default=16_384)
    parser.add_argument("--workers", type=int, default=0, help="processes of Ray; 0 for none")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.outfits, options.items, options.users) < 1 or options.workers < 0:
        parser.error("every number must be at least 1, and --workers at least 0")
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle", options.outfits, options.items, options.users)
        load_kernels()
        job = TopK.of(bundle.root, K)
        began = time.perf_counter()
        done = run_job(job, Path(folder) / "out", Workers(options.workers))
        ours = options.users / (time.perf_counter() - began)
        theirs = of_faiss(bundle)
        figures: dict[str, Any] = {
            "options": vars(options),
            "rows": done.rows,
            "users_a_second": round(ours, 1),
            "users_a_second_faiss": round(theirs, 1),
            "ratio": round(ours / theirs, 2),
            "killed": killed(bundle, Path(folder) / "killed"),
        }
    if results.hand_over(options, figures):
        return
    print(f"{ours:,.0f} users a second, faiss {theirs:,.0f}: {ours / theirs:.2f} times as many")
    print(f"killed and started again: {figures['killed']}")


def of_faiss(bundle: Bundle) -> float:
    """How many users a second faiss answers."""
    pool = Pool.open(bundle)
    codes = [bundle.item_codes[kind][pool.items[:, slot]] for slot, kind in enumerate(bundle.slots)]
    bits = np.concatenate([code.reshape(len(code), -1) for code in codes], axis=1)
    index = faiss.IndexBinaryFlat(8 * bits.shape[1])
    index.add(bits)
    queries = np.tile(bundle.user_keys[:OF_FAISS], bits.shape[1] // bundle.user_keys.shape[1])
    index.search(queries[:8], K)
    began = time.perf_counter()
    index.search(queries, K)
    return len(queries) / (time.perf_counter() - began)


def killed(bundle: Bundle, out: Path) -> dict[str, int]:
    """Kills the command after its first part, and starts it again: what each part's file was, and is."""
    command = [sys.executable, "-m", "fashion_hash.cli", "top-k", str(bundle.root), "--out", str(out), "-k", str(K)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not (out / "part-00000.json").exists():
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    again = sum(path.stat().st_mtime_ns != when for path, when in before.items())
    return {"parts": len(list(out.glob("*.parquet"))), "there_when_killed": len(before), "written_again": again}


if __name__ == "__main__":
    main()
