"""Changes to a live catalogue: what is asked for is checked, then written as one transaction.

Each function either does all that it was asked for or raises and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type, outfit_rows
from fashion_hash.core.codes import fixed_point, pack
from fashion_hash.core.ids import encode
from fashion_hash.errors import DataError, FashionHashError, FeatureError, QueryError
from fashion_hash.index.outfit_terms import outfit_terms
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.catalogue import LiveCatalogue, Writing
from fashion_hash.live.snapshot import Snapshot, item_record, outfit_record

_OWN = ("item_id", "type", "features", "code", "bias", "title", "picture")


def add_items(live: LiveCatalogue, items: Sequence[Mapping[str, Any]], encoder: Callable[[], ItemCoder]) -> None:
    """Adds items; see Recommender.add_items."""
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for place, item in enumerate(items):
        by_type.setdefault(_type_of(live.bundle, item, place), []).append(item)
    prepared = {kind: _records(live.bundle, kind, some, encoder) for kind, some in by_type.items()}
    with live.writing() as (snapshot, store):
        for kind, some in by_type.items():
            known = snapshot.bundle.items[kind]
            ids = [str(item["item_id"]) for item in some]
            _check_new(kind, ids, known)
            store.append("add_items", kind, _json(ids), prepared[kind].tobytes())
            lines = enumerate(some, start=len(known))
            store.put_items((kind, row, str(item["item_id"]), *_catalogue_columns(item)) for row, item in lines)


def remove_items(live: LiveCatalogue, item_ids: Mapping[str, Sequence[str]]) -> list[str]:
    """Removes items and the outfits that hold them; see Recommender.remove_items."""
    for kind in item_ids:
        check_type(live.bundle, kind)
    with live.writing() as writing:
        snapshot, store = writing
        gone = {kind: _rows(snapshot.bundle.items[kind], ids) for kind, ids in item_ids.items()}
        outfits = _holding(snapshot, gone)
        _remove_outfits(writing, outfits)
        for kind, rows in gone.items():
            if len(rows):
                store.append("remove_items", kind, _json(item_ids[kind]), rows.astype("<i8").tobytes())
        return snapshot.ids.at(outfits)


def add_outfits(live: LiveCatalogue, outfits: Mapping[str, Mapping[str, str]]) -> None:
    """Adds outfits to the pool; see Recommender.add_outfits."""
    with live.writing() as (snapshot, store):
        ids = [str(one) for one in outfits]
        _check_new("outfit", ids, snapshot.ids)
        items = np.stack(
            [outfit_rows(snapshot.bundle, one, f"outfit {name!r}") for name, one in outfits.items()]
            or [np.zeros(0, dtype=np.int32)]
        ).reshape(len(ids), -1)
        if ids:
            records = np.zeros(len(ids), dtype=outfit_record(snapshot.bundle))
            records["items"] = items
            records["vector"] = scoring_of(snapshot.bundle).outfit_vectors(items)
            for name, column in outfit_terms(snapshot.bundle, items)._asdict().items():
                records[name] = column
            store.append("add_outfits", None, _json(ids), records.tobytes())


def remove_outfits(live: LiveCatalogue, outfit_ids: Sequence[str]) -> None:
    """Removes outfits from the pool; see Recommender.remove_outfits."""
    with live.writing() as writing:
        _remove_outfits(writing, _rows(writing.snapshot.ids, outfit_ids))


def _type_of(bundle: Bundle, item: Mapping[str, Any], place: int) -> str:
    for key in ("item_id", "type"):
        if key not in item:
            raise DataError(f"item {place} has no {key!r}: it has {list(item)}")
    return check_type(bundle, item["type"])


def _records(
    bundle: Bundle, kind: str, items: Sequence[Mapping[str, Any]], encoder: Callable[[], ItemCoder]
) -> np.ndarray:
    """Codes and biases of new items of one type, as the log holds them."""
    records = np.zeros(len(items), dtype=item_record(bundle))
    unknown = [place for place, item in enumerate(items) if item.get("code") is None]
    for place, item in enumerate(items):
        if place not in unknown or "bias" in item:
            records["bias"][place] = _bias(item)
        if item.get("code") is not None:
            records["code"][place] = pack(_given_code(bundle, item))
    if unknown:
        outputs = _outputs(encoder(), kind, [items[place] for place in unknown])  # (N, M, D or W)
        records["code"][unknown], records["encoded"][unknown] = scoring_of(bundle).coded_items(kind, outputs)
    return records


def _outputs(encoder: ItemCoder, kind: str, items: Sequence[Mapping[str, Any]]) -> np.ndarray:
    features = [item.get("features") or {} for item in items]
    names = dict.fromkeys(name for one in features for name in one)
    columns = {name: [one.get(name) for one in features] for name in names}
    try:
        return encoder.outputs_of_many(kind, len(items), columns, [item.get("title") for item in items])
    except FashionHashError as error:
        for item, own in zip(items, features):  # once more one by one, to say whose fault it is
            try:
                encoder.outputs_of_many(
                    kind, 1, {name: [feature] for name, feature in own.items()}, [item.get("title")]
                )
            except FashionHashError as one:
                raise type(one)(f"{kind} {item['item_id']!r}: {one}") from None
        raise error from None


def _given_code(bundle: Bundle, item: Mapping[str, Any]) -> np.ndarray:
    if not scoring_of(bundle).adds_up:
        raise FeatureError(
            f"item {item['item_id']!r}: outfits of this bundle are encoded from their items' features, and a code is "
            "not enough: give features"
        )
    code, shape = np.asarray(item["code"]), (len(bundle.modalities), bundle.num_bits)
    if code.shape != shape or not (np.abs(code) == 1).all():
        raise FeatureError(f"item {item['item_id']!r}: a code is {shape} of -1 and +1, got shape {code.shape}")
    return code


def _bias(item: Mapping[str, Any]) -> int:
    try:
        return int(fixed_point(np.asarray(item.get("bias", 0.0)))[()])
    except (TypeError, ValueError) as error:
        raise DataError(f"item {item['item_id']!r}: bias {item['bias']!r} is no number that fits ({error})") from None


def _catalogue_columns(item: Mapping[str, Any]) -> tuple[str | None, str, bytes | None]:
    """Title, details as JSON, picture."""
    title, picture = item.get("title"), item.get("picture")
    if title is not None and not isinstance(title, str):
        raise DataError(f"item {item['item_id']!r}: the title is {title!r}, not a text")
    if picture is not None and not isinstance(picture, bytes):
        raise DataError(f"item {item['item_id']!r}: a picture is the bytes of a JPEG or PNG, not {type(picture)}")
    details = {key: value for key, value in item.items() if key not in _OWN}
    try:
        return title, json.dumps(details, ensure_ascii=False, allow_nan=False), picture
    except (TypeError, ValueError) as error:
        raise DataError(f"item {item['item_id']!r}: {error}; columns are texts, numbers, true or false") from None


def _check_new(kind: str, ids: Sequence[str], known: Any) -> None:
    seen: set[str] = set()
    for place, one in enumerate(ids):
        encode(kind, one, place)
        if one in seen or one in known:
            raise DataError(f"{kind} {one!r} {'was given twice' if one in seen else 'is there already'}")
        seen.add(one)


def _rows(known: Any, ids: Sequence[str]) -> np.ndarray:
    if isinstance(ids, str):
        raise QueryError(f"a list of {known.kind} ids is needed, not the text {ids!r}")
    rows: np.ndarray = known.rows(ids)
    if len(np.unique(rows)) < len(rows):
        twice = next(one for place, one in enumerate(ids) if one in list(ids)[:place])
        raise DataError(f"{known.kind} {twice!r} was given twice")
    return rows


def _remove_outfits(writing: Writing, rows: np.ndarray) -> None:
    if len(rows):
        writing.store.append("remove_outfits", None, _json(writing.snapshot.ids.at(rows)), b"")


def _holding(snapshot: Snapshot, gone: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of the outfits that hold one of the items, and are there."""
    found = []
    for first, items in ((0, snapshot.base.pool.items), (len(snapshot.base.pool), snapshot.added.items)):
        held = np.zeros(len(items), dtype=bool)
        for slot, kind in enumerate(snapshot.bundle.slots):
            if len(rows := gone.get(kind, ())):
                lost = np.zeros(len(snapshot.bundle.items[kind]) + 1, dtype=bool)  # one more: EMPTY is the last
                lost[rows] = True
                held |= lost[items[:, slot]]
        found.append(first + np.flatnonzero(held))
    rows = np.concatenate(found)
    return rows if snapshot.alive is None else rows[snapshot.alive[rows]]


def _json(ids: Sequence[str]) -> str:
    return json.dumps([str(one) for one in ids], ensure_ascii=False)
