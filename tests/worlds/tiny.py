"""Small data sets made by hand, for tests of everything that learns."""

from __future__ import annotations

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content, Dataset, Groups, Split
from fashion_hash.data.negatives import NegativeSampler, as_groups


def tiny_dataset(
    slots: tuple[str, ...] = ("top", "bottom", "shoe"),
    users: int = 6,
    items: int = 12,
    outfits: int = 120,
    seed: int = 0,
    content: Content | None = None,
    valid: bool = True,
) -> Dataset:
    """Users who like the items whose number has their own parity: easy to learn, ids suffice."""
    rng = np.random.default_rng(seed)
    vocabularies = {kind: Vocabulary([f"{kind}{i}.jpg" for i in range(items)], kind) for kind in item_types(slots)}
    splits = {}
    for name in ("train", "valid", "test") if valid else ("train", "test"):
        owners = rng.integers(users, size=outfits)
        rows = 2 * rng.integers(items // 2, size=(outfits, len(slots))) + (owners % 2)[:, None]
        for position, kind in enumerate(slots):
            if kind in slots[:position]:
                rows[rng.random(outfits) < 0.5, position] = EMPTY
        positives = Outfits.of(slots, owners, rows)
        drawn = NegativeSampler(positives).random(rng, 4)
        negatives = {"random": as_groups(positives, drawn)}
        questions = np.concatenate([positives.items[:, None], drawn[:, :3]], axis=1).reshape(-1, len(slots))
        asked = Groups(Outfits.of(slots, np.repeat(owners, 4), questions), 4)
        splits[name] = Split(positives, negatives, asked if name == "test" else None)
    return Dataset(
        "tiny",
        slots,
        Vocabulary([f"u{i}" for i in range(users)], "user"),
        vocabularies,
        splits,
        content or Content(),
    )


def tiny_values(**sections: object) -> dict[str, object]:
    """A configuration for `tiny_dataset`, ids only, as plain values."""
    values: dict[str, object] = {
        "name": "tiny",
        "data": {"format": "polyvore_u", "root": "unused"},
        "id": {},
        "model": {"num_bits": 16},
        "optimiser": {
            "kind": "adam",
            "rates": {"user": 0.05, "id": 0.05, "bit_weights": 0.01, "item_bias": 0.01},
        },
        "train": {"epochs": 3, "batch_size": 32},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section  # type: ignore[dict-item]
    return values
