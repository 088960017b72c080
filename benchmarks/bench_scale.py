"""A pool divided among Ray actors on local nodes, beside one process: the price of the fan-out, and what a kill costs.

    python benchmarks/bench_scale.py [--outfits 1000000] [--users 1000] [--nodes 3] [--asked 10000] [--json] [--save]

A bundle of random codes, outfits of top, bottom and shoe in two modalities, is searched by one process and by a
cluster: as many shards as nodes, two replicas each. All users are asked one by one, then in batches of 64, then by four
threads; every answer is compared with that of the one process. While the last questions are asked, the last node is
killed, with all that runs on it. Nodes share the processor of this machine, so that nothing here gets faster: the ratio
is what an answer pays for its way.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from serve_world import make_bundle

import results
from fashion_hash.cluster.engine import Cluster
from fashion_hash.cluster.nodes import LocalNodes, local_nodes
from fashion_hash.errors import ClusterError
from fashion_hash.retrieval.answers import Hits
from fashion_hash.retrieval.recommender import Recommender

K = 10
THREADS = 4


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000, help="of each type")
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--asked", type=int, default=10_000, help="questions while a node is killed")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.outfits, options.items, options.users, options.asked) < 1 or options.nodes < 2:
        parser.error("every number must be at least 1, and --nodes at least 2")
    figures: dict[str, Any] = {"options": vars(options)}
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle", options.outfits, options.items, options.users)
        users = list(bundle.users.all())
        one = Recommender.load(bundle.root, verify=False, engine="sums")
        expected, figures["one process"] = asked(one, users)
        cpus = 2 * 2 * options.nodes
        with local_nodes(options.nodes, cpus) as nodes:
            cluster = Cluster(options.nodes, 2, nodes.address)
            began = time.perf_counter()
            many = Recommender.load(bundle.root, verify=False, engine=cluster)
            many.recommend(users[0], K)
            figures["seconds_to_first_answer"] = round(time.perf_counter() - began, 2)
            found, figures["cluster"] = asked(many, users)
            if wrong := sum(not same(mine, theirs) for mine, theirs in zip(expected, found)):
                raise AssertionError(f"{wrong} of {len(users)} answers of the cluster differ")
            figures["killed"] = killed(many, nodes, users, expected, options.asked)
    if results.hand_over(options, figures):
        return
    for name in ("one process", "cluster"):
        print(f"{name:12} {figures[name]}")
    print(
        f"first answer of the cluster after {figures['seconds_to_first_answer']} s; a node killed: {figures['killed']}"
    )


def asked(recommender: Recommender, users: Sequence[str]) -> tuple[list[Hits], dict[str, float]]:
    """The answers to users, and how long they take: alone, in batches of 64, and by several threads."""
    for _ in range(3):
        recommender.recommend(users[:64], K)
    answers, seconds = timed(lambda user: recommender.recommend(user, K), users)
    began = time.perf_counter()
    for start in range(0, len(users), 64):
        recommender.recommend(users[start : start + 64], K)
    of_batches = time.perf_counter() - began
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda user: recommender.recommend(user, K), users))
    of_threads = time.perf_counter() - began
    return answers, {
        "milliseconds_median": round(1000 * float(np.median(seconds)), 2),
        "milliseconds_p99": round(1000 * float(np.quantile(seconds, 0.99)), 2),
        "a_second_alone": round(len(users) / sum(seconds), 1),
        "a_second_in_batches": round(len(users) / of_batches, 1),
        "a_second_by_threads": round(len(users) / of_threads, 1),
    }


def timed(ask: Callable[[str], Hits], users: Sequence[str]) -> tuple[list[Hits], list[float]]:
    """Answers one by one, and the seconds of each."""
    answers, seconds = [], []
    for user in users:
        began = time.perf_counter()
        answers.append(ask(user))
        seconds.append(time.perf_counter() - began)
    return answers, seconds


def same(one: Hits, other: Hits) -> bool:
    """Whether two answers are equal to the last bit."""
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.scores, other.scores)


def killed(
    recommender: Recommender, nodes: LocalNodes, users: Sequence[str], expected: Sequence[Hits], count: int
) -> dict[str, Any]:
    """Asks so many questions while the last node is killed after a tenth of them."""
    kill = threading.Thread(target=lambda: nodes.kill(len(nodes.processes) - 1))
    wrong, lost, seconds = 0, 0, []
    for number in range(count):
        if number == count // 10:
            kill.start()
        place = number % len(users)
        began = time.perf_counter()
        try:
            wrong += not same(recommender.recommend(users[place], K), expected[place])
        except ClusterError:
            lost += 1
        seconds.append(time.perf_counter() - began)
    kill.join()
    usual = float(np.median(seconds))
    slow = [number for number, took in enumerate(seconds) if took > 10 * usual]
    return {
        "asked": count,
        "wrong": wrong,
        "lost": lost,
        "longest_seconds": round(max(seconds), 2),
        "slow_questions": len(slow),
        "seconds_until_usual": round(sum(seconds[count // 10 : slow[-1] + 1]), 2) if slow else 0.0,
    }


if __name__ == "__main__":
    main()
