"""Splits for data that comes without: by time, at random per user, by users, by items.

Whatever the kind, all copies of an outfit of one user lie in one split, and the answer depends on the outfits and
the seed only, not on the order in which they were read. Shapes: N outfits, S slots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from fashion_hash.config.data import SplitConfig, SplitKind
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_columns, item_types
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import SPLITS, Dataset, Split
from fashion_hash.data.facts import OutfitFacts, needed_times
from fashion_hash.errors import ConfigError, DataError, counted

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, -1
"""How an assignment (N,) int8 says in which split an outfit lies; the first three are positions in SPLITS."""


def split_dataset(dataset: Dataset, settings: SplitConfig) -> Dataset:
    """Divides a data set of one split, "train", into train, valid and test.

    Args:
        dataset: without valid and test.
        settings: how to divide it.

    Returns:
        The data set with its splits; users, items and content are the same.

    Raises:
        ConfigError: the data set has splits of its own.
        DataError: outfits have no time, or a split would be empty.
    """
    return with_splits(dataset, assign_splits(dataset, settings), settings)


def assign_splits(dataset: Dataset, settings: SplitConfig) -> np.ndarray:
    """(N,) int8: TRAIN, VALID, TEST or LEFT_OUT for each outfit.

    Args:
        dataset: as for `split_dataset`.
        settings: as for `split_dataset`.

    Raises:
        ConfigError, DataError: as for `split_dataset`.
    """
    outfits, facts = undivided(dataset)
    order = _order(dataset, outfits, facts)
    assigned = np.empty(len(outfits), dtype=np.int8)
    ordered_facts = None if facts is None else facts[order]
    assigned[order] = _ASSIGN[settings.kind](outfits[order], ordered_facts, settings)
    for share, split in ((1.0, TRAIN), (settings.valid, VALID), (settings.test, TEST)):
        if share and not (assigned == split).any():
            raise DataError(
                f"data.split.kind {settings.kind}: no outfit of {dataset.name} would be in {SPLITS[split]} "
                f"({_counts(assigned)}): {_advice(settings)}"
            )
    return assigned


def undivided(dataset: Dataset) -> tuple[Outfits, OutfitFacts | None]:
    """All outfits of a data set without splits, and what is known of them.

    Raises ConfigError when the data set has splits of its own, or no outfits.
    """
    if set(dataset.splits) != {"train"}:
        raise ConfigError(
            f"data.split: {dataset.name} has splits of its own ({', '.join(dataset.splits)}): leave out data.split"
        )
    whole = dataset.splits["train"]
    return whole.positives, whole.facts


def with_splits(dataset: Dataset, assigned: np.ndarray, settings: SplitConfig) -> Dataset:
    """A data set without splits, divided as assigned; a split without outfits is left out.

    Args:
        dataset: without valid and test.
        assigned: (N,) as `assign_splits` gives it.
        settings: what the assignment is checked for (`check_assigned`).

    Raises:
        DataError: the assignment leaks.
    """
    outfits, facts = undivided(dataset)
    check_assigned(dataset, assigned, settings)
    splits = {}
    for number, name in enumerate(SPLITS):
        rows = np.flatnonzero(assigned == number)
        if rows.size:
            splits[name] = Split(outfits[rows], facts=None if facts is None else facts[rows])
    return replace(dataset, splits=splits)


def check_assigned(dataset: Dataset, assigned: np.ndarray, settings: SplitConfig) -> None:
    """Looks for leaks from training into the other splits.

    Args:
        dataset: without valid and test.
        assigned: (N,) the split of each outfit.
        settings: what the split is to be. No outfit of a user may be in two splits. "time": no outfit is older than
            one of an earlier split. "cold_users": no user is in two splits. "cold_items": no item is in two splits;
            with mixed "test", each outfit of valid and test has an item that is in no earlier split.

    Raises:
        DataError: naming the first outfit, user or item that leaks.
    """
    outfits, facts = undivided(dataset)
    kept = np.flatnonzero(assigned != LEFT_OUT)
    places, inside = assigned[kept].astype(np.int64), outfits[kept]
    row = _in_two_places(_groups(inside), places)
    if row is not None:
        raise DataError(f"{_described(dataset, inside, row)} is in two splits: an outfit of a user belongs in one")
    if settings.kind == "time":
        times = needed_times(facts, "data.split.kind time")[kept]
        newest = np.full(len(SPLITS), np.iinfo(np.int64).min)
        np.maximum.at(newest, places, times)
        before = np.concatenate([newest[:1], np.maximum.accumulate(newest)[:-1]])
        early = np.flatnonzero((times < before[places]) & (places > TRAIN))
        if early.size:
            where = SPLITS[places[early[0]]]
            raise DataError(
                f"{_described(dataset, inside, int(early[0]))} is in {where}, but is older than an outfit before it"
            )
    elif settings.kind == "cold_users":
        row = _in_two_places(inside.users.astype(np.int64), places)
        if row is not None:
            raise DataError(f"user {dataset.users.ids[inside.users[row]]!r} is in two splits, so is not cold")
    elif settings.kind == "cold_items":
        _check_cold_items(dataset, inside, places, settings)


def split_lines(dataset: Dataset, assigned: np.ndarray) -> list[str]:
    """What a split holds, as lines of text: outfits, and what is new to the model in valid and test."""
    outfits, _ = undivided(dataset)
    train = assigned == TRAIN
    known_users = np.unique(outfits.users[train])
    numbers, _ = _item_numbers(outfits)
    known_items = np.unique(numbers[train])
    lines = [f"split: {_counts(assigned)}"]
    for place in (VALID, TEST):
        rows = assigned == place
        if rows.any():
            users, items = np.unique(outfits.users[rows]), np.unique(numbers[rows])
            items = items[items != EMPTY]
            new_users, new_items = (~np.isin(users, known_users)).sum(), (~np.isin(items, known_items)).sum()
            lines.append(
                f"split: {SPLITS[place]} has {counted(len(users), 'user')} ({new_users:,} without a training "
                "outfit) and "
                f"{counted(len(items), 'item')} ({new_items:,} in no training outfit)"
            )
    return lines


def _by_time(outfits: Outfits, facts: OutfitFacts | None, settings: SplitConfig) -> np.ndarray:
    """Cut at two moments; outfits of one moment are cut in their order. Later copies in a later split are left out."""
    times = needed_times(facts, "data.split.kind time")
    order = np.argsort(times, kind="stable")
    valid, test = _sizes(len(outfits), settings)
    places = np.full(len(outfits), TRAIN, dtype=np.int8)
    places[order[len(order) - test - valid :]] = VALID
    places[order[len(order) - test :]] = TEST
    groups = _groups(outfits)
    first = np.full(groups.max(initial=-1) + 1, TEST, dtype=np.int8)
    np.minimum.at(first, groups, places)
    places[first[groups] != places] = LEFT_OUT
    return places


def _per_user(outfits: Outfits, facts: OutfitFacts | None, settings: SplitConfig) -> np.ndarray:
    """Of n different outfits of a user, floor(share * n + u) are held out, u drawn in [0, 1); one stays in training."""
    rng = generator(settings.seed, "split", settings.kind)
    groups = _groups(outfits)
    distinct, first = np.unique(groups, return_index=True)
    first = np.sort(first)  # the outfits in their order, copies apart
    owner, counts = _numbered(outfits.users[first])
    test = np.floor(settings.test * counts + rng.random(len(counts))).astype(np.int64)
    test = np.minimum(test, counts - 1)
    valid = np.floor(settings.valid * counts + rng.random(len(counts))).astype(np.int64)
    valid = np.minimum(valid, counts - 1 - test)
    shuffled = np.lexsort((rng.random(len(first)), owner))
    rank = np.empty(len(first), dtype=np.int64)
    rank[shuffled] = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.full(len(first), TRAIN, dtype=np.int8)
    places[rank < (test + valid)[owner]] = VALID
    places[rank < test[owner]] = TEST
    of_group = np.empty(len(distinct), dtype=np.int8)
    of_group[groups[first]] = places
    return np.asarray(of_group[groups])


def _cold_users(outfits: Outfits, facts: OutfitFacts | None, settings: SplitConfig) -> np.ndarray:
    rng = generator(settings.seed, "split", settings.kind)
    owner, counts = _numbered(outfits.users)
    drawn = rng.permutation(len(counts))
    valid, test = _sizes(len(counts), settings)
    places = np.full(len(counts), TRAIN, dtype=np.int8)
    places[drawn[: test + valid]] = VALID
    places[drawn[:test]] = TEST
    return np.asarray(places[owner])


def _cold_items(outfits: Outfits, facts: OutfitFacts | None, settings: SplitConfig) -> np.ndarray:
    rng = generator(settings.seed, "split", settings.kind)
    numbers, total = _item_numbers(outfits)
    filled = numbers != EMPTY
    valid, test = _sizes(len(outfits), settings)
    if settings.mixed == "test":
        renumbered, counts = _numbered(numbers[filled])
        rank = np.full(numbers.shape, total)
        rank[filled] = rng.permutation(len(counts))[renumbered]
        earliest = rank.min(axis=1)  # of the outfit's items the one that is held out first
        ordered = np.sort(earliest)
        tested = earliest <= (ordered[test - 1] if test else -1)
        held = min(int(tested.sum()) + valid, len(ordered))
        validated = (earliest <= (ordered[held - 1] if valid else -1)) & ~tested
        return np.where(tested, TEST, np.where(validated, VALID, TRAIN)).astype(np.int8)
    places = np.full(len(outfits), TRAIN, dtype=np.int8)
    drawn = rng.permutation(len(outfits))
    for place, size in ((TEST, test), (VALID, valid)):
        drawn = drawn[places[drawn] == TRAIN]
        held_out = np.zeros(total + 1, dtype=bool)
        held_out[numbers[drawn[:size]]] = True
        held_out[EMPTY] = False
        touched = (held_out[numbers]).any(axis=1) & (places == TRAIN)
        places[touched] = LEFT_OUT
        places[touched & (held_out[numbers] | ~filled).all(axis=1)] = place
    return places


_ASSIGN: Mapping[SplitKind, Callable[[Outfits, OutfitFacts | None, SplitConfig], np.ndarray]] = {
    "time": _by_time,
    "per_user": _per_user,
    "cold_users": _cold_users,
    "cold_items": _cold_items,
}


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for each value, by its first occurrence, and how often each occurs."""
    _, first, numbers, counts = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    renumbered = np.empty(len(order), dtype=np.int64)
    renumbered[order] = np.arange(len(order))
    return renumbered[numbers], counts[order]


def _sizes(count: int, settings: SplitConfig) -> tuple[int, int]:
    """How many of `count` go into valid and test: one at least where the share is not 0."""
    valid, test = (max(1, round(share * count)) if share else 0 for share in (settings.valid, settings.test))
    return valid, test


def _order(dataset: Dataset, outfits: Outfits, facts: OutfitFacts | None) -> np.ndarray:
    """(N,) rows in an order that does not depend on that of the files: by outfit id, user id, ids of the items."""
    keys = [
        _alphabetic(dataset.items[item_type].ids)[outfits.items[:, position]]
        for position, item_type in enumerate(outfits.slots)
    ]
    keys.append(_alphabetic(dataset.users.ids)[outfits.users])
    if facts is not None and facts.times is not None:
        keys.insert(0, facts.times)  # of two copies the older one first
    if facts is not None and facts.ids is not None:
        keys.append(_alphabetic(facts.ids.tolist())[:-1])
    return np.lexsort(keys)


def _alphabetic(ids: list[str] | tuple[str, ...]) -> np.ndarray:
    """(len(ids) + 1,) the place of each id in the alphabet; -1 for EMPTY, which is the last row."""
    places = {text: place for place, text in enumerate(sorted(set(ids)))}
    return np.array([*(places[text] for text in ids), -1], dtype=np.int64)


def _groups(outfits: Outfits) -> np.ndarray:
    """(N,) a number for each different outfit of a user: copies share it."""
    columns = canonical_columns(outfits)
    order = np.lexsort(columns)
    new = (columns[:, order[1:]] != columns[:, order[:-1]]).any(axis=0)
    groups = np.empty(len(outfits), dtype=np.int64)
    groups[order] = np.concatenate([np.zeros(min(len(order), 1), dtype=np.int64), np.cumsum(new)])
    return groups


def _item_numbers(outfits: Outfits) -> tuple[np.ndarray, int]:
    """(N, S) int64, a number for each item of whatever type, EMPTY for none; and how many numbers there are."""
    numbers = outfits.items.astype(np.int64)
    total = 0
    for item_type in item_types(outfits.slots):
        columns = [position for position, slot in enumerate(outfits.slots) if slot == item_type]
        of_type = numbers[:, columns]
        numbers[:, columns] = np.where(of_type == EMPTY, EMPTY, of_type + total)
        total += int(of_type.max(initial=EMPTY)) + 1
    return numbers, total


def _in_two_places(groups: np.ndarray, places: np.ndarray) -> int | None:
    """A row of a group that lies in two places, or None."""
    if not len(groups):
        return None
    lowest = np.full(groups.max() + 1, len(SPLITS))
    np.minimum.at(lowest, groups, places)
    rows = np.flatnonzero(lowest[groups] != places)
    return int(rows[0]) if rows.size else None


def _check_cold_items(dataset: Dataset, outfits: Outfits, places: np.ndarray, settings: SplitConfig) -> None:
    numbers, total = _item_numbers(outfits)
    for place in (VALID, TEST):
        known = np.zeros(total + 1, dtype=bool)  # the last is EMPTY
        known[numbers[places < place]] = True
        known[EMPTY] = settings.mixed == "test"
        warm = known[numbers].all(axis=1) if settings.mixed == "test" else known[numbers].any(axis=1)
        rows = np.flatnonzero(warm & (places == place))
        if rows.size:
            what = "all of its items are" if settings.mixed == "test" else "one of its items is"
            raise DataError(
                f"{_described(dataset, outfits, int(rows[0]))} is in {SPLITS[place]}, but {what} in an earlier split, "
                "so not cold"
            )


def _described(dataset: Dataset, outfits: Outfits, row: int) -> str:
    """An outfit as messages name it."""
    items = [
        dataset.items[item_type].ids[item]
        for item_type, item in zip(outfits.slots, outfits.items[row].tolist())
        if item != EMPTY
    ]
    return f"the outfit {' + '.join(items)} of user {dataset.users.ids[outfits.users[row]]!r}"


def _counts(assigned: np.ndarray) -> str:
    parts = [f"{counted(int((assigned == place).sum()), 'outfit')} in {name}" for place, name in enumerate(SPLITS)]
    left_out = int((assigned == LEFT_OUT).sum())
    return ", ".join(parts) + (f", {left_out:,} left out" if left_out else "")


def _advice(settings: SplitConfig) -> str:
    if settings.kind == "cold_items" and settings.mixed == "left_out":
        return "hold out less (valid, test), or set data.split.mixed to test"
    return "change data.split.valid and data.split.test, or choose another kind"
