"""Writing outfits in the Polyvore-U layout, as the FHN release has it: tuples, negatives, questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.core.files import write_text
from fashion_hash.core.outfits import EMPTY, Outfits, concatenate
from fashion_hash.core.seeds import generator
from fashion_hash.errors import DataError

RATIO = 10  # negatives a positive
CHOICES = 4  # candidates of a fill-in-the-blank question, the truth among them
SPLITS = ("train", "val", "test")  # the release's names


@dataclass(frozen=True)
class Subset:
    """One `tuples_*` folder: whose outfits, split by split, in the world's rows.

    Attributes:
        name: the folder.
        world_users: (U,) the world's user behind each user number of the files.
        positives: the outfits of each of SPLITS; users are the world's rows.
        all_items: list every item of the world, not only those that a user wears.
        retrieval: write `retrieval_{type}_all` as well (the release has it for 630 only).
    """

    name: str
    world_users: np.ndarray
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


def random_negatives(positives: Outfits, worn: np.ndarray, rng: np.random.Generator, ratio: int = RATIO) -> Outfits:
    """`ratio` negatives for each positive, in blocks: row k belongs to positive k // ratio.

    Each slot is uniform over the distinct items of that slot in `positives`; a slot that is empty in the
    positive stays empty. No row is an outfit of `worn`, the sorted `outfit_keys` of all that users wear.
    """
    users = np.repeat(positives.users, ratio)
    mask = np.repeat(positives.mask, ratio, axis=0)
    pools = _pools(positives)
    items = np.full(mask.shape, EMPTY, dtype=np.int32)

    def draw(rows: np.ndarray) -> np.ndarray:
        for position, pool in enumerate(pools):
            if pool.size:
                drawn = rng.choice(pool, size=len(rows))
                items[rows, position] = np.where(mask[rows, position], drawn, EMPTY)
        return _among(outfit_keys(users[rows], items[rows]), worn)

    _draw_until_good(len(users), draw, "random negatives")
    return Outfits.of(positives.slots, users, items)


def hard_negatives(positives: Outfits, worn: np.ndarray, rng: np.random.Generator, ratio: int = RATIO) -> Outfits:
    """`ratio` outfits of other users of the same split for each positive, none of them in `worn` as the user's own."""
    users = np.repeat(positives.users, ratio)
    source = np.zeros(len(users), dtype=np.int64)

    def draw(rows: np.ndarray) -> np.ndarray:
        source[rows] = rng.integers(len(positives), size=len(rows))
        return _among(outfit_keys(users[rows], positives.items[source[rows]]), worn)

    _draw_until_good(len(users), draw, "hard negatives")
    return Outfits.of(positives.slots, users, positives.items[source])


def questions(positives: Outfits, everything: Outfits, rng: np.random.Generator, slot: int | None = None) -> Outfits:
    """(N * CHOICES) rows: each positive, then the positive with one slot's item exchanged, CHOICES - 1 times.

    The slot is the given one, or for each question a random slot that holds an item and has enough others.
    The other items come from that slot in `everything`, all outfits that users wear. The candidates of a
    question differ, and the wrong ones are not outfits of the user.
    """
    worn = np.sort(outfit_keys(everything.users, everything.items))
    pools = _pools(everything)
    if slot is None:
        enough = positives.mask & [len(pool) >= 2 * CHOICES for pool in pools]
        blank = np.where(enough, rng.random(positives.items.shape), -1.0).argmax(axis=1)
    else:
        blank = np.full(len(positives), slot)
    items = np.repeat(positives.items[:, None, :], CHOICES, axis=1)
    for choice in range(1, CHOICES):

        def draw(rows: np.ndarray, choice: int = choice) -> np.ndarray:
            for position, pool in enumerate(pools):
                here = rows[blank[rows] == position]
                items[here, choice, position] = rng.choice(pool, size=len(here)) if len(here) else EMPTY
            same = (items[rows, choice][:, None, :] == items[rows, :choice]).all(axis=2).any(axis=1)
            return np.asarray(same | _among(outfit_keys(positives.users[rows], items[rows, choice]), worn))

        _draw_until_good(len(positives), draw, "fill-in-the-blank questions")
    rows = items.reshape(-1, len(positives.slots))
    return Outfits.of(positives.slots, np.repeat(positives.users, CHOICES), rows)


def _pools(outfits: Outfits) -> list[np.ndarray]:
    """The distinct items of each slot."""
    return [np.unique(column[column != EMPTY]) for column in outfits.items.T]


def _draw_until_good(count: int, draw: Callable[[np.ndarray], np.ndarray], what: str) -> None:
    """Calls `draw` with rows, at first all of them, then those that it rejects."""
    rows = np.arange(count)
    for _ in range(1000):
        rows = rows[draw(rows)]
        if not len(rows):
            return
    raise DataError(f"too few different outfits to draw {what} from: more users, outfits or items are needed")


def _among(keys: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    place = np.searchsorted(ordered, keys)
    return np.asarray(ordered[np.minimum(place, len(ordered) - 1)] == keys)


def write_subset(root: Path, subset: Subset, names: Mapping[str, Sequence[str]], seed: int) -> int:
    """Writes one `tuples_*` folder, whatever of it is not there yet; returns how many files it wrote."""
    worn = concatenate([subset.positives[split] for split in SPLITS])
    keys = np.sort(outfit_keys(worn.users, worn.items))
    rows = _listed_items(subset, worn, names)
    numbers = np.full(subset.world_users.max() + 1, -1)
    numbers[subset.world_users] = np.arange(len(subset.world_users))
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

    for item_type, listed in rows.items():
        save(f"image_list_{item_type}", "".join(f"{names[item_type][row]}\n" for row in listed))
    for split in SPLITS:
        positives = subset.positives[split]
        save(f"tuples_{split}_posi", table(positives))
        rng = generator(seed, subset.name, split, "random negatives")
        save(f"tuples_{split}_nega", table(random_negatives(positives, keys, rng)))
        rng = generator(seed, subset.name, split, "hard negatives")
        save(f"tuples_{split}_nega_hard", table(hard_negatives(positives, keys, rng)))
    test = subset.positives["test"]
    rng = generator(seed, subset.name, "fill in the blank")
    save("fill_in_blank_test", table(questions(test, worn, rng), CHOICES))
    if subset.retrieval:
        for position, slot in enumerate(test.slots):
            rng = generator(seed, subset.name, "retrieval", slot)
            save(f"retrieval_{slot}_all", table(questions(test, worn, rng, position), CHOICES))
    return written


def _listed_items(subset: Subset, worn: Outfits, names: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """The items of each image list, by the world's rows, in the order of the file."""
    rows: dict[str, np.ndarray] = {}
    for item_type in dict.fromkeys(worn.slots):
        columns = [position for position, slot in enumerate(worn.slots) if slot == item_type]
        used = np.unique(worn.items[:, columns])
        rows[item_type] = np.arange(len(names[item_type])) if subset.all_items else used[used != EMPTY]
    return rows
