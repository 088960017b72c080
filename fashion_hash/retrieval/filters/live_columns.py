"""The catalogue by column (columns.py) of a live catalogue: read when a filter is first asked for."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from fashion_hash.index.engines.contract import ItemTest
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.snapshot import Base, Snapshot
from fashion_hash.retrieval.filters.apply import Filter, TotalBound, allowed_outfits, item_test, read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns, read_columns
from fashion_hash.retrieval.filters.totals import PoolTotals

KEPT = 8  # filters whose masks over the pool are kept, a byte an outfit each


class LiveColumns:
    """Columns of all items of a catalogue, those that were added included."""

    def __init__(self, live: LiveCatalogue) -> None:
        self._live = live
        self._tables: dict[str, ItemColumns] = {}
        self._totals: tuple[Base, PoolTotals] | None = None
        self._kept_of: Base | None = None
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, snapshot: Snapshot) -> Mapping[str, ItemColumns]:
        """By item type, at least the items of a snapshot."""
        with self._lock:
            for kind in snapshot.bundle.types:
                if kind not in self._tables:
                    self._tables[kind] = read_columns(self._live.bundle.path / "catalogue.sqlite", kind)
                table = self._tables[kind]
                if len(table) < len(snapshot.bundle.items[kind]):
                    table.append([_columns(*line) for line in self._live.details(kind, len(table))])
            return self._tables

    def totals(self, base: Base) -> PoolTotals:
        """Sums over the outfits of the files, kept as long as these are."""
        with self._lock:
            if self._totals is None or self._totals[0] is not base:
                self._totals = base, PoolTotals(base.bundle.slots)
            return self._totals[1]

    def allowed(self, snapshot: Snapshot, chosen: Filter) -> np.ndarray | ItemTest | None:
        """Which outfits of a snapshot a filter lets through: (N + A,) bool, or a test; None for all."""
        if not chosen.where:
            return None  # outfits with removed items are removed
        if snapshot.base.tests_items and snapshot.alive is None and not len(snapshot.added):
            test = item_test(chosen, snapshot.bundle.slots)
            if test is not None:
                return test
        slots = snapshot.bundle.slots
        of_files = self._allowed_of_files(snapshot.base, chosen)
        if not len(snapshot.added):
            return of_files
        return np.concatenate([of_files, allowed_outfits(chosen, slots, snapshot.added.items)])

    def _allowed_of_files(self, base: Base, chosen: Filter) -> np.ndarray:
        """Shops ask the same few filters again and again: the last ones are kept as long as the files are.

        An item that is removed later takes its outfits with it, so that a kept mask stays true.
        """
        asked = repr(chosen.where)
        with self._lock:
            if self._kept_of is not base:
                self._kept_of, self._kept = base, OrderedDict()
            if asked in self._kept:
                self._kept.move_to_end(asked)
                return self._kept[asked]
        allowed = allowed_outfits(chosen, base.bundle.slots, base.pool.items, self.totals(base))
        allowed.flags.writeable = False
        with self._lock:
            if self._kept_of is base:
                self._kept[asked] = allowed
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return allowed

    def filter(self, snapshot: Snapshot, where: Mapping[str, object] | None) -> Filter:
        """A filter over the items of a snapshot, without those that were removed.

        Raises QueryError: see filters.read_filter.
        """
        if not where:
            alive = {kind: some for kind, some in snapshot.items_alive.items() if some is not None}
            return Filter(read_filter(None, {}).where, alive, ())
        chosen, masks = read_filter(where, self.of(snapshot)), {}
        for kind, there in snapshot.items_alive.items():
            mask, count = chosen.masks.get(kind), len(snapshot.bundle.items[kind])
            some = there if mask is None else mask[:count] if there is None else mask[:count] & there
            if some is not None:
                masks[kind] = some
        budgets = tuple(
            TotalBound(
                one.column,
                {kind: amounts[: len(snapshot.bundle.items[kind])] for kind, amounts in one.amounts.items()},
                one.low,
                one.high,
            )
            for one in chosen.budgets
        )
        return Filter(chosen.where, masks, budgets)


def _columns(title: str | None, details: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(details)
    return found if title is None else {**found, "title": title}
