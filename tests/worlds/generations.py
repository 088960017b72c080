"""Bundles with generations, made of random codes; their hash heads take features, so that new items can be coded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.generations import latest, make_current, next_generation, remove_unused
from fashion_hash.bundle.write import write_bundle
from fashion_hash.data.told.told import Told
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.retrieval.generations.carry import Carried, switch
from tests.worlds.live_world import SLOTS
from tests.worlds.random_bundles import random_contents, random_pool

FEATURE = 6


def write_generation(folder: Path, count: int = 60, seed: int = 0, empty: float = 0.25, **options: Any) -> Bundle:
    """A random bundle with hash heads, index and partner lists."""
    options = {"num_items": 12, "biased": True, **options}
    contents = random_contents(seed, SLOTS, **options)
    rng = np.random.default_rng([seed, 1])
    layers = (Layer(rng.normal(0, 1, (16, FEATURE)).astype(np.float32)),)
    plain = Normaliser("none", np.zeros(FEATURE, dtype=np.float32), np.ones(FEATURE, dtype=np.float32))
    unknown = {item_type: np.ones(FEATURE, dtype=np.float32) for item_type in contents.items}
    heads = ContentHeads(dict.fromkeys(contents.items, layers), plain, unknown, FEATURES, "random")
    bundle = write_bundle(folder, replace(contents, heads={"image": heads}))
    build_index(bundle, random_pool(bundle, count, empty=empty))
    build_partners(bundle)
    return bundle


def add_generation(path: Path, count: int = 60, **options: Any) -> Bundle:
    """Writes a random generation beside the current one and makes it current; nothing is carried over."""
    with next_generation(path) as folder:
        write_generation(folder, count, **options)
    make_current(latest(path))
    remove_unused(path)
    return Bundle.open(path)


def retrain(path: Path, trained: Told | None = None, count: int = 60, **options: Any) -> Carried:
    """What build-index does: writes a random generation and switches over to it."""
    with next_generation(path) as folder:
        write_generation(folder, count, **options)
    carried = switch(path, latest(path), trained)
    remove_unused(path)
    return carried


def generations(path: Path) -> list[str]:
    """The names of what is in the folder of the generations."""
    return sorted(folder.name for folder in (path / "generations").iterdir())
