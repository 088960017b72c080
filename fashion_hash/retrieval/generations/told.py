"""What was told to a live catalogue, by ids: the difference between its present state and what was exported.

It is read from states and not from the log, which a compaction shortens. What came over from earlier generations stands
in BUNDLE/live/told (data/told/tables.py), and is part of it: the tables that a model was trained from do not hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.bundle.catalogue import read_object
from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.files import sweep
from fashion_hash.core.locks import hold
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.data.told.tables import read_told, write_told
from fashion_hash.data.told.told import ItemsBySlot, Told, ToldItem, ToldUser, outfit_key
from fashion_hash.errors import BundleError
from fashion_hash.index.pool import Pool
from fashion_hash.live.catalogue import LiveCatalogue, Writing
from fashion_hash.live.forgetting.erase import TOLD_FOLDER
from fashion_hash.live.forgetting.remove import anew, removed_users
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.store import Store


def told_folder(bundle_path: Path) -> Path:
    """The tables of what came over from earlier generations."""
    return bundle_path / LIVE_FOLDER / TOLD_FOLDER


def export_told(path: Path, folder: Path) -> Told:
    """Writes what the live catalogue of a bundle was told as tables, with the list of removed users if there are any.

    Raises:
        BundleError: the bundle cannot be opened.
    """
    told, removed = told_by(path)
    with hold(folder, "exporting changes to it", BundleError):
        sweep(folder.parent, folder.name)  # what a killed process left
        write_told(folder, told, {"bundle": str(path)}, removed)
    return told


def told_by(path: Path) -> tuple[Told, RemovedUsers]:
    """What the live catalogue of a bundle was told up to now, and who was removed from it.

    Raises:
        BundleError: the bundle cannot be opened.
    """
    while True:
        live = LiveCatalogue(path, verify=False)
        try:
            return told_of(live), removed_users(live)
        except BundleError:
            if not live.has_moved():
                raise
        finally:
            live.close()


def told_of(live: LiveCatalogue) -> Told:
    """What was told up to a moment of this call; others write on meanwhile.

    Raises:
        BundleError: another generation of the bundle has become current, or the file of changes cannot be read.
    """
    with live.reading() as reading:
        return earlier(live) if reading is None else told_now(live, reading)


def earlier(live: LiveCatalogue) -> Told:
    """What came over from earlier generations."""
    folder = told_folder(live.bundle.path)
    return read_told(folder) if folder.is_dir() else Told()


def told_now(live: LiveCatalogue, writing: Writing) -> Told:
    """What was told, within a transaction."""
    (snapshot, store), before = writing, earlier(live)
    told = Told(left_behind=dict(before.left_behind))
    _read_items(told, before, live.bundle, snapshot, store)
    _read_outfits(told, before, live.bundle, snapshot)
    _read_users(told, before, live.bundle, snapshot, store)
    return told


def _read_items(told: Told, before: Told, exported: Bundle, snapshot: Snapshot, store: Store) -> None:
    for item_type in exported.types:
        ids, count = snapshot.bundle.items[item_type], len(exported.items[item_type])
        findable = ids.findable
        for row in (count + np.flatnonzero(findable[count:])).tolist():
            told.items[item_type, ids.id(row)] = _item(snapshot, store, item_type, row)
        for row in store.updated(item_type, count):
            if findable[row]:
                told.updates[item_type, ids.id(row)] = _item(snapshot, store, item_type, row)
        for row in store.hidden().get(item_type, np.zeros(0, dtype=np.int64)).tolist():
            if findable[row]:
                told.hidden.add((item_type, ids.id(row)))
        gone = np.flatnonzero(exported.items[item_type].findable & ~findable[:count])
        told.removed_items.update((item_type, ids.id(row)) for row in gone.tolist())
        told.replaced.update(key for key in told.items if key[0] == item_type and key in told.removed_items)
    _join_earlier(told, before, snapshot)


def _join_earlier(told: Told, before: Told, snapshot: Snapshot) -> None:
    """Adds the items of earlier generations, as they are by now."""
    for key, item in before.items.items():
        if key in told.items:
            continue
        if ("item", *key) in told.left_behind or _exists(snapshot, key):
            told.items[key] = item
        else:
            told.removed_items.add(key)
    for key, item in before.updates.items():
        if _exists(snapshot, key):
            told.updates.setdefault(key, item)
    told.removed_items.update(before.removed_items)
    told.removed_items.difference_update(told.items, [key for key in told.removed_items if _exists(snapshot, key)])


def _item(snapshot: Snapshot, store: Store, item_type: str, row: int) -> ToldItem:
    bundle, features = snapshot.bundle, store.given(item_type, row)
    line, picture = store.item(item_type, row), store.new_picture(item_type, row, snapshot.seq)
    if line is None:
        item = bundle.catalogue.item(item_type, row)
        title, details = item.title, item.details
    else:
        title, text = store.revision(item_type, row, snapshot.seq) or (line[1], line[2])
        details = read_object(text)
    return ToldItem(
        title=title,
        details=details,
        picture=picture[0] if picture is not None else None if line is None else line[3],
        features=features or {},
        bias=float(bundle.item_bias[item_type][row]) / WEIGHT_ONE,
        coded=features is None,
        code=np.array(bundle.item_codes[item_type][row]),
    )


def _exists(snapshot: Snapshot, key: tuple[str, str]) -> bool:
    item_type, item_id = key
    return item_type in snapshot.bundle.types and item_id in snapshot.bundle.items[item_type]


def _read_outfits(told: Told, before: Told, exported: Bundle, snapshot: Snapshot) -> None:
    pool = Pool.open(exported, verify=False)
    alive = np.arange(len(snapshot.ids)) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    ids = snapshot.ids.encoded[alive]
    _, now, then = np.intersect1d(ids, pool.ids.encoded, return_indices=True)
    same = (snapshot.items_of(alive[now]) == pool.items[then]).all(axis=1)
    added, removed = np.ones(len(alive), dtype=bool), np.ones(len(pool), dtype=bool)
    added[now[same]] = removed[then[same]] = False
    told.outfits.update(_named(snapshot.bundle, snapshot.ids.at(alive[added]), snapshot.items_of(alive[added])))
    rows = np.flatnonzero(removed)
    told.removed_outfits.update(_named(exported, pool.ids.at(rows), np.asarray(pool.items[rows])))
    for name, items in before.outfits.items():
        if name in told.outfits:
            continue
        row = snapshot.ids.find(name)
        stands = row >= 0 and items_by_slot(snapshot.bundle, snapshot.items_of(np.array([row]))[0]) == items
        if stands or ("outfit", "", name) in told.left_behind:
            told.outfits[name] = items
        else:
            told.removed_outfits.setdefault(name, items)
    for name, items in before.removed_outfits.items():
        if name not in snapshot.ids:
            told.removed_outfits.setdefault(name, items)


def _named(bundle: Bundle, ids: list[str], items: np.ndarray) -> Iterator[tuple[str, ItemsBySlot]]:
    return zip(ids, (items_by_slot(bundle, outfit) for outfit in items))


def _read_users(told: Told, before: Told, exported: Bundle, snapshot: Snapshot, store: Store) -> None:
    back = set(anew(store))
    for user_id in store.users():
        state = store.user(user_id, len(exported.slots))
        assert state is not None
        user = ToldUser(anew=True) if user_id in back else before.users.get(user_id, ToldUser())
        liked, disliked = (_outfits(exported, snapshot, table) for table in (state.liked, state.disliked))
        opinions = _later(user.liked, liked, disliked), _later(user.disliked, disliked, liked)
        told.users[user_id] = ToldUser(*opinions, anew=user.anew)
    for user_id, user in before.users.items():
        if user_id not in told.users and user_id in snapshot.bundle.users:
            told.users[user_id] = user


def _outfits(exported: Bundle, snapshot: Snapshot, table: np.ndarray) -> list[ItemsBySlot]:
    """Outfits by ids, without those that hold an item whose id now stands for another item or for none."""
    kept: list[ItemsBySlot] = []
    for outfit in table:
        rows = zip(exported.slots, outfit.tolist())
        if all(row == EMPTY or _means(exported, snapshot, item_type, row) for item_type, row in rows):
            kept.append(items_by_slot(snapshot.bundle, outfit))
    return kept


def _means(exported: Bundle, snapshot: Snapshot, item_type: str, row: int) -> bool:
    ids = snapshot.bundle.items[item_type]
    present = ids.find(ids.id(row))
    return present == row or (present < 0 and row < len(exported.items[item_type]))


def _later(
    earlier: tuple[ItemsBySlot, ...], now: list[ItemsBySlot], contrary: list[ItemsBySlot]
) -> tuple[ItemsBySlot, ...]:
    """Earlier outfits and those of now, each once, without those that the user has another opinion of now."""
    outfits = {outfit_key(outfit): outfit for outfit in (*earlier, *now)}
    for outfit in contrary:
        outfits.pop(outfit_key(outfit), None)
    return tuple(outfits.values())
