"""Items that exist get other details, pictures and codes; batches of items and outfits, known and new ones mixed.

A batch is read in parts, so that it may be longer than memory, and written in one transaction. Only what differs from
what is there is written: the same batch again changes nothing. Where a code or a bias changes, the outfits that hold
the item are written anew under their ids, with terms that belong to the new code; items keep their rows, so likes and
histories stay valid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.catalogue import read_object
from fashion_hash.core.codes import pack
from fashion_hash.core.ids import given_id, new_id
from fashion_hash.data.columns import ColumnType
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.errors import BundleError, DataError, FeatureError
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.content_heads import ContentHeads
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.catalogue import LiveCatalogue, Writing
from fashion_hash.live.changes import (
    catalogue_line,
    check_one_type,
    given_bias,
    given_code,
    given_features,
    head_outputs,
    id_list,
    item_details,
    item_records,
    named_items,
    outfits_holding,
    read_pictures,
    type_of_item,
)
from fashion_hash.live.records.rows import update_record
from fashion_hash.live.records.tables import Revision
from fashion_hash.live.updates.batches import parts
from fashion_hash.live.updates.outfits import put_outfits

PART = 8192  # items of a batch that are read at once
Item = Mapping[str, Any]


class Coding(NamedTuple):
    """How items get their codes.

    Attributes:
        encoder: opens the hash heads of the bundle.
        with_codes: gives items of a bundle of requests alone the codes of their words; other items stay as they are.
    """

    encoder: Callable[[], ItemCoder]
    with_codes: Callable[[Sequence[Item]], Sequence[Item]]


class ItemState(NamedTuple):
    """An item before or after an update: row, title, details, and the details as JSON."""

    row: int
    title: str | None
    details: dict[str, Any]
    text: str

    @property
    def words(self) -> str:
        """The words that requests read."""
        return catalogue_words({**self.details, "title": self.title})


class Update(NamedTuple):
    """An item as the caller gives it, as it is, and as it will be."""

    item: Item
    before: ItemState
    after: ItemState

    @property
    def retitled(self) -> bool:
        """Whether the title changes."""
        return self.before.title != self.after.title

    @property
    def pictured(self) -> bool:
        """Whether there is a picture, and no feature of it, be it None, that comes before it."""
        return self.item.get("picture") is not None and "image" not in (self.item.get("features") or {})

    def content(self, titles: set[str], pictures: set[str], columns: Mapping[str, Sequence[str]]) -> set[str]:
        """The modalities that must be coded again.

        Args:
            titles: those that come from titles.
            pictures: those that come from pictures.
            columns: those that come from columns of the catalogue, with the names of these.
        """
        if self.item.get("code") is not None:
            return set()
        given = {name for name, feature in (self.item.get("features") or {}).items() if feature is not None}
        given |= pictures if self.pictured else set()
        given |= {name for name, read in columns.items() if self.changes(read)}
        return given | ({*titles, *columns} if self.retitled or given else set())

    def changes(self, columns: Sequence[str]) -> bool:
        """Whether one of some columns changes."""
        return any(self.before.details.get(name) != self.after.details.get(name) for name in columns)

    def whole(self) -> Item:
        """What the hash heads read."""
        whole = {name: self.item.get(name) for name in ("item_id", "features", "picture")}
        return {**self.after.details, **whole, "title": self.after.title}


def write_items(live: LiveCatalogue, items: Iterable[Item], coding: Coding, *, add: bool) -> int:
    """Updates items; see Recommender.update_items and upsert_items.

    Args:
        live: the catalogue.
        items: as for Recommender.add_items, of known items only what changes.
        coding: how codes are made.
        add: whether unknown items are added; otherwise they are an error.

    Returns:
        How many items were added or changed.
    """
    with live.writing() as writing:
        batch = _Batch(live, writing, coding)
        place = 0
        for part in parts(items, PART):
            by_type: dict[str, list[Item]] = {}
            for item in named_items(live, read_pictures(part)):
                by_type.setdefault(type_of_item(live.bundle, item, place), []).append(item)
                place += 1
            for item_type, items_of_type in by_type.items():
                batch.write(item_type, items_of_type, add)
        return batch.finish()


class _Batch:
    """One transaction, written part by part."""

    def __init__(self, live: LiveCatalogue, writing: Writing, coding: Coding) -> None:
        self._live = live
        self._snapshot, self._store = writing
        self._bundle = self._snapshot.bundle
        self._coding = coding
        self._types_before = {**live.bundle.catalogue.column_types, **self._store.column_types()}
        self._types: dict[str, ColumnType | None] = dict(self._types_before)
        self._met = {name: np.zeros(len(ids), dtype=bool) for name, ids in self._bundle.items.items()}
        self._new: dict[str, set[str]] = {name: set() for name in self._bundle.types}
        self._type_of_new: dict[str, str] = {}
        self._recoded: dict[str, list[np.ndarray]] = {name: [] for name in self._bundle.types}
        self._count = 0

    def write(self, item_type: str, items: Sequence[Item], add: bool) -> None:
        """Writes what is new in a part of the batch, items of one type."""
        known = self._bundle.items[item_type]
        ids = [given_id(item_type, item["item_id"], place) for place, item in enumerate(items)]
        rows = known.find_many(ids)
        if not add and (rows < 0).any():
            known.row(ids[int(np.argmax(rows < 0))])  # raises
        self._check_once(item_type, ids, rows)
        new = [item_id for item_id, row in zip(ids, rows.tolist()) if row < 0]
        check_one_type(self._live, self._bundle, item_type, new, self._type_of_new)
        self._update([item for item, row in zip(items, rows) if row >= 0], item_type, rows[rows >= 0])
        self._add([item for item, row in zip(items, rows) if row < 0], item_type)

    def finish(self) -> int:
        """Writes the outfits of the items whose code changed. Returns how many items were added or changed."""
        new = {name: self._types[name] for name in self._types if name not in self._types_before}
        self._store.put_column_types(new)
        recoded = {name: np.concatenate(records) for name, records in self._recoded.items() if records}
        rows = outfits_holding(self._snapshot, {name: records["row"] for name, records in recoded.items()})
        if len(rows):
            view = _with_codes(self._bundle, recoded)
            ids, items, own = self._snapshot.ids.at(rows), self._snapshot.items_of(rows), self._snapshot.own_of(rows)
            put_outfits(self._store, view, ids, items, own=own, replace=True)
        return self._count

    def _check_once(self, item_type: str, ids: Sequence[str], rows: np.ndarray) -> None:
        met, new = self._met[item_type], self._new[item_type]
        for place, (item_id, row) in enumerate(zip(ids, rows.tolist())):
            if met[row] if row >= 0 else item_id in new:
                raise DataError(f"{item_type} {item_id!r} was given twice")
            if row >= 0:
                met[row] = True
            else:
                new.add(new_id(item_type, item_id, place))

    def _add(self, items: Sequence[Item], item_type: str) -> None:
        if not items:
            return
        items = self._coding.with_codes(items)
        ids = [str(item["item_id"]) for item in items]
        first = len(self._bundle.items[item_type]) + len(self._new[item_type]) - len(items)
        records = item_records(self._bundle, item_type, items, self._coding.encoder)
        self._store.append("add_items", item_type, id_list(ids), records.tobytes())
        lines = enumerate(items, start=first)
        self._store.put_items(
            (item_type, row, str(item["item_id"]), *catalogue_line(item, self._types)) for row, item in lines
        )
        given = [given_features(self._bundle, item) for item in items]
        self._store.put_given(item_type, range(first, first + len(items)), given)
        self._count += len(items)

    def _update(self, items: Sequence[Item], item_type: str, rows: np.ndarray) -> None:
        if not items:
            return
        lines = self._bundle.catalogue.lines(item_type, rows.tolist())
        states = [self._state(row, *lines.get(row, (None, None))) for row in rows.tolist()]
        updates = [Update(item, state, self._merged(item, state)) for item, state in zip(items, states)]
        revisions = [revision for update in updates if (revision := self._revision(item_type, update)) is not None]
        records = _new_codes(self._bundle, item_type, updates, self._coding)
        coded = [update for update in updates if update.item.get("features")]
        given = [given_features(self._bundle, update.item) for update in coded]
        self._store.put_given(item_type, [update.before.row for update in coded], given)
        if revisions or len(records):
            seq = self._store.append("update_items", item_type, "[]", records.tobytes())
            self._store.put_revisions(revision._replace(seq=seq) for revision in revisions)
            self._recoded[item_type].append(records)
            self._count += len({revision.row for revision in revisions} | set(records["row"].tolist()))

    def _state(self, row: int, title: str | None, text: str | None) -> ItemState:
        try:
            return ItemState(row, title, read_object(text), str(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise BundleError(f"{self._bundle.path}: the item of row {row} in the catalogue: {error}") from None

    def _merged(self, item: Item, state: ItemState) -> ItemState:
        """The item as it will be."""
        title, given, _ = item_details(item, self._types)
        title = title if "title" in item else state.title
        if all(name in state.details and _same(state.details[name], value) for name, value in given.items()):
            return state._replace(title=title)
        details = {**state.details, **given}
        for name in [name for name, value in given.items() if value is None]:
            del details[name]
        return ItemState(state.row, title, details, json.dumps(details, ensure_ascii=False, allow_nan=False))

    def _revision(self, item_type: str, update: Update) -> Revision | None:
        """The new line of an item, without the number of its log entry; None when the line stays as it is."""
        item, before, after = update
        picture = item.get("picture")
        has_picture = "picture" in item and self._bundle.catalogue.picture(item_type, before.row) != picture
        if not has_picture and after.title == before.title and after.text == before.text:
            return None
        reworded = has_picture or after.words != before.words
        picture = picture if has_picture else None
        return Revision(item_type, before.row, 0, after.title, after.text, picture, has_picture, reworded)


def _same(value: Any, other: Any) -> bool:
    """Whether two values of a column are written alike: 1, 1.0 and true are not."""
    return type(value) is type(other) and bool(value == other) and not isinstance(value, list)


def _new_codes(bundle: Bundle, item_type: str, updates: Sequence[Update], coding: Coding) -> np.ndarray:
    """The items whose code or bias changes, as update_record."""
    rows = np.array([update.before.row for update in updates], dtype=np.int64)
    records = np.zeros(len(updates), dtype=update_record(bundle))
    records["row"] = rows
    records["code"], records["bias"] = bundle.item_codes[item_type][rows], bundle.item_bias[item_type][rows]
    if bundle.encoded_items:
        records["encoded"] = bundle.encoded_items[item_type][rows]
    before = records.copy()
    for place, (item, _, _) in enumerate(updates):
        if "bias" in item:
            records["bias"][place] = given_bias(item)
        if item.get("code") is not None:
            records["code"][place] = pack(given_code(bundle, item))
    if bundle.modalities == ("request",):
        _code_words(bundle, item_type, updates, coding, records)
    else:
        _code_content(bundle, item_type, updates, coding, records)
    bytes_of = [table.view(np.uint8).reshape(len(table), -1) for table in (records, before)]
    changed: np.ndarray = records[(bytes_of[0] != bytes_of[1]).any(axis=1)]
    return changed


def _code_words(bundle: Bundle, item_type: str, updates: Sequence[Update], coding: Coding, records: np.ndarray) -> None:
    """A bundle of requests alone: items with other words, or another picture, are coded from all of them."""
    for place, (item, before, after) in enumerate(updates):
        if item.get("code") is None and ("picture" in item or after.words != before.words):
            picture = item["picture"] if "picture" in item else bundle.catalogue.picture(item_type, before.row)
            whole = {**after.details, "item_id": item["item_id"], "title": after.title, "picture": picture}
            [coded] = coding.with_codes([whole])
            records["code"][place] = pack(np.asarray(coded["code"]).reshape(1, -1))


def _code_content(
    bundle: Bundle, item_type: str, updates: Sequence[Update], coding: Coding, records: np.ndarray
) -> None:
    """Items with new features, another picture or title where these are a modality: it is coded again."""
    has_features = any(item.get("features") or item.get("picture") is not None for item, _, _ in updates)
    if not any(item.get("features") for item, _, _ in updates) and not (bundle.path / "heads").is_dir():
        return  # titles, pictures and columns are shown only
    if not has_features and all(update.before.text == update.after.text and not update.retitled for update in updates):
        return
    encoder = coding.encoder()
    content_heads = {name: heads for name, heads in encoder.heads.items() if isinstance(heads, ContentHeads)}
    titles = {name for name, heads in content_heads.items() if heads.titles is not None}
    pictures = {name for name, heads in content_heads.items() if heads.pictures is not None}
    columns = {name: heads.attributes.names for name, heads in content_heads.items() if heads.attributes is not None}
    contents = enumerate(update.content(titles, pictures, columns) for update in updates)
    content = {place: modalities for place, modalities in contents if modalities}
    if not content:
        return
    scoring, places = scoring_of(bundle), list(content)
    if not scoring.adds_up:
        for place in places:
            _check_whole(updates[place].item, encoder, content[place])
    outputs = head_outputs(encoder, item_type, [updates[place].whole() for place in places])
    codes, encoded = scoring.coded_items(item_type, outputs)
    if not scoring.adds_up:
        records["code"][places], records["encoded"][places] = codes, encoded
        return
    for place, code in zip(places, codes):
        for number, modality in enumerate(bundle.modalities):
            if modality in content[place]:
                records["code"][place, number] = code[number]


def _check_whole(item: Item, encoder: ItemCoder, given: set[str]) -> None:
    """An outfit encoder makes one token of all modalities: raises FeatureError when one is missing."""
    content = [name for name, heads in encoder.heads.items() if isinstance(heads, ContentHeads)]
    if missing := [name for name in content if name not in given]:
        raise FeatureError(
            f"item {item['item_id']!r}: its {', '.join(sorted(given))} changes, and this bundle codes an item from all "
            f"of its content at once: give its {', '.join(missing)} as well"
        )


def _with_codes(bundle: Bundle, recoded: Mapping[str, np.ndarray]) -> Bundle:
    """A view of the bundle with the new codes."""
    codes, bias = dict(bundle.item_codes), dict(bundle.item_bias)
    encoded = dict(bundle.encoded_items)
    for item_type, records in recoded.items():
        for arrays, name in ((codes, "code"), (bias, "bias"), (encoded, "encoded")):
            if item_type in arrays:
                arrays[item_type] = np.array(arrays[item_type])
                arrays[item_type][records["row"]] = records[name]
    return bundle.view(item_codes=codes, item_bias=bias, encoded_items=encoded)
