"""A made log of outfit clicks as sparse as real ones, in the files of KGAT and KGIN: planted tastes and popularity.

Each outfit belongs to a taste, some to two, and has a popularity that falls with its rank; a person has one taste or
several, and clicks two or three outfits: popular ones of a taste of theirs, or popular ones of all. Most items belong
to one outfit alone, as in Alibaba iFashion, so that items say little that their outfits do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.core.seeds import generator

SLOTS = 4


class ClickLog(NamedTuple):
    """Sizes of a made log.

    Attributes:
        people: how many people.
        outfits: how many outfits.
        tastes: how many tastes.
        mixed: how many tastes a person has on average, at least 1 each.
        second: the share of outfits that belong to another taste as well.
        clicks: how many outfits a person clicks on average, at least 1 each.
        of_taste: the share of clicks that follow a taste; the others follow popularity alone.
        fall: popularity is rank ** -fall.
        shared: the share of places in outfits that hold an item of another outfit of the taste.
        seed: of all draws.
    """

    people: int = 108_631
    outfits: int = 6_008
    tastes: int = 800
    mixed: float = 1.7
    second: float = 0.3
    clicks: float = 2.7
    of_taste: float = 0.5
    fall: float = 0.8
    shared: float = 0.05
    seed: int = 0


def write_log(log: ClickLog, folder: Path) -> Path:
    """Writes train.txt, test.txt (a fifth of the clicks, one of each person stays) and kg_final.txt; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = generator(log.seed, "click log")
    taste = rng.integers(log.tastes, size=log.outfits)
    popularity = rng.permutation(np.arange(1, log.outfits + 1) ** -log.fall)
    people, clicked = _clicks(log, taste, popularity, rng)
    held = rng.random(len(people)) < 0.2
    held[np.unique(people, return_index=True)[1]] = False
    for name, rows in (("train", ~held), ("test", held)):
        _write_lines(folder / f"{name}.txt", people[rows], clicked[rows])
    items = _items(log, taste, rng)
    count = int(items.max()) + 1
    includes = np.stack([np.repeat(np.arange(log.outfits), SLOTS), np.zeros(items.size, int), items.ravel()], axis=1)
    includes[:, 2] += log.outfits
    places = np.zeros(count, dtype=np.int64)
    places[items] = np.arange(SLOTS)
    of_slot = np.stack([np.arange(count) + log.outfits, np.ones(count, int), places + log.outfits + count], axis=1)
    np.savetxt(folder / "kg_final.txt", np.concatenate([includes, of_slot]), fmt="%d")
    return folder


def _clicks(
    log: ClickLog, taste: np.ndarray, popularity: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Person and outfit of each click, each pair once, person by person in random order."""
    another = np.flatnonzero(rng.random(log.outfits) < log.second)
    tastes = np.concatenate([taste, rng.integers(log.tastes, size=len(another))])
    members = np.concatenate([np.arange(log.outfits), another])
    people = np.repeat(np.arange(log.people), 1 + rng.poisson(log.clicks - 1, size=log.people))
    counts = 1 + rng.poisson(log.mixed - 1, size=log.people)
    first = np.cumsum(counts) - counts
    theirs = rng.integers(log.tastes, size=counts.sum())
    follows = theirs[first[people] + (rng.random(len(people)) * counts[people]).astype(int)]
    follows[rng.random(len(people)) >= log.of_taste] = -1
    clicked = rng.choice(log.outfits, size=len(people), p=popularity / popularity.sum())
    for number in range(log.tastes):
        rows, of_taste = np.flatnonzero(follows == number), members[tastes == number]
        if len(of_taste):
            clicked[rows] = rng.choice(of_taste, size=len(rows), p=popularity[of_taste] / popularity[of_taste].sum())
    people, clicked = np.divmod(np.unique(people * log.outfits + clicked), log.outfits)
    order = np.lexsort((rng.random(len(people)), people))
    return people[order], clicked[order]


def _items(log: ClickLog, taste: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(outfits, SLOTS) items: most of them new, the others of an earlier outfit of the taste, in the same slot."""
    items = np.arange(log.outfits * SLOTS).reshape(log.outfits, SLOTS)
    for number in range(log.tastes):
        rows = np.flatnonzero(taste == number)
        for place, row in enumerate(rows[1:].tolist(), start=1):
            taken = np.flatnonzero(rng.random(SLOTS) < log.shared)
            items[row, taken] = items[rows[rng.integers(place, size=len(taken))], taken]
    return np.asarray(np.unique(items, return_inverse=True)[1]).reshape(items.shape)


def _write_lines(path: Path, people: np.ndarray, outfits: np.ndarray) -> None:
    first = np.flatnonzero(np.append(True, people[1:] != people[:-1]))
    parts = np.split(outfits, first[1:])
    lines = (f"{person} {' '.join(map(str, part.tolist()))}" for person, part in zip(people[first].tolist(), parts))
    path.write_text("\n".join(lines) + "\n")
