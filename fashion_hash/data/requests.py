"""Requests: who asked for what, in which words, and which item they took.

    data = load_requests("amazon_reviews", "reviews.json.gz")
    test = data.splits["test"]
    data.users.ids[test.users[0]], test.texts[0], data.item_id(test.items[0])

Reviews stand for requests: the words of a review are what its writer might have asked for. The readers of
each format hand over `Events`; `request_split` cuts them by time. Letters: N requests, C items of the catalogue.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.data.amazon_reviews import find_files, read_amazon_metadata, read_amazon_reviews
from fashion_hash.data.dataset import Dataset, items_digest
from fashion_hash.data.load import FORMATS as OUTFIT_FORMATS
from fashion_hash.data.load import load_dataset
from fashion_hash.data.made_requests import make_requests, request_descriptions
from fashion_hash.data.request_log import Copies, Log, collect, split_as_given, split_by_time
from fashion_hash.data.request_table import (
    UNTYPED,
    Catalogue,
    find_tables_of_requests,
    read_item_table,
    read_request_table,
)
from fashion_hash.data.request_words import catalogue_words, describe
from fashion_hash.data.tables import Reporter, stop
from fashion_hash.data.vocabulary import Vocabulary
from fashion_hash.data.yelp import find_yelp_files, read_businesses, read_yelp_reviews
from fashion_hash.errors import ConfigError, DataError, suggest

NOBODY = -1
LOG_FORMATS = ("amazon_reviews", "yelp", "request_table")
FORMATS = (*LOG_FORMATS, *OUTFIT_FORMATS)


@dataclass(frozen=True)
class Requests:
    """A table of requests and the item that was taken; rows are aligned.

    Attributes:
        users: (N,) int32, rows of the user vocabulary; NOBODY (-1) where nobody is known.
        items: (N,) int32, rows of the whole catalogue, all item types one after the other
            (`RequestData.flat` and `unflat` translate).
        texts: (N,) the request's words; "" where none was written.
        times: (N,) int64, unix seconds; 0 where unknown.
    """

    users: np.ndarray
    items: np.ndarray
    texts: tuple[str, ...]
    times: np.ndarray

    def __post_init__(self) -> None:
        lengths = {len(self.users), len(self.items), len(self.texts), len(self.times)}
        if len(lengths) > 1:
            raise DataError(f"requests of different lengths: {sorted(lengths)}")

    @classmethod
    def of(cls, users: object, items: object, texts: Sequence[str], times: object | None = None) -> Requests:
        """From anything array-like; copies to the types named above."""
        rows = np.asarray(users, dtype=np.int32).reshape(-1)
        when = np.zeros(len(rows)) if times is None else times
        taken = np.asarray(items, dtype=np.int32).reshape(-1)
        return cls(rows, taken, tuple(texts), np.asarray(when, dtype=np.int64).reshape(-1))

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: slice | np.ndarray) -> Requests:
        chosen = np.arange(len(self))[rows]
        texts = tuple(self.texts[row] for row in chosen)
        return Requests(self.users[chosen], self.items[chosen], texts, self.times[chosen])


@dataclass(frozen=True)
class RequestData:
    """Everything a request model is trained and measured on.

    Attributes:
        name: for reports, such as "amazon_reviews/AMAZON_FASHION_5.json".
        users: user ids and rows.
        items: for each item type, item ids and rows, as in `Dataset`; reviews have the one type "item".
        splits: "train", perhaps "valid", "test".
        descriptions: for each item type, (N,) words that describe each item: its title and description, or
            what was written of it in training reviews; "" where nothing is known.
        details: what else is known of the items, as `Content.details`.
        pictures: a folder of image files or an LMDB environment, or None.
        counts: what the reader met on its way (lines, duplicates, copies, ...), for reports.
    """

    name: str
    users: Vocabulary
    items: Mapping[str, Vocabulary]
    splits: Mapping[str, Requests]
    descriptions: Mapping[str, tuple[str, ...]]
    details: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    pictures: Path | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, vocabulary in self.items.items():
            if len(self.descriptions[kind]) != len(vocabulary):
                raise DataError(f"{len(self.descriptions[kind])} descriptions for {len(vocabulary)} {kind} items")
        for name, requests in self.splits.items():
            if len(requests) and not (requests.items.min() >= 0 and requests.items.max() < self.num_items):
                raise DataError(f"{name}: item rows outside of the catalogue of {self.num_items}")
            if len(requests) and not (requests.users.min() >= NOBODY and requests.users.max() < len(self.users)):
                raise DataError(f"{name}: user rows outside of the {len(self.users)} users")

    @property
    def types(self) -> tuple[str, ...]:
        """The item types, in the order of the catalogue."""
        return tuple(self.items)

    @cached_property
    def offsets(self) -> np.ndarray:
        """(types + 1,) int64: the items of type t are the catalogue's rows offsets[t] to offsets[t + 1]."""
        return np.cumsum([0, *(len(vocabulary) for vocabulary in self.items.values())])

    @property
    def num_items(self) -> int:
        """C, the size of the whole catalogue."""
        return int(self.offsets[-1])

    def split(self, name: str) -> Requests:
        """A split by name; "val" is understood as "valid". Raises DataError when it is absent."""
        name = "valid" if name == "val" else name
        if name not in self.splits:
            raise DataError(f"{self.name} has no split {name!r} of requests; it has {sorted(self.splits)}")
        return self.splits[name]

    def flat(self, kind: str, rows: np.ndarray | int) -> np.ndarray:
        """Rows of the catalogue for rows of one item type's vocabulary."""
        return np.asarray(rows) + self.offsets[self.types.index(kind)]

    def unflat(self, rows: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """For rows of the catalogue: positions in `types`, and rows of that type's vocabulary."""
        kinds = np.searchsorted(self.offsets, rows, side="right") - 1
        return kinds, np.asarray(rows) - self.offsets[kinds]

    def item_id(self, row: int) -> str:
        """The id of an item, by its row of the catalogue."""
        kind, within = self.unflat(row)
        return self.items[self.types[int(kind)]].ids[int(within)]

    @cached_property
    def all_descriptions(self) -> tuple[str, ...]:
        """(C,) descriptions of the whole catalogue."""
        return tuple(words for kind in self.types for words in self.descriptions[kind])

    @cached_property
    def items_fingerprint(self) -> str:
        """Twelve hexadecimal digits of the item types and ids, the same as of a `Dataset` of these items."""
        return items_digest(self.items)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of what was read: ids, descriptions and every split."""
        digest = hashlib.sha256(json.dumps([self.users.ids, self.items_fingerprint]).encode())
        digest.update(json.dumps(self.all_descriptions).encode())
        for name in sorted(self.splits):
            requests = self.splits[name]
            digest.update(name.encode() + requests.users.tobytes() + requests.items.tobytes())
            digest.update(requests.times.tobytes() + json.dumps(requests.texts).encode())
        return digest.hexdigest()[:12]


def load_requests(
    format: str,
    root: str | Path,
    *,
    metadata: str | Path | None = None,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    seed: int = 0,
    copies: Copies = "drop",
    min_rating: float | None = None,
    min_events: int = 1,
    per_outfit: int = 3,
    report: Reporter = stop,
) -> RequestData:
    """Reads requests into memory.

    Args:
        format: "amazon_reviews", "yelp" or "request_table"; or a format of outfits, whose titles requests are
            made from ("polyvore_u").
        root: the file, or the folder that holds it.
        metadata: the file of what is known of the items; looked for beside the requests when left out.
        subset, slots: of a format of outfits, as for `load_dataset`.
        seed: of the order of events of one moment, and of requests that are made.
        copies: what becomes of the copies of a held-out review: "drop" or "blank" (see `request_log`).
        min_rating: reviews of fewer stars are left out.
        min_events: people with fewer events are left out.
        per_outfit: of a format of outfits: how many of an outfit's items are asked for.
        report: called with each fault of the files; the default raises the first.

    Raises:
        ConfigError: no such format, or an argument that the format does not know.
        DataError: a file is missing or broken; the message names file and line.
    """
    foreign: dict[str, Any] = {"subset": subset, "slots": slots}
    if format in OUTFIT_FORMATS:
        foreign = {
            "metadata": metadata,
            "min_rating": min_rating,
            "min_events": None if min_events == 1 else min_events,
        }
    for option, value in foreign.items():
        if value is not None:
            raise ConfigError(f"{format} knows no {option}: leave out {option} {value!r}")
    if format == "amazon_reviews":
        reviews, meta = find_files(root, metadata)
        log = collect(read_amazon_reviews(reviews, min_rating, report), min_events)
        known = read_amazon_metadata(meta, set(log.item_ids), report) if meta else {}
        return from_log(f"{format}/{reviews.name}", log, _reviewed(log, known), seed, copies)
    if format == "yelp":
        reviews, meta = find_yelp_files(root, metadata)
        log = collect(read_yelp_reviews(reviews, min_rating, report), min_events)
        known = read_businesses(meta, set(log.item_ids), report) if meta else {}
        return from_log(f"{format}/{reviews.name}", log, _reviewed(log, known), seed, copies)
    if format == "request_table":
        if min_rating is not None:
            raise ConfigError("request_table has no ratings: leave out min_rating")
        table, items = find_tables_of_requests(root, metadata)
        catalogue = read_item_table(items, report) if items else None
        log = collect(read_request_table(table, catalogue, report), min_events)
        return from_log(f"{format}/{table.name}", log, catalogue or _reviewed(log, {}), seed, copies)
    if format in OUTFIT_FORMATS:
        return from_outfits(load_dataset(format, root, subset=subset, slots=slots, report=report), seed, per_outfit)
    raise ConfigError(f"unknown data format {format!r}{suggest(format, FORMATS)}; known: {', '.join(FORMATS)}")


def _reviewed(log: Log, known: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """The catalogue of a file of reviews: the items that were reviewed, of the one type "item"."""
    return {UNTYPED: {one: known.get(one, {}) for one in log.item_ids}}


def from_log(name: str, log: Log, catalogue: Catalogue, seed: int = 0, copies: Copies = "drop") -> RequestData:
    """Cuts a log into splits and describes its items from the catalogue and from training alone.

    Args:
        name: for reports.
        log: the events; splits that they name are taken as they are.
        catalogue: every item of the log and perhaps more: {item type: {item id: what is known of it}}.
        seed, copies: as for `load_requests`.

    Raises:
        DataError: nothing was read.
    """
    if not len(log):
        raise DataError(f"{name} holds no events (after the filters: {dict(log.counts)})")
    if any(log.splits):
        rows, blank, counts = split_as_given(log), set[int](), Counter[str]()
    else:
        rows, blank, counts = split_by_time(log, seed, copies)
    if not any(log.splits) and not log.times.any():
        counts["events without a time: which is a person's last is drawn"] = len(log)
    vocabularies = {kind: Vocabulary(items, kind) for kind, items in catalogue.items()}
    known = {one: details for items in catalogue.values() for one, details in items.items()}
    place = {one: row for row, one in enumerate(known)}
    flat = np.array([place[one] for one in log.item_ids], dtype=np.int32)[log.items]
    splits = {
        split: Requests.of(
            log.users[at], flat[at], ["" if row in blank else log.texts[row] for row in at.tolist()], log.times[at]
        )
        for split, at in rows.items()
        if len(at) or split != "valid"
    }
    described = dict(zip(log.item_ids, describe(log, rows["train"], blank, known)))
    return RequestData(
        name,
        Vocabulary(log.user_ids, "user"),
        vocabularies,
        splits,
        {
            kind: tuple(described[one] if one in described else catalogue_words(details) for one, details in of.items())
            for kind, of in catalogue.items()
        },
        {kind: {one: details for one, details in items.items() if details} for kind, items in catalogue.items()},
        counts={**log.counts, **counts},
    )


def from_outfits(data: Dataset, seed: int = 0, per_outfit: int = 3) -> RequestData:
    """Makes requests from the outfits of a data set (`made_requests`); users and items keep their rows.

    Raises DataError when nothing is known of the items that could be asked for.
    """
    made = make_requests(data, seed, per_outfit)
    start = dict(zip(data.types, np.cumsum([0, *(len(data.items[kind]) for kind in data.types)]).tolist()))
    splits = {
        name: Requests.of(one.users, [start[kind] + row for kind, row in zip(one.kinds, one.rows)], one.texts)
        for name, one in made.items()
    }
    return RequestData(
        f"requests of {data.name}",
        data.users,
        {kind: data.items[kind] for kind in data.types},
        splits,
        request_descriptions(data),
        data.content.details,
        data.content.pictures,
        {"outfits without a request: nothing to say of the item": sum(one.left_out for one in made.values())},
    )
