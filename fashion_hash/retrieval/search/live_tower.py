"""The request model of a live catalogue: codes of items that were added, and tastes as they are now.

An added item has no learned embedding: its code comes from its words (title, brand, categories, description)
and, where the encoder takes them, its picture. That is done when a request first meets it, and kept. The same holds
for an item whose words or picture were updated.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.encoders import TextEncoder
from fashion_hash.errors import BundleError, FeatureError
from fashion_hash.inference.request_sum import rounded
from fashion_hash.inference.request_tower import RequestTower
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.users import User

if TYPE_CHECKING:
    from fashion_hash.retrieval.search.beside import LiveSum
    from fashion_hash.retrieval.search.facts import LiveFacts

AT_ONCE = 1024  # items that are encoded together
VERSIONS = 2  # of the codes: a thread may still answer from an older snapshot


class CodedItems(NamedTuple):
    """Items of one type.

    Attributes:
        codes: (N, D / 8) uint8, packed.
        vectors: (N, D) float16, the values whose signs are the codes.
        tastes: (N, T) float32, what each adds to a taste.
        encoded: (N, F) int8, the encoder's vectors, rounded; (N, 0) where they do not count.
    """

    codes: Packed
    vectors: np.ndarray
    tastes: np.ndarray
    encoded: np.ndarray

    def first(self, count: int) -> CodedItems:
        """The first `count` items."""
        return CodedItems(*(part[:count] for part in self))

    def replaced(self, rows: np.ndarray, items: CodedItems) -> CodedItems:
        """A copy with other items in some rows."""
        copies = CodedItems(*(part.copy() for part in self))
        for part, new in zip(copies, items):
            part[rows] = new
        return copies

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
        # by item type and Snapshot.items_seq: the items of the export, and those that were added
        self._coded: dict[str, OrderedDict[int, tuple[CodedItems, CodedItems]]] = {}
        self._lock = threading.Lock()

    @cached_property
    def exists(self) -> bool:
        """Whether the bundle has a request tower; without one, only the facts of its catalogue are read."""
        self._exported.check_there()
        return self._exported.has_tower

    @property
    def tower(self) -> RequestTower:
        """The request tower.

        Raises:
            BundleError: the bundle has none, or was made with another encoder.
        """
        with self._lock:
            if self._tower is None:
                folder = self._exported.path / "requests"
                if not self.exists:
                    raise BundleError(
                        f"{self._exported.path} holds no request model (requests/), so it cannot answer words: "
                        "build it again to search by what its catalogue says, or train a configuration of requests "
                        "(with `outfits:` naming the run of this bundle if you need outfits) and export that"
                    )
                tower = RequestTower.open(folder, encoder=self._encoder, encoder_weights=self._weights)
                self._exported.check_requests(tower)
                self._tower = tower
            return self._tower

    @cached_property
    def facts(self) -> LiveFacts:
        """What the bundle understands of requests; its modules are only loaded for requests."""
        from fashion_hash.retrieval.search.facts import LiveFacts

        return LiveFacts(self._exported)

    @cached_property
    def beside(self) -> LiveSum:
        """What counts beside the bits of requests."""
        from fashion_hash.retrieval.search.beside import LiveSum

        return LiveSum(self._exported)

    def parts(self, snapshot: Snapshot, item_type: str) -> tuple[CodedItems, CodedItems]:
        """The items of a type: those of the export, then those that were added."""
        tower, seq = self.tower, snapshot.items_seq
        count = len(snapshot.bundle.items[item_type]) - len(tower.item_codes[item_type])
        with self._lock:
            versions = self._coded.setdefault(item_type, OrderedDict())
            if seq not in versions:
                versions[seq] = self._updated(tower, snapshot, item_type)
                while len(versions) > VERSIONS:
                    versions.popitem(last=False)
            exported, added = versions[seq]
            added = _with_added(tower, snapshot, item_type, added, count)
            versions[seq] = exported, added
        return exported, added.first(count)

    def _updated(self, tower: RequestTower, snapshot: Snapshot, item_type: str) -> tuple[CodedItems, CodedItems]:
        """The items as of a snapshot, made from the latest earlier ones that are kept."""
        earlier = [seq for seq in self._coded[item_type] if seq < snapshot.items_seq]
        if earlier:
            exported, added = self._coded[item_type][max(earlier)]
        else:
            kept, codes = self.beside.sum_of(tower), tower.item_codes[item_type]
            encoded = np.zeros((len(codes), 0), dtype=np.int8) if kept is None else kept.vectors[item_type]
            exported = CodedItems(codes, tower.item_vectors[item_type], tower.item_tastes[item_type], encoded)
            added = exported.first(0)
        changed = snapshot.bundle.catalogue.reworded(item_type, max(earlier, default=0))
        first = len(exported.codes)
        for start in range(0, len(changed), AT_ONCE):
            rows = np.array(changed[start : start + AT_ONCE], dtype=np.int64)
            new = _coded(tower, snapshot.bundle, item_type, rows.tolist(), exported.encoded.shape[1] > 0)
            old = rows < first
            late = (rows >= first) & (rows < first + len(added.codes))
            exported = exported.replaced(rows[old], new.at(old)) if old.any() else exported
            added = added.replaced(rows[late] - first, new.at(late)) if late.any() else added
        return exported, added

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
        row = -1 if user.user_id is None else snapshot.bundle.users.find(user.user_id)
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


def _with_added(tower: RequestTower, snapshot: Snapshot, item_type: str, added: CodedItems, count: int) -> CodedItems:
    """The items that were added, at least `count`, out of those that are coded already."""
    first = len(tower.item_codes[item_type])
    for start in range(len(added.codes), count, AT_ONCE):
        rows = range(first + start, first + min(start + AT_ONCE, count))
        new = _coded(tower, snapshot.bundle, item_type, rows, added.encoded.shape[1] > 0)
        added = CodedItems(*(np.concatenate(pair) for pair in zip(added, new)))
    return added


def _coded(
    tower: RequestTower, bundle: Bundle, item_type: str, rows: Sequence[int], encoder_counts: bool
) -> CodedItems:
    """Items that were added or updated after the export, coded from their catalogue entries."""
    items = [bundle.catalogue.item(item_type, row) for row in rows]
    words = [catalogue_words({**item.details, "title": item.title}) for item in items]
    pictures = [bundle.catalogue.picture(item_type, row) for row in rows] if tower.encoder.takes_pictures else None
    coded = tower.items(words, pictures)
    encoded = rounded(coded.encoded if encoder_counts else coded.encoded[:, :0])
    return CodedItems(pack(coded.bits), coded.floats.astype(np.float16), coded.tastes, encoded)
