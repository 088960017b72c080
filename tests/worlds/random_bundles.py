"""Small random bundles for tests of the answering half: codes without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.own import OwnContents
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.codes import UserForm
from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from tests.worlds.copies import write_or_copy

VARIANTS = ("T0", "T1", "T2", "T3")


def random_outfits(
    rng: np.random.Generator,
    slots: Sequence[str],
    sizes: dict[str, int],
    count: int,
    num_users: int = 1,
    empty: float = 0.25,
) -> Outfits:
    """Outfits of which a share of the slots is empty, none of them wholly."""
    items = np.stack([rng.integers(0, sizes[kind], count) for kind in slots], axis=1).reshape(count, len(slots))
    bare = rng.random(items.shape) < empty
    bare[np.arange(count), rng.integers(0, len(slots), count)] = False
    items[bare] = EMPTY
    return Outfits.of(slots, rng.integers(0, num_users, count), items)


def random_contents(
    seed: int = 0,
    slots: Sequence[str] = ("top", "bottom", "shoe"),
    num_modalities: int = 1,
    num_bits: int = 16,
    variant: str = "T3",
    num_users: int = 5,
    num_items: int = 30,
    biased: bool = False,
    history: Outfits | None = None,
    own: int = 0,
    user_form: UserForm = "bits",
    **changes: Any,
) -> BundleContents:
    """A bundle's contents: T0 unit weights with a scalar on the user's, T1 w_u, T2 w_i, T3 both.

    So many outfits at most have codes of their own (`own`). Users in another form than bits have numbers of all sizes,
    the second user none at all, the third the largest.
    """
    rng = np.random.default_rng(seed)
    slots = tuple(slots)
    kinds = item_types(slots)
    sizes = {kind: num_items + 3 * number for number, kind in enumerate(kinds)}

    def signs(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.5, np.int8(-1), np.int8(1))

    weights = {name: rng.normal(1, 0.7, num_bits) for name in ("user", "item")}
    if variant in ("T0", "T2"):
        weights["user"] = np.full(num_bits, 0.75 if variant == "T0" else 1.0)
    if variant in ("T0", "T1"):
        weights["item"] = np.ones(num_bits)
    contents = BundleContents(
        name="random",
        slots=slots,
        modalities=("image", "text", "sound")[:num_modalities],
        users=tuple(f"user-{number}" for number in range(num_users)),
        items={kind: tuple(f"{kind}-{number}" for number in range(size)) for kind, size in sizes.items()},
        user_codes=signs(num_users, num_bits),
        item_codes={kind: signs(size, num_modalities, num_bits) for kind, size in sizes.items()},
        item_bias={kind: rng.normal(0, 1, size) * biased for kind, size in sizes.items()},
        preference_weights=weights["user"],
        compatibility_weights=weights["item"],
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=random_outfits(rng, slots, sizes, 8, num_users) if history is None else history,
        details={kind: {f"{kind}-0": {"title": f"A fine {kind}", "price": 12.5}} for kind in kinds},
        pictures={},
        model={"variant": variant},
    )
    if own:
        rng = np.random.default_rng([seed, 1])
        outfits = random_outfits(rng, slots, sizes, own).distinct().items
        count = len(outfits)
        of_outfits = OwnContents(
            outfits, signs(count, num_bits), rng.normal(0, 2, count), rng.normal(0.7, 0.5, num_bits)
        )
        contents = replace(contents, own=of_outfits)
    if user_form != "bits":
        sizes_of = np.random.default_rng([seed, 1]).random((num_users, num_bits))
        sizes_of[1:2], sizes_of[2:3] = 0.0, 1.0
        contents = replace(contents, user_codes=contents.user_codes * sizes_of, user_form=user_form)
    return replace(contents, **changes)


def random_bundle(path: Path, **options: Any) -> Bundle:
    """`random_contents`, written to a folder and opened."""
    return write_or_copy(path, ["random", options], lambda to: write_bundle(to, random_contents(**options)))


def random_pool(bundle: Bundle, count: int, seed: int = 0, empty: float = 0.25) -> Outfits:
    """A pool of random outfits; history and outfits with own codes among them when some slots may be empty."""
    rng = np.random.default_rng(seed)
    sizes = {kind: len(bundle.items[kind]) for kind in bundle.types}
    items = random_outfits(rng, bundle.slots, sizes, count, empty=empty).items
    if empty:
        items[: len(bundle.history)] = bundle.history.items[:count]
    if empty and bundle.own is not None:
        owned = bundle.own.items[: count // 2]
        items[count - len(owned) :] = owned
    return Outfits.of(bundle.slots, np.zeros(count), items[rng.permutation(count)])
