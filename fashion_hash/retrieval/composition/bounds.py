"""Upper bounds of outfits: what an item, or a few, can reach at most with the best of the others.

The score of an outfit (its numerator, see index/exact.py) is a sum over edges, the pairs of slots:

    sum over slots s of v_s(i_s)  +  sum over edges (a, b) of c(i_a, i_b)
  = sum over edges of  g(i_a, i_b),   g = share_a(i_a) + c(i_a, i_b) + share_b(i_b)

where every item divides its value v among the edges of its slot. Whatever the division, an outfit
with item x in slot s scores at most the best g of x on each edge of s plus the best g of all on the
others. Moving shares towards the edges where an item is weak lowers the bound (message passing on
the dual of MAP inference: Globerson and Jaakkola, NIPS 2007); items whose bound falls below the k-th
best score found are dropped, which lowers it further.

Bounds are float32 and hold up to `Problem.margin`; scores are compared as integers elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE, Packed, byte_tables
from fashion_hash.index.partners import Partners
from fashion_hash.index.products import pair_weights, product, relaxed

BLOCK = 1024
STEP = 1 << 27  # multiplications, or what takes as long, between two looks at the clock: some milliseconds
UNPACKED = 128  # of a bit of a code, copied in both orders, in multiplications
COPIED = 32  # of a cell of a matrix, in multiplications
LOOKUP = 64  # of an entry of a partner list, in multiplications
SPEED = 2e10  # multiplications a second, for a rough guess of the time that matrices take
TURNED = 1 << 24  # the largest matrix of which a transpose is kept, which is made in one step


class Clock:
    """The time that a search may take, looked at between steps of known size.

    A compiled kernel answers neither to a clock nor to Ctrl-C, so that none gets more than a step at once.
    """

    def __init__(self, seconds: float = np.inf) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    def allows(self, step: float) -> bool:
        """Whether there is time for one more step; `step` is its size in the unit of STEP."""
        return self.left > 0


NO_END = Clock()


def _blocks(count: int, cost: float, clock: Clock) -> Iterator[slice]:
    """Slices of a range, each of which costs a step at most, `cost` a place; fewer than all when time is up."""
    size = max(1, min(BLOCK, int(STEP / max(cost, 1))))
    for start in range(0, count, size):
        block = slice(start, min(start + size, count))
        if not clock.allows(cost * (block.stop - start)):
            return
        yield block


@dataclass(frozen=True)
class Problem:
    """What composition maximises: integers that add up to the numerator of a score.

    Attributes:
        slots: the S open slots, by their place in the bundle's, ascending.
        item_types: of each slot.
        rows: by slot, the allowed items, (n,) rows of their type, ascending.
        values: by slot, (n,) int64, an item's own part of the numerator.
        codes: by slot, (n, M, D / 8) uint8.
        edges: pairs of slots (a, b), a < b; every slot has one.
        scales: by edge, the whole number that multiplies w_i z_i z_j.
        weights: (D,) int64 compatibility weights, fixed point.
        constant: added to every numerator.
        denominator: score = numerator / denominator.
        interchangeable: pairs of slots (a, b), a < b, that share a type: their items differ. True
            where swapping them changes no score: then a set of items occurs once.
        partners: partner lists by pair of types, or None.
    """

    slots: tuple[int, ...]
    item_types: tuple[str, ...]
    rows: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]
    codes: tuple[Packed, ...]
    edges: tuple[tuple[int, int], ...]
    scales: tuple[int, ...]
    weights: np.ndarray
    constant: int
    denominator: int
    interchangeable: dict[tuple[int, int], bool]
    partners: Partners | None

    @cached_property
    def magnitude(self) -> float:
        """No sum of terms of a score is greater than this, in units of one."""
        weight = self.codes[0].shape[1] * float(np.abs(self.weights).sum())
        values = sum(float(np.abs(values).max(initial=0)) for values in self.values)
        return float(weight * sum(self.scales) + values) / WEIGHT_ONE

    @cached_property
    def _tables(self) -> np.ndarray:
        return code_tables(np.tile(self.weights, (self.codes[0].shape[1], 1)))

    def margin(self, shares: Shares) -> float:
        """How far a float32 bound may lie below the true one, in units of one."""
        terms = self.codes[0].shape[1] * len(self.weights) + 64
        parts = sum(float(np.abs(part).max(initial=0)) for pair in shares for part in pair)
        return float(terms * 2.0**-23 * (self.magnitude + parts))

    def numerators(self, items: np.ndarray) -> np.ndarray:
        """Exact numerators of outfits, (N, S) places in `rows`, int64."""
        total = np.full(len(items), self.constant, dtype=np.int64)
        for slot, values in enumerate(self.values):
            total += values[items[:, slot]]
        for (a, b), scale in zip(self.edges, self.scales):
            if scale:
                agree = ~(self.codes[a][items[:, a]] ^ self.codes[b][items[:, b]])
                add_inner(total, agree, scale * self._tables)
        return total


def code_tables(queries: np.ndarray) -> np.ndarray:
    """What every byte of a code adds to its inner product with integer queries, (M, D): (M, D / 8, 256)."""
    return np.stack([byte_tables(query) for query in queries])


def add_inner(out: np.ndarray, codes: Packed, tables: np.ndarray) -> None:
    """Adds to out, (N,) int64, the inner products of packed codes, (N, M, D / 8), by `code_tables`."""
    from fashion_hash.retrieval.composition.kernels import add_table_sums

    add_table_sums(code_words(codes), word_tables(tables), out)


def code_words(codes: Packed) -> np.ndarray:
    """Packed codes, (N, M, D / 8), as words of eight bytes, the last filled with zeros: (N, W) uint64."""
    width = codes.shape[1] * codes.shape[2]
    codes = np.ascontiguousarray(codes).reshape(len(codes), width)
    if width % 8:  # np.pad takes longer than the sums
        narrow, codes = codes, np.zeros((len(codes), width + -width % 8), dtype=codes.dtype)
        codes[:, :width] = narrow
    return codes.view("<u8")


def word_tables(tables: np.ndarray) -> np.ndarray:
    """What each byte of `code_words` adds, by `code_tables`: (W * 8 * 256,) int64, zeros for those that fill."""
    width = tables.shape[0] * tables.shape[1]
    tables = tables.reshape(width, 256)
    if width % 8:
        tables = np.concatenate([tables, np.zeros((-width % 8, 256), dtype=tables.dtype)])
    return tables.ravel()


# by edge (a, b), an array for the alive items of a and one for those of b
Shares = list[list[np.ndarray]]
Maxima = list[list[np.ndarray]]


def even_shares(problem: Problem) -> Shares:
    """Every item divides its value evenly among the edges of its slot."""
    degree = np.bincount(np.ravel(problem.edges), minlength=len(problem.item_types))
    even = [(values / (WEIGHT_ONE * count)).astype(np.float32) for values, count in zip(problem.values, degree)]
    return [[even[a], even[b]] for a, b in problem.edges]


def list_maxima(problem: Problem, alive: Sequence[np.ndarray], shares: Shares, clock: Clock = NO_END) -> Maxima | None:
    """For every edge the best g of each alive item, bounded by the partner lists; None when time is up."""
    from fashion_hash.retrieval.composition.kernels import list_maxima as kernel

    assert problem.partners is not None
    result: Maxima = []
    for (a, b), scale, pair in zip(problem.edges, problem.scales, shares):
        sides = []
        for side, (slot, other) in enumerate(((a, b), (b, a))):
            most = np.float32(pair[1 - side].max(initial=-np.inf))
            if scale == 0:
                sides.append(pair[side] + most)
                continue
            rows, values = problem.partners[problem.item_types[slot], problem.item_types[other]]
            other_shares = np.full(problem_size(problem, other), -np.inf, dtype=np.float32)
            other_shares[problem.rows[other][alive[other]]] = pair[1 - side]
            out = np.empty(len(alive[slot]), dtype=np.float32)
            items = problem.rows[slot][alive[slot]]
            alike = problem.item_types[slot] == problem.item_types[other]
            done = 0
            for block in _blocks(len(items), LOOKUP * rows.shape[1], clock):
                kernel(items[block], rows, values, np.float32(scale), other_shares, most, out[block], alike)
                done = block.stop
            if done < len(items):
                return None
            sides.append(out + pair[side])
        result.append(sides)
    return result


def plain_maxima(problem: Problem, shares: Shares) -> Maxima:
    """For every edge what g can be at most, if all bits of the best partner agreed; at once, for all items."""
    most = problem.codes[0].shape[1] * float(np.abs(problem.weights).sum()) / WEIGHT_ONE
    result: Maxima = []
    for pair, scale in zip(shares, problem.scales):
        together = [np.float32(scale * most + float(side.max(initial=-np.inf))) for side in pair]
        result.append([pair[0] + together[1], pair[1] + together[0]])
    return result


def problem_size(problem: Problem, slot: int) -> int:
    """How many items the partner lists know of a slot's type."""
    assert problem.partners is not None
    item_type = problem.item_types[slot]
    return next(len(rows) for (listed, _), (rows, _) in problem.partners.items() if listed == item_type)


class Pairs:
    """Compatibility of the alive items of every edge: float32 matrices, kept or computed again.

    Attributes:
        complete: whether there was time for all of it. What is not complete must not be read.
    """

    def __init__(self, problem: Problem, alive: Sequence[np.ndarray], memory: int, clock: Clock = NO_END) -> None:
        """Computes the matrices if they fit into `memory` bytes and, likely, into the time."""
        self.complete, self._clock = True, clock
        self._problem = problem
        num_modalities = problem.codes[0].shape[1]
        self._features = num_modalities * len(problem.weights)
        self._codes: list[np.ndarray] = []
        self._across: list[np.ndarray] = []
        for codes, places in zip(problem.codes, alive):
            self._add_codes(len(places), lambda block: relaxed(codes[places[block]]))  # noqa: B023
        if not self.complete:
            return
        self._rows = [rows[places] for rows, places in zip(problem.rows, alive)]
        self._weights = [pair_weights(problem.weights, num_modalities, scale) for scale in problem.scales]
        self._first = first_alike(problem, alive)
        self._turned: dict[int, np.ndarray] = {}
        self._kept: dict[int, np.ndarray] | None = None
        cells = sum(len(alive[problem.edges[edge][0]]) * len(alive[problem.edges[edge][1]]) for edge in self._first)
        if cells * 4 <= memory and cells * self._features <= SPEED * clock.left:
            self._kept = self._computed(alive)

    def _add_codes(self, count: int, read: Callable[[slice], np.ndarray]) -> None:
        """Adds the codes of the items of a slot, unpacked, (n, F) float32, and turned, (F, n), while there is time."""
        codes = np.empty((count, self._features), dtype=np.float32)
        across = np.empty((self._features, count), dtype=np.float32)
        done = 0
        for block in _blocks(count, UNPACKED * self._features, self._clock):
            codes[block] = read(block)
            across[:, block] = codes[block].T
            done = block.stop
        self.complete &= done == count
        self._codes.append(codes)
        self._across.append(across)

    def _computed(self, alive: Sequence[np.ndarray]) -> dict[int, np.ndarray] | None:
        """The matrices of all edges; None when time is up."""
        kept = {}
        for edge in set(self._first):
            a, b = self._problem.edges[edge]
            kept[edge] = np.empty((len(alive[a]), len(alive[b])), dtype=np.float32)
            done = 0
            for block in _blocks(len(alive[a]), self._features * len(alive[b]), self._clock):
                kept[edge][block] = self.rows(edge, 0, block)
                done = block.stop
            if done < len(alive[a]):
                self.complete = False
                return None
        return kept

    def rows(self, edge: int, side: int, places: slice | np.ndarray) -> np.ndarray:
        """Rows of an edge's matrix (side 0), or of its transpose (side 1); -inf for an item with itself."""
        edge = self._first[edge]
        if self._kept is None:
            slot, other = self._problem.edges[edge][side], self._problem.edges[edge][1 - side]
            block = product(self._codes[slot][places] * self._weights[edge], self._across[other])
            if self._problem.scales[edge] and self._problem.item_types[slot] == self._problem.item_types[other]:
                _bar_twice(block, self._rows[slot][places], self._rows[other])
            return block
        if side == 0:
            return self._kept[edge][places]
        if self._kept[edge].size > TURNED:
            turned: np.ndarray = self._kept[edge].T[places]
            return turned
        if edge not in self._turned:
            self._turned[edge] = np.ascontiguousarray(self._kept[edge].T)
        return self._turned[edge][places]

    def keep(self, alive: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> None:
        """Keeps the items with a True mask; `alive` are the items that are left."""
        before, self._first = self._first, first_alike(self._problem, alive)
        self._turned.clear()
        if self._kept is None:
            self._rows = [rows[mask] for rows, mask in zip(self._rows, masks)]
            before_codes, self._codes, self._across = self._codes, [], []
            for codes, mask in zip(before_codes, masks):
                kept = np.flatnonzero(mask)
                self._add_codes(len(kept), lambda block: codes[kept[block]])  # noqa: B023
            return
        old, self._kept = self._kept, {}
        for edge in set(self._first):
            a, b = self._problem.edges[edge]
            places, columns = np.flatnonzero(masks[a]), np.flatnonzero(masks[b])
            self._kept[edge] = np.empty((len(places), len(columns)), dtype=np.float32)
            done = 0
            for block in _blocks(len(places), COPIED * len(masks[b]), self._clock):
                np.take(old[before[edge]][places[block]], columns, axis=1, out=self._kept[edge][block])
                done = block.stop
            self.complete &= done == len(places)

    def maxima(self, shares: Shares) -> Maxima | None:
        """For every edge the best g of each alive item; None when time is up."""
        from fashion_hash.retrieval.composition.kernels import block_maxima

        result: Maxima = []
        for edge, first in enumerate(self._first):
            first_shares, second_shares = shares[edge]
            if first < edge and all(np.array_equal(*pair) for pair in zip(shares[edge], shares[first])):
                result.append(result[first])
                continue
            rows = np.full(len(first_shares), -np.inf, dtype=np.float32)
            columns = np.full(len(second_shares), -np.inf, dtype=np.float32)
            cost, done = (self._features if self._kept is None else COPIED) * len(second_shares), 0
            for block in _blocks(len(first_shares), cost, self._clock):
                block_maxima(self.rows(edge, 0, block), first_shares[block], second_shares, rows[block], columns)
                done = block.stop
            if done < len(first_shares):
                return None
            result.append([rows + first_shares, columns + second_shares])
        return result


def _bar_twice(block: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Sets the cells of a block to -inf in which an item, a row of its type, meets itself; `columns` ascend."""
    if not len(columns):
        return
    places = np.minimum(np.searchsorted(columns, rows), len(columns) - 1)
    same = columns[places] == rows
    block[np.flatnonzero(same), places[same]] = -np.inf


def first_alike(problem: Problem, alive: Sequence[np.ndarray]) -> list[int]:
    """For each edge the first edge with the same matrix: two tops share the matrix with the bottom."""

    def alike(slot: int, other: int) -> bool:
        return problem.item_types[slot] == problem.item_types[other] and np.array_equal(
            problem.rows[slot][alive[slot]], problem.rows[other][alive[other]]
        )

    first: list[int] = []
    for edge, ((a, b), scale) in enumerate(zip(problem.edges, problem.scales)):
        same = (
            other
            for other, (c, d) in enumerate(problem.edges[:edge])
            if scale == problem.scales[other] and alike(a, c) and alike(b, d)
        )
        first.append(next(same, edge))
    return first


def item_bounds(problem: Problem, maxima: Maxima) -> list[np.ndarray]:
    """For each slot, the most that an outfit with each alive item can score."""
    tops = edge_bounds(maxima)
    bounds = []
    for slot in range(len(problem.item_types)):
        edges = [edge for edge, pair in enumerate(problem.edges) if slot in pair]
        total = np.add.reduce([maxima[edge][problem.edges[edge].index(slot)] for edge in edges])
        rest = sum(tops) - sum(tops[edge] for edge in edges)
        bounds.append(total + np.float32(-np.inf if np.isnan(rest) else rest))  # an edge without a pair: no outfit
    return bounds


def edge_bounds(maxima: Maxima) -> list[float]:
    """For each edge, the best g of all its pairs."""
    return [min(float(side.max(initial=-np.inf)) for side in pair) for pair in maxima]


def balance(problem: Problem, shares: Shares, maxima: Maxima) -> Shares:
    """Moves each item's shares so that its maxima on the edges of its slot become equal."""
    moved = [list(pair) for pair in shares]
    for slot in range(len(problem.item_types)):
        sides = [(edge, pair.index(slot)) for edge, pair in enumerate(problem.edges) if slot in pair]
        mean = sum(maxima[edge][side] for edge, side in sides) / np.float32(len(sides))
        for edge, side in sides:
            change = mean - maxima[edge][side]
            moved[edge][side] = shares[edge][side] + np.where(np.isfinite(change), change, 0)  # no partner at all
    return moved


def keep(shares: Shares, edges: Sequence[tuple[int, int]], masks: Sequence[np.ndarray]) -> Shares:
    """The shares of the items with a True mask."""
    return [[first[masks[a]], second[masks[b]]] for (first, second), (a, b) in zip(shares, edges)]
