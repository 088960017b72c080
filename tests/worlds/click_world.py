"""Made logs of outfit clicks with planted taste, in the form of KGAT and KGIN, at any size.

Every outfit and every user has a few of the styles; users click outfits of their styles, popular ones more often.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

STYLES = 12


@dataclass(frozen=True)
class ClickWorld:
    """Sizes and seed of a made log.

    Attributes:
        users: how many users.
        outfits: how many outfits.
        items: how many items.
        categories: how many categories of items.
        colourable: whether each slot of an outfit draws from categories of its own, so that categories fall into
            `slots` groups that never meet within.
        slots: the most items of an outfit; some hold fewer, and some one alone.
        clicks: how many outfits a user clicks on average.
        seed: of all draws.
    """

    users: int = 60
    outfits: int = 40
    items: int = 50
    categories: int = 8
    colourable: bool = True
    slots: int = 4
    clicks: float = 4.0
    seed: int = 0

    @property
    def first_item(self) -> int:
        """The number of the first item in the numbering of entities."""
        return self.outfits


def write_kgin(world: ClickWorld, folder: Path) -> Path:
    """train.txt, test.txt and kg_final.txt of a world; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(world.seed)
    styles = rng.integers(STYLES, size=world.outfits)
    items, categories = _items(world, styles, rng)
    users, clicked = _clicks(world, styles, rng)
    held = rng.random(len(users)) < 0.2
    first = np.unique(users, return_index=True)[1]
    held[first[rng.random(len(first)) < 0.95]] = False  # users with one outfit; a few of them in the test alone
    for name, rows in (("train", ~held), ("test", held)):
        _write_lines(folder / f"{name}.txt", users[rows], clicked[rows])
    owners, slots = np.nonzero(items >= 0)
    includes = np.stack([owners, np.zeros_like(owners), items[owners, slots] + world.first_item], axis=1)
    ends = world.first_item + world.items
    has = np.stack(
        [np.arange(world.items) + world.first_item, np.ones(world.items, np.int64), categories + ends], axis=1
    )
    np.savetxt(folder / "kg_final.txt", np.concatenate([includes, has]), fmt="%d")
    return folder


def _items(world: ClickWorld, styles: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(outfits, slots) items, -1 for none, and (items,) categories; an outfit's items are mostly of its style."""
    categories = rng.permutation(world.items) % world.categories
    of_style = rng.integers(STYLES, size=world.items)
    items = np.full((world.outfits, world.slots), -1)
    for slot in range(world.slots):
        allowed = np.flatnonzero(categories % world.slots == slot) if world.colourable else np.arange(world.items)
        drawn = allowed[rng.integers(len(allowed), size=(8, world.outfits))]
        fits = (of_style[drawn] == styles) & (rng.random(drawn.shape) < 0.9)
        items[:, slot] = drawn[fits.argmax(axis=0), np.arange(world.outfits)]
    sizes = rng.choice(np.arange(1, world.slots + 1), size=world.outfits, p=_sizes(world.slots))
    items[np.arange(world.slots) >= sizes[:, None]] = -1
    for slot in range(1, world.slots):  # no item twice
        items[(items[:, :slot] == items[:, slot : slot + 1]).any(axis=1), slot] = -1
    return items, categories


def _sizes(slots: int) -> np.ndarray:
    weights = np.arange(1, slots + 1, dtype=float) ** 2
    return weights / weights.sum()


def _clicks(world: ClickWorld, styles: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The user and the outfit of each click, in order of users."""
    counts = 1 + rng.poisson(world.clicks - 1, size=world.users)
    users = np.repeat(np.arange(world.users), counts)
    likes = rng.integers(STYLES, size=(world.users, 2))
    popularity = rng.permutation(1 / np.arange(1, world.outfits + 1) ** 0.6)
    clicked = rng.choice(world.outfits, size=len(users), p=popularity / popularity.sum())
    for style in range(STYLES):
        allowed = np.flatnonzero(styles == style)
        liked = likes[users, rng.integers(2, size=len(users))] == style
        rows = np.flatnonzero(liked & (rng.random(len(users)) < 0.9))
        if len(allowed):
            weights = popularity[allowed] / popularity[allowed].sum()
            clicked[rows] = rng.choice(allowed, size=len(rows), p=weights)
    keys = np.unique(users * world.outfits + clicked)
    users, clicked = np.divmod(keys, world.outfits)
    shuffled = np.lexsort((rng.random(len(users)), users))
    return users[shuffled], clicked[shuffled]


def _write_lines(path: Path, users: np.ndarray, outfits: np.ndarray) -> None:
    first = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
    parts = np.split(outfits, first[1:])
    lines = (f"{user} {' '.join(map(str, part.tolist()))}" for user, part in zip(users[first].tolist(), parts))
    path.write_text("\n".join(lines) + "\n")
