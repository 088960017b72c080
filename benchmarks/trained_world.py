"""Bundles of trained codes for benchmarks, of any size: trained once, kept in a folder, opened again.

Users like some of 40 styles, items belong to one each and are worn by their popularity, outfits are of one style but
for an item here and there. FHN learns them by their ids alone, with the recipe of configs/iqon3000.yaml. Scores of
trained codes spread and tie in another way than those of made ones, and so do the times of searches that prune.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import Outfits, item_types
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit

STYLES, ODD = 40, 0.15  # of an outfit's items one in seven is of another style
THREE = ("top", "bottom", "shoe")
FOUR = ("top", "top", "bottom", "shoe")


def trained_bundle(folder: Path, slots: tuple[str, ...], num_items: int, *, users: int = 2000, epochs: int = 5) -> Path:
    """The bundle of a made shop with partner lists and an index, trained where the folder does not hold it yet.

    Args:
        folder: where bundles are kept.
        slots: the item type of each slot.
        num_items: of each type; there are five outfits an item.
        users: how many.
        epochs: of training.
    """
    name = f"{'_'.join(slots)}-{num_items}"
    path = folder / name / "bundle"
    if (path / "partners").exists():
        return path
    dataset = made_shop(slots, num_items, users)
    config = make_config(
        {
            "name": name,
            "data": {"format": "polyvore_u", "root": "unused"},
            "id": {},
            "model": {"num_bits": 128, "variant": "T3", "item_bias": True, "user_weight": 1.0, "item_weight": 0.25},
            "negatives": {"kind": "shared", "per_positive": 256},
            "optimiser": {
                "kind": "adam",
                "row_momentum": 0.0,
                "rates": {"user": 0.01, "id": 0.01, "item_bias": 0.01, "bit_weights": 1e-4},
                "weight_decay": 5e-5,
            },
            "train": {"epochs": epochs, "batch_size": 1024},
        }
    )
    run = fit(config, dataset, folder / name)
    # folders of generations are for shops that change: a plain one is enough here
    bundle = export_bundle(run, path, dataset)
    build_index(bundle, dataset.outfits)
    build_partners(Bundle.open(path))
    return path


def made_shop(slots: tuple[str, ...], num_items: int, users: int, seed: int = 0) -> Dataset:
    """Outfits of made styles, nine of ten for training."""
    rng = np.random.default_rng(seed)
    kinds = item_types(slots)
    outfits = 5 * num_items
    taste = rng.dirichlet(np.full(STYLES, 0.1), size=users)
    owners = np.sort(rng.integers(users, size=outfits))
    owners[:users] = np.arange(users)
    wanted = np.array([rng.choice(STYLES, p=taste[user]) for user in owners])
    items = np.empty((outfits, len(slots)), dtype=np.int64)
    style_of = {kind: rng.integers(STYLES, size=num_items) for kind in kinds}
    popularity = {kind: rng.pareto(2.0, size=num_items) + 0.1 for kind in kinds}
    for slot, kind in enumerate(slots):
        styles = np.where(rng.random(outfits) < ODD, rng.integers(STYLES, size=outfits), wanted)
        for style in range(STYLES):
            of_style = np.flatnonzero(style_of[kind] == style)
            rows = np.flatnonzero(styles == style)
            shares = popularity[kind][of_style] / popularity[kind][of_style].sum()
            items[rows, slot] = rng.choice(of_style, size=len(rows), p=shares)
    for slot in range(1, len(slots)):  # two tops differ
        for other in range(slot):
            if slots[slot] == slots[other]:
                same = items[:, slot] == items[:, other]
                items[same, slot] = (items[same, slot] + 1) % num_items
    held = rng.random(outfits) < 0.1
    held[:users] = False
    return Dataset(
        f"a made shop of {num_items} items a type",
        slots,
        Vocabulary([f"u{row}" for row in range(users)], "user"),
        {kind: Vocabulary([f"{kind}{row}" for row in range(num_items)], kind) for kind in kinds},
        {
            name: Split(Outfits.of(slots, owners[rows], items[rows]))
            for name, rows in (("train", ~held), ("valid", held))
        },
    )
