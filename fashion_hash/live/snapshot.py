"""What a process knows of a live catalogue: the files, and in memory what came and went since.

A Snapshot never changes, so that a query works on one state from beginning to end. `Changes` reads
the log and makes the next one; both share memory that only grows at its end.

Shapes: N outfits (or items) of the files, A that were added since, S slots, M modalities, D bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.core.ids import IdTable
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import Engine
from fashion_hash.index.outfit_terms import OutfitTerms, slot_codes
from fashion_hash.index.pool import CHUNK, Pool
from fashion_hash.index.scoring import scoring_of
from fashion_hash.live.ids import LiveIds
from fashion_hash.live.store import Entry

MOST_FOUND = 100_000


@dataclass(frozen=True, eq=False)
class Base:
    """The files of one generation, open.

    Attributes:
        generation: 0 for those of the export.
        bundle: with the items of the generation.
        pool: its outfits.
        engine: what searches them.
    """

    generation: int
    bundle: Bundle
    pool: Pool
    engine: Engine
    _found: dict[bytes, np.ndarray] = field(default_factory=dict)

    @property
    def tests_items(self) -> bool:
        """Whether the engine takes a test of items in the place of a mask of outfits."""
        return self.engine.tests_items

    def rows_with(self, outfit: bytes) -> np.ndarray:
        """Rows of the pool that are an outfit, its canonical_items (S,) int32 as bytes; looked for once."""
        rows = self._found.get(outfit)
        if rows is None:
            items, slots, wanted = self.pool.items, self.bundle.slots, np.frombuffer(outfit, dtype=np.int32)
            places = [place for place, kind in enumerate(slots) if kind == slots[0]]
            rows = np.flatnonzero(np.logical_or.reduce([items[:, place] == wanted[places[-1]] for place in places]))
            rows = rows[(canonical_items(slots, items[rows]) == wanted).all(axis=1)]
            if len(self._found) >= MOST_FOUND:
                self._found.clear()
            self._found[outfit] = rows
        return rows


@dataclass(frozen=True)
class Added:
    """Outfits that are in no file yet.

    Attributes:
        items: (A, S) int32.
        terms: (A,) each.
        sums: (A, D) int8 or int16, the sum of an outfit's codes over items and modalities.
        constant: (A,) float64, compatibility and bias of the score, but for rounding.
        vectors: of a bundle with an outfit encoder, as they are kept (index/outfit_vectors.py); else (A, 0).
        rows_of: by the bytes of an outfit's canonical_items, where it lies; rows from A on are of later snapshots.
    """

    items: np.ndarray
    terms: OutfitTerms
    sums: np.ndarray
    constant: np.ndarray
    vectors: np.ndarray
    rows_of: Mapping[bytes, list[int]]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Snapshot:
    """One state of the catalogue. Rows of outfits are those of the pool, then those of `added`.

    Attributes:
        base: the files.
        seq: the last line of the log that is in it.
        bundle: with all items; rows of items that were removed keep their code and are found by no id.
        items_alive: by type, (N + A,) bool, or None when all are there.
        added: outfits that came since.
        ids: of all outfits.
        alive: (N + A,) bool of outfits, or None when all are there.
        num_outfits: how many are there.
        num_changes: items and outfits that came or went since the files were written.
    """

    base: Base
    seq: int
    bundle: Bundle
    items_alive: Mapping[str, np.ndarray | None]
    added: Added
    ids: IdTable
    alive: np.ndarray | None
    num_outfits: int
    num_changes: int

    def items_of(self, rows: np.ndarray) -> np.ndarray:
        """Items by slot of outfits: (R, S) int32."""
        count = len(self.base.pool)
        if not len(rows) or rows.max() < count:
            return np.asarray(self.base.pool.items[rows])
        items: np.ndarray = self.added.items[np.maximum(rows - count, 0)]
        items[rows < count] = self.base.pool.items[rows[rows < count]]
        return items

    def rows_of(self, outfits: np.ndarray) -> np.ndarray:
        """Rows of the outfits that are the same as one of (L, S): ascending int64, removed or not."""
        parts = [self.base.rows_with(outfit) for outfit in outfit_keys(self.bundle.slots, outfits)]
        return np.unique(np.concatenate([self.rows_of_added(outfits), *parts]))

    def rows_of_added(self, outfits: np.ndarray) -> np.ndarray:
        """As rows_of, of the added outfits only."""
        known, end, first = self.added.rows_of, len(self.added), len(self.base.pool)
        rows = [row for one in outfit_keys(self.bundle.slots, outfits) for row in known.get(one, ()) if row < end]
        return first + np.unique(np.array(rows, dtype=np.int64))


class Growing:
    """An array that grows at its end; views taken before stay as they are."""

    def __init__(self, start: np.ndarray) -> None:
        self._buffer, self._count = start, len(start)

    def __len__(self) -> int:
        return self._count

    @property
    def view(self) -> np.ndarray:
        """What is there now."""
        return self._buffer[: self._count]

    def extend(self, rows: np.ndarray) -> None:
        """Adds rows."""
        count = self._count + len(rows)
        if count > len(self._buffer):
            bigger = np.empty((count + max(256, count // 2), *self._buffer.shape[1:]), dtype=self._buffer.dtype)
            bigger[: self._count] = self.view
            self._buffer = bigger
        self._buffer[self._count : count] = rows
        self._count = count


class Names:
    """Ids of a table while it changes; `view` is what LiveIds shows of it."""

    def __init__(self, base: IdTable) -> None:
        self.base = base
        self.added: list[str] = []
        self.rows: dict[str, int] = {}
        self.alive: np.ndarray | None = None
        self.num_removed = 0

    def add(self, ids: Sequence[str]) -> None:
        """Appends rows."""
        if not self.rows.keys().isdisjoint(ids):  # an id came back: earlier views keep the row it had
            self.rows = dict(self.rows)
        first = len(self.base) + len(self.added)
        self.added.extend(ids)
        self.rows.update(zip(ids, range(first, first + len(ids))))

    def remove(self, rows: Sequence[int]) -> None:
        """Rows that are no longer found; `alive` is a new array then."""
        total = len(self.base) + len(self.added)
        if not rows and (self.alive is None or len(self.alive) == total):
            return
        alive = np.ones(total, dtype=bool)
        if self.alive is not None:
            alive[: len(self.alive)] = self.alive
        alive[list(rows)] = False
        self.alive = alive
        self.num_removed += len(rows)

    @property
    def view(self) -> LiveIds:
        """The ids as they are now."""
        return LiveIds(self.base, self.added, self.rows, len(self.added), self.alive)


class Changes:
    """Reads the log of a generation, entry by entry, and makes snapshots."""

    def __init__(self, base: Base) -> None:
        bundle = base.bundle
        self._base = base
        self._bundle = bundle
        self._items = {kind: Names(bundle.items[kind]) for kind in bundle.types}
        self._codes = {kind: Growing(bundle.item_codes[kind]) for kind in bundle.types}
        self._bias = {kind: Growing(bundle.item_bias[kind]) for kind in bundle.types}
        self._encoded = {kind: Growing(one) for kind, one in bundle.encoded_items.items()}
        self._retired = {kind: None if (found := bundle.items[kind].findable).all() else found for kind in bundle.types}
        self._outfits = Names(base.pool.ids)
        self._outfit_record = outfit_record(bundle)
        none = np.zeros(0, dtype=self._outfit_record)
        self._columns = {name: Growing(none[name]) for name in ("items", "vector", *OutfitTerms._fields)}
        self._sums = Growing(code_sums(bundle, none["items"]))
        self._constant = Growing(np.zeros(0))
        self._rows_of: dict[bytes, list[int]] = {}
        self.snapshot = self._snapshot(0)

    def read(self, entries: Sequence[Entry]) -> None:
        """Makes the snapshot behind some more lines of the log."""
        if not entries:
            return
        records: list[bytes] = []
        removed: list[int] = []
        of_files: list[str] = []
        removed_items: dict[str, list[int]] = {kind: [] for kind in self._items}
        for entry in entries:
            if entry.op == "add_outfits":
                self._outfits.add(json.loads(entry.ids))
                records.append(entry.data)
            elif entry.op == "remove_outfits":
                for one in json.loads(entry.ids):
                    if one in self._outfits.rows:
                        removed.append(self._outfits.rows[one])
                    else:
                        of_files.append(one)
            elif entry.op == "add_items":
                self._add_items(entry)
            else:
                assert entry.kind is not None
                removed_items[entry.kind].extend(np.frombuffer(entry.data, dtype="<i8").tolist())
        for kind, rows in removed_items.items():
            self._items[kind].remove(rows)
        if any(entry.kind is not None for entry in entries):
            self._bundle = self._with_items()
        self._add_outfits(np.frombuffer(b"".join(records), dtype=self._outfit_record))
        self._outfits.remove([*removed, *self._base.pool.ids.find_many(of_files).tolist()])
        self.snapshot = self._snapshot(entries[-1].seq)

    def _add_items(self, entry: Entry) -> None:
        assert entry.kind is not None
        records = np.frombuffer(entry.data, dtype=item_record(self._bundle))
        self._items[entry.kind].add(json.loads(entry.ids))
        self._codes[entry.kind].extend(records["code"])
        self._bias[entry.kind].extend(records["bias"])
        if self._encoded:
            self._encoded[entry.kind].extend(records["encoded"])

    def _add_outfits(self, records: np.ndarray) -> None:
        first = len(self._sums)
        for name, column in self._columns.items():
            column.extend(records[name])
        for start in range(0, len(records), CHUNK):
            self._sums.extend(code_sums(self._bundle, records["items"][start : start + CHUNK]))
        if len(records):
            terms = exact.Terms(
                np.zeros(len(records)), *(records[name].astype(np.int64) for name in OutfitTerms._fields)
            )
            self._constant.extend(exact.scores(self._bundle, terms))
        for row, outfit in enumerate(outfit_keys(self._bundle.slots, records["items"]), start=first):
            self._rows_of.setdefault(outfit, []).append(row)

    def _with_items(self) -> Bundle:
        return self._base.bundle.view(
            items={item_type: names.view for item_type, names in self._items.items()},
            item_codes={item_type: codes.view for item_type, codes in self._codes.items()},
            item_bias={item_type: bias.view for item_type, bias in self._bias.items()},
            encoded_items={item_type: encoded.view for item_type, encoded in self._encoded.items()},
        )

    def _snapshot(self, seq: int) -> Snapshot:
        columns, names = {name: column.view for name, column in self._columns.items()}, self._outfits
        changed = [*self._items.values(), names]
        return Snapshot(
            base=self._base,
            seq=seq,
            bundle=self._bundle,
            items_alive={kind: self._items_alive(kind) for kind in self._items},
            added=Added(
                columns["items"],
                OutfitTerms(*(columns[name] for name in OutfitTerms._fields)),
                self._sums.view,
                self._constant.view,
                columns["vector"],
                self._rows_of,
            ),
            ids=names.view if names.added or names.num_removed else names.base,
            alive=names.alive,
            num_outfits=len(names.base) + len(names.added) - names.num_removed,
            num_changes=sum(len(one.added) + one.num_removed for one in changed),
        )

    def _items_alive(self, kind: str) -> np.ndarray | None:
        names, retired = self._items[kind], self._retired[kind]
        if names.alive is None and retired is None:
            return None
        alive = np.ones(len(names.base) + len(names.added), dtype=bool)
        for one in (names.alive, retired):
            if one is not None:
                alive[: len(one)] &= one
        return alive


def outfit_keys(slots: Sequence[str], outfits: np.ndarray) -> list[bytes]:
    """For each of (L, S) outfits its canonical_items as bytes: equal when they are the same outfit."""
    return [one.tobytes() for one in canonical_items(slots, outfits.astype(np.int32))]


def code_sums(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The sum of an outfit's codes over its items, as counted, and modalities: (A, D) int8, or int16 if need be."""
    dtype = np.int8 if len(bundle.slots) * len(bundle.modalities) < 128 else np.int16
    counted = exact.outfit_items(bundle, items)
    codes = unpack(slot_codes(bundle, counted))
    return np.asarray((codes * (counted != EMPTY)[:, :, None, None]).sum(axis=(1, 2), dtype=dtype))


def outfit_record(bundle: Bundle) -> np.dtype:
    """How the log holds an outfit: its items and terms, and of an outfit encoder its vector as it is kept."""
    vector = scoring_of(bundle).outfit_vectors(np.zeros((0, len(bundle.slots)), dtype=np.int32))
    return np.dtype(
        [
            ("items", "<i4", (len(bundle.slots),)),
            ("compatibility", "<i8"),
            ("bias", "<i8"),
            ("num_items", "u1"),
            ("num_pairs", "u1"),
            ("vector", vector.dtype.newbyteorder("<"), vector.shape[1:]),
        ]
    )


def item_record(bundle: Bundle) -> np.dtype:
    """How the log holds an item: its codes and its bias, and of an outfit encoder its token and vector."""
    code = len(bundle.modalities), bundle.num_bits // 8
    return np.dtype([("code", "u1", code), ("bias", "<i4"), ("encoded", "<f4", (scoring_of(bundle).item_width,))])
