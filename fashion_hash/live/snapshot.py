"""The state of a live catalogue in a process: the files, and later additions and removals in memory.

A Snapshot never changes, so a query sees a single state from start to end. `Changes` reads the log and makes
the next snapshot; snapshots share arrays that only grow at the end.

Shapes: N outfits (or items) in the files, A added since, S slots, M modalities, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.core.ids import IdTable
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import Engine
from fashion_hash.index.outfit_terms import OutfitTerms, slot_codes
from fashion_hash.index.pool import CHUNK, Pool
from fashion_hash.live.ids import Growing, Names
from fashion_hash.live.records.cells import Entry
from fashion_hash.live.records.checks import check_count, check_of_types, check_outfits, check_range, read_ids
from fashion_hash.live.records.rows import item_record, outfit_record, own_rows, update_record
from fashion_hash.live.records.tables import LogState

MOST_FOUND = 100_000


@dataclass(frozen=True, eq=False)
class Base:
    """The open files of a generation.

    Attributes:
        generation: its number; 0 for the export.
        bundle: a view of the bundle with the items of the generation.
        pool: the outfits of the generation.
        engine: the engine that searches them.
    """

    generation: int
    bundle: Bundle
    pool: Pool
    engine: Engine
    _found: dict[bytes, np.ndarray] = field(default_factory=dict)

    @property
    def tests_items(self) -> bool:
        """Whether the engine accepts a test of items instead of a mask of outfits."""
        return self.engine.tests_items

    def rows_with(self, outfit: bytes) -> np.ndarray:
        """The rows of the pool that equal an outfit, given by its canonical_items (S,) int32 as bytes; cached."""
        rows = self._found.get(outfit)
        if rows is None:
            items, slots, canonical = self.pool.items, self.bundle.slots, np.frombuffer(outfit, dtype=np.int32)
            places = [place for place, item_type in enumerate(slots) if item_type == slots[0]]
            rows = np.flatnonzero(np.logical_or.reduce([items[:, place] == canonical[places[-1]] for place in places]))
            rows = rows[(canonical_items(slots, items[rows]) == canonical).all(axis=1)]
            if len(self._found) >= MOST_FOUND:
                self._found.clear()
            self._found[outfit] = rows
        return rows


@dataclass(frozen=True)
class Added:
    """Outfits that are not yet in files.

    Attributes:
        items: (A, S) int32.
        terms: (A,) each.
        sums: (A, D) int8 or int16, the sum of an outfit's codes over items and modalities.
        constant: (A,) float64, compatibility and bias of the score, up to rounding.
        vectors: as stored (index/outfit_vectors.py) if the bundle has an outfit encoder, else (A, 0).
        own: (A,) int32, rows of own codes: of outfits that have lain in the files, and got other codes of items since.
        rows_of: the rows of an outfit, by the bytes of its canonical_items; rows of A and above belong to later
            snapshots.
    """

    items: np.ndarray
    terms: OutfitTerms
    sums: np.ndarray
    constant: np.ndarray
    vectors: np.ndarray
    own: np.ndarray
    rows_of: Mapping[bytes, list[int]]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Snapshot:
    """A state of the catalogue. Rows of outfits are those of the pool followed by those of `added`.

    Attributes:
        base: the files.
        seq: the number of the last log entry included.
        bundle: a view of the bundle with all items; rows of removed items keep their code but have no id.
        items_offered: by type, (N + A,) bool, False for items that were removed or are hidden; None when all are
            offered.
        items_seq: the number of the last log entry that changed what a filter says about the items.
        added: the outfits added since the files were written.
        ids: the ids of all outfits.
        alive: (N + A,) bool, False for removed outfits, or None when none was removed.
        offered: (N + A,) bool, False for removed outfits and for those that hold a hidden item; None when all are
            offered.
        num_outfits: the number of outfits that are offered.
        num_changes: the number of items and outfits added, removed or changed since the files were written.
    """

    base: Base
    seq: int
    bundle: Bundle
    items_offered: Mapping[str, np.ndarray | None]
    items_seq: int
    added: Added
    ids: IdTable
    alive: np.ndarray | None
    offered: np.ndarray | None
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

    def own_of(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the own codes of outfits, (R,) int32, EMPTY for none."""
        count = len(self.base.pool)
        if not len(rows) or rows.max() < count:
            return np.asarray(self.base.pool.own[rows])
        own: np.ndarray = self.added.own[np.maximum(rows - count, 0)]
        own[rows < count] = self.base.pool.own[rows[rows < count]]
        return own

    def rows_of(self, outfits: np.ndarray) -> np.ndarray:
        """The rows of all outfits that equal one of (L, S), even if removed: ascending, int64."""
        parts = [self.base.rows_with(outfit) for outfit in outfit_keys(self.bundle.slots, outfits)]
        return np.unique(np.concatenate([self.rows_of_added(outfits), *parts]))

    def rows_of_added(self, outfits: np.ndarray) -> np.ndarray:
        """Like rows_of, for added outfits only."""
        known, end, first = self.added.rows_of, len(self.added), len(self.base.pool)
        rows = [row for outfit in outfit_keys(self.bundle.slots, outfits) for row in known.get(outfit, ()) if row < end]
        return first + np.unique(np.array(rows, dtype=np.int64))


class RemovedRows(NamedTuple):
    """What a part of the log removes.

    Attributes:
        items: rows by item type.
        outfits: rows of added outfits.
        of_files: ids of other outfits.
    """

    items: dict[str, list[int]]
    outfits: list[int]
    of_files: list[str]


class Changes:
    """Reads the log of a generation, entry by entry, and makes snapshots.

    Args:
        base: the files of the generation.
        folded: the number of the last log entry that they include.
    """

    def __init__(self, base: Base, folded: int = 0) -> None:
        bundle = base.bundle
        self._base = base
        self._items = {item_type: Names(bundle.items[item_type]) for item_type in bundle.types}
        self._users = Names(bundle.users)
        self._codes = {item_type: Growing(bundle.item_codes[item_type]) for item_type in bundle.types}
        self._bias = {item_type: Growing(bundle.item_bias[item_type]) for item_type in bundle.types}
        self._encoded = {item_type: Growing(numbers) for item_type, numbers in bundle.encoded_items.items()}
        self._hidden: dict[str, np.ndarray] = {}
        self._hidden_of_base: np.ndarray | None = None
        self._retired = {
            item_type: None if (findable := bundle.items[item_type].findable).all() else findable
            for item_type in bundle.types
        }
        self._outfits = Names(base.pool.ids)
        self._outfit_record = outfit_record(bundle)
        none = np.zeros(0, dtype=self._outfit_record)
        columns = ("items", "vector", *OutfitTerms._fields)
        self._columns = {name: Growing(none[name]) for name in columns}
        self._own = Growing(own_rows(none))
        self._sums = Growing(code_sums(bundle, none["items"]))
        self._constant = Growing(np.zeros(0))
        self._rows_of: dict[bytes, list[int]] = {}
        self._items_seq = folded
        self._num_updates = 0
        self._bundle = bundle.view(catalogue=bundle.catalogue.at(folded))
        self.snapshot = self._snapshot(folded)

    def read(self, state: LogState) -> None:
        """Reads further log entries and makes the next snapshot.

        Raises ValueError for what does not fit the bundle; this object cannot be used afterwards.
        """
        entries = state.entries
        if not entries and state.removed_users is None and state.hidden is None:
            return
        records: list[bytes] = []
        removed = RemovedRows({item_type: [] for item_type in self._items}, [], [])
        for entry in entries:
            if entry.item_type is None:
                self._read_outfits(entry, records, removed)
            elif entry.op == "remove_items":
                gone = np.frombuffer(entry.data, dtype="<i8")
                check_of_types({entry.item_type: gone}, self._counts())
                removed.items[entry.item_type].extend(gone.tolist())
            else:
                check_of_types({entry.item_type: np.zeros(0)}, self._counts())
                self._read_items(entry, entry.item_type)
        for item_type, rows in removed.items.items():
            self._items[item_type].remove(rows)
        if state.removed_users is not None:
            check_range(state.removed_users, 0, len(self._users.base))
            self._users.remove(state.removed_users.tolist())
        if state.hidden is not None:
            check_of_types(state.hidden, self._counts())
            self._hide(state.hidden)
        seq = entries[-1].seq if entries else self.snapshot.seq
        if state.removed_users is not None or any(entry.item_type is not None for entry in entries):
            self._bundle = self._with_items(seq)
        self._add_outfits(np.frombuffer(b"".join(records), dtype=self._outfit_record))
        of_files = self._base.pool.ids.find_many(removed.of_files)
        check_range(of_files, 0, len(self._base.pool))
        self._outfits.remove([*removed.outfits, *of_files.tolist()])
        self.snapshot = self._snapshot(seq)

    def _read_outfits(self, entry: Entry, records: list[bytes], removed: RemovedRows) -> None:
        if entry.op == "add_outfits":
            ids = read_ids(entry.ids)
            check_count(np.frombuffer(entry.data, dtype=self._outfit_record), ids)
            self._outfits.add(ids)
            records.append(entry.data)
        elif entry.op == "remove_outfits":
            for outfit_id in read_ids(entry.ids):
                if outfit_id in self._outfits.rows:
                    removed.outfits.append(self._outfits.rows[outfit_id])
                else:
                    removed.of_files.append(outfit_id)
        else:  # users were removed
            self._num_updates += 1

    def _read_items(self, entry: Entry, item_type: str) -> None:
        if entry.op == "add_items":
            self._add_items(entry)
            return
        self._items_seq = entry.seq
        self._num_updates += 1
        if entry.op == "update_items":
            records = np.frombuffer(entry.data, dtype=update_record(self._bundle))
            check_range(records["row"], 0, self._counts()[item_type])
            if len(rows := records["row"]):
                self._codes[item_type].replace(rows, records["code"])
                self._bias[item_type].replace(rows, records["bias"])
                if self._encoded:
                    self._encoded[item_type].replace(rows, records["encoded"])
            self._num_updates += len(rows)

    def _counts(self) -> dict[str, int]:
        return {item_type: len(names.base) + len(names.added) for item_type, names in self._items.items()}

    def _hide(self, hidden: dict[str, np.ndarray]) -> None:
        self._hidden, self._hidden_of_base = hidden, None
        if hidden:
            self._hidden_of_base = self._holds_hidden(self._base.pool.items)

    def _holds_hidden(self, items: np.ndarray) -> np.ndarray:
        """Which outfits, (N, S), hold a hidden item: (N,) bool."""
        holds = np.zeros(len(items), dtype=bool)
        for slot, item_type in enumerate(self._base.bundle.slots):
            if item_type in self._hidden:
                names = self._items[item_type]
                mask = np.zeros(len(names.base) + len(names.added) + 1, dtype=bool)  # the last is for EMPTY, -1
                mask[self._hidden[item_type]] = True
                holds |= mask[items[:, slot]]
        return holds

    def _add_items(self, entry: Entry) -> None:
        assert entry.item_type is not None
        records, ids = np.frombuffer(entry.data, dtype=item_record(self._bundle)), read_ids(entry.ids)
        check_count(records, ids)
        self._items[entry.item_type].add(ids)
        self._codes[entry.item_type].extend(records["code"])
        self._bias[entry.item_type].extend(records["bias"])
        if self._encoded:
            self._encoded[entry.item_type].extend(records["encoded"])

    def _add_outfits(self, records: np.ndarray) -> None:
        first = len(self._sums)
        check_outfits(self._bundle, records)
        for name, column in self._columns.items():
            column.extend(records[name])
        self._own.extend(own_rows(records))
        for start in range(0, len(records), CHUNK):
            self._sums.extend(code_sums(self._bundle, records["items"][start : start + CHUNK]))
        if len(records):
            terms = exact.Terms(
                np.zeros(len(records)), *(records[name].astype(np.int64) for name in OutfitTerms._fields)
            )
            self._constant.extend(exact.scores(self._bundle, terms))
        for row, outfit in enumerate(outfit_keys(self._bundle.slots, records["items"]), start=first):
            self._rows_of.setdefault(outfit, []).append(row)

    def _with_items(self, seq: int) -> Bundle:
        return self._base.bundle.view(
            catalogue=self._base.bundle.catalogue.at(seq),
            users=self._users.view if self._users.num_removed else self._users.base,
            items={item_type: names.view for item_type, names in self._items.items()},
            item_codes={item_type: codes.view for item_type, codes in self._codes.items()},
            item_bias={item_type: bias.view for item_type, bias in self._bias.items()},
            encoded_items={item_type: encoded.view for item_type, encoded in self._encoded.items()},
        )

    def _snapshot(self, seq: int) -> Snapshot:
        columns, names = {name: column.view for name, column in self._columns.items()}, self._outfits
        changed = [*self._items.values(), names]
        offered = self._offered(columns["items"])
        num_alive = len(names.base) + len(names.added) - names.num_removed
        return Snapshot(
            base=self._base,
            seq=seq,
            bundle=self._bundle,
            items_offered={item_type: self._items_offered(item_type) for item_type in self._items},
            items_seq=self._items_seq,
            added=Added(
                columns["items"],
                OutfitTerms(*(columns[name] for name in OutfitTerms._fields)),
                self._sums.view,
                self._constant.view,
                columns["vector"],
                self._own.view,
                self._rows_of,
            ),
            ids=names.view if names.added or names.num_removed else names.base,
            alive=names.alive,
            offered=offered,
            num_outfits=num_alive if offered is None or offered is names.alive else int(np.count_nonzero(offered)),
            num_changes=sum(len(table.added) + table.num_removed for table in changed) + self._num_updates,
        )

    def _offered(self, added: np.ndarray) -> np.ndarray | None:
        """(N + A,) bool, see Snapshot.offered; the same array as `alive` when no item is hidden."""
        alive = self._outfits.alive
        if self._hidden_of_base is None:
            return alive
        offered = ~np.concatenate([self._hidden_of_base, self._holds_hidden(added)])
        return offered if alive is None else offered & alive

    def _items_offered(self, item_type: str) -> np.ndarray | None:
        names, retired, hidden = self._items[item_type], self._retired[item_type], self._hidden.get(item_type)
        if names.alive is None and retired is None and hidden is None:
            return None
        offered = np.ones(len(names.base) + len(names.added), dtype=bool)
        for mask in (names.alive, retired):
            if mask is not None:
                offered[: len(mask)] &= mask
        offered[[] if hidden is None else hidden] = False
        return offered


def outfit_keys(slots: Sequence[str], outfits: np.ndarray) -> list[bytes]:
    """The canonical_items of each of (L, S) outfits as bytes, which are equal for equal outfits."""
    return [outfit.tobytes() for outfit in canonical_items(slots, outfits.astype(np.int32))]


def code_sums(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The sum of each outfit's codes over modalities and items, as the model counts them: (A, D) int8 or int16."""
    dtype = np.int8 if len(bundle.slots) * len(bundle.modalities) < 128 else np.int16
    counted = exact.outfit_items(bundle, items)
    codes = unpack(slot_codes(bundle, counted))
    return np.asarray((codes * (counted != EMPTY)[:, :, None, None]).sum(axis=(1, 2), dtype=dtype))
