"""Items, outfits and users that were told to a live catalogue, by ids, so that any model can take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion_hash.errors import counted

ItemKey = tuple[str, str]
"""Item type and item id."""

ItemsBySlot = Mapping[str, str]
"""An outfit: item ids by slot name."""


@dataclass(frozen=True, eq=False)
class ToldItem:
    """An item that was added to a live catalogue.

    Attributes:
        title, details, picture: its catalogue entry.
        features: by modality, the raw feature (F,).
        bias: the bias that was given, 0 by default.
        coded: whether it was given as a code, which means nothing to another model.
        code: (M, D / 8) uint8, the code under the bundle that it was read from; not kept in tables.
    """

    title: str | None
    details: Mapping[str, Any]
    picture: bytes | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    bias: float = 0.0
    coded: bool = False
    code: np.ndarray | None = None

    def same(self, other: ToldItem) -> bool:
        """Whether both describe the same item."""
        if (self.title, self.details, self.picture, self.bias) != (
            other.title,
            other.details,
            other.picture,
            other.bias,
        ):
            return False
        return self.features.keys() == other.features.keys() and all(
            np.array_equal(feature, other.features[name]) for name, feature in self.features.items()
        )


@dataclass(frozen=True)
class ToldUser:
    """What a user was said to like and dislike.

    Attributes:
        liked, disliked: outfits.
        anew: whether the user was removed and came back: what is known of them from before no longer counts.
    """

    liked: tuple[ItemsBySlot, ...] = ()
    disliked: tuple[ItemsBySlot, ...] = ()
    anew: bool = False


@dataclass(frozen=True, eq=False)
class Told:
    """Everything that was told, in its last state.

    Attributes:
        items: items that were added.
        removed_items: items that were removed.
        replaced: items among `items` in whose place the export has another one of the same id; not kept in tables.
        updates: items of the export whose entry, features or picture changed; the picture only if that changed.
        hidden: items that are not offered for the time being.
        outfits: outfits that were added to the pool.
        removed_outfits: outfits that were removed from the pool.
        users: users who were added, or told more.
        left_behind: the items and outfits that the present model could not take, and why, by ("item", type, id) or
            ("outfit", "", id).
    """

    items: dict[ItemKey, ToldItem] = field(default_factory=dict)
    removed_items: set[ItemKey] = field(default_factory=set)
    replaced: set[ItemKey] = field(default_factory=set)
    updates: dict[ItemKey, ToldItem] = field(default_factory=dict)
    hidden: set[ItemKey] = field(default_factory=set)
    outfits: dict[str, ItemsBySlot] = field(default_factory=dict)
    removed_outfits: dict[str, ItemsBySlot] = field(default_factory=dict)
    users: dict[str, ToldUser] = field(default_factory=dict)
    left_behind: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        changes = (self.items, self.removed_items, self.updates, self.hidden)
        return any((*changes, self.outfits, self.removed_outfits, self.users))

    def counts(self) -> str:
        """The numbers in words, for messages."""
        numbers = {
            ("item added", "items added"): len(self.items),
            ("item removed", "items removed"): len(self.removed_items),
            ("item updated", "items updated"): len(self.updates),
            ("item hidden", "items hidden"): len(self.hidden),
            ("outfit added", "outfits added"): len(self.outfits),
            ("outfit removed", "outfits removed"): len(self.removed_outfits),
            ("user", "users"): len(self.users),
            ("liked outfit", "liked outfits"): sum(len(user.liked) for user in self.users.values()),
            ("disliked outfit", "disliked outfits"): sum(len(user.disliked) for user in self.users.values()),
        }
        return ", ".join(counted(count, *nouns) for nouns, count in numbers.items() if count) or "nothing"


def outfit_key(items_by_slot: ItemsBySlot) -> tuple[tuple[str, str], ...]:
    """An outfit as a value that can be compared and kept in sets."""
    return tuple(sorted(items_by_slot.items()))
