"""Outfits that were told to one generation of a bundle, told to the next one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fashion_hash.bundle.lookup import items_by_slot, outfit_rows
from fashion_hash.data.told.told import ItemsBySlot, Told, outfit_key
from fashion_hash.errors import FashionHashError
from fashion_hash.live import changes
from fashion_hash.live.catalogue import LiveCatalogue

LeftBehind = dict[tuple[str, str, str], str]


class OutfitCarrier:
    """Brings the pool of a generation to the state of another; a second call does only what is new since the first.

    Args:
        live: the generation that is changed.
        left_behind: outfits that could not be carried over, and why; changed in place.

    Attributes:
        added, removed: how many outfits were, in all calls.
    """

    def __init__(self, live: LiveCatalogue, left_behind: LeftBehind) -> None:
        self.added = self.removed = 0
        self._live = live
        self._left = left_behind
        # by the name of an outfit that was told, what it took out of the pool: that comes back when it is taken back
        self._dropped: dict[str, dict[str, ItemsBySlot]] = {}

    def carry(self, told: Told, done: Told) -> int:
        """Makes the changes that are needed.

        Args:
            told: what was told.
            done: what of it was carried over before.

        Returns:
            How many added outfits were there already.
        """
        known = self._add(told, done)
        self._remove(told, done)
        self._give_back(told)
        return known

    def _items(self, row: int) -> ItemsBySlot:
        snapshot = self._live.now()
        return items_by_slot(snapshot.bundle, snapshot.items_of(np.array([row]))[0])

    def _add(self, told: Told, done: Told) -> int:
        snapshot, known = self._live.now(), 0
        new: dict[str, ItemsBySlot] = {}
        replaced = []
        for name, items in told.outfits.items():
            if done.outfits.get(name) == items and ("outfit", "", name) not in self._left:
                continue
            self._left.pop(("outfit", "", name), None)
            try:
                outfit_rows(snapshot.bundle, items, f"outfit {name!r}")
            except FashionHashError as error:
                self._left["outfit", "", name] = str(error)
                continue
            row = snapshot.ids.find(name)
            if row >= 0 and self._items(row) == items:
                known += 1
                continue
            new[name] = items
            if row >= 0:
                replaced.append(name)
                if name not in done.outfits:
                    self._drop(name, [row])
        if replaced:
            changes.remove_outfits(self._live, replaced)
        self._add_outfits(new)
        self.added += len(new)
        return known

    def _add_outfits(self, outfits: dict[str, ItemsBySlot]) -> None:
        if outfits:
            named = {name: dict(items) for name, items in outfits.items()}
            changes.add_outfits(self._live, named, told_before=True)

    def _remove(self, told: Told, done: Told) -> None:
        """Removes outfits by id where they have the same items, and otherwise by their items, whatever the ids are."""
        snapshot = self._live.now()
        kept = {outfit_key(items) for items in told.outfits.values()}
        rows = {row for name in done.outfits if name not in told.outfits and (row := snapshot.ids.find(name)) >= 0}
        dropped: dict[str, set[int]] = {}
        for name, items in told.removed_outfits.items():
            if name in done.removed_outfits:
                continue
            row = snapshot.ids.find(name)
            if row >= 0 and self._items(row) == items:
                dropped[name] = {row}
            elif outfit_key(items) not in kept and name not in told.outfits:
                dropped[name] = self._rows_of(items)
        for name, dropped_rows in dropped.items():
            self._drop(name, dropped_rows)
            rows |= dropped_rows
        if rows:
            changes.remove_outfits(self._live, snapshot.ids.at(np.array(sorted(rows))))
        self.removed += len(rows)

    def _rows_of(self, items: ItemsBySlot) -> set[int]:
        """The outfits of the pool that have some items."""
        snapshot = self._live.now()
        try:
            outfit = outfit_rows(snapshot.bundle, items)
        except FashionHashError:
            return set()  # it holds an item that does not exist, and so does no outfit of the pool
        return {int(row) for row in snapshot.rows_of(outfit[None]) if snapshot.alive is None or snapshot.alive[row]}

    def _drop(self, name: str, rows: Iterable[int]) -> None:
        ids = self._live.now().ids
        for row in rows:
            self._dropped.setdefault(name, {})[ids.at(np.array([row]))[0]] = self._items(row)

    def _give_back(self, told: Told) -> None:
        """Outfits that went because of what is no longer told are in the pool again."""
        snapshot = self._live.now()
        back: dict[str, ItemsBySlot] = {}
        for name in [name for name in self._dropped if name not in told.outfits and name not in told.removed_outfits]:
            for outfit_id, items in self._dropped.pop(name).items():
                try:
                    outfit_rows(snapshot.bundle, items)
                except FashionHashError:
                    continue  # an item of it was removed meanwhile
                if outfit_id not in snapshot.ids:
                    back[outfit_id] = items
        self._add_outfits(back)
