"""Bundles of random and of clustered codes for the benchmarks of composition and completion.

Random codes are the hard case for bounds: their scores crowd together. Learned codes look more like the
clustered ones: every item is one of 50 styles with a fifth of its bits flipped, every user a style too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits, item_types
from fashion_hash.core.seeds import generator

STYLES, FLIPPED = 50, 0.2
CODES = ("random", "clustered")


def compose_world(
    path: Path,
    codes: str,
    num_items: int,
    num_users: int,
    slots: tuple[str, ...] = ("top", "bottom", "shoe"),
    num_bits: int = 128,
    num_modalities: int = 2,
) -> Bundle:
    """A bundle with both bit weights learned: normal around 1, deviation 1/2, a few of them negative."""
    return write_bundle(path, compose_contents(codes, num_items, num_users, slots, num_bits, num_modalities))


def compose_contents(
    codes: str, num_items: int, num_users: int, slots: tuple[str, ...], num_bits: int = 128, num_modalities: int = 2
) -> BundleContents:
    """What `compose_world` writes."""
    rng = generator(0, "compose_world", codes, num_items)

    def signs(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape, dtype=np.float32) < 0.5, np.int8(-1), np.int8(1))

    def flipped(code: np.ndarray) -> np.ndarray:
        return np.where(rng.random(code.shape, dtype=np.float32) < FLIPPED, -code, code)

    styles = signs(STYLES, num_modalities, num_bits)
    kinds = item_types(slots)
    if codes == "random":
        items = {kind: signs(num_items, num_modalities, num_bits) for kind in kinds}
        users = signs(num_users, num_bits)
    else:
        items = {kind: flipped(styles[rng.integers(0, STYLES, num_items)]) for kind in kinds}
        users = flipped(styles[rng.integers(0, STYLES, num_users), 0])
    return BundleContents(
        name=f"{codes} codes",
        slots=slots,
        modalities=tuple(f"modality {number}" for number in range(1, num_modalities + 1)),
        users=tuple(f"user-{number}" for number in range(num_users)),
        items={kind: tuple(f"{kind}-{number}" for number in range(num_items)) for kind in kinds},
        user_codes=users,
        item_codes=items,
        item_bias={kind: np.zeros(num_items) for kind in kinds},
        preference_weights=rng.normal(1, 0.5, num_bits),
        compatibility_weights=rng.normal(1, 0.5, num_bits),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=Outfits.of(slots, [], []),
        details={},
        pictures={},
        model={},
    )
