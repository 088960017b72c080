"""Requests: who asked for what, in which words, and which item they took.

    data = load_requests("amazon_reviews", "reviews.json.gz")
    test = data.splits["test"]
    data.users.ids[test.users[0]], test.texts[0], data.item_id(test.items[0])

Reviews stand for requests: the words of a review are what its writer might have asked for. The readers of
each format hand over `Events`; `request_split` cuts them by time. Letters: N requests, C items of the catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.descriptions import catalogue_words, describe
from fashion_hash.data.events import Copies, Log, collect, split_as_given, split_by_time
from fashion_hash.data.formats.amazon_reviews import find_files, read_amazon_metadata, read_amazon_reviews
from fashion_hash.data.formats.request_table import (
    UNTYPED,
    Catalogue,
    find_tables_of_requests,
    read_item_table,
    read_request_table,
)
from fashion_hash.data.formats.yelp import find_yelp_files, read_businesses, read_yelp_reviews
from fashion_hash.data.load import FORMATS as OUTFIT_FORMATS
from fashion_hash.data.load import load_dataset
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.requests.synthesis import make_requests, request_descriptions
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import ConfigError, DataError, suggest

LOG_FORMATS = ("amazon_reviews", "yelp", "request_table")
FORMATS = (*LOG_FORMATS, *OUTFIT_FORMATS)


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
