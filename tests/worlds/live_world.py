"""The reference of the live catalogue: plain dictionaries, changed at random and searched by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import fixed_point, unpack
from fashion_hash.core.outfits import slot_pairs
from fashion_hash.index.build import build_index
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.copies import write_or_copy
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "top", "bottom", "shoe")


def new_bundle(path: Path, count: int = 60, slots: Sequence[str] = SLOTS, **options: Any) -> Bundle:
    """A small bundle with its index."""

    def write(to: Path) -> None:
        bundle = random_bundle(to, slots=slots, num_modalities=2, biased=True, num_items=12, **options)
        build_index(bundle, random_pool(bundle, count))

    return write_or_copy(path, ["live", count, slots, options], write)


class World:
    """What the catalogue should hold.

    Attributes:
        items: by type and id, code (M, D) of -1 / +1 and bias, fixed point; only what is there.
        outfits: by id, the ids of the items by slot name; only what is there.
        users: by id, what each bit of an item is worth to them, (D,) fixed point.
        liked, disliked: by user id, sets of outfits as sorted (slot name, item id) pairs.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        pool = Pool.open(bundle)
        self.items: dict[str, dict[str, tuple[np.ndarray, int]]] = {
            kind: {
                one: (unpack(bundle.item_codes[kind][row]).astype(int), int(bundle.item_bias[kind][row]))
                for row, one in enumerate(bundle.items[kind].all())
            }
            for kind in bundle.types
        }
        self.outfits = {one: self.named(pool.items[row]) for row, one in enumerate(pool.ids.all())}
        self.users = {one: self.asked(bundle.user_codes[row]) for row, one in enumerate(bundle.users.all())}
        self.liked: dict[str, set] = {one: set() for one in self.users}
        self.disliked: dict[str, set] = {}
        for user, items in zip(bundle.history.users.tolist(), bundle.history.items):
            self.liked[bundle.users.id(user)].add(key(self.named(items)))

    def asked(self, user_key: np.ndarray) -> np.ndarray:
        """What is asked of a user in bits or bytes."""
        in_bits = self.bundle.user_form == "bits"
        numbers = unpack(user_key) if in_bits else user_key.astype(np.float32) / np.float32(127)
        return np.rint(numbers.astype(np.float64) * self.bundle.preference_weights).astype(np.int64)

    def named(self, items: np.ndarray) -> dict[str, str]:
        """Items by slot name, of the bundle as it was exported."""
        kinds = zip(self.bundle.slot_names, self.bundle.slots, items.tolist())
        return {name: self.bundle.items[kind].id(row) for name, kind, row in kinds if row >= 0}

    def score(self, user_id: str | None, outfit: dict[str, str]) -> float:
        """As index/exact.py defines it, one outfit at a time, in Python's integers."""
        bundle, kinds = self.bundle, dict(zip(self.bundle.slot_names, self.bundle.slots))
        found = {name: self.items[kinds[name]][one] for name, one in outfit.items()}
        user = 0 * self.users["user-0"] if user_id is None else self.users[user_id]
        preference = sum(int((code * user).sum()) for code, _ in found.values())
        pairs = [(bundle.slot_names[a], bundle.slot_names[b]) for a, b in slot_pairs(bundle.slots)]
        pairs = [(a, b) for a, b in pairs if a in found and b in found]
        together = sum(int((found[a][0] * found[b][0] * bundle.compatibility_weights).sum()) for a, b in pairs)
        bits, n, p = len(bundle.modalities) * bundle.num_bits, len(found), max(len(pairs), 1)
        bias = sum(one for _, one in found.values())
        numerator = bundle.preference_scale * preference * p + bundle.compatibility_scale * together * n
        return (numerator + bits * bias * p) / (2**16 * bits * n * p)

    def scores(self, user_id: str | None, outfits: Sequence[dict[str, str]]) -> list[float]:
        """`score` of many outfits that fill the same slots, in arrays of whole numbers: for thousands of them."""
        bundle, names = self.bundle, list(outfits[0]) if outfits else []
        kinds = dict(zip(bundle.slot_names, bundle.slots))
        user = 0 * self.users["user-0"] if user_id is None else self.users[user_id]
        codes, bias = {}, np.zeros(len(outfits), dtype=np.int64)
        for name in names:
            items = [self.items[kinds[name]][outfit[name]] for outfit in outfits]
            codes[name] = np.stack([code for code, _ in items])  # (N, M, D)
            bias += [item_bias for _, item_bias in items]
        preference = sum((code * user).sum(axis=(1, 2)) for code in codes.values())
        pairs = [(bundle.slot_names[a], bundle.slot_names[b]) for a, b in slot_pairs(bundle.slots)]
        pairs = [(a, b) for a, b in pairs if a in codes and b in codes]
        together = sum((codes[a] * codes[b] * bundle.compatibility_weights).sum(axis=(1, 2)) for a, b in pairs)
        bits, n, p = len(bundle.modalities) * bundle.num_bits, len(names), max(len(pairs), 1)
        numerator = bundle.preference_scale * preference * p + bundle.compatibility_scale * together * n
        return list(((numerator + bits * bias * p) / (2**16 * bits * n * p)).tolist()) if names else []

    def best(self, user_id: str | None, include_liked: bool = False) -> list[tuple[float, str]]:
        """All answers: (-score, id), best first, ties by id."""
        known = set() if user_id is None else set(self.disliked.get(user_id, ()))
        if user_id is not None and not include_liked:
            known |= self.liked[user_id]
        asked = user_id if user_id is not None and self.users[user_id] is not None else None
        left = [(one, outfit) for one, outfit in self.outfits.items() if key(outfit) not in known]
        return sorted((-self.score(asked, outfit), one) for one, outfit in left)

    def check(self, recommender: Recommender, rng: np.random.Generator) -> None:
        """Answers for a random user, and for nobody, equal brute force."""
        assert len(recommender) == len(self.outfits)
        user = str(rng.choice(sorted(self.users)))
        for asked in (user, None):
            liked = bool(rng.random() < 0.3)
            expected = self.best(asked, liked)
            for k in (1, 4, 1000):
                hits = recommender.recommend(asked, k, include_liked=liked)
                assert list(zip((-hits.scores).tolist(), hits.ids.tolist())) == expected[:k]
                assert hits.personal == (asked is not None and self.users[asked] is not None)
        if self.outfits:
            one = str(rng.choice(sorted(self.outfits)))
            assert recommender.outfit(one) == self.outfits[one]

    def new_item(self, rng: np.random.Generator, kind: str, item_id: str) -> dict[str, Any]:
        """An item for add_items; in the world from now on."""
        code = np.where(rng.random((len(self.bundle.modalities), self.bundle.num_bits)) < 0.5, -1, 1)
        bias = float(rng.normal())
        self.items[kind][item_id] = code, int(fixed_point(np.asarray(bias)))
        return {"item_id": item_id, "type": kind, "code": code, "bias": bias, "title": f"New {item_id}", "price": 7}

    def new_outfit(self, rng: np.random.Generator) -> dict[str, str]:
        """Random items in random slots, at least one, none twice."""
        while True:
            outfit: dict[str, str] = {}
            for name, kind in zip(self.bundle.slot_names, self.bundle.slots):
                if self.items[kind] and rng.random() < 0.8:
                    outfit[name] = str(rng.choice(sorted(self.items[kind])))
            kinds = dict(zip(self.bundle.slot_names, self.bundle.slots))
            if outfit and len({(kinds[slot], one) for slot, one in outfit.items()}) == len(outfit):
                return outfit

    def remove_items(self, kind: str, ids: list[str]) -> set[str]:
        """Takes items away, and returns the outfits that went with them."""
        kinds = dict(zip(self.bundle.slot_names, self.bundle.slots))
        gone = {
            name
            for name, outfit in self.outfits.items()
            if any(kinds[slot] == kind and one in ids for slot, one in outfit.items())
        }
        for one in ids:
            del self.items[kind][one]
        for name in gone:
            del self.outfits[name]
        # what people like of an item that is gone is no longer in any outfit, even if the id comes back
        for known in (*self.liked.values(), *self.disliked.values()):
            known -= {some for some in known if any(kinds[slot] == kind and one in ids for slot, one in some)}
        return gone


def key(outfit: dict[str, str]) -> tuple:
    """An outfit as something that a set can hold, alike whichever top lies in which slot."""
    by_type: dict[str, list[str]] = {}
    for slot, one in outfit.items():
        by_type.setdefault(slot.partition("_")[0], []).append(one)
    return tuple(
        sorted(
            (kind if place == 0 else f"{kind}_{place + 1}", one)
            for kind, ids in by_type.items()
            for place, one in enumerate(sorted(ids))
        )
    )
