"""Changes to a live catalogue: arguments are checked, then written in one transaction.

Each function either makes the whole change, or raises and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type, outfit_rows, with_our_names
from fashion_hash.core.codes import fixed_point, pack
from fashion_hash.core.ids import IdTable, new_id
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.columns import ColumnType, type_of, typed
from fashion_hash.errors import DataError, FashionHashError, FeatureError, QueryError, shown
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.catalogue import LiveCatalogue, Writing
from fashion_hash.live.records.rows import item_record, outfit_records
from fashion_hash.live.snapshot import Snapshot

# keys of a new item that do not go into its details
RESERVED = ("item_id", "type", "features", "code", "bias", "title", "picture")


def add_items(live: LiveCatalogue, items: Sequence[Mapping[str, Any]], encoder: Callable[[], ItemCoder]) -> None:
    """Adds items; see Recommender.add_items."""
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for place, item in enumerate(items):
        by_type.setdefault(type_of_item(live.bundle, item, place), []).append(item)
    prepared = {name: item_records(live.bundle, name, of_type, encoder) for name, of_type in by_type.items()}
    with live.writing() as (snapshot, store):
        before = {**live.bundle.catalogue.column_types, **store.column_types()}
        types, new = dict(before), dict[str, str]()
        for item_type, items_of_type in by_type.items():
            known = snapshot.bundle.items[item_type]
            ids = [new_id(item_type, item["item_id"], place) for place, item in enumerate(items_of_type)]
            _check_new(item_type, ids, known)
            check_one_type(live, snapshot.bundle, item_type, ids, new)
            store.append("add_items", item_type, id_list(ids), prepared[item_type].tobytes())
            lines = enumerate(items_of_type, start=len(known))
            store.put_items((item_type, row, str(item["item_id"]), *catalogue_line(item, types)) for row, item in lines)
            rows = range(len(known), len(known) + len(ids))
            store.put_given(item_type, rows, [given_features(live.bundle, item) for item in items_of_type])
        store.put_column_types({name: types[name] for name in types if name not in before})


def named_items(live: LiveCatalogue, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Items whose columns have the names of the catalogue; callers may use those of the shop's tables."""
    columns = {*RESERVED, *live.column_types()} if live.bundle.shop_names else ()
    return [with_our_names(live.bundle, item, columns) for item in items]


def read_pictures(items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """New items whose pictures are bytes: files are read where paths were given.

    Raises:
        DataError: a picture is neither bytes nor the path of a file that can be read.
    """
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise DataError(f"items must be a list, got {shown(items)}")
    return [
        {**item, "picture": _picture(item)} if isinstance(item, Mapping) and item.get("picture") is not None else item
        for item in items
    ]


def _picture(item: Mapping[str, Any]) -> bytes:
    return picture_bytes(item["picture"], f"item {shown(item.get('item_id'))}: ")


def picture_bytes(picture: object, whose: str = "") -> bytes:
    """The bytes of a picture, which may be given as the path of a file; `whose` begins messages.

    Raises:
        DataError: it is neither bytes nor the path of a file that can be read.
    """
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if not isinstance(picture, str | PathLike):
        raise DataError(f"{whose}the picture must be the bytes of a file or its path, got {type(picture).__name__}")
    try:
        return Path(picture).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{whose}cannot read the picture {shown(str(picture))} ({reason})") from None


def remove_items(live: LiveCatalogue, item_ids: Mapping[str, Sequence[str]]) -> list[str]:
    """Removes items and the outfits that contain them; see Recommender.remove_items."""
    check_by_type(live.bundle, item_ids)
    with live.writing() as writing:
        snapshot, store = writing
        removed = {item_type: rows_of_ids(snapshot.bundle.items[item_type], ids) for item_type, ids in item_ids.items()}
        outfits = outfits_holding(snapshot, removed)
        _remove_outfits(writing, outfits)
        for item_type, rows in removed.items():
            if len(rows):
                store.append("remove_items", item_type, id_list(item_ids[item_type]), rows.astype("<i8").tobytes())
        return snapshot.ids.at(outfits)


def add_outfits(live: LiveCatalogue, outfits: Mapping[str, Mapping[str, str]], *, told_before: bool = False) -> None:
    """Adds outfits to the pool; see Recommender.add_outfits. What an older generation took is taken as it is."""
    if not isinstance(outfits, Mapping):
        raise DataError(f"outfits must be a mapping from ids to items by slot, got {shown(outfits)}")
    if not outfits:
        return
    with live.writing() as (snapshot, store):
        ids = [new_id("outfit", outfit, place) for place, outfit in enumerate(outfits)]
        _check_new("outfit", ids, snapshot.ids)
        items = np.stack(
            [outfit_rows(snapshot.bundle, outfit, f"outfit {name!r}") for name, outfit in outfits.items()]
            or [np.zeros(0, dtype=np.int32)]
        ).reshape(len(ids), -1)
        if ids:
            if not told_before:
                check_whole(snapshot, ids, items)
            store.append("add_outfits", None, id_list(ids), outfit_records(snapshot.bundle, items).tobytes())


def remove_outfits(live: LiveCatalogue, outfit_ids: Sequence[str]) -> None:
    """Removes outfits from the pool; see Recommender.remove_outfits."""
    with live.writing() as writing:
        _remove_outfits(writing, rows_of_ids(writing.snapshot.ids, outfit_ids))


def type_of_item(bundle: Bundle, item: Mapping[str, Any], place: int) -> str:
    """The type of a new item; `place` is its place in the list. Raises DataError when it has no id or type."""
    if not isinstance(item, Mapping):
        raise DataError(f"item {place} must be a mapping of keys to values, got {shown(item)}")
    for key in ("item_id", "type"):
        if key not in item:
            raise DataError(f"item {place} has no {key!r}: its keys are {list(item)}")
    return check_type(bundle, item["type"])


def item_records(
    bundle: Bundle, item_type: str, items: Sequence[Mapping[str, Any]], encoder: Callable[[], ItemCoder]
) -> np.ndarray:
    """Codes and biases of new items of a type, as records for the log."""
    records = np.zeros(len(items), dtype=item_record(bundle))
    unknown = [place for place, item in enumerate(items) if item.get("code") is None]
    for place, item in enumerate(items):
        if item.get("code") is not None or "bias" in item:
            records["bias"][place] = given_bias(item)
        if item.get("code") is not None:
            records["code"][place] = pack(given_code(bundle, item))
    if unknown:
        outputs = head_outputs(encoder(), item_type, [items[place] for place in unknown])  # (N, M, D or W)
        records["code"][unknown], records["encoded"][unknown] = scoring_of(bundle).coded_items(item_type, outputs)
    return records


def head_outputs(encoder: ItemCoder, item_type: str, items: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """What the hash heads give for items of a type, (N, M, D or W) float32; errors name the item."""
    features = [item.get("features") or {} for item in items]
    names = dict.fromkeys(name for item_features in features for name in item_features)
    columns = {name: [item_features.get(name) for item_features in features] for name in names}
    # a feature of the picture that was given, be it None, comes before the picture
    pictures = [None if "image" in (item.get("features") or {}) else item.get("picture") for item in items]
    try:
        titles = [item.get("title") for item in items]
        return encoder.outputs_of_many(item_type, len(items), columns, titles, pictures, items)
    except FashionHashError as error:
        for item, item_features, picture in zip(items, features, pictures):  # again one by one, to name the bad item
            single = {name: [feature] for name, feature in item_features.items()}
            try:
                encoder.outputs_of_many(item_type, 1, single, [item.get("title")], [picture], [item])
            except FashionHashError as cause:
                raise type(cause)(f"{item_type} {item['item_id']!r}: {cause}") from None
        raise error from None


def given_code(bundle: Bundle, item: Mapping[str, Any]) -> np.ndarray:
    """The code that an item comes with, (M, D) of -1 / +1."""
    if not scoring_of(bundle).adds_up:
        raise FeatureError(
            f"item {item['item_id']!r}: outfits of this bundle are encoded from the features of their items, so a code "
            "is not enough: give features"
        )
    code, shape = np.asarray(item["code"]), (len(bundle.modalities), bundle.num_bits)
    if code.shape != shape or not (np.abs(code) == 1).all():
        raise FeatureError(
            f"item {item['item_id']!r}: a code must have shape {shape} and values -1 and +1, got shape {code.shape}"
        )
    return code


def given_features(bundle: Bundle, item: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The raw features of an item; None for one that is only a code (those of words alone can be made again)."""
    features = {name: np.asarray(value) for name, value in (item.get("features") or {}).items() if value is not None}
    if wrong := [name for name, feature in features.items() if feature.dtype.kind not in "fiu"]:
        raise FeatureError(
            f"item {item['item_id']!r}: the {wrong[0]} feature must hold numbers, got {shown(features[wrong[0]])}"
        )
    only_code = item.get("code") is not None and not features and bundle.modalities != ("request",)
    return None if only_code else features


def given_bias(item: Mapping[str, Any]) -> int:
    """The bias that an item comes with, fixed point; 0 for none."""
    bias = item.get("bias", 0.0)
    try:
        if isinstance(bias, bool) or not isinstance(bias, Real | Decimal | str | np.ndarray):
            raise TypeError(f"it is of type {type(bias).__name__}")
        return int(fixed_point(np.asarray(bias, dtype=np.float64))[()])
    except (TypeError, ValueError, OverflowError) as error:
        message = f"item {shown(item['item_id'])}: bias {shown(bias)} is not a valid number ({error})"
        raise DataError(message) from None


def catalogue_line(
    item: Mapping[str, Any], types: dict[str, ColumnType | None]
) -> tuple[str | None, str, bytes | None]:
    """Title, details as JSON, picture; `types` gets the types of new columns."""
    title, details, picture = item_details(item, types)
    return title, json.dumps(details, ensure_ascii=False, allow_nan=False), picture


def item_details(
    item: Mapping[str, Any], types: dict[str, ColumnType | None]
) -> tuple[str | None, dict[str, Any], bytes | None]:
    """Title, details by column, picture; `types` gets the types of new columns."""
    title, picture = item.get("title"), item.get("picture")
    if title is not None and not isinstance(title, str):
        raise DataError(f"item {item['item_id']!r}: the title must be a text, got {shown(title)}")
    if picture is not None and not isinstance(picture, bytes):
        raise DataError(
            f"item {item['item_id']!r}: the picture must be the bytes of a JPEG or PNG, got {type(picture).__name__}"
        )
    details = {}
    try:
        typed("title", title, "text")
        for name in (name for name in item if name not in RESERVED):
            if not isinstance(name, str) or not typed("the name of a column", name, "text"):
                raise DataError(f"the name of a column must be a text that is not empty, got {shown(name)}")
            if item[name] is not None and name not in types:
                types[name] = type_of(name, item[name])
            details[name] = typed(name, item[name], types.get(name))
    except DataError as error:
        raise DataError(f"item {item['item_id']!r}: {error}") from None
    return title, details, picture


def _check_new(noun: str, ids: Sequence[str], known: Any) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen or name in known:
            raise DataError(f"{noun} {shown(name)} {'was given twice' if name in seen else 'already exists'}")
        seen.add(name)


def check_one_type(
    live: LiveCatalogue, bundle: Bundle, item_type: str, ids: Sequence[str], new: dict[str, str]
) -> None:
    """Refuses new items whose ids stand for items of another type, as the import of tables does.

    Args:
        live: the catalogue. Where two types of its export share an id, ids belong to types, and nothing is refused.
        bundle: the items as they are now.
        item_type: the type of the new items.
        ids: theirs.
        new: by id, the types of new items before these; gets these.

    Raises:
        DataError: naming both types.
    """
    for item_id in ids:
        if new.setdefault(item_id, item_type) != item_type and not _share_ids(live.bundle):
            raise _of_two_types(item_id, new[item_id], item_type)
    for other in bundle.types:
        rows = bundle.items[other].find_many(ids) if other != item_type else np.zeros(0, dtype=np.int64)
        if (rows >= 0).any() and not _share_ids(live.bundle):
            raise _of_two_types(ids[int(np.argmax(rows >= 0))], other, item_type)


def _of_two_types(item_id: str, item_type: str, other: str) -> DataError:
    return DataError(
        f"item {shown(item_id)} is of type {item_type} and was given as {other}: an item has one type; to change it, "
        "remove the item first"
    )


def _share_ids(exported: Bundle) -> bool:
    """Whether two types of a bundle have an id in common: then an id alone names no item."""
    ids = [exported.items[item_type].encoded for item_type in exported.types]
    return len(np.unique(np.concatenate(ids))) < sum(len(np.unique(of_type)) for of_type in ids)


def check_whole(snapshot: Snapshot, ids: Sequence[str], items: np.ndarray) -> None:
    """Refuses outfits of one item where all outfits of the pool have more, as the import of a shop's tables does.

    Raises:
        QueryError: naming the outfit.
    """
    alone, present = (items != EMPTY).sum(axis=1) < 2, snapshot.base.pool.num_items
    if alone.any() and items.shape[1] > 1 and len(present) and not (present < 2).any():
        raise QueryError(
            f"outfit {shown(ids[int(np.argmax(alone))])} has one item: outfits of this bundle have at least two"
        )


def check_by_type(bundle: Bundle, item_ids: Mapping[str, Sequence[str]]) -> None:
    """Raises QueryError unless lists are given by types of the bundle."""
    if not isinstance(item_ids, Mapping):
        raise QueryError(f"item ids must be lists by item type, such as {{'top': ['t1']}}, got {shown(item_ids)}")
    for item_type in item_ids:
        check_type(bundle, item_type)


def rows_of_ids(known: IdTable, ids: Sequence[str]) -> np.ndarray:
    """The rows of ids, (n,) int64. Raises UnknownIdError for an unknown one, DataError for one given twice."""
    if isinstance(ids, str) or not isinstance(ids, Sequence | np.ndarray):
        raise QueryError(f"give a list of {known.kind} ids, got {shown(ids)}")
    rows = known.find_many(ids)
    if (rows < 0).any():
        known.row(ids[int(np.argmin(rows))])  # raises
    if len(np.unique(rows)) < len(rows):
        seen: set[str] = set()
        twice = next(item_id for item_id in map(str, ids) if item_id in seen or seen.add(item_id))  # type: ignore[func-returns-value]
        raise DataError(f"{known.kind} {twice!r} was given twice")
    return rows


def _remove_outfits(writing: Writing, rows: np.ndarray) -> None:
    if len(rows):
        writing.store.append("remove_outfits", None, id_list(writing.snapshot.ids.at(rows)), b"")


def outfits_holding(snapshot: Snapshot, removed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of the existing outfits that contain one of the items."""
    parts = []
    for first, items in ((0, snapshot.base.pool.items), (len(snapshot.base.pool), snapshot.added.items)):
        held = np.zeros(len(items), dtype=bool)
        for slot, item_type in enumerate(snapshot.bundle.slots):
            if len(rows := removed.get(item_type, ())):
                lost = np.zeros(
                    len(snapshot.bundle.items[item_type]) + 1, dtype=bool
                )  # the last entry is for EMPTY, -1
                lost[rows] = True
                held |= lost[items[:, slot]]
        parts.append(first + np.flatnonzero(held))
    rows = np.concatenate(parts)
    return rows if snapshot.alive is None else rows[snapshot.alive[rows]]


def id_list(ids: Sequence[str]) -> str:
    """Ids as the log holds them."""
    return json.dumps([str(item) for item in ids], ensure_ascii=False)
