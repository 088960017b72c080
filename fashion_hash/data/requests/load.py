"""Requests: who asked for what, in which words, and which item they took.

    data = load_requests("amazon_reviews", "reviews.json.gz")
    test = data.splits["test"]
    data.users.ids[test.users[0]], test.texts[0], data.item_id(test.items[0])

Reviews stand for requests: the words of a review are what its writer might have asked for. Each format hands over
its events and `fashion_hash.data.events` splits them by time. Another format of logs is one module in `data/formats`
and one line in `FORMATS`. Shapes: N requests, C items in the catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.descriptions import catalogue_words, describe
from fashion_hash.data.events import (
    Catalogue,
    Copies,
    Log,
    ReadLog,
    RequestOptions,
    split_as_given,
    split_by_time,
)
from fashion_hash.data.formats import amazon_reviews, request_table, yelp
from fashion_hash.data.load import FORMATS as OUTFIT_FORMATS
from fashion_hash.data.load import OutfitFormat, format_named, load_dataset
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.requests.synthesis import make_requests, request_descriptions
from fashion_hash.data.requests.table import REMOVED, RequestData, Requests
from fashion_hash.data.requests.typed import retyped
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.data.splits.removed_users import log_without_users, without_users
from fashion_hash.errors import ConfigError, DataError


class LogFormat(NamedTuple):
    """How a format of logged requests is read.

    Attributes:
        read: (root, options, report) -> ReadLog; raises DataError for a missing or broken file.
        takes: the options that it takes beside `seed` and `copies`; others are refused.
    """

    read: Callable[[str | Path, RequestOptions, Reporter], ReadLog]
    takes: tuple[str, ...]


FORMATS: Mapping[str, LogFormat] = {
    "amazon_reviews": LogFormat(amazon_reviews.read_requests, ("metadata", "min_rating", "min_events")),
    "yelp": LogFormat(yelp.read_requests, ("metadata", "min_rating", "min_events")),
    "request_table": LogFormat(request_table.read_requests, ("metadata", "min_events")),
}
_OUTFITS_TAKE = ("subset", "slots", "typed")
_NOT_FOR_ALL = (
    "metadata",
    "subset",
    "slots",
    "typed",
    "min_rating",
    "min_events",
)  # the rest is ignored where it has no meaning


def load_requests(
    format: str,
    root: str | Path,
    *,
    report: Reporter = stop,
    removed: RemovedUsers | None = None,
    **options: Any,
) -> RequestData:
    """Reads requests into memory.

    Args:
        format: a name in `FORMATS`, or a format of outfits (`fashion_hash.data.load.FORMATS`) whose titles the
            requests are made from.
        root: the file, or the folder that holds it.
        report: called with each fault in the files; the default raises the first.
        removed: users whose requests are left out, and whose words describe no item; `counts` says how many they are.
        **options: the fields of `fashion_hash.data.events.RequestOptions`, such as `metadata` and `min_events`.

    Returns:
        The requests by split, and the catalogue they are about.

    Raises:
        ConfigError: there is no such format, or it does not take one of the options.
        DataError: a file is missing or broken; the message names file and line.
    """
    chosen = RequestOptions(**options)
    every: dict[str, LogFormat | OutfitFormat] = {**FORMATS, **OUTFIT_FORMATS}
    known, removed = format_named(format, every), removed or RemovedUsers()
    if isinstance(known, OutfitFormat):
        _refuse_others(format, chosen, _OUTFITS_TAKE)
        outfits = load_dataset(format, root, subset=chosen.subset, slots=chosen.slots, report=report)
        outfits, gone = without_users(outfits, removed)
        return _noted(from_outfits(outfits, chosen.seed, chosen.per_outfit, chosen.typed), gone)
    _refuse_others(format, chosen, known.takes)
    read = known.read(root, chosen, report)
    log, gone = log_without_users(read.log, removed)
    data = from_log(f"{format}/{read.name}", log, read.catalogue, chosen.seed, chosen.copies)
    return _noted(replace(data, table=read.table), gone)


def _noted(data: RequestData, gone: int) -> RequestData:
    return replace(data, counts={**data.counts, REMOVED: gone}) if gone else data


def _refuse_others(format: str, options: RequestOptions, takes: Sequence[str]) -> None:
    for name in _NOT_FOR_ALL:
        value = getattr(options, name)
        if name not in takes and value != getattr(RequestOptions, name):
            raise ConfigError(f"{format} does not take {name}: leave out {name} {value!r}")


def from_log(name: str, log: Log, catalogue: Catalogue, seed: int = 0, copies: Copies = "drop") -> RequestData:
    """Splits a log, and describes its items from the catalogue and the training events alone.

    Args:
        name: for reports.
        log: the events; splits that it names are taken as they are.
        catalogue: every item of the log and perhaps more: {item type: {item id: {column: value}}}.
        seed: as in `RequestOptions`.
        copies: as in `RequestOptions`.

    Raises:
        DataError: the log is empty.
    """
    if not len(log):
        raise DataError(f"{name} holds no events (after filtering: {dict(log.counts)})")
    if any(log.splits):
        rows, blank, counts = split_as_given(log), set[int](), Counter[str]()
    else:
        rows, blank, counts = split_by_time(log, seed, copies)
        if not log.times.any():
            counts["events without a time: which of a user's events is the last is drawn at random"] = len(log)
    _check_words(name, log, rows["train"], blank)
    known = {item_id: details for items in catalogue.values() for item_id, details in items.items()}
    row_of = {item_id: row for row, item_id in enumerate(known)}
    taken = np.array([row_of[item_id] for item_id in log.item_ids], dtype=np.int32)[log.items]
    splits = {
        split: Requests.of(
            log.users[at], taken[at], ["" if row in blank else log.texts[row] for row in at.tolist()], log.times[at]
        )
        for split, at in rows.items()
        if len(at) or split != "valid"
    }
    described = dict(zip(log.item_ids, describe(log, rows["train"], blank, known)))
    descriptions = {
        item_type: tuple(
            described[item_id] if item_id in described else catalogue_words(details)
            for item_id, details in items.items()
        )
        for item_type, items in catalogue.items()
    }
    return RequestData(
        name,
        Vocabulary(log.user_ids, "user"),
        {item_type: Vocabulary(items, item_type) for item_type, items in catalogue.items()},
        splits,
        descriptions,
        {
            item_type: {item_id: details for item_id, details in items.items() if details}
            for item_type, items in catalogue.items()
        },
        counts={**log.counts, **counts},
    )


def _check_words(name: str, log: Log, train: np.ndarray, blank: set[int]) -> None:
    """Raises DataError when the requests have words, but no training request keeps any."""
    left = [row for row in train.tolist() if row not in blank]
    if len(train) and any(log.texts) and not any(log.texts[row] for row in left):
        raise DataError(
            f"{name}: none of the {len(train):,} training requests has words of its own: {len(train) - len(left):,} "
            "repeat the words of a held-out request of the same user and lost them, the others have none; give "
            "requests in the users' own words, or name the splits in a column split"
        )


def from_outfits(data: Dataset, seed: int = 0, per_outfit: int = 3, typed: float = 0.0) -> RequestData:
    """Makes requests from the outfits of a data set (`synthesis.make_requests`); users and items keep their rows.

    Args:
        data: outfits with titles or attributes.
        seed: of every draw.
        per_outfit: how many items of each outfit are asked for.
        typed: the share of the training requests that is put in the words that users type into a search field
            (`typed.retyped`); validation and test keep their words.

    Raises:
        DataError: nothing is known of the items that could be asked for.
    """
    made = make_requests(data, seed, per_outfit)
    sizes = [len(data.items[item_type]) for item_type in data.types]
    start = dict(zip(data.types, np.cumsum([0, *sizes]).tolist()))
    splits = {
        name: Requests.of(
            split.users,
            [start[item_type] + row for item_type, row in zip(split.item_types, split.rows)],
            split.texts,
        )
        for name, split in made.items()
    }
    requests = RequestData(
        f"requests of {data.name}",
        data.users,
        {item_type: data.items[item_type] for item_type in data.types},
        splits,
        request_descriptions(data),
        data.content.details,
        data.content.pictures,
        {"outfits without a request (nothing to say about the item)": sum(split.left_out for split in made.values())},
        data.content.table,
    )
    if not typed:
        return requests
    train = retyped(requests, requests.split("train"), typed, seed)
    return replace(requests, splits={**requests.splits, "train": train})
