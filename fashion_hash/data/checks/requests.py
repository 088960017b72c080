"""What requests hold and what is wrong with them: above all, whether training knows anything of the test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.data.checks.outfits import EXAMPLES, Finding, Report, bad_lines, item_table
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.data.events import normal
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.errors import DataError

_FEWEST_WORDS, _MOST_WORDS = 4, 6  # "great shoes" in a description tells nothing; the first six words of a review do

SAME_EVENT = "the same user, item and words occur in {earlier}"
SAME_WORDS = "the same user wrote these words in {earlier}, for another item"
DESCRIBED = "the words occur in the description of an item, but not in the requests of {earlier}"
SAME_MOMENT = "{earlier} has wordless events of the same user at the same moment: probably copies of this review"
LATER = "{earlier} has later events of the same user"


class Leak(NamedTuple):
    """A request of `split` of which an earlier split knows too much: its row there, and how."""

    split: str
    row: int
    how: str


def leaks(data: RequestData) -> list[Leak]:
    """Everything by which training, or validation, gives a held-out request away; empty where all is well."""
    names = [name for name in ("train", "valid", "test") if name in data.splits]
    found = []
    for at, split in enumerate(names):
        held = data.splits[split]
        for earlier in names[:at]:
            for row, how in _between(held, data.splits[earlier]):
                found.append(Leak(split, row, how.format(earlier=earlier)))
        if split != "train" and "train" in names:
            for row in _described(data, held, data.splits["train"]):
                found.append(Leak(split, row, DESCRIBED.format(earlier="train")))
    return found


def _between(held: Requests, earlier: Requests) -> Iterator[tuple[int, str]]:
    held_users = set(held.users[held.users != NOBODY].tolist())
    of_user: dict[int, list[int]] = defaultdict(list)
    for row, user in enumerate(earlier.users.tolist()):
        if user in held_users:
            of_user[user].append(row)
    for row, (user, item, when) in enumerate(zip(held.users.tolist(), held.items.tolist(), held.times.tolist())):
        words = normal(held.texts[row])
        for known in of_user.get(user, ()):
            then = int(earlier.times[known])
            same = normal(earlier.texts[known]) == words
            if same and int(earlier.items[known]) == item and (words or (then == when and then)):
                yield row, SAME_EVENT
            elif same and words:
                yield row, SAME_WORDS
            elif words and not earlier.texts[known] and then and then == when:
                yield row, SAME_MOMENT
            if when and then > when:
                yield row, LATER


def _described(data: RequestData, held: Requests, train: Requests) -> Iterator[int]:
    """Rows of held requests whose first words a description holds, although neither training nor the catalogue does."""
    rows_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, text in enumerate(held.texts):
        words = tuple(normal(text).split()[:_MOST_WORDS])
        if len(words) >= _FEWEST_WORDS:
            rows_of[words].append(row)
    found = _windows(data.all_descriptions, rows_of)
    if found:
        found -= _windows(train.texts, rows_of)
        of_each = (details.values() for details in data.details.values())
        found -= _windows((catalogue_words(known) for of_type in of_each for known in of_type), rows_of)
    for words, rows in rows_of.items():
        if words in found:
            yield from rows


def _windows(texts: Iterable[str], wanted: dict[tuple[str, ...], Any]) -> set[tuple[str, ...]]:
    """Which of the wanted runs of words occur in any of the texts."""
    found: set[tuple[str, ...]] = set()
    first = {words[0] for words in wanted}
    for text in texts:
        words = normal(text).split()
        for start, word in enumerate(words):
            if word in first:
                for size in range(_FEWEST_WORDS, _MOST_WORDS + 1):
                    run = tuple(words[start : start + size])
                    if run in wanted:
                        found.add(run)
    return found


def check_requests(format: str, root: str | Path, **options: Any) -> Report:
    """Reads requests, going on after bad lines, and looks them through.

    Args:
        format: as for `load_requests`.
        root: as for `load_requests`.
        **options: as for `load_requests`.

    Raises:
        ConfigError: no such format or option.
        DataError: the file does not exist.
    """
    if not Path(root).exists():
        raise DataError(f"no file or folder {root}: give the requests to check")
    faults: list[str] = []
    count = [0]

    def report(error: DataError) -> None:
        count[0] += 1
        if len(faults) < EXAMPLES:  # a file of another form may be wrong in every one of a million lines
            faults.append(str(error))

    try:
        data = load_requests(format, root, report=report, **options)
    except DataError as error:
        report(error)
        return Report(f"{format} at {root}", {}, [bad_lines(faults or [str(error)], count[0])])
    findings = [bad_lines(faults, count[0])] if faults else []
    findings += [*_leaks(data), *_holes(data), *_strangers(data), *item_table(data.table), *_read(data)]
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.severity])
    return Report(data.name, _holds(data), findings)


def _holds(data: RequestData) -> dict[str, Any]:
    splits = {}
    for name, requests in data.splits.items():
        words = [len(text.split()) for text in requests.texts if text]
        splits[name] = {
            "requests": len(requests),
            "people": len(np.unique(requests.users[requests.users != NOBODY])),
            "items": len(np.unique(requests.items)),
            "without words": len(requests) - len(words),
            "median words": int(np.median(words)) if words else 0,
        }
    items = {item_type: len(vocabulary) for item_type, vocabulary in data.items.items()}
    return {"users": len(data.users), "items": items, "splits": splits}


def _show(data: RequestData, split: str, row: int) -> str:
    requests = data.splits[split]
    user, text = int(requests.users[row]), requests.texts[row]
    who = f"user {data.users.ids[user]}" if user != NOBODY else "an anonymous user"
    return f"{who}, item {data.item_id(int(requests.items[row]))}: {text[:60]!r}"


def _leaks(data: RequestData) -> Iterator[Finding]:
    by_cause: dict[tuple[str, str], dict[int, None]] = defaultdict(dict)
    for leak in leaks(data):
        by_cause[leak.split, leak.how][leak.row] = None
    for (split, how), rows in by_cause.items():
        examples = [_show(data, split, row) for row in list(rows)[:EXAMPLES]]
        yield Finding("warning", f"leak: requests of {split} where {how}", len(rows), examples)
    if not by_cause:
        yield Finding("note", "no leak: training knows nothing of the words and events that are held out", 0)


def _holes(data: RequestData) -> Iterator[Finding]:
    for name in ("train", "test"):
        if not len(data.splits.get(name, ())):
            why = "nothing to train on" if name == "train" else "nothing to measure: has every user only one event?"
            yield Finding("error" if name == "train" else "warning", f"the split {name} is empty: {why}", 0)
    for name, requests in data.splits.items():
        if len(requests) and not any(requests.texts):
            yield Finding("warning", f"{name}: no request has words", len(requests))


def _strangers(data: RequestData) -> Iterator[Finding]:
    train = data.splits["train"]
    for name, requests in data.splits.items():
        if name == "train" or not len(requests):
            continue
        users = np.setdiff1d(requests.users[requests.users != NOBODY], train.users)
        if len(users):
            examples = [data.users.ids[user] for user in users[:EXAMPLES]]
            yield Finding("warning", f"users of {name} without a request in train (new users)", len(users), examples)
        items = np.setdiff1d(requests.items, train.items)
        if len(items):
            examples = [data.item_id(int(item)) for item in items[:EXAMPLES]]
            yield Finding("warning", f"items of {name} without a request in train (new items)", len(items), examples)
    silent = [row for row, words in enumerate(data.all_descriptions) if not words]
    if silent:
        examples = [data.item_id(row) for row in silent[:EXAMPLES]]
        yield Finding("warning", "items without any description", len(silent), examples)


def _read(data: RequestData) -> Iterator[Finding]:
    for what, count in data.counts.items():
        if count:
            yield Finding("note", f"read: {what}", count)
