"""The columns of a live catalogue, read when a filter is first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from fashion_hash.bundle.catalogue import read_object
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.contract import ItemTest
from fashion_hash.index.pool import Pool
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.store import unreadable_changes
from fashion_hash.retrieval.filters.apply import Filter, TotalBound, allowed_outfits, item_test, read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.retrieval.filters.totals import PoolTotals

KEPT = 8  # how many filters have their masks of the pool kept, each a byte an outfit
VERSIONS = 3  # of the columns: a thread may still answer from an older snapshot


class LiveColumns:
    """The columns of all items of a catalogue, including those that were added.

    Args:
        live: the catalogue.
    """

    def __init__(self, live: LiveCatalogue) -> None:
        """Reads nothing yet."""
        self._live = live
        self._versions: OrderedDict[int, dict[str, ItemColumns]] = OrderedDict()  # by Snapshot.items_seq
        self._totals: tuple[Pool, int, PoolTotals] | None = None
        self._kept_of: Pool | None = None
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, snapshot: Snapshot) -> Mapping[str, ItemColumns]:
        """The columns by item type; they hold at least the items of the snapshot."""
        with self._lock:
            tables = self._versions.setdefault(snapshot.items_seq, {})
            self._versions.move_to_end(snapshot.items_seq)
            while len(self._versions) > VERSIONS:
                self._versions.popitem(last=False)
            for item_type in snapshot.bundle.types:
                if item_type not in tables:
                    tables[item_type] = self._read(snapshot, item_type)
                self._append(tables[item_type], snapshot, item_type)
            return tables

    def _read(self, snapshot: Snapshot, item_type: str) -> ItemColumns:
        """The columns of a type as of a snapshot, made from the latest earlier ones that are kept."""
        seq = snapshot.items_seq
        earlier = [number for number, tables in self._versions.items() if number < seq and item_type in tables]
        if earlier:
            table = self._versions[max(earlier)][item_type]
        else:
            table = self._exported(item_type, self._live.date_columns())
        self._append(table, snapshot, item_type)
        lines = self._live.revisions(item_type, max(earlier, default=0), seq)
        if any(not 0 <= row < len(table) for row, _, _ in lines):
            raise self._unreadable(f"it changes items of type {item_type} that do not exist")
        latest = {row: (title, details) for row, title, details in lines}
        # asked after the lines: whatever columns these have, their types are known by now
        dates = self._live.date_columns() if latest else frozenset()
        return table.replaced(list(latest), [self._details(*line) for line in latest.values()], dates)

    def _exported(self, item_type: str, dates: frozenset[str]) -> ItemColumns:
        """The columns of the bundle, from its tables or else from its catalogue."""
        bundle = self._live.bundle
        if bundle.tables is not None:
            return ItemColumns.of(bundle.tables.columns(item_type), len(bundle.items[item_type]))
        # by the file that is open: the bundle may have been moved since
        return ItemColumns(bundle.catalogue.details(item_type), dates)

    def _append(self, table: ItemColumns, snapshot: Snapshot, item_type: str) -> None:
        if len(table) < len(snapshot.bundle.items[item_type]):
            added = [self._details(*line) for line in self._live.details(item_type, len(table))]
            table.append(added, self._live.date_columns())
            if len(table) < len(snapshot.bundle.items[item_type]):
                raise self._unreadable(f"it lacks the {item_type} item of row {len(table)}")

    def totals(self, snapshot: Snapshot) -> PoolTotals:
        """Sums over the outfits in the files, kept until the next generation or update of items."""
        key = snapshot.base.pool, snapshot.items_seq
        with self._lock:
            if self._totals is None or self._totals[0] is not key[0] or self._totals[1] != key[1]:
                self._totals = *key, PoolTotals(snapshot.bundle.slots)
            return self._totals[2]

    def allowed(self, snapshot: Snapshot, chosen: Filter, tests: bool = True) -> np.ndarray | ItemTest | None:
        """Which outfits of a snapshot a filter lets through.

        Args:
            snapshot: N outfits in files and A that were added since.
            chosen: the filter.
            tests: whether the answer may be a test of items.

        Returns:
            (N + A,) bool, or a test of items for an engine that takes one; None if all outfits pass.
        """
        if not chosen.where and not chosen.excludes:
            return None  # outfits with removed or hidden items are not offered anyway
        if tests and snapshot.base.tests_items and snapshot.alive is None and not len(snapshot.added):
            test = item_test(chosen, snapshot.bundle.slots)
            if test is not None:
                return test
        slots = snapshot.bundle.slots
        allowed = self._allowed_of_files(snapshot, chosen)
        if not len(snapshot.added):
            return allowed
        return np.concatenate([allowed, allowed_outfits(chosen, slots, snapshot.added.items)])

    def _allowed_of_files(self, snapshot: Snapshot, chosen: Filter) -> np.ndarray:
        """Which outfits of the files pass; shops repeat a few filters, so the masks of the last ones are kept.

        A kept mask stays right when an item is removed later, because its outfits are removed with it.
        """
        if chosen.excludes:  # whoever asks names other items each time
            base = snapshot.base
            return allowed_outfits(chosen, base.bundle.slots, base.pool.items, self.totals(snapshot))
        base, key = snapshot.base, f"{snapshot.items_seq} {chosen.where!r}"
        with self._lock:
            if self._kept_of is not base.pool:
                self._kept_of, self._kept = base.pool, OrderedDict()
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        allowed = allowed_outfits(chosen, base.bundle.slots, base.pool.items, self.totals(snapshot))
        allowed.flags.writeable = False
        with self._lock:
            if self._kept_of is base.pool:
                self._kept[key] = allowed
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return allowed

    def filter(self, snapshot: Snapshot, where: Mapping[str, object] | None) -> Filter:
        """A filter over the items of a snapshot, without those that were removed or are hidden.

        Args:
            snapshot: the state of the catalogue.
            where: see `language`; None and {} exclude only removed and hidden items.

        Raises:
            QueryError: as for `read_filter`.
        """
        if where is None or (isinstance(where, Mapping) and not where):
            all_offered = {item_type: mask for item_type, mask in snapshot.items_offered.items() if mask is not None}
            return Filter(parse(None, ()), all_offered, ())
        chosen, masks = read_filter(where, self.of(snapshot), snapshot.bundle.shop_names), {}
        counts = {item_type: len(snapshot.bundle.items[item_type]) for item_type in snapshot.bundle.types}
        for item_type, offered in snapshot.items_offered.items():
            mask = chosen.masks.get(item_type)
            mask = None if mask is None else mask[: counts[item_type]]
            if offered is not None:
                mask = offered if mask is None else mask & offered
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

    def _details(self, title: str | None, text: str) -> dict[str, object]:
        try:
            details = read_object(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unreadable(f"the details of an item: {error}") from None
        return details if title is None else {**details, "title": title}

    def _unreadable(self, problem: str) -> BundleError:
        return unreadable_changes(self._live.bundle.path, problem)
