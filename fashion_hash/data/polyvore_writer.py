"""Writing outfits in the Polyvore-U layout, as the FHN release has it: tuples, negatives, questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.data.outfits import EMPTY, Outfits, concatenate
from fashion_hash.files import write_text
from fashion_hash.seeds import generator

RATIO = 10  # negatives a positive
CHOICES = 4  # candidates of a fill-in-the-blank question, the truth among them
SPLITS = ("train", "val", "test")  # the release's names


@dataclass(frozen=True)
class Subset:
    """One `tuples_*` folder: whose outfits, split by split, in the world's rows.

    Attributes:
        name: the folder.
        persons: (U,) the person behind each user number of the files.
        positives: the outfits of each of SPLITS; users are persons.
        all_items: list every item of the world, not only those that somebody wears.
        retrieval: write `retrieval_{type}_all` as well (the release has it for 630 only).
    """

    name: str
    persons: np.ndarray
    positives: Mapping[str, Outfits]
    all_items: bool
    retrieval: bool


def outfit_keys(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(N,) uint64 One number for each (user, outfit): a 64-bit mix of its rows."""
    key = users.astype(np.uint64)
    for column in np.atleast_2d(items).T:
        key = (key ^ (column.astype(np.int64) + 2).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def random_negatives(
    positives: Outfits, worn: np.ndarray, rng: np.random.Generator, ratio: int = RATIO
) -> Outfits:
    """`ratio` negatives for each positive, in blocks: row k belongs to positive k // ratio.

    Each slot is uniform over the distinct items of that slot in `positives`; a slot that is empty in the
    positive stays empty. No row is an outfit of `worn`, the sorted `outfit_keys` of all that users wear.
    """
    users = np.repeat(positives.users, ratio)
    mask = np.repeat(positives.mask, ratio, axis=0)
    pools = [np.unique(column[column != EMPTY]) for column in positives.items.T]
    items = np.full(mask.shape, EMPTY, dtype=np.int32)
    redo = np.arange(len(users))
    for _ in range(1000):
        for position, pool in enumerate(pools):
            if pool.size:
                drawn = rng.choice(pool, size=len(redo))
                items[redo, position] = np.where(mask[redo, position], drawn, EMPTY)
        redo = redo[_among(outfit_keys(users[redo], items[redo]), worn)]
        if not len(redo):
            break
    return Outfits.of(positives.slots, users, items)


def hard_negatives(
    positives: Outfits, worn: np.ndarray, rng: np.random.Generator, ratio: int = RATIO
) -> Outfits:
    """`ratio` outfits of other users of the same split for each positive, none of them the user's own."""
    users = np.repeat(positives.users, ratio)
    source = np.zeros(len(users), dtype=np.int64)
    redo = np.arange(len(users))
    for _ in range(1000):
        source[redo] = rng.integers(len(positives), size=len(redo))
        mine = positives.users[source[redo]] == users[redo]
        redo = redo[mine | _among(outfit_keys(users[redo], positives.items[source[redo]]), worn)]
        if not len(redo):
            break
    return Outfits.of(positives.slots, users, positives.items[source])


def questions(
    positives: Outfits,
    worn: np.ndarray,
    rng: np.random.Generator,
    slot: int | None = None,
    choices: int = CHOICES,
) -> Outfits:
    """(N * choices) rows: each outfit, then the outfit with one slot's item exchanged, `choices` - 1 times.

    The slot is the given one, or a random slot that holds an item. The candidates of a question differ,
    and none completes to an outfit that the user wears.
    """
    rows = np.arange(len(positives))
    if slot is None:
        blank = np.where(positives.mask, rng.random(positives.items.shape), -1.0).argmax(axis=1)
    else:
        blank = np.full(len(positives), slot)
    pools = [np.unique(column[column != EMPTY]) for column in positives.items.T]
    items = np.repeat(positives.items[:, None, :], choices, axis=1)
    for choice in range(1, choices):
        redo = rows
        for _ in range(1000):
            for position, pool in enumerate(pools):
                here = redo[blank[redo] == position]
                if len(here):
                    items[here, choice, position] = rng.choice(pool, size=len(here))
            same = (items[redo, choice][:, None, :] == items[redo, :choice]).all(axis=2).any(axis=1)
            redo = redo[same | _among(outfit_keys(positives.users[redo], items[redo, choice]), worn)]
            if not len(redo):
                break
    return Outfits.of(
        positives.slots, np.repeat(positives.users, choices), items.reshape(-1, len(positives.slots))
    )


def _among(keys: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    place = np.searchsorted(ordered, keys)
    return ordered[np.minimum(place, len(ordered) - 1)] == keys


def write_subset(root: Path, subset: Subset, names: Mapping[str, Sequence[str]], seed: int) -> int:
    """Writes one `tuples_*` folder, whatever of it is not there yet; returns how many files it wrote."""
    worn = concatenate([subset.positives[split] for split in SPLITS])
    keys = np.sort(outfit_keys(worn.users, worn.items))
    rows = _listed_items(subset, worn, names)
    numbers = np.full(subset.persons.max() + 1, -1)
    numbers[subset.persons] = np.arange(len(subset.persons))
    folder, written = root / subset.name, 0

    def save(name: str, text: str) -> None:
        nonlocal written
        if not (folder / name).exists():
            write_text(folder / name, text)
            written += 1

    def table(outfits: Outfits, repeat: int = 1) -> str:
        columns = [numbers[outfits.users]]
        for position, slot in enumerate(outfits.slots):
            of_type = np.full(len(names[slot]) + 1, EMPTY)
            of_type[rows[slot]] = np.arange(len(rows[slot]))
            columns.append(of_type[outfits.items[:, position]])
        values = np.stack(columns, axis=1).reshape(len(outfits) // repeat, -1)
        header = ",".join(["user", *outfits.slots] * repeat)
        return "\n".join([header, *(",".join(map(str, row)) for row in values.tolist())]) + "\n"

    for kind, listed in rows.items():
        save(f"image_list_{kind}", "".join(f"{names[kind][row]}\n" for row in listed))
    for split in SPLITS:
        positives = subset.positives[split]
        save(f"tuples_{split}_posi", table(positives))
        rng = generator(seed, subset.name, split, "random negatives")
        save(f"tuples_{split}_nega", table(random_negatives(positives, keys, rng)))
        rng = generator(seed, subset.name, split, "hard negatives")
        save(f"tuples_{split}_nega_hard", table(hard_negatives(positives, keys, rng)))
    test = subset.positives["test"]
    rng = generator(seed, subset.name, "fill in the blank")
    save("fill_in_blank_test", table(questions(test, keys, rng), CHOICES))
    if subset.retrieval:
        for position, slot in enumerate(test.slots):
            rng = generator(seed, subset.name, "retrieval", slot)
            save(f"retrieval_{slot}_all", table(questions(test, keys, rng, position), CHOICES))
    return written


def _listed_items(subset: Subset, worn: Outfits, names: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """The items of each image list, by the world's rows, in the order of the file."""
    rows: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(worn.slots):
        columns = [position for position, slot in enumerate(worn.slots) if slot == kind]
        used = np.unique(worn.items[:, columns])
        rows[kind] = np.arange(len(names[kind])) if subset.all_items else used[used != EMPTY]
    return rows
