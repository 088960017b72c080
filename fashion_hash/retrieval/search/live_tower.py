"""The request model of a live catalogue: codes of items that were added, and tastes as they are now.

An added item has no learned embedding: its code comes from its words (title, brand, categories, description)
and, where the encoder takes them, its picture. That is done when a request first meets it, and kept.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.encoders import TextEncoder
from fashion_hash.errors import BundleError, FeatureError
from fashion_hash.inference.request_tower import RequestTower
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.users import User

AT_ONCE = 1024  # added items that are encoded together


class CodedItems(NamedTuple):
    """Codes (N, D / 8) uint8, vectors (N, D) float16 and tastes (N, T) float32 of items of one type."""

    codes: Packed
    vectors: np.ndarray
    tastes: np.ndarray

    def first(self, count: int) -> CodedItems:
        """The first `count` items."""
        return CodedItems(*(part[:count] for part in self))

    def at(self, rows: np.ndarray) -> CodedItems:
        """Copies of the items at some rows."""
        return CodedItems(*(part[rows] for part in self))


class LiveTower:
    """The request tower of a bundle, opened when it is first needed.

    Args:
        exported: the bundle.
        encoder: of texts, if it is already loaded; by default the encoder that the bundle names.
        weights: where the weights of a pretrained encoder are, if they moved since the export.
    """

    def __init__(self, exported: Bundle, encoder: TextEncoder | None = None, weights: str | None = None) -> None:
        """Opens nothing yet."""
        self._exported = exported
        self._encoder = encoder
        self._weights = weights
        self._tower: RequestTower | None = None
        self._added: dict[str, CodedItems] = {}
        self._lock = threading.Lock()

    @property
    def tower(self) -> RequestTower:
        """The request tower.

        Raises:
            BundleError: the bundle has none, or was made with another encoder.
        """
        with self._lock:
            if self._tower is None:
                folder = self._exported.path / "requests"
                if not folder.is_dir():
                    raise BundleError(
                        f"{self._exported.path} holds no request model (requests/), so it cannot answer words: "
                        "train a configuration of requests (with `outfits:` naming the run of this bundle if you "
                        "need outfits) and export that"
                    )
                tower = RequestTower.open(folder, encoder=self._encoder, encoder_weights=self._weights)
                self._exported.check_requests(tower)
                self._tower = tower
            return self._tower

    def parts(self, snapshot: Snapshot, item_type: str) -> tuple[CodedItems, CodedItems]:
        """The items of a type: those of the export, then those that were added."""
        tower = self.tower
        exported = CodedItems(tower.item_codes[item_type], tower.item_vectors[item_type], tower.item_tastes[item_type])
        return exported, self._added_items(tower, snapshot, item_type)

    def items(self, snapshot: Snapshot, item_type: str, rows: np.ndarray) -> CodedItems:
        """Items of a type by rows, those that were added included."""
        exported, added = self.parts(snapshot, item_type)
        late, count = rows >= len(exported.codes), len(exported.codes)
        order = np.argsort(np.concatenate([np.flatnonzero(~late), np.flatnonzero(late)]))
        parts = zip(exported.at(rows[~late]), added.at(rows[late] - count))
        return CodedItems(*(np.concatenate(pair)[order] for pair in parts))

    def with_codes(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """New items of a bundle of requests alone, with the codes of their words; for other bundles unchanged.

        Raises:
            FeatureError: no word of an item is known.
        """
        if self._exported.modalities != ("request",):
            return items
        coded = []
        for item in items:
            if isinstance(item, Mapping) and item.get("code") is None:
                words = catalogue_words(item)
                if not self.tower.encoder.encode_texts([words]).any():
                    raise FeatureError(
                        f"item {item.get('item_id')!r}: no word of its title, brand, categories or description is "
                        "known, so it has no code: give words that describe it"
                    )
                pictures = [item.get("picture")] if self.tower.encoder.takes_pictures else None
                item = {**item, "code": self.tower.items([words], pictures).bits}
            coded.append(item)
        return coded

    def taste(self, snapshot: Snapshot, user: User) -> np.ndarray | None:
        """(D,) float32, what a user likes: as exported, moved by what they have liked since.

        For a new user it is the mean over the items that they like; None when nothing is known.
        """
        tower, bundle = self.tower, self._exported
        row = -1 if user.user_id is None else bundle.users.find(user.user_id)
        known = tower.taste_of_user(row) if row >= 0 else None
        if known is None:
            taste: np.ndarray | None = tower.taste_of_items(self._tastes(snapshot, user.liked))
            return taste
        count = len(bundle.lines_of(row))
        earlier, later = self._tastes(snapshot, user.liked[:count]), self._tastes(snapshot, user.liked[count:])
        if not earlier.size or not later.size:
            return known
        # the part that is a mean over items moves; what was learned about the user by id stays
        change = np.concatenate([earlier, later]).mean(axis=0) - earlier.mean(axis=0)
        moved: np.ndarray = (known + change).astype(np.float32)
        return moved

    def _tastes(self, snapshot: Snapshot, outfits: np.ndarray) -> np.ndarray:
        """(n, T) what each item of outfits, (L, S), adds to a taste."""
        tastes = [np.zeros((0, len(self.tower.weights.unknown_taste_item)), dtype=np.float32)]
        for slot, item_type in enumerate(snapshot.bundle.slots):
            rows = outfits[:, slot][outfits[:, slot] != EMPTY].astype(np.int64)
            if len(rows):
                exported, added = self.parts(snapshot, item_type)
                late = rows >= len(exported.codes)
                tastes += [exported.tastes[rows[~late]], added.tastes[rows[late] - len(exported.codes)]]
        return np.concatenate(tastes)

    def _added_items(self, tower: RequestTower, snapshot: Snapshot, item_type: str) -> CodedItems:
        first = len(tower.item_codes[item_type])
        count = len(snapshot.bundle.items[item_type]) - first
        with self._lock:
            known = self._added.get(item_type) or CodedItems(
                np.zeros((0, tower.num_bits // 8), dtype=np.uint8),
                np.zeros((0, tower.num_bits), dtype=np.float16),
                np.zeros((0, len(tower.weights.unknown_taste_item)), dtype=np.float32),
            )
            for start in range(len(known.codes), count, AT_ONCE):
                rows = range(first + start, first + min(start + AT_ONCE, count))
                new = _coded(tower, snapshot.bundle, item_type, rows)
                known = CodedItems(*(np.concatenate(pair) for pair in zip(known, new)))
            self._added[item_type] = known
        return known.first(count)


def _coded(tower: RequestTower, bundle: Bundle, item_type: str, rows: range) -> CodedItems:
    """Items added after the export, coded from their catalogue entries."""
    items = [bundle.catalogue.item(item_type, row) for row in rows]
    words = [catalogue_words({**item.details, "title": item.title}) for item in items]
    pictures = [bundle.catalogue.picture(item_type, row) for row in rows] if tower.encoder.takes_pictures else None
    coded = tower.items(words, pictures)
    return CodedItems(pack(coded.bits), coded.floats.astype(np.float16), coded.tastes)
