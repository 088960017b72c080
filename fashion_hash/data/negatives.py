"""Negative outfits, redrawn each epoch from a generator: random mixes, hard ones, fixed ones.

Shapes: N positives, K negatives for each, S slots, M any number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, canonical_columns, item_types
from fashion_hash.data.dataset import Groups
from fashion_hash.errors import ConfigError, DataError, counted, item_noun, suggest

TRIES = 1000  # rounds of redrawing what collides with a known positive; nearly always two or three do


class KnownOutfits:
    """A set of (user, outfit): says of any number of outfits which of them are known, exactly.

    What is the same outfit is said by `canonical_columns`.
    """

    def __init__(self, outfits: Outfits) -> None:
        self._slots = outfits.slots
        self._levels: list[tuple[int, np.ndarray]] = []
        codes = np.zeros(len(outfits), dtype=np.int64)
        # a prefix tree by columns: a code names a distinct prefix, so codes * size stays within 64 bits
        for column in canonical_columns(outfits):
            size = int(column.max(initial=0)) + 1
            keys, codes = np.unique(codes * size + column, return_inverse=True)
            self._levels.append((size, keys))

    def contains(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(M,) user rows and (M, S) items -> (M,) bool."""
        alive = np.arange(len(users))
        codes = np.zeros(len(users), dtype=np.int64)
        columns = canonical_columns(Outfits(self._slots, users, items))
        for (size, keys), column in zip(self._levels, columns):
            if not len(keys):
                return np.zeros(len(users), dtype=bool)
            value = column[alive]
            wanted = codes * size + value
            codes = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = (value < size) & (keys[codes] == wanted)
            alive, codes = alive[hit], codes[hit]
        known = np.zeros(len(users), dtype=bool)
        known[alive] = True
        return known


@dataclass(frozen=True)
class ItemPool:
    """The distinct items of one type, each with its chance of being drawn.

    Attributes:
        items: (n,) int32 rows, ascending.
        cumulative: (n,) float64 ending at 1, or None when all chances are equal.
    """

    items: np.ndarray
    cumulative: np.ndarray | None

    @classmethod
    def of(cls, positives: Outfits, item_type: str, popularity: float = 0.0) -> ItemPool:
        """The items of a type in some outfits; chances are proportional to count ** popularity."""
        slots = [position for position, slot in enumerate(positives.slots) if slot == item_type]
        used = positives.items[:, slots]
        items, counts = np.unique(used[used != EMPTY], return_counts=True)
        if popularity == 0 or not len(items):
            return cls(items, None)
        cumulative = np.cumsum(counts.astype(np.float64) ** popularity)
        return cls(items, cumulative / cumulative[-1])

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count,) int32 item rows, drawn with replacement."""
        if self.cumulative is None:
            return self.items[rng.integers(len(self.items), size=count)]
        at = np.searchsorted(self.cumulative, rng.random(count), side="right")
        return self.items[np.minimum(at, len(self.items) - 1)]


class NegativeSampler:
    """Draws negatives for the positives of a split. The same generator state gives the same ones.

    Every draw returns (N, K, S) int32: row i holds K negatives of positive i, for its user.

    Args:
        positives: the positives, N rows; also where the items of random mixes come from.
        known: outfits that never come out as a negative of their user; default: the positives.
        swap: the item types that a random mix replaces; the other slots keep the positive's items
            (IQON3000: only "bottom"). Default: all.
        popularity: random items are drawn in proportion to count ** popularity; 0 is uniform over
            the distinct items (FHN, CVPR 2019).
        fill: the slots that a random mix fills: those of its "positive", or those of another positive that is "drawn"
            for each mix, as the FHN release does; slots of types that are not swapped stay as they are.
    """

    def __init__(
        self,
        positives: Outfits,
        known: Outfits | None = None,
        swap: Sequence[str] | None = None,
        popularity: float = 0.0,
        fill: Literal["positive", "drawn"] = "positive",
    ) -> None:
        types = item_types(positives.slots)
        self.positives = positives
        self.swap = types if swap is None else tuple(swap)
        if not self.swap:
            raise ConfigError("negatives.swap must name at least one item type")
        for item_type in self.swap:
            if item_type not in types:
                raise ConfigError(
                    f"negatives.swap: no item type {item_type!r}{suggest(item_type, types)}; "
                    f"the item types are {', '.join(types)}"
                )
        if popularity < 0:
            raise ConfigError(f"popularity must be at least 0, got {popularity}")
        if not len(positives):
            raise DataError("no positives to draw negatives for")
        self.pools = {item_type: ItemPool.of(positives, item_type, popularity) for item_type in types}
        self._fill_drawn = fill == "drawn"
        self._known = KnownOutfits(positives if known is None else known)
        self._by_user = np.argsort(positives.users, kind="stable")
        ordered = positives.users[self._by_user]
        self._first = np.searchsorted(ordered, positives.users, side="left")
        self._own = np.searchsorted(ordered, positives.users, side="right") - self._first

    def random(self, rng: np.random.Generator, count: int = 1) -> np.ndarray:
        """Random mixes: (N, K, S). An empty slot stays empty (but see `fill`); no type holds one item twice.

        Raises:
            DataError: nothing but known positives can be drawn for some positive.
        """
        rows = self._rows(count)
        return self._random(rng, rows, self.pools).reshape(-1, count, len(self.positives.slots))

    def random_from_few(self, rng: np.random.Generator, rows: np.ndarray, count: int, few: int) -> np.ndarray:
        """Random mixes for some positives, all mixed from the same few items of each type.

        Each item alone is drawn as in `random`; together they have few items to hash.

        Args:
            rng: where the draws come from.
            rows: (B,) rows of positives.
            count: negatives for each of them.
            few: how many items of each type; fewer where there are fewer.

        Returns:
            (B, count, S) int32.
        """
        pools = {}
        for item_type, pool in self.pools.items():
            drawn = pool.items if len(pool.items) <= few else np.unique(pool.draw(rng, few))
            pools[item_type] = ItemPool(drawn, None)
        return self._random(rng, np.repeat(rows, count), pools).reshape(-1, count, len(self.positives.slots))

    def hard(self, rng: np.random.Generator, count: int = 1) -> np.ndarray:
        """Positives of other users, uniform over them, that this user does not have: (N, K, S).

        Raises:
            DataError: there is no other user, or none with an outfit that this user lacks.
        """
        rows = self._rows(count)
        return self._hard(rng, rows).reshape(-1, count, len(self.positives.slots))

    def mixed(self, rng: np.random.Generator, count: int, share: float) -> np.ndarray:
        """Each negative is hard with probability `share`, else a random mix: (N, K, S)."""
        if not 0 <= share <= 1:
            raise ConfigError(f"the share of hard negatives must be between 0 and 1, got {share}")
        rows = self._rows(count)
        is_hard = rng.random(len(rows)) < share
        items = np.empty((len(rows), len(self.positives.slots)), dtype=np.int32)
        items[is_hard] = self._hard(rng, rows[is_hard])
        items[~is_hard] = self._random(rng, rows[~is_hard], self.pools)
        return items.reshape(-1, count, len(self.positives.slots))

    def _rows(self, count: int) -> np.ndarray:
        if count < 1:
            raise ConfigError(f"per_positive must be at least 1, got {count}")
        return np.repeat(np.arange(len(self.positives)), count)

    def _random(self, rng: np.random.Generator, rows: np.ndarray, pools: Mapping[str, ItemPool]) -> np.ndarray:
        swapped = [position for position, slot in enumerate(self.positives.slots) if slot in self.swap]
        items: np.ndarray = self.positives.items[rows]
        pending = np.arange(len(rows))
        for _ in range(TRIES):
            drawn = self._filled(rng, rows[pending], swapped)
            for slot in swapped:
                filled = np.flatnonzero(drawn[:, slot] != EMPTY)
                if filled.size:
                    pool = pools[self.positives.slots[slot]]
                    drawn[filled, slot] = pool.draw(rng, filled.size)
            items[pending] = drawn
            known = self._known.contains(self.positives.users[rows[pending]], drawn)
            nothing = (drawn == EMPTY).all(axis=1)
            pending = pending[known | nothing | self._repeats(drawn, swapped, pools)]
            if not pending.size:
                return items
        row = int(rows[pending[0]])
        if (self.positives.items[row][swapped] == EMPTY).all():
            raise DataError(
                f"positive {row} has no item of the types to swap ({', '.join(self.swap)}): swap more types"
            )
        sizes = ", ".join(counted(len(pools[item_type].items), item_noun(item_type)) for item_type in self.swap)
        raise DataError(
            f"no random negative for positive {row} (user row {self.positives.users[row]}) in {TRIES} tries: "
            f"the user has nearly every combination of the {sizes}; swap more types or add outfits"
        )

    def _filled(self, rng: np.random.Generator, rows: np.ndarray, swapped: list[int]) -> np.ndarray:
        """(M, S) outfits with an item in the slots that a mix for each row fills."""
        items: np.ndarray = self.positives.items[rows]
        if self._fill_drawn:
            others = self.positives.items[rng.integers(len(self.positives), size=len(rows))]
            items[:, swapped] = others[:, swapped]
        return items

    def _repeats(self, drawn: np.ndarray, swapped: list[int], pools: Mapping[str, ItemPool]) -> np.ndarray:
        """(M,) bool: whether an item occurs twice in slots of its type, although the pool has others."""
        repeats = np.zeros(len(drawn), dtype=bool)
        for a in swapped:
            item_type = self.positives.slots[a]
            for b in swapped:
                enough = len(pools[item_type].items) >= self.positives.slots.count(item_type)
                if a < b and self.positives.slots[b] == item_type and enough:
                    repeats |= (drawn[:, a] == drawn[:, b]) & (drawn[:, a] != EMPTY)
        return repeats

    def _hard(self, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        others = len(self.positives) - self._own[rows]
        if not others.all():
            raise DataError("hard negatives are other users' outfits, but there is only one user")
        chosen = np.zeros(len(rows), dtype=np.int64)
        pending = np.arange(len(rows))
        for _ in range(TRIES):
            # positions sorted by user, with the user's own block left out: never a wasted draw
            at = rng.integers(others[pending])
            at += np.where(at >= self._first[rows[pending]], self._own[rows[pending]], 0)
            chosen[pending] = self._by_user[at]
            users = self.positives.users[rows[pending]]
            pending = pending[self._known.contains(users, self.positives.items[chosen[pending]])]
            if not pending.size:
                return self.positives.items[chosen]
        user = self.positives.users[rows[pending[0]]]
        raise DataError(
            f"no hard negative for user row {user} in {TRIES} tries: the user has nearly every outfit of all the others"
        )


def fixed_negatives(groups: Groups, rng: np.random.Generator, count: int = 1) -> np.ndarray:
    """Negatives out of the files' groups, one group a positive: (N, count, S) int32.

    Without replacement within a group, unless more are asked for than it holds.
    """
    if count < 1:
        raise ConfigError(f"per_positive must be at least 1, got {count}")
    shape = (len(groups), groups.size)
    if count <= groups.size:
        chosen = rng.random(shape).argsort(axis=1)[:, :count]
    else:
        chosen = rng.integers(groups.size, size=(len(groups), count))
    items = groups.outfits.items.reshape(*shape, -1)
    return np.take_along_axis(items, chosen[:, :, None], axis=1)


def hard_share(epoch: int, epochs: int, first: float, last: float) -> float:
    """The share of hard negatives in an epoch (from 0): linear from `first` to `last`."""
    progress = min(max(epoch / (epochs - 1), 0.0), 1.0) if epochs > 1 else 0.0
    return first + (last - first) * progress


def as_groups(positives: Outfits, negatives: np.ndarray) -> Groups:
    """Drawn negatives (N, K, S) as a table like those of the files: for evaluation."""
    size = negatives.shape[1]
    items = negatives.reshape(-1, negatives.shape[2])
    return Groups(Outfits.of(positives.slots, np.repeat(positives.users, size), items), size)
