"""Time of every ranking metric together: 20,000 users x 11 candidates, without and with ties.

python benchmarks/bench_metrics.py [--users 20000] [--candidates 11] [--repeats 7] [--json]
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np

import results
from fashion_hash.core.seeds import generator
from fashion_hash.evaluation.metrics import ranking_metrics


def seconds(scores: np.ndarray, relevant: np.ndarray, users: np.ndarray, repeats: int) -> float:
    """The best time of `repeats` runs: the one that other work on the machine disturbed least."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        ranking_metrics(scores, relevant, users)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--candidates", type=int, default=11, help="rows a user, the first of them positive")
    parser.add_argument("--repeats", type=int, default=7)
    results.add_options(parser)
    arguments = parser.parse_args()
    if arguments.users < 1 or arguments.candidates < 2 or arguments.repeats < 1:
        parser.error("needs --users >= 1, --candidates >= 2 and --repeats >= 1")

    rng = generator(0, "bench_metrics")
    users = np.repeat(np.arange(arguments.users), arguments.candidates)
    relevant = np.tile(np.arange(arguments.candidates) == 0, arguments.users)
    distinct = rng.normal(size=len(users)) + relevant
    order = rng.permutation(len(users))  # no credit for rows that are sorted already
    timed = {
        name: seconds(scores[order], relevant[order], users[order], arguments.repeats)
        for name, scores in (("distinct scores", distinct), ("many ties", np.round(distinct)))
    }
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, numpy {np.__version__}",
        "users": arguments.users,
        "candidates": arguments.candidates,
        "seconds": {name.replace(" ", "_"): value for name, value in timed.items()},
    }
    if results.hand_over(arguments, result):
        return
    print(f"every ranking metric, {arguments.users:,} users x {arguments.candidates} candidates")
    print(result["machine"])
    for name, value in timed.items():
        print(f"  {name:<16} {value * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
