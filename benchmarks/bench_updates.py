"""Queries while the pool changes under them, and kill -9 at random moments.

    python benchmarks/bench_updates.py [--outfits 1000000] [--json]

One process asks for the top 10 of a large pool, one user after the other without a pause. A second
process adds and removes outfits, in calls of 25, each a durable transaction (SQLite in WAL mode,
synchronous = FULL), at the given rate. Seconds with and without changes take turns, so that the ratio
of the median latencies holds on a machine that is busy with other things too; then the same while
the changes are folded into new files. Before and after, answers are compared with the plain scan. The ratio is
to the latency before any change, or between changes, whichever is less.

For kill -9 a writer on a small pool prints every change that was acknowledged and is killed after a
random time, again and again; `lost` counts acknowledged changes that are not there afterwards.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index
from fashion_hash.live import compaction
from fashion_hash.live.pool_search import search_pool
from fashion_hash.retrieval.recommender import Recommender

PROJECT = Path(__file__).resolve().parent.parent
SLOTS, MODALITIES, NUM_BITS, NUM_USERS = ("top", "bottom", "shoe"), ("image", "text"), 128, 64
BATCH = 25


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    if (argv or sys.argv[1:])[:1] == ["--writer"]:
        return write(*(argv or sys.argv[1:])[1:])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=20_000, help="of each type")
    parser.add_argument("--rate", type=int, default=1200, help="adds and removes a second to keep up")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn, without and with changes")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kills", type=int, default=50)
    results.add_options(parser)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        result = {"machine": machine(), "outfits": options.outfits, **measure(Path(folder) / "large", options)}
        result |= {"kills": options.kills, "lost": kill(Path(folder) / "small", options.kills)}
    if not results.hand_over(options, result):
        print(table(result))
    return 0


def measure(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Latencies with and without changes."""
    bundle = random_bundle(path, options.outfits, options.items)
    Recommender.load(bundle.path, verify=False)  # compiled code is loaded once a process
    begin = time.perf_counter()
    recommender = Recommender.load(bundle.path, verify=False)
    opened = time.perf_counter() - begin
    users = bundle.users.all()
    check(recommender)
    for user in users:  # compiles, and reads what is mapped
        recommender.recommend(user)
    idle, busy, changes, seconds = [], [], 0, 0.0
    with Writer(bundle) as writer:
        untouched = ask(recommender, users, options.seconds)
        for _ in range(options.turns):
            idle += ask(recommender, users, options.seconds)
            writer.tell(f"change {options.rate} {options.seconds}")
            busy += ask(recommender, users, options.seconds)
            done, took = map(float, writer.answer())
            changes, seconds = changes + int(done), seconds + took
        writer.tell(f"change 0 {options.seconds}")
        free, took = map(float, writer.answer())
        found = recommender.live.now()
        memory = found.num_changes
        # what else is slow while files are written is the processor's time
        writer.tell("compact")
        folding = ask(recommender, users, until=lambda: recommender.live.now().base.generation > 0)
        [compacted] = writer.answer()
        check(recommender)
    return {
        "updates_per_second": changes / seconds,
        "latency_ratio": statistics.median(busy) / min(statistics.median(idle), statistics.median(untouched)),
        "milliseconds_untouched": statistics.median(untouched) * 1e3,
        "milliseconds_idle": statistics.median(idle) * 1e3,
        "milliseconds_busy": statistics.median(busy) * 1e3,
        "milliseconds_idle_p95": float(np.percentile(idle, 95)) * 1e3,
        "milliseconds_busy_p95": float(np.percentile(busy, 95)) * 1e3,
        "milliseconds_while_compacting": statistics.median(folding) * 1e3,
        "milliseconds_longest_while_compacting": max(folding) * 1e3,
        "updates_per_second_unpaced": free / took,
        "changes_in_memory": memory,
        "seconds_compaction": float(compacted),
        "milliseconds_open": opened * 1e3,
        "exact": True,
    }


def ask(recommender: Recommender, users: list[str], seconds: float = 600.0, until: Any = lambda: False) -> list[float]:
    """Latencies of queries, one after the other, for some seconds or until something is so."""
    times, end, turn = [], time.perf_counter() + seconds, 0
    while (begin := time.perf_counter()) < end:
        recommender.recommend(users[turn % len(users)])
        times.append(time.perf_counter() - begin)
        turn += 1
        if turn % 20 == 0 and until():
            break
    return times


def check(recommender: Recommender) -> None:
    """Answers equal the plain scan of everything that is there. Raises AssertionError otherwise."""
    snapshot = recommender.live.now()
    from fashion_hash.index import exact

    rows = np.arange(len(snapshot.ids)) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    for code in snapshot.bundle.user_codes[:2]:
        [best] = search_pool(snapshot, code[None], 10)
        score = np.concatenate(
            [
                exact.scores(
                    snapshot.bundle, exact.terms(snapshot.bundle, code, snapshot.items_of(rows[start : start + 65536]))
                )
                for start in range(0, len(rows), 65536)
            ]
        )
        some = np.flatnonzero(score >= np.partition(score, -10)[-10])
        order = sorted((-score[row], snapshot.ids.id(int(rows[row]))) for row in some)[:10]
        if [(-a, b) for a, b in order] != list(zip(best.scores.tolist(), snapshot.ids.at(best.rows))):
            raise AssertionError("an answer differs from the plain scan")


class Writer:
    """A process that changes the catalogue when it is told to."""

    def __init__(self, bundle: Bundle) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--writer", str(bundle.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        self.answer()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def tell(self, line: str) -> None:
        """Gives it something to do."""
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def answer(self) -> list[str]:
        """Waits until it has done so."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()


def write(path: str) -> int:
    """The writer's process: half of the changes add outfits, half remove some, old and new."""
    compaction.COMPACT_FROM = 10**9  # when it is told to, to be measured apart
    recommender, rng = Recommender.load(path, verify=False), random.Random(0)
    bundle, number = recommender.live.bundle, 0
    there = recommender.live.now().base.pool.ids.all()
    print("ready", flush=True)
    for line in sys.stdin:
        what, *arguments = line.split()
        begin, done = time.perf_counter(), 0
        if what == "compact":
            compaction.COMPACT_FROM, compaction.COMPACT_SHARE = 1, 0.0
            thread = compaction.compact_in_background(recommender.live)
            assert thread is not None
            thread.join()
            print(time.perf_counter() - begin, flush=True)
            continue
        rate, seconds = map(float, arguments)
        while time.perf_counter() - begin < seconds:
            new = {}
            for _ in range(BATCH):
                number += 1
                items = {kind: f"{kind}-{rng.randrange(len(bundle.items[kind]))}" for kind in bundle.slots}
                new[f"new-{number:09d}"] = items
            recommender.add_outfits(new)
            there.extend(new)
            gone = []
            for _ in range(BATCH):
                place = rng.randrange(len(there))
                there[place], there[-1] = there[-1], there[place]
                gone.append(there.pop())
            recommender.remove_outfits(gone)
            done += 2 * BATCH
            if rate:
                time.sleep(max(0.0, done / rate - (time.perf_counter() - begin)))
        print(done, time.perf_counter() - begin, flush=True)
    return 0


def kill(path: Path, times: int) -> int:
    """Kills a writer at random moments; returns how many acknowledged changes were lost."""
    bundle, rng, lost = random_bundle(path, 5000, 500), random.Random(0), 0
    acknowledged: set[str] = set()
    for turn in range(times):
        script = KILLED.format(path=str(bundle.path), turn=turn)
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=PROJECT) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]
            time.sleep(rng.uniform(0, 0.5))
            writer.kill()
            lines += writer.stdout.readlines()
        gone: set[str] = set()
        for change, name in (line.split() for line in lines if line.endswith("\n")):
            if change == "added":
                acknowledged.add(name)
            else:  # from when it was asked for it may be gone, from when it was done it must be
                acknowledged.discard(name)
                gone |= {name} if change == "removed" else set()
        there = set(Recommender.load(bundle.path).live.now().ids.all())
        lost += len(acknowledged - there) + len(gone & there)
    return lost


KILLED = """
from fashion_hash.live import compaction
from fashion_hash.retrieval.recommender import Recommender
compaction.COMPACT_FROM, compaction.COMPACT_SHARE = 200, 0.0  # often, in the background
recommender = Recommender.load({path!r}, verify=False)
for number in range(1000000):
    name = f"t{turn}-{{number}}"
    recommender.add_outfits({{name: {{"top": f"top-{{number % 500}}", "shoe": "shoe-1"}}}})
    print("added", name, flush=True)
    if number % 3 == 2:
        name = f"t{turn}-{{number - 1}}"
        print("removing", name, flush=True)
        recommender.remove_outfits([name])
        print("removed", name, flush=True)
"""


def random_bundle(path: Path, size: int, num_items: int) -> Bundle:
    """Random codes and outfits."""
    rng = generator(0, "bench_updates", size)

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.int8) * np.int8(2) - np.int8(1)

    pool = Outfits.of(SLOTS, np.zeros(size), rng.integers(0, num_items, (size, len(SLOTS)), dtype=np.int32))
    liked = rng.integers(0, size, 10 * NUM_USERS)
    contents = BundleContents(
        name="bench",
        slots=SLOTS,
        modalities=MODALITIES,
        users=tuple(f"user-{number}" for number in range(NUM_USERS)),
        items={kind: tuple(f"{kind}-{number}" for number in range(num_items)) for kind in SLOTS},
        user_codes=signs(NUM_USERS, NUM_BITS),
        item_codes={kind: signs(num_items, len(MODALITIES), NUM_BITS) for kind in SLOTS},
        item_bias={kind: rng.normal(0, 0.3, num_items) for kind in SLOTS},
        preference_weights=rng.normal(1, 0.5, NUM_BITS),
        compatibility_weights=rng.normal(1, 0.5, NUM_BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=Outfits.of(SLOTS, np.arange(len(liked)) % NUM_USERS, pool.items[liked]),
        details={},
        pictures={},
        model={"variant": "T3"},
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, pool)
    return bundle


def table(result: dict[str, Any]) -> str:
    """For people."""
    return "\n".join(
        [
            f"{result['machine']}",
            f"{result['outfits']:,} outfits, one query after the other, top 10; calls of {BATCH} changes",
            f"{'':26}{'median':>10}{'p95':>10}",
            f"{'query, nothing changes':26}{result['milliseconds_idle']:7.2f} ms"
            f"{result['milliseconds_idle_p95']:7.2f} ms",
            f"{'query, pool changes':26}{result['milliseconds_busy']:7.2f} ms{result['milliseconds_busy_p95']:7.2f} ms"
            f"   ratio {result['latency_ratio']:.2f} at {result['updates_per_second']:,.0f} adds and removes a second",
            f"{'query, files are folded':26}{result['milliseconds_while_compacting']:7.2f} ms"
            f"   longest {result['milliseconds_longest_while_compacting']:.0f} ms, "
            f"{result['seconds_compaction']:.1f} s for {result['changes_in_memory']:,} changes",
            f"as many changes a second as go, nobody asking: {result['updates_per_second_unpaced']:,.0f}",
            f"opened in {result['milliseconds_open']:.0f} ms; killed {result['kills']} times, {result['lost']} lost",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
