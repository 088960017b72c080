"""The bundle that the service is measured with: random codes, a large pool, two thousand items a type."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.index.build import build_index

SLOTS = ("top", "bottom", "shoe")
MODALITIES, NUM_BITS = 2, 128  # 3 x 2 x 128 = 768 bits an outfit


def make_bundle(path: Path, outfits: int, items: int, users: int) -> Bundle:
    """Writes a bundle and indexes its pool.

    Args:
        path: a new folder.
        outfits: in the pool.
        items: of each type.
        users: with likes of eight outfits each.
    """
    rng = generator(0, "bench_serve")

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape, dtype=np.int8) * 2 - 1

    def drawn(count: int, owners: int) -> Outfits:
        return Outfits.of(SLOTS, rng.integers(0, owners, count), rng.integers(0, items, (count, len(SLOTS))))

    ids = {kind: tuple(f"{kind}-{number}" for number in range(items)) for kind in SLOTS}
    details = {
        kind: {
            name: {
                "title": f"A {kind} of number {number}",
                "price": float(10 + number % 90),
                "brand": f"b{number % 40}",
            }
            for number, name in enumerate(names)
        }
        for kind, names in ids.items()
    }
    contents = BundleContents(
        name="bench_serve",
        slots=SLOTS,
        modalities=("image", "text"),
        users=tuple(f"user-{number}" for number in range(users)),
        items=ids,
        user_codes=signs(users, NUM_BITS),
        item_codes={kind: signs(items, MODALITIES, NUM_BITS) for kind in SLOTS},
        item_bias={kind: rng.normal(0, 0.1, items) for kind in SLOTS},
        preference_weights=rng.normal(1, 0.5, NUM_BITS),
        compatibility_weights=rng.normal(1, 0.5, NUM_BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=drawn(8 * users, users),
        details=details,
        pictures={},
        model={"made": "at random"},
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, drawn(outfits, 1))
    return bundle
