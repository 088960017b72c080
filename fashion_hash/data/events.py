"""Events as logs and reviews have them, gathered into arrays and cut by time.

**The split.** A user's last event is a test request, the one before it a validation request where there are
three or more. Events of one moment have no order in time, and files are often sorted by item, so their order is
drawn from the seed: the line number would make one item the last of every user.

**One review on several items.** Shops show one review under every colour of a product, so that a file holds it
several times: same user, same moment, same words. It is one event of one user, and nothing of the review of a
test pair may be known beforehand: with `copies="drop"` (the default) its copies leave the data, and a user who
wrote nothing else stays in training only. `copies="blank"` keeps the copies as items the user took and takes
the words away, so that every user is tested; the taste then knows which sister items were reviewed together.
The same words at another moment ("Good", from a user who always writes "Good") are another event: it stays in
training, without the words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.errors import DataError

Copies = Literal["drop", "blank"]
COPIES: tuple[Copies, ...] = ("drop", "blank")
GIVEN = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
UNTYPED = "item"
"""The item type of everything whose type is not known, such as the items of a file of reviews."""

Catalogue = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""{item type: {item id: {column: value}}}."""


@dataclass(frozen=True)
class RequestOptions:
    """What may be said about how requests are read; each format takes some of it.

    Attributes:
        metadata: the file that describes the items; by default it is looked for beside the requests.
        subset: formats of outfits: as for `load_dataset`.
        slots: formats of outfits: as for `load_dataset`.
        seed: fixes the order of events of the same moment, and the requests that are made from outfits.
        copies: copies of a held-out review leave the data ("drop") or lose their words ("blank").
        min_rating: reviews with fewer stars, or without stars, are left out.
        min_events: users with fewer events are left out.
        per_outfit: formats of outfits: how many items of each outfit are asked for.
        typed: formats of outfits: the share of training requests in the words that users type into a search field.
    """

    metadata: str | Path | None = None
    subset: str | None = None
    slots: Sequence[str] | None = None
    seed: int = 0
    copies: Copies = "drop"
    min_rating: float | None = None
    min_events: int = 1
    per_outfit: int = 3
    typed: float = 0.0


class Event(NamedTuple):
    """One line of a log: ids as strings, unix seconds; `variant` is what is known of the very piece (its colour).

    An empty user is an anonymous one.
    """

    user: str
    item: str
    text: str
    time: int
    variant: str = ""
    split: str = ""


@dataclass(frozen=True)
class Log:
    """Distinct events in the order of their lines, ids as rows of `user_ids` and `item_ids`.

    Attributes:
        users, items: (N,) int32; users are -1 for anonymous users.
        times: (N,) int64.
        texts, variants: (N,) words.
        splits: (N,) given splits, or "" throughout.
        user_ids, item_ids: in order of first appearance.
        counts: what was met while reading.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    texts: tuple[str, ...]
    variants: tuple[str, ...]
    splits: tuple[str, ...]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.users)


class ReadLog(NamedTuple):
    """What a format of logs hands over.

    Attributes:
        name: of the file.
        log: its events.
        catalogue: of their items.
        table: the table that describes the items, if there is one and it need not hold each of them.
    """

    name: str
    log: Log
    catalogue: Catalogue
    table: ItemTable | None = None


def reviewed_items(log: Log, known: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """The catalogue of a file of reviews: the reviewed items, all of the type "item".

    Args:
        log: the reviews.
        known: what is known of each item, by id; items that are absent here have no details.
    """
    return {UNTYPED: {item_id: known.get(item_id, {}) for item_id in log.item_ids}}


def collect(events: Iterable[Event], min_events: int = 1) -> Log:
    """Gathers events; one that occurs twice (user, item, time and words alike) is kept once.

    Args:
        events: in the order of their lines.
        min_events: users with fewer distinct events are left out (anonymous events are kept).
    """
    users: dict[str, int] = {"": -1}
    items: dict[str, int] = {}
    words: dict[str, int] = {}
    seen: set[tuple[int, int, int, int]] = set()
    kept: list[tuple[int, int, int, int]] = []
    variants: list[str] = []
    splits: list[str] = []
    known: dict[str, str] = {}  # one string of a variant, however often it occurs
    lines = 0
    for event in events:
        lines += 1
        user = users.setdefault(event.user, len(users) - 1)
        key = (
            user,
            items.setdefault(event.item, len(items)),
            event.time,
            words.setdefault(event.text, len(words)),
        )
        if key in seen:
            continue
        seen.add(key)
        kept.append(key)
        variants.append(known.setdefault(event.variant, event.variant))
        splits.append(event.split)
    table = np.array(kept, dtype=np.int64).reshape(-1, 4)
    texts = list(words)
    log = Log(
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        table[:, 2].copy(),
        tuple(texts[row] for row in table[:, 3]),
        tuple(variants),
        tuple(splits),
        tuple(users)[1:],
        tuple(items),
        {"lines": lines, "duplicates": lines - len(kept)},
    )
    return _active(log, min_events) if min_events > 1 else log


def _active(log: Log, min_events: int) -> Log:
    """Without users of fewer events, and without items that only they had."""
    counts = np.bincount(log.users[log.users >= 0], minlength=len(log.user_ids))
    active = counts >= min_events
    keep = (log.users < 0) | active[log.users]
    if not keep.any():
        raise DataError(f"min_events {min_events}: no user has so many events (the most is {counts.max(initial=0)})")
    rows = np.flatnonzero(keep)
    items, taken = np.unique(log.items[rows], return_inverse=True)
    users = np.cumsum(active) - 1
    return replace(
        log,
        users=np.where(log.users[rows] < 0, -1, users[log.users[rows]]).astype(np.int32),
        items=taken.astype(np.int32),
        times=log.times[rows],
        texts=tuple(log.texts[row] for row in rows),
        variants=tuple(log.variants[row] for row in rows),
        splits=tuple(log.splits[row] for row in rows),
        user_ids=tuple(one for one, there in zip(log.user_ids, active) if there),
        item_ids=tuple(log.item_ids[item] for item in items),
        counts={**log.counts, "left out: events of users with too few events": int((~keep).sum())},
    )


def split_by_time(
    log: Log, seed: int = 0, copies: Copies = "drop"
) -> tuple[dict[str, np.ndarray], set[int], Counter[str]]:
    """Cuts a log as the module's text says.

    Returns:
        The rows of each split in the order of the log; the rows whose words are taken away; and counts.
    """
    if copies not in COPIES:
        raise DataError(f"copies is {copies!r}; it is one of {', '.join(COPIES)}")
    texts = text_numbers(log.texts)
    drawn = generator(seed, "requests", "ties").permutation(len(log))
    order = np.lexsort((drawn, log.times, log.users))
    bounds = np.searchsorted(log.users[order], np.arange(len(log.user_ids) + 1))
    place = np.full(len(log), "train", dtype=object)
    blank: set[int] = set()
    counts: Counter[str] = Counter()
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        left = order[low:high].tolist()
        for name, least in (("test", 2), ("valid", 2)):
            if len(left) < least:
                break
            held = left[-1]
            same = [row for row in left[:-1] if texts[row] >= 0 and texts[row] == texts[held]]
            copied = [row for row in same if log.times[row] == log.times[held]]
            rest = [row for row in left[:-1] if copies == "blank" or row not in copied]
            if not rest:
                counts["users in training only: one review on several items"] += name == "test"
                break
            place[held] = name
            counts[f"copies of the {name} review: {'left out' if copies == 'drop' else 'words taken away'}"] += len(
                copied
            )
            counts[f"words of the {name} review at another time: taken away"] += len(same) - len(copied)
            if copies == "drop":
                place[copied] = ""
                blank.update(set(same) - set(copied))
            else:
                blank.update(same)
            left = rest
    splits = {name: np.flatnonzero(place == name) for name in ("train", "valid", "test")}
    return splits, blank, counts


def split_as_given(log: Log) -> dict[str, np.ndarray]:
    """The splits that the file itself names. Raises DataError for one that is not train, valid or test."""
    unknown = sorted(set(log.splits) - set(GIVEN))
    if unknown:
        raise DataError(
            f"unknown split {unknown[0]!r}: the splits are train, valid and test, named on every line or none"
        )
    names = np.array([GIVEN[split] for split in log.splits], dtype=object)
    return {name: np.flatnonzero(names == name) for name in ("train", "valid", "test")}


def normal(text: str) -> str:
    """Words without case and spacing, so that copies are found."""
    return " ".join(text.casefold().split())


def text_numbers(texts: Iterable[str]) -> list[int]:
    """A number from 0 for each distinct text, whatever its case and spacing; -1 for none."""
    numbers = {"": -1}
    return [numbers.setdefault(normal(text), len(numbers) - 1) for text in texts]
