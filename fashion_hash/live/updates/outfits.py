"""Outfits written in large batches: new ones, and those under ids that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import outfit_rows
from fashion_hash.core.ids import given_id, new_id
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import DataError
from fashion_hash.index.pool import CHUNK
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.changes import check_whole, id_list
from fashion_hash.live.records.rows import outfit_records
from fashion_hash.live.records.tables import Records
from fashion_hash.live.updates.batches import parts

PART = 8192  # outfits of a batch that are read at once

NamedOutfit = tuple[str, Mapping[str, str]]


def put_outfits(
    store: Records, bundle: Bundle, ids: Sequence[str], items: np.ndarray, *, own: np.ndarray | None, replace: bool
) -> None:
    """Writes outfits to the log.

    Args:
        store: an open transaction.
        bundle: the codes of the items.
        ids: their ids.
        items: (N, S) rows of items.
        own: (N,) rows of their own codes, see `outfit_records`; None for none.
        replace: whether outfits of these ids exist, and are removed.
    """
    for start in range(0, len(ids), CHUNK):
        part, rows = ids[start : start + CHUNK], items[start : start + CHUNK]
        records = outfit_records(bundle, rows, None if own is None else own[start : start + CHUNK])
        if replace:
            store.append("remove_outfits", None, id_list(part), b"")
        store.append("add_outfits", None, id_list(part), records.tobytes())


def upsert_outfits(live: LiveCatalogue, outfits: Mapping[str, Mapping[str, str]] | Iterable[NamedOutfit]) -> int:
    """Adds outfits, or changes those that exist; see Recommender.upsert_outfits."""
    given: Iterable[NamedOutfit] = outfits.items() if isinstance(outfits, Mapping) else outfits
    with live.writing() as (snapshot, store):
        met, new, count = np.zeros(len(snapshot.ids), dtype=bool), set[str](), 0
        for part in parts(given, PART):
            ids = [given_id("outfit", outfit_id, place) for place, (outfit_id, _) in enumerate(part)]
            rows = snapshot.ids.find_many(ids)
            for place, (outfit_id, row) in enumerate(zip(ids, rows.tolist())):
                if met[row] if row >= 0 else outfit_id in new:
                    raise DataError(f"outfit {outfit_id!r} was given twice")
                if row >= 0:
                    met[row] = True
                else:
                    new.add(new_id("outfit", outfit_id, place))
            items = _item_rows(snapshot.bundle, ids, [outfit for _, outfit in part])
            check_whole(snapshot, ids, items)
            known = np.flatnonzero(rows >= 0)
            changed = known[(snapshot.items_of(rows[known]) != items[known]).any(axis=1)]
            for places, replace in ((changed, True), (np.flatnonzero(rows < 0), False)):
                named = [ids[place] for place in places]
                put_outfits(store, snapshot.bundle, named, items[places], own=None, replace=replace)
                count += len(places)
    return count


def _item_rows(bundle: Bundle, ids: Sequence[str], outfits: Sequence[Mapping[str, str]]) -> np.ndarray:
    """The items of outfits, (N, S) int32; those that are not plain are read one by one, so that errors name them."""
    items = np.full((len(outfits), len(bundle.slots)), EMPTY, dtype=np.int32)
    unclear = np.array([not isinstance(outfit, Mapping) or not outfit for outfit in outfits], dtype=bool)
    for slot, (name, item_type) in enumerate(zip(bundle.slot_names, bundle.slots)):
        places = [place for place, outfit in enumerate(outfits) if not unclear[place] and name in outfit]
        rows = bundle.items[item_type].find_many([outfits[place][name] for place in places])
        items[places, slot] = rows
        unclear[places] |= rows < 0
        for other in range(slot):
            if bundle.slots[other] == item_type:
                unclear |= (items[:, slot] == items[:, other]) & (items[:, slot] != EMPTY)
    count = (items != EMPTY).sum(axis=1)
    for place, outfit in enumerate(outfits):
        if unclear[place] or len(outfit) != count[place]:
            items[place] = outfit_rows(bundle, outfit, f"outfit {ids[place]!r}")
    return items
