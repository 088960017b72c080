"""Two open slots: pairs of items in the order of what they can reach, as few of them as possible.

The numerator of a pair is f(a) + f(b) + c(a, b): what the items add by themselves, and together. Whatever the pair, c
is at most what all bits give when they agree, and at most what the item's best partner gives (partner lists). So

    f(a) + f(b) + c(a, b)  <=  reach(a) + f(b),    reach(a) = f(a) + the most that c can be for a,

and with both sides sorted the pairs that reach a level lie above a staircase: they are counted without being looked
at. Levels go down from the best pair to the k-th best numerator found, which rises meanwhile. For the pairs above a
level the bits in which the codes differ, weighed by whole numbers below the bit weights (planes of bits, counted by
popcount), bound c again; what is left is summed. All of it is done in integers, in steps of milliseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE, pack
from fashion_hash.retrieval.composition import branch_and_bound
from fashion_hash.retrieval.composition.bounds import NO_END, Clock, Problem, code_tables, code_words, word_tables
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, Best, Found, SearchLimits, greatest
from fashion_hash.retrieval.composition.orders import stands_for_its_set

SEEDS = 128  # items a slot whose pairs give the first k outfits
LEVELS = 8
STEP = 1 << 22  # pairs between two looks at the clock: some milliseconds
PAIR = 32  # of one of them, in multiplications (bounds.STEP)
BUFFER = 1 << 16  # pairs that are found before they are put into order
MOST_PAIRS = 1 << 28  # with partner lists, what is more than this is left to branch and bound
ENOUGH, PLANES = 0.9, 4  # planes are added until they hold this share of the bit weights


def solve(problem: Problem, k: int, limits: SearchLimits = NO_LIMIT) -> Found:
    """As branch_and_bound.solve, which answers all but two slots, and where lists of partners leave fewer pairs."""
    if len(problem.rows) != 2 or any(len(rows) == 0 for rows in problem.rows):
        return branch_and_bound.solve(problem, k, limits)
    clock = Clock(limits.seconds)
    best = Best(problem, k)
    sides = _sides(problem)
    most = max(SEEDS, int(2 * k**0.5) + 1)
    seeds = [greatest(side.reach, most) for side in sides]
    _scan(problem, best, [side.at(places) for side, places in zip(sides, seeds)], NO_LIMIT, NO_END)
    sides = _hopeful(sides, best)
    if problem.partners is not None and _count(sides, best.least) > MOST_PAIRS:
        return branch_and_bound.solve(problem, k, limits._replace(seconds=clock.left))
    bound, looked_at = _scan(problem, best, sides, limits, clock)
    return Found(best.items, best.numerators, bound, looked_at, best.scored)


class _Side(NamedTuple):
    """The items of a slot that may still count.

    Attributes:
        places: (n,) int64, in the problem's rows.
        values: (n,) int64, f.
        reach: (n,) int64, f and the most that c can be.
    """

    places: np.ndarray
    values: np.ndarray
    reach: np.ndarray

    def at(self, where: np.ndarray) -> _Side:
        return _Side(*(values[where] for values in self))


def _sides(problem: Problem) -> list[_Side]:
    scale, top = problem.scales[0], _most_together(problem)
    sides = []
    for slot, values in enumerate(problem.values):
        most: np.ndarray | int = top
        if problem.partners is not None and scale:
            lists = problem.partners[problem.item_types[slot], problem.item_types[1 - slot]][1]
            # float32 may hide as much as where bounds are sums of floats: see Problem.margin
            hidden = (problem.codes[0].shape[1] * len(problem.weights) + 64) * 2.0**-23 * top
            listed = lists[problem.rows[slot], 0].astype(np.float64) * (scale * WEIGHT_ONE) + hidden
            most = np.minimum(np.ceil(listed).astype(np.int64), top)
        sides.append(_Side(np.arange(len(values)), values, values + most))
    return sides


def _most_together(problem: Problem) -> int:
    """What c is where all bits agree as their weights wish."""
    return int(problem.scales[0] * problem.codes[0].shape[1] * np.abs(problem.weights).sum())


def _hopeful(sides: list[_Side], best: Best) -> list[_Side]:
    """The items of which some pair reaches the k-th best numerator found."""
    first, second = sides
    first_most, second_most = int(first.values.max()), int(second.values.max())
    first_reach = int(first.reach.max())
    return [
        first.at(np.flatnonzero(first.reach >= best.least - second_most)),
        second.at(
            np.flatnonzero((second.reach >= best.least - first_most) & (second.values >= best.least - first_reach))
        ),
    ]


def _count(sides: list[_Side], level: int) -> int:
    """How many pairs reach a level."""
    values = np.sort(sides[1].values)
    return int((len(values) - np.searchsorted(values, level - sides[0].reach)).sum())


def _scan(
    problem: Problem, best: Best, sides: list[_Side], limits: SearchLimits, clock: Clock
) -> tuple[float | None, int]:
    """Offers to `best` all pairs that can count, those that reach most first.

    Returns:
        A bound of the numerators that were not looked at, None when none of them counts, and the pairs looked at.
    """
    from fashion_hash.retrieval.composition.kernels import scan_pairs

    if not (len(sides[0].places) and len(sides[1].places)):
        return None, 0
    rows = sides[0].at(np.argsort(-sides[0].reach, kind="stable"))
    columns = sides[1].at(np.argsort(-sides[1].values, kind="stable"))
    flips, weights = _differences(problem)
    row_words = code_words(problem.codes[0][rows.places]) ^ flips
    column_words = code_words(problem.codes[1][columns.places])
    starts = np.zeros(len(rows.places), dtype=np.int64)
    found = tuple(np.empty(BUFFER, dtype=np.int64) for _ in range(3))
    level, low = int(rows.reach[0] + columns.values[0]), int(rows.reach[-1] + columns.values[-1])
    looked_at = 0
    for number in range(1, LEVELS + 1):
        beyond, low = level, max(low, best.least)
        if beyond < low:
            break
        # few pairs are one level
        level = low if _count([rows, columns], low) <= STEP else beyond - (beyond - low) * number // LEVELS
        row = 0
        while row < len(starts):
            if not clock.allows(PAIR * STEP) or looked_at >= limits.partial_outfits:
                return float(beyond + problem.constant), looked_at
            row, count, seen = scan_pairs(
                (rows.reach, rows.values, rows.places, starts, row_words),
                (columns.values, columns.places, column_words),
                weights,
                level,
                best.last,
                row,
                STEP,
                found,
            )
            looked_at += seen
            best.add(_outfits(problem, np.stack([found[0][:count], found[1][:count]], axis=1)))
        if level <= low:
            break
    return None, looked_at


def _outfits(problem: Problem, places: np.ndarray) -> np.ndarray:
    """Those of some pairs of places that are outfits: of two items, and the best order of them."""
    if problem.item_types[0] != problem.item_types[1]:
        return places
    rows = [allowed[places[:, slot]] for slot, allowed in enumerate(problem.rows)]
    places = places[rows[0] != rows[1]]
    best_orders: np.ndarray = places[stands_for_its_set(problem, places)]
    return best_orders


def _differences(problem: Problem) -> tuple[np.ndarray, tuple[np.ndarray, int, int, np.ndarray]]:
    """What the kernel needs to know of the weights, w.

    Returns:
        (W,) uint64, the bits of negative weights: flipped, a bit that differs takes 2 |w| from the most there is.
        For `scan_pairs`: the planes, (P, W) uint64, the most there is, what one of a weighed difference takes at least,
        and what every byte of differences takes exactly, (W * 8 * 256,) int64.
    """
    return _differences_by(problem.weights.tobytes(), problem.codes[0].shape[1], problem.scales[0])


@lru_cache(maxsize=16)  # the same for all users of a bundle
def _differences_by(
    weights_as_bytes: bytes, modalities: int, scale: int
) -> tuple[np.ndarray, tuple[np.ndarray, int, int, np.ndarray]]:
    signed = np.frombuffer(weights_as_bytes, dtype=np.int64)
    weights = np.abs(signed)

    def words(bits: np.ndarray) -> np.ndarray:
        of_one: np.ndarray = code_words(np.tile(pack(bits), (1, modalities, 1)))[0]
        return of_one

    unit, whole = _whole_weights(weights)
    planes = [words((whole >> plane) & 1) for plane in range(max(1, int(whole.max()).bit_length()))]
    agreeing = code_tables(np.tile(weights, (modalities, 1)))
    tables = word_tables(scale * (agreeing - agreeing[:, :, :1]))  # byte 0: no difference
    most = int(scale * modalities * weights.sum())  # as _most_together
    return words(signed < 0), (np.stack(planes), most, 2 * scale * unit, tables)


def _whole_weights(weights: np.ndarray) -> tuple[int, np.ndarray]:
    """A unit, and whole numbers of few bits, times which it comes near to the weights from below: (D,) int64."""
    unit, whole = 0, np.zeros_like(weights)
    for planes in range(1, PLANES + 1):
        most = (1 << planes) - 1
        units = np.unique(weights // most)
        units = units[units > 0]
        numbers = np.minimum(weights // units[:, None], most)
        held = (units[:, None] * numbers).sum(axis=1)
        if len(units) and held.max() > (unit * whole).sum():
            unit, whole = int(units[held.argmax()]), numbers[held.argmax()]
        if (unit * whole).sum() >= ENOUGH * weights.sum():
            break
    return unit, whole
