"""The columns of a live catalogue, read when a filter is first asked for."""

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
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.retrieval.filters.totals import PoolTotals

KEPT = 8  # how many filters have their masks of the pool kept, each a byte an outfit


class LiveColumns:
    """The columns of all items of a catalogue, including those that were added.

    Args:
        live: the catalogue.
    """

    def __init__(self, live: LiveCatalogue) -> None:
        """Reads nothing yet."""
        self._live = live
        self._tables: dict[str, ItemColumns] = {}
        self._totals: tuple[Base, PoolTotals] | None = None
        self._kept_of: Base | None = None
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, snapshot: Snapshot) -> Mapping[str, ItemColumns]:
        """The columns by item type; they hold at least the items of the snapshot."""
        with self._lock:
            for item_type in snapshot.bundle.types:
                if item_type not in self._tables:
                    path, dates = self._live.bundle.path / "catalogue.sqlite", self._live.date_columns()
                    self._tables[item_type] = read_columns(path, item_type, dates)
                table = self._tables[item_type]
                if len(table) < len(snapshot.bundle.items[item_type]):
                    added = [_details(*line) for line in self._live.details(item_type, len(table))]
                    # asked after the lines: whatever columns these have, their types are known by now
                    table.append(added, self._live.date_columns())
            return self._tables

    def totals(self, base: Base) -> PoolTotals:
        """Sums over the outfits of a generation of files, kept until the next generation."""
        with self._lock:
            if self._totals is None or self._totals[0] is not base:
                self._totals = base, PoolTotals(base.bundle.slots)
            return self._totals[1]

    def allowed(self, snapshot: Snapshot, chosen: Filter) -> np.ndarray | ItemTest | None:
        """Which outfits of a snapshot a filter lets through.

        Args:
            snapshot: N outfits in files and A that were added since.
            chosen: the filter.

        Returns:
            (N + A,) bool, or a test of items for an engine that takes one; None if all outfits pass.
        """
        if not chosen.where:
            return None  # outfits with removed items have been removed as well
        if snapshot.base.tests_items and snapshot.alive is None and not len(snapshot.added):
            test = item_test(chosen, snapshot.bundle.slots)
            if test is not None:
                return test
        slots = snapshot.bundle.slots
        allowed = self._allowed_of_files(snapshot.base, chosen)
        if not len(snapshot.added):
            return allowed
        return np.concatenate([allowed, allowed_outfits(chosen, slots, snapshot.added.items)])

    def _allowed_of_files(self, base: Base, chosen: Filter) -> np.ndarray:
        """Which outfits of the files pass; shops repeat a few filters, so the masks of the last ones are kept.

        A kept mask stays right when an item is removed later, because its outfits are removed with it.
        """
        key = repr(chosen.where)
        with self._lock:
            if self._kept_of is not base:
                self._kept_of, self._kept = base, OrderedDict()
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        allowed = allowed_outfits(chosen, base.bundle.slots, base.pool.items, self.totals(base))
        allowed.flags.writeable = False
        with self._lock:
            if self._kept_of is base:
                self._kept[key] = allowed
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return allowed

    def filter(self, snapshot: Snapshot, where: Mapping[str, object] | None) -> Filter:
        """A filter over the items of a snapshot, without those that were removed.

        Args:
            snapshot: the state of the catalogue.
            where: see `language`; None and {} exclude only removed items.

        Raises:
            QueryError: as for `read_filter`.
        """
        if where is None or (isinstance(where, Mapping) and not where):
            alive = {item_type: mask for item_type, mask in snapshot.items_alive.items() if mask is not None}
            return Filter(parse(None, ()), alive, ())
        chosen, masks = read_filter(where, self.of(snapshot)), {}
        counts = {item_type: len(snapshot.bundle.items[item_type]) for item_type in snapshot.bundle.types}
        for item_type, alive_mask in snapshot.items_alive.items():
            mask = chosen.masks.get(item_type)
            mask = None if mask is None else mask[: counts[item_type]]
            if alive_mask is not None:
                mask = alive_mask if mask is None else mask & alive_mask
            if mask is not None:
                masks[item_type] = mask
        total_bounds = tuple(
            TotalBound(
                bound.column,
                {item_type: amounts[: counts[item_type]] for item_type, amounts in bound.amounts.items()},
                bound.low,
                bound.high,
            )
            for bound in chosen.total_bounds
        )
        return Filter(chosen.where, masks, total_bounds)


def _details(title: str | None, text: str) -> dict[str, object]:
    details: dict[str, object] = json.loads(text)
    return details if title is None else {**details, "title": title}
