"""A pool larger than memory: indexed a piece after another, and searched within a bound of memory.

    python benchmarks/bench_large_pool.py [--outfits 100000000] [--users 64] [--folder DIR] [--json] [--save]

Codes are made at random, outfits of top, bottom and shoe in two modalities, 768 bits each. The index is built by
build_index in a process of its own, from items in a mapped file. Then another process opens the bundle and answers
users alone, with the files in no cache and again with what the system keeps, and in batches; beside each time stand
those in which the files of the scan are read at the speed of this disk and of this memory, measured here. Resident
memory is that of the process and its children, the pages of mapped files included, looked at every 20 ms; what the
system keeps of files beyond that is not counted, since it gives it away to whoever needs memory. Answers of the first
users are compared with exact scores of every outfit. Needs 130 bytes of disk an outfit, which are removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from serve_world import make_bundle

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.arrays import array_writer, let_go
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.recommender import Recommender

K = 10
ITEMS = 10_000  # of each type
PIECE = 1 << 20
BUILT = "built.json"  # the figures of the build, in the folder
CHECKED = 2  # users whose answers are compared with all exact scores


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=int, default=100_000_000)
    parser.add_argument("--users", type=int, default=64, help="of a batch")
    parser.add_argument("--folder", type=Path, help="where the files are made, and stay; by default a temporary one")
    parser.add_argument("--part", choices=("build", "search"), help=argparse.SUPPRESS)
    results.add_options(parser)
    options = parser.parse_args(argv)
    if options.outfits < 1 or options.users < CHECKED:
        parser.error(f"--outfits must be at least 1, --users at least {CHECKED}")
    if options.part:
        print(json.dumps({"build": build, "search": search}[options.part](options.folder, options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary).absolute()
        if not (folder / BUILT).exists():
            make(folder, options)
            (folder / BUILT).write_text(json.dumps(in_a_process("build", folder, options)))
        built, searched = json.loads((folder / BUILT).read_text()), in_a_process("search", folder, options)
    figures: dict[str, Any] = {"options": {"outfits": options.outfits, "users": options.users}, **built, **searched}
    if results.hand_over(options, figures):
        return
    print("\n".join(f"{name:32} {figure}" for name, figure in figures.items()))


def make(folder: Path, options: argparse.Namespace) -> None:
    """Writes a bundle of random codes, and the items of the pool."""
    bundle = make_bundle(folder / "bundle", 1000, ITEMS, max(options.users, 1000))
    rng, shape = generator(0, "bench_large_pool"), (options.outfits, len(bundle.slots))
    with array_writer(folder / "items.npy", np.int32, shape) as write:
        for start in range(0, options.outfits, PIECE):
            write(rng.integers(0, ITEMS, (min(PIECE, options.outfits - start), shape[1]), dtype=np.int32))


def in_a_process(part: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Runs a part in a process of its own, so that its memory is that part's."""
    arguments = [
        "--part",
        part,
        "--folder",
        str(folder),
        "--outfits",
        str(options.outfits),
        "--users",
        str(options.users),
    ]
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def build(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Builds the index from the items in the folder."""
    bundle = Bundle.open(folder / "bundle", verify=False)
    items = np.load(folder / "items.npy", mmap_mode="r")
    outfits = Outfits(bundle.slots, np.broadcast_to(np.int32(0), len(items)), items)
    with Resident() as resident:
        began, worked = time.perf_counter(), time.process_time()
        path = build_index(bundle, outfits)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {
        "build_seconds": round(seconds, 1),
        "build_processor_seconds": round(worked, 1),
        "build_resident_gb": resident.gigabytes,
        "index_gb": round(size / 1e9, 2),
    }


def search(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Opens the bundle, and asks."""
    scan = folder / "bundle/index/scan"
    files = [scan / "codes.npy", scan / "constants.npy"]
    size = sum(file.stat().st_size for file in files)
    disk, memory = disk_bandwidth(files[0]), memory_bandwidth()
    with Resident() as resident:
        opening = time.perf_counter()
        recommender = Recommender.load(folder / "bundle", verify=False)
        users = list(recommender.bundle.users.all())[: options.users]
        recommender.recommend(users[0], K)
        opened = time.perf_counter() - opening
        forget(files)
        cold = seconds_of(lambda: recommender.recommend(users[1], K))
        warm = [seconds_of(lambda user=user: recommender.recommend(user, K)) for user in users[:16]]
        batch = seconds_of(lambda: recommender.recommend(users, K))
    answers = recommender.recommend(users[:CHECKED], K)
    check(recommender.bundle, recommender.pool, answers.scores)
    return {
        "search_resident_gb": resident.gigabytes,
        "scan_gb": round(size / 1e9, 2),
        "disk_gb_a_second": round(disk / 1e9, 2),
        "memory_gb_a_second": round(memory / 1e9, 2),
        "seconds_to_first_answer": round(opened, 2),
        "seconds_cold": round(cold, 2),
        "seconds_cold_by_disk": round(size / disk, 2),
        "seconds_warm": round(float(np.median(warm)), 3),
        "seconds_warm_fastest": round(min(warm), 3),
        "seconds_warm_by_memory": round(size / memory, 3),
        "batch": len(users),
        "seconds_batch": round(batch, 2),
        "milliseconds_a_user_in_a_batch": round(1000 * batch / len(users), 1),
    }


def check(bundle: Bundle, pool: Pool, scores: np.ndarray) -> None:
    """Compares the scores of the first users with the best exact ones of every outfit."""
    for user, found in enumerate(scores):
        best, query = np.zeros(0), exact.query(bundle, bundle.user_keys[user])
        liked = set(pool.liked(user).tolist())
        of_items = [preferences(bundle, kind, query) for kind in bundle.slots]
        for start in range(0, len(pool), PIECE):
            part = slice(start, start + PIECE)
            preference = sum(each[pool.items[part, slot]] for slot, each in enumerate(of_items))
            columns = (pool.compatibility, pool.bias, pool.num_items, pool.num_pairs)
            terms = exact.Terms(preference, *(column[part].astype(np.int64) for column in columns))  # type: ignore[arg-type]
            score = exact.scores(bundle, terms)
            score[[row - start for row in liked if start <= row < start + len(score)]] = -np.inf
            best = np.sort(np.concatenate([best, score]))[::-1][:K]
            let_go(pool.items, *columns)
        if not np.array_equal(best, found):
            raise AssertionError(f"user {user} gets {found}, the best exact scores are {best}")


def preferences(bundle: Bundle, item_type: str, query: np.ndarray) -> np.ndarray:
    """What each item of a type adds to the preference."""
    from fashion_hash.core.codes import unpack

    return np.asarray(unpack(bundle.item_codes[item_type]).astype(np.int64).sum(axis=1) @ query)


def seconds_of(ask: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def forget(files: Sequence[Path]) -> None:
    """Takes files out of the system's cache."""
    for file in files:
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_bandwidth(file: Path) -> float:
    """Bytes a second of a file that is in no cache of this system, read in large pieces: the better of two times."""

    def read() -> None:
        with open(file, "rb", buffering=0) as stream:
            while stream.read(1 << 24):
                pass

    taken = []
    for _ in range(2):
        forget([file])
        taken.append(seconds_of(read))
    return file.stat().st_size / min(taken)


def memory_bandwidth(size: int = 1 << 30) -> float:
    """Bytes a second that one thread reads from memory: the best of five sums of a gigabyte."""
    numbers = np.ones(size // 8, dtype=np.int64)
    return size / min(seconds_of(numbers.sum) for _ in range(5))


class Resident:
    """The most memory that this process and its children had resident within the block."""

    def __enter__(self) -> Resident:
        self._most, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def gigabytes(self) -> float:
        """The most, in units of 10^9 bytes."""
        return round(self._most / 1e9, 2)

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self._most = max(self._most, sum(map(resident, tree(os.getpid()))))


def tree(process: int) -> list[int]:
    """A process and all below it."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [process, *(below for child in text.split() for below in tree(int(child)))]


def resident(process: int) -> int:
    """Bytes of a process that are in memory, pages of mapped files included."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    main()
