"""What else a shop's people wait for, of 100,000 items: fold-in, explanations, similar items, requests in words.

    python benchmarks/bench_answers.py [--items 100000] [--bundle BUNDLE] [--json] [--save]

A bundle of random codes, three types with titles, prices and brands, 200,000 outfits and partner lists, is written to a
temporary folder, or a bundle that has users and titles is copied there. Milliseconds of the clock and of the processor,
median of the repeats, one process, warm. What is told (add_user, update_user) is on the disk when the call returns;
beside it stands what one commit of one row to SQLite takes in the same folder, with the same settings.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from bench_search import CLOTHS, COLOURS, CUTS, GARMENTS
from machine import machine
from serve_world import NUM_BITS, SLOTS

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.early import load_kernels
from fashion_hash.index.partners import build_partners
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.facts import facts_of_catalogue

K, USERS, LIKED, OUTFITS = 10, 5_000, 5, 200_000


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000, help="of all types together")
    parser.add_argument("--bundle", type=Path, help="a bundle to ask instead")
    parser.add_argument("--repeats", type=int, default=40)
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.items, options.repeats) < 1:
        parser.error("--items and --repeats must be at least 1")
    load_kernels()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        if options.bundle is None:
            make_bundle(path, options.items)
        else:
            shutil.copytree(Bundle.open(options.bundle, verify=False).path, path)
        figures = {"machine": machine(), "options": vars(options), **measured(path, options.repeats)}
        figures["one_commit"] = one_commit(Path(folder), options.repeats)
    if results.hand_over(options, figures):
        return 0
    for name, figure in figures.items():
        print(f"{name:>16}", figure)
    return 0


def make_bundle(path: Path, items: int) -> Bundle:
    """Writes a bundle of random codes, indexes it, and writes its partner lists."""
    rng = generator(0, "bench_answers", items)
    ids = {kind: tuple(f"{kind}-{row}" for row in range(items // len(SLOTS))) for kind in SLOTS}

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.int8) * 2 - 1

    def drawn(size: int, owners: int) -> Outfits:
        return Outfits.of(SLOTS, rng.integers(0, owners, size), rng.integers(0, len(ids["top"]), (size, len(SLOTS))))

    def details_of(names: Sequence[str]) -> dict[str, dict[str, object]]:
        words = [rng.choice(one, len(names)).tolist() for one in (CUTS, COLOURS, CLOTHS, GARMENTS)]
        prices, brands = rng.integers(10, 300, len(names)).tolist(), rng.integers(400, size=len(names)).tolist()
        return {
            name: {"title": " ".join(title), "price": float(price), "brand": f"brand {brand}"}
            for name, title, price, brand in zip(names, zip(*words), prices, brands)
        }

    details = {kind: details_of(names) for kind, names in ids.items()}
    contents = BundleContents(
        name="answers",
        slots=SLOTS,
        modalities=("image", "text"),
        users=tuple(f"user-{number}" for number in range(USERS)),
        items=ids,
        user_codes=signs(USERS, NUM_BITS),
        item_codes={kind: signs(len(names), 2, NUM_BITS) for kind, names in ids.items()},
        item_bias={kind: rng.normal(0, 0.1, len(names)) for kind, names in ids.items()},
        preference_weights=rng.normal(1, 0.5, NUM_BITS),
        compatibility_weights=rng.normal(1, 0.5, NUM_BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=drawn(8 * USERS, USERS),
        details=details,
        pictures={},
        model={"made": "at random"},
        facts=facts_of_catalogue(ids, details),
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, drawn(OUTFITS, 1))
    build_partners(bundle)
    return bundle


def measured(path: Path, repeats: int) -> dict[str, Any]:
    """Milliseconds of each kind of question, of the clock and of the processor."""
    recommender = Recommender.load(path, verify=False)
    bundle, rng, number = recommender.bundle, generator(1, "bench_answers"), count()
    pool = recommender.live.now().ids.all()
    users = [bundle.users.id(int(row)) for row in rng.integers(len(bundle.users), size=repeats + 3)]
    outfits = [[str(pool[row]) for row in rows] for rows in rng.integers(len(pool), size=(2 * repeats + 6, LIKED))]
    items = [(kind, rng.integers(len(bundle.items[kind]), size=repeats + 3)) for kind in bundle.types]
    requests = [" ".join(str(rng.choice(one)) for one in (COLOURS, CLOTHS, GARMENTS)) for _ in range(repeats + 3)]
    questions: dict[str, Callable[[int], object]] = {
        "recommend": lambda turn: recommender.recommend(users[turn], K),
        "explain": lambda turn: recommender.explain(users[turn], outfits[turn][0]),
        "similar_items": lambda turn: recommender.similar_items(
            bundle.items[items[turn % len(items)][0]].id(int(items[turn % len(items)][1][turn])), K
        ),
        "search": lambda turn: recommender.search(requests[turn], users[turn], K),
        "outfits_for": lambda turn: recommender.outfits_for(requests[turn], users[turn], K),
        "add_user": lambda turn: recommender.add_user(f"new-{next(number)}", liked=outfits[turn]),
        "update_user": lambda turn: recommender.update_user(f"new-{turn}", liked=outfits[turn + repeats][:1]),
    }
    sizes = {"items": sum(len(ids) for ids in bundle.items.values()), "outfits": len(pool)}
    return {**sizes, **{name: milliseconds(question, repeats) for name, question in questions.items()}}


def milliseconds(question: Callable[[int], object], repeats: int) -> dict[str, float]:
    """Medians, after three questions that are not counted."""
    clock, processor = [], []
    for turn in range(repeats + 3):
        begin, worked = time.perf_counter(), time.process_time()
        question(turn)
        clock.append(1e3 * (time.perf_counter() - begin))
        processor.append(1e3 * (time.process_time() - worked))
    return {"clock": statistics.median(clock[3:]), "processor": statistics.median(processor[3:])}


def one_commit(folder: Path, repeats: int) -> dict[str, float]:
    """What a transaction of one row takes as the live catalogue's files are written: WAL, synchronous = FULL."""
    connection = sqlite3.connect(folder / "commit.sqlite", isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE rows (name, value)"):
        connection.execute(statement)
    taken = milliseconds(
        lambda turn: connection.execute("INSERT INTO rows VALUES (?, ?)", (f"user-{turn}", bytes(64))), repeats
    )
    connection.close()
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
