"""The constants that docs/scale.md plans with, and whether its sums come true on this machine.

    python benchmarks/bench_plan.py [--outfits 10000000] [--compose 10000,30000] [--shards 2] [--folder FOLDER]
                                    [--json] [--save]

Bytes are those of the files of a bundle of random codes (top, bottom and shoe, two modalities of 128 bits, users with
eight likes). Times are those of one process on one thread, alone and in batches, and of one on every core at once; the
bandwidth of the memory and of the disk is measured beside them. A pool divided among Ray actors of one local node is
asked as well: it should take what scale_plan.py says of so many outfits on so many cores. Composition is measured on
clustered codes (compose_world.py).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from compose_world import compose_world
from scale_plan import Machine, constants, seconds_of_scan
from serve_world import SLOTS, make_bundle

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.cluster.engine import Cluster
from fashion_hash.cluster.nodes import local_nodes
from fashion_hash.index.partners import build_partners, open_partners
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.recommender import Recommender

ITEMS, USERS, K = 10_000, 1_024, 10
CORES = len(os.sched_getaffinity(0))
WAYS = (1, 2, 4, 8)  # shards of the small pool
LARGE = 1 << 30  # bytes that are read and written to measure bandwidth


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=int, default=10_000_000)
    parser.add_argument("--compose", default="10000,30000", help="items of each type, several sizes")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the bundles here, and open those that are there")
    results.add_options(parser)
    options = parser.parse_args(argv)
    sizes = [int(size) for size in options.compose.split(",")]
    if min(options.outfits, options.shards, *sizes) < 1:
        parser.error("every number must be at least 1")
    figures: dict[str, Any] = {"options": {name: value for name, value in vars(options).items() if name != "folder"}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        figures["memory_gb_a_second"] = {"one": memory_bandwidth(1), "all": memory_bandwidth(CORES)}
        figures["disk"] = disk_bandwidth(Path(temporary))
        figures["composition"] = [composition(Path(temporary) / str(size), size) for size in sizes]
        path = folder / f"{options.outfits} outfits"
        bundle = Bundle.open(path) if path.exists() else make_bundle(path, options.outfits, ITEMS, USERS)
        figures["bytes"] = sizes_of(bundle, options.outfits)
        figures["scan"] = scan(bundle.root, options.outfits)
        figures["scan_on_all_cores"] = scan_on_all_cores(bundle.root, options.outfits)
        figures["cluster"] = cluster(bundle, options.shards)
    of = constants(figures)
    here = Machine(CORES, bandwidth=figures["memory_gb_a_second"]["all"])
    expected = of.way_a_shard * options.shards + seconds_of_scan(of, options.outfits, here)
    figures["cluster"]["predicted_milliseconds"] = round(1e3 * expected, 1)
    if not results.hand_over(options, figures):
        for name, value in figures.items():
            print(f"{name:20} {value}")


def memory_bandwidth(cores: int) -> float:
    """GB a second that so many threads read together."""
    blocks = [np.ones(LARGE // 8, dtype=np.uint64) for _ in range(cores)]
    with ThreadPoolExecutor(cores) as threads:
        best = min(timed(lambda: list(threads.map(np.max, blocks))) for _ in range(5))
    return round(cores * LARGE / best / 1e9, 1)


def disk_bandwidth(folder: Path) -> dict[str, float]:
    """GB a second written with fsync, and read again after the file was dropped from memory."""
    block, path = os.urandom(1 << 24), folder / "large"

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(LARGE >> 24):
                file.write(block)
            os.fsync(file.fileno())

    def read() -> None:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass

    written = timed(write)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    of = {"written_gb_a_second": LARGE / written / 1e9, "read_gb_a_second": LARGE / timed(read) / 1e9}
    path.unlink()
    return {name: round(value, 2) for name, value in of.items()}


def sizes_of(bundle: Bundle, outfits: int) -> dict[str, float]:
    """Bytes an outfit, an item and a user, by what reads them."""

    def of(*patterns: str) -> int:
        return sum(path.stat().st_size for pattern in patterns for path in bundle.path.glob(pattern))

    items = ITEMS * len(SLOTS)
    scanned, hamming = of("index/scan/*"), of("index/outfits.faiss")
    return {
        "outfit_scanned": scanned / outfits,  # the actors read these
        "outfit_hamming": hamming / outfits,  # nobody does, unless engine="hamming" is asked for
        "outfit_told": (of("index/*") - hamming) / outfits,  # the service: ids, items, exact terms
        "item": of("codes/items.*", "ids/items.*", "tables/*") / items,
        "item_partners": of("partners/*.npy") / items,
        "user": of("codes/users*", "ids/users*", "history/*") / USERS,
    }


def scan(path: Path, outfits: int, together: Callable[[], Any] = lambda: None) -> dict[str, float]:
    """Nanoseconds an outfit and user, alone and in batches; `together` waits for others that do the same."""
    recommender = Recommender.load(path, verify=False, engine="sums")
    users = list(recommender.bundle.users.all())
    recommender.recommend(users[:64], K)
    recommender.recommend(users[0], K)
    together()
    of = {"alone": float(np.median([timed(lambda: recommender.recommend(user, K)) for user in users[:50]]))}  # noqa: B023
    for batch in (16, 64):
        together()
        starts = range(0, 4 * batch, batch)
        times = [timed(lambda: recommender.recommend(users[at : at + batch], K)) for at in starts]  # noqa: B023
        of[f"batch_{batch}"] = float(np.median(times)) / batch
    return {name: round(1e9 * value / outfits, 4) for name, value in of.items()}


def scan_on_all_cores(path: Path, outfits: int) -> dict[str, float]:
    """The same while every core of the machine does it: they share the memory. The mean of all cores."""
    several = multiprocessing.get_context("spawn")
    barrier = several.Barrier(CORES)
    with ProcessPoolExecutor(CORES, several, _take, (barrier,)) as processes:
        of = list(processes.map(_scan, [path] * CORES, [outfits] * CORES))
    return {name: round(float(np.mean([one[name] for one in of])), 4) for name in of[0]}


def _take(barrier: Any) -> None:
    global _barrier  # an initializer has no other way to leave something for the work of its process
    _barrier = barrier


def _scan(path: Path, outfits: int) -> dict[str, float]:
    return scan(path, outfits, _barrier.wait)


def cluster(bundle: Bundle, shards: int) -> dict[str, Any]:
    """Milliseconds of a question to all shards, and of questions to so small a pool that only their way counts."""
    ways = {}
    with tempfile.TemporaryDirectory() as folder, local_nodes(1, shards + sum(WAYS) + 2) as nodes:
        small = make_bundle(Path(folder) / "small", 1_000, 100, USERS)
        whole = asked(bundle, Cluster(shards, 1, nodes.address))
        for count in WAYS:
            ways[count] = asked(small, Cluster(count, 1, nodes.address))
    return {
        "shards": shards,
        "whole_milliseconds": whole,
        "way_milliseconds": ways,
        "way_a_shard": round(ways[WAYS[-1]] / WAYS[-1], 2),
    }


def asked(bundle: Bundle, engine: Cluster) -> float:
    """Milliseconds of a question by one user, the median of a hundred."""
    recommender = Recommender.load(bundle.root, verify=False, engine=engine)
    users = list(recommender.bundle.users.all())
    seconds = [timed(lambda: recommender.recommend(user, K)) for user in users[:110]]  # noqa: B023
    return round(1e3 * float(np.median(seconds[10:])), 2)


def composition(path: Path, size: int) -> dict[str, float]:
    """Seconds that partner lists take, and seconds of the exact ten best of top, bottom and shoe."""
    bundle = compose_world(path, "clustered", size, 8, SLOTS)
    lists = timed(lambda: build_partners(bundle))
    partners = open_partners(bundle, verify=False)
    tasks = [CompositionTask(bundle, code, partners=partners) for code in bundle.user_codes]
    compose(tasks[0], K)
    times = [timed(lambda: compose(task, K)) for task in tasks]  # noqa: B023
    return {"items": size, "lists_seconds": round(lists, 2), "seconds": round(float(np.median(times)), 4)}


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a function takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
