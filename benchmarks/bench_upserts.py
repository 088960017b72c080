"""Measures upsert_items and upsert_outfits: seconds and peak memory of batches of a million, the same batch twice.

    python benchmarks/bench_upserts.py --items 1000000 --outfits 1000000

Half of the items and outfits of a batch are known and differ in price, or in an item; the others are new. Each batch
comes from a generator and is written in one transaction.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import results
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender

SLOTS, BITS = ("top", "bottom", "shoe"), 128


def made_bundle(folder: Path, num_items: int, num_outfits: int) -> Path:
    """A bundle of random codes with prices, and a pool."""
    rng = np.random.default_rng(0)
    sizes = {item_type: num_items // len(SLOTS) for item_type in SLOTS}
    ids = {item_type: tuple(f"{item_type}-{number:07d}" for number in range(size)) for item_type, size in sizes.items()}
    none = Outfits.of(SLOTS, np.zeros(0), np.zeros((0, len(SLOTS))))
    contents = BundleContents(
        name="upserts",
        slots=SLOTS,
        modalities=("image",),
        users=("user",),
        items=ids,
        user_codes=np.ones((1, BITS), dtype=np.int8),
        item_codes={name: rng.choice(np.array([-1, 1], np.int8), (size, 1, BITS)) for name, size in sizes.items()},
        item_bias={name: np.zeros(size) for name, size in sizes.items()},
        preference_weights=np.ones(BITS),
        compatibility_weights=np.ones(BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=none,
        details={
            name: {item_id: {"title": f"{name} {item_id}", "price": 10.0, "brand": "a"} for item_id in of_type}
            for name, of_type in ids.items()
        },
        pictures={},
        model={},
    )
    bundle = write_bundle(folder / "bundle", contents)
    pool = np.stack([rng.integers(0, sizes[name], num_outfits) for name in SLOTS], axis=1)
    outfit_ids = [f"outfit-{number:07d}" for number in range(num_outfits)]
    build_index(bundle, Outfits.of(SLOTS, np.zeros(num_outfits), pool), outfit_ids)
    return bundle.path


def items(count: int, known: int) -> Iterator[dict[str, object]]:
    """A batch of items."""
    code = np.ones((1, BITS), dtype=np.int8)
    for number in range(count):
        item_type, row = SLOTS[number % len(SLOTS)], number // len(SLOTS)
        item: dict[str, object] = {"item_id": f"{item_type}-{row:07d}", "type": item_type, "price": 12.5 + row % 7}
        yield item if row < known // len(SLOTS) else {**item, "code": code, "title": "new", "brand": "b"}


def outfits(count: int, known_items: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A batch of outfits."""
    rows = known_items // len(SLOTS)
    for number in range(count):
        yield f"outfit-{number:07d}", {name: f"{name}-{number * 7 % rows:07d}" for name in SLOTS}


def main() -> None:
    """Prints a line for each batch."""
    parser = argparse.ArgumentParser(description="Measures upserts.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    results.add_options(parser)
    args, rows = parser.parse_args(), []
    with tempfile.TemporaryDirectory() as folder:
        path = made_bundle(Path(folder), args.items // 2, args.outfits // 2)
        recommender = Recommender.load(path)
        opened = peak()
        for what, batch in (
            ("items", lambda: recommender.upsert_items(items(args.items, args.items // 2))),
            ("the same items", lambda: recommender.upsert_items(items(args.items, args.items // 2))),
            ("outfits", lambda: recommender.upsert_outfits(outfits(args.outfits, args.items // 2))),
            ("the same outfits", lambda: recommender.upsert_outfits(outfits(args.outfits, args.items // 2))),
            ("hide 1,000 items", lambda: recommender.hide_items({"top": [f"top-{n:07d}" for n in range(1000)]})),
            ("show 1,000 items", lambda: recommender.show_items({"top": [f"top-{n:07d}" for n in range(1000)]})),
        ):
            start, cpu = time.perf_counter(), time.process_time()
            changed = batch()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            rows.append({"batch": what, "seconds": seconds, "cpu": cpu, "changed": changed, "gigabytes": peak()})
        while recommender.live.compacting.locked():  # a compaction by itself, in a thread
            time.sleep(0.1)
    if not results.hand_over(args, {"opened_gigabytes": opened, "rows": rows}):
        print(f"opened: {opened:.2f} GB")
        for row in rows:
            print(
                f"{row['batch']}: {row['seconds']:.1f} s, {row['cpu']:.1f} s of CPU, {row['changed']:,} changed, "
                f"peak {row['gigabytes']:.2f} GB"
            )


def peak() -> float:
    """The peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
