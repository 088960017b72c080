"""The fast scan beside faiss's plain Hamming search over the same bits: one user, many, and filters.

    python benchmarks/bench_pool.py [--outfits 1000000] [--items-per-type distinct,10000] [--json]

A pool of outfits of top, bottom and shoe in two modalities, 128 bits each, both bit weights learned.
"distinct" is the worst case, where no two outfits share an item. faiss answers by plain Hamming
distance over the 768 bits of an outfit, which is not even the right score, with one thread; the scan
answers exactly, and is checked against brute force on the spot. Both take turns; one thread is timed
by the processor time it used, which other work on the machine disturbs least, several threads by the
clock. ratio_single and ratio_batch are medians over
medians of the first pool; those of a second pool, of shared items, end in _shared.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import faiss
import numba
import numpy as np
from machine import machine

import results
from fashion_hash.core.codes import fixed_point, weighted_inner
from fashion_hash.core.outfits import slot_pairs
from fashion_hash.core.seeds import generator
from fashion_hash.index import exact
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.index.engines.sums.files import build_scan
from fashion_hash.index.outfit_terms import OutfitTerms, slot_codes
from fashion_hash.index.pool import CHUNK

SLOTS = ("top", "bottom", "shoe")
MODALITIES, NUM_BITS = 2, 128
CHECKED = 4  # users whose answers are compared with brute force
SELECTIVITIES = (0.5, 0.1, 0.01, 0.001)


class FakePool(NamedTuple):
    """What an engine reads of a pool; without ids, whose strings would take longer than the rest."""

    path: Path
    items: np.ndarray
    compatibility: np.ndarray
    bias: np.ndarray
    num_items: np.ndarray
    num_pairs: np.ndarray

    def __len__(self) -> int:
        return len(self.items)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument(
        "--items-per-type",
        default="distinct,10000",
        metavar="N",
        help="items of a type that outfits share, or distinct; two pools after a comma",
    )
    parser.add_argument("--users", type=int, default=64, help="users in the batch")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=9, help="batches; five times as many single queries")
    parser.add_argument("--threads", type=int, default=1, help="threads of the scan and of faiss")
    parser.add_argument("--flip", type=float, default=0.5, help="share of bits in which an item differs from its style")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.outfits, options.users, options.k, options.repeats, options.threads) < 1:
        parser.error("--outfits, --users, -k, --repeats and --threads are whole numbers from 1 on")
    kinds = options.items_per_type.split(",")
    if len(kinds) > 2 or not all(kind == "distinct" or (kind.isdecimal() and int(kind)) for kind in kinds):
        parser.error(f"--items-per-type {options.items_per_type}: 'distinct' or a number, at most two")
    faiss.omp_set_num_threads(options.threads)

    result: dict[str, Any] = {"machine": machine(), "options": vars(options)}
    for kind, suffix in zip(kinds, ("", "_shared")):
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(Path(folder), kind, options)
        result |= {f"{name}{suffix}": value for name, value in measured.items()}
    if results.hand_over(options, result):
        return
    print(f"{machine()}; numpy {np.__version__}, faiss {faiss.__version__}, numba {numba.__version__}")
    threads = f"{options.threads} thread{'s' * (options.threads > 1)}"
    print(f"{options.outfits:,} outfits of 3 x {MODALITIES} x {NUM_BITS} bits, k = {options.k}, {threads}")
    for kind, suffix in zip(kinds, ("", "_shared")):
        show(kind, {name: result[f"{name}{suffix}"] for name in measured}, options)


def measure(folder: Path, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Builds a pool and times it: keys as in the module's text, times in milliseconds."""
    size = options.outfits if kind == "distinct" else int(kind)
    bundle, items = random_codes(options, size)
    begin = time.perf_counter()
    pool, plain = build(folder, bundle, items)
    built = time.perf_counter() - begin
    begin = time.perf_counter()
    engine = SumScan(bundle, pool, threads=options.threads)
    opened = time.perf_counter() - begin

    users, k = bundle.user_codes, options.k
    tiled = np.tile(users, (1, len(SLOTS) * MODALITIES))
    check(bundle, pool, engine, k)
    rng = generator(0, "bench_pool filters")
    filters = {share: rng.random(len(pool)) < share for share in SELECTIVITIES}
    single: dict[str, Callable[[int], object]] = {
        "scan": lambda turn: engine.search(users[turn % len(users)], k),
        "faiss": lambda turn: plain.search(tiled[turn % len(users)][None], k),
    }
    for share, allowed in filters.items():
        single[f"filter {share}"] = lambda turn, allowed=allowed: engine.search(  # type: ignore[misc]
            users[turn % len(users)], k, allowed=allowed
        )
    many = {
        "scan": lambda turn: engine.search_many(users, k),
        "faiss": lambda turn: plain.search(tiled, k),
    }
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    one, batch = take_turns(single, 5 * options.repeats, clock), take_turns(many, options.repeats, clock)
    scanned = engine.files.codes.nbytes + engine.files.constants.nbytes
    speed = scanned / (one["scan"] / 1e3)
    bandwidth = read_bandwidth()
    return {
        "ratio_single": one["scan"] / one["faiss"],
        "ratio_batch": batch["scan"] / batch["faiss"],
        "milliseconds_single": one["scan"],
        "milliseconds_batch": batch["scan"],
        "faiss_milliseconds_single": one["faiss"],
        "faiss_milliseconds_batch": batch["faiss"],
        "bytes_per_outfit": scanned / len(pool),
        "gigabytes_per_second": speed / 1e9,
        "bandwidth_fraction": speed / bandwidth,
        "filter_ratios": {str(share): one[f"filter {share}"] / one["scan"] for share in SELECTIVITIES},
        "seconds_build": built,
        "milliseconds_open": opened * 1e3,
        "exact": True,
    }


def random_codes(options: argparse.Namespace, size: int) -> tuple[Any, np.ndarray]:
    """A bundle's codes and weights, and the items of the pool's outfits."""
    rng = generator(0, "bench_pool")
    styles = rng.integers(0, 256, (64, NUM_BITS // 8), dtype=np.uint8)

    def codes(*shape: int) -> np.ndarray:
        """Styles with some bits flipped; at 0.5, random."""
        if options.flip == 0.5:
            return rng.integers(0, 256, (*shape, NUM_BITS // 8), dtype=np.uint8)
        own = styles[rng.integers(0, len(styles), shape[0])].reshape(shape[0], *[1] * (len(shape) - 1), -1)
        flipped = rng.random((*shape, NUM_BITS), dtype=np.float32) < options.flip
        return own ^ np.packbits(flipped, axis=-1, bitorder="little")

    bundle = SimpleNamespace(
        slots=SLOTS,
        types=SLOTS,
        modalities=("image", "text"),
        num_bits=NUM_BITS,
        preference_scale=10,
        compatibility_scale=10,
        manifest={"preference_scale": 10, "compatibility_scale": 10},
        repeat_empty=False,
        own=None,
        user_form="bits",
        user_codes=codes(options.users),
        item_codes={kind: codes(size, MODALITIES) for kind in SLOTS},
        item_bias={kind: np.zeros(size, dtype=np.int32) for kind in SLOTS},
        preference_weights=fixed_point(rng.normal(1, 0.5, NUM_BITS)),
        compatibility_weights=fixed_point(rng.normal(1, 0.5, NUM_BITS)),
    )
    if size == options.outfits:
        return bundle, np.tile(np.arange(size, dtype=np.int32)[:, None], (1, len(SLOTS)))
    return bundle, rng.integers(0, size, (options.outfits, len(SLOTS)), dtype=np.int32)


def build(folder: Path, bundle: Any, items: np.ndarray) -> tuple[Any, Any]:
    """The pool with its scan, and the faiss index over the same codes."""
    count = len(items)
    compatibility = np.zeros(count, dtype=np.int64)
    plain = faiss.IndexBinaryFlat(len(SLOTS) * MODALITIES * NUM_BITS)
    for start in range(0, count, CHUNK):
        codes = slot_codes(bundle, items[start : start + CHUNK])
        for a, b in slot_pairs(SLOTS):
            agree = ~(codes[:, a] ^ codes[:, b])
            compatibility[start : start + CHUNK] += weighted_inner(bundle.compatibility_weights, agree).sum(axis=1)
        plain.add(codes.reshape(len(codes), -1))
    three, bias = np.full(count, 3, dtype=np.uint8), np.zeros(count, dtype=np.int64)
    pool = FakePool(folder, items, compatibility, bias, three, three)
    build_scan(folder, bundle, items, OutfitTerms(compatibility, bias, three, three))
    return pool, plain


def check(bundle: Any, pool: Any, engine: SumScan, k: int) -> None:
    """Answers equal brute force, to the last bit. Raises AssertionError otherwise."""
    many = engine.search_many(bundle.user_codes, k)
    for user, code in enumerate(bundle.user_codes[:CHECKED]):
        signs = np.unpackbits(code, bitorder="little").astype(np.int64) * 2 - 1
        values = {
            kind: weighted_inner(signs * bundle.preference_weights, bundle.item_codes[kind]).sum(axis=1)
            for kind in SLOTS
        }
        preference = sum(values[kind][pool.items[:, slot]] for slot, kind in enumerate(SLOTS))
        terms = exact.Terms(
            np.asarray(preference), pool.compatibility, pool.bias, *(pool.num_items.astype(np.int64),) * 2
        )
        score = exact.scores(bundle, terms)
        rows = exact.top(score, k)
        for answer in (many[user], engine.search(code, k)):
            if answer.rows.tolist() != rows.tolist() or answer.scores.tolist() != score[rows].tolist():
                raise AssertionError(f"user {user}: the scan answers {answer}, brute force {rows}")


def take_turns(what: dict[str, Callable[[int], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """The median milliseconds of each, called one after the other, again and again."""
    times: dict[str, list[float]] = {name: [] for name in what}
    for turn in range(repeats):
        for name, call in what.items():
            begin = clock()
            call(turn)
            times[name].append((clock() - begin) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def read_bandwidth(megabytes: int = 512, repeats: int = 5) -> float:
    """Bytes a second that one thread reads from memory, adding up integers; the best of some runs."""

    @numba.njit
    def add_up(values: np.ndarray) -> int:
        total = 0
        for value in values:
            total += value
        return total

    values = np.ones(megabytes * 2**20 // 8, dtype=np.int64)
    times = []
    for _ in range(repeats + 1):  # the first run compiles
        begin = time.thread_time()
        add_up(values)
        times.append(time.thread_time() - begin)
    return values.nbytes / min(times)


def show(kind: str, row: dict[str, Any], options: argparse.Namespace) -> None:
    items = "no item in two outfits" if kind == "distinct" else f"{kind} items a type"
    print(f"\n{items}; exact for {min(CHECKED, options.users)} users against brute force")
    print(f"{'':24}{'scan':>10}{'faiss':>10}{'ratio':>8}   (medians, ms)")
    for name, label in (("single", "one user"), ("batch", f"{options.users} users")):
        ours, theirs = row[f"milliseconds_{name}"], row[f"faiss_milliseconds_{name}"]
        print(f"{label:24}{ours:10.2f}{theirs:10.2f}{row[f'ratio_{name}']:8.2f}")
    print(f"bytes an outfit {row['bytes_per_outfit']:.1f} scanned, faiss {3 * MODALITIES * NUM_BITS // 8}")
    print(
        f"one user reads {row['gigabytes_per_second']:.1f} GB/s, "
        f"{row['bandwidth_fraction']:.0%} of what one thread can read"
    )
    ratios = ", ".join(f"{float(share):.1%}: {ratio:.2f}" for share, ratio in row["filter_ratios"].items())
    print(f"time with a filter over time without, by share let through: {ratios}")
    print(f"built in {row['seconds_build']:.1f} s, opened in {row['milliseconds_open']:.1f} ms")


if __name__ == "__main__":
    main()
