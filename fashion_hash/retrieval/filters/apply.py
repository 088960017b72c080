"""A filter put to work: which items, which outfits of a pool, which compositions may be answered.

A filter is applied before the top k: engines and the composer see the allowed outfits and items
only, so that k answers come back wherever k exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fashion_hash.errors import QueryError, suggest
from fashion_hash.index.engines.contract import ItemTest
from fashion_hash.retrieval.filters.columns import FLAG, KINDS, NUMBER, STEPS, TEXT, ItemColumns
from fashion_hash.retrieval.filters.contradictions import check_contradictions, kind_of
from fashion_hash.retrieval.filters.language import Compare, Where, comparisons, parse, plain
from fashion_hash.retrieval.filters.totals import PoolTotals, add_up, is_fast

UNBOUNDED = 2**62
# of a smaller share of the outfits, most would be tested before enough are found
TEST_FROM = 0.05


@dataclass(frozen=True)
class TotalBound:
    """Bounds of the sum of a column over an outfit's items, in millionths.

    Attributes:
        column: its name.
        amounts: by item type (N,) int64; 0 for items without a number, whose mask leaves them out.
        low, high: the sum lies between them, both included.
    """

    column: str
    amounts: Mapping[str, np.ndarray]
    low: int
    high: int

    def keeps(self, totals: np.ndarray) -> np.ndarray:
        """Which totals lie between the bounds: (N,) bool."""
        if self.low <= -UNBOUNDED:
            return totals <= self.high
        if self.high >= UNBOUNDED:
            return totals >= self.low
        return (totals >= self.low) & (totals <= self.high)


@dataclass(frozen=True)
class Filter:
    """What a filter lets through.

    Attributes:
        where: the filter itself.
        masks: by item type (N,) bool, the allowed items; a type that is absent is not narrowed.
        budgets: what whole outfits must keep to.
    """

    where: Where
    masks: Mapping[str, np.ndarray]
    budgets: tuple[TotalBound, ...]


def read_filter(
    where: Mapping[str, object] | None,
    columns: Mapping[str, ItemColumns],
    alive: Mapping[str, np.ndarray] | None = None,
) -> Filter:
    """Reads a filter and evaluates it.

    Args:
        where: see where.py; None and {} narrow nothing.
        columns: by item type, all types of the bundle.
        alive: by item type (N,) bool, items that have not been removed; all where it says nothing.

    Raises:
        QueryError: a filter that cannot be read or contradicts itself, a column that no item has, or
            a value of a kind that the column never holds.
    """
    read = parse(where, tuple(columns))
    check_contradictions(read)
    _check_columns(read, columns)
    budgets = tuple(_budget(read, column, columns) for column in dict.fromkeys(one.column for one in read.totals))
    masks = {}
    for own, table in columns.items():
        condition, some = read.of(own), None
        if condition.parts:
            some = table.mask(condition)
        for budget in budgets:
            counted = table.column(budget.column)[0] == NUMBER
            some = counted if some is None else some[: len(counted)] & counted[: len(some)]
        if alive is not None and own in alive:
            some = alive[own] if some is None else some & alive[own][: len(some)]
        if some is not None and not some.all():
            masks[own] = some
    return Filter(read, masks, budgets)


def allowed_outfits(
    chosen: Filter, slots: Sequence[str], items: np.ndarray, totals: PoolTotals | None = None
) -> np.ndarray:
    """Which outfits of a pool hold allowed items only and keep to the budgets: (N,) bool.

    Of a million outfits this takes about 2 ms (numba). The answer goes to the engines as `allowed`.

    Args:
        chosen: the filter.
        slots: item type of each slot.
        items: (N, S) integers, rows of items by slot, EMPTY where there is none.
        totals: of the same pool and columns, kept from question to question; they spare budgets the
            adding up.
    """
    narrowed = [slot for slot, own in enumerate(slots) if own in chosen.masks]
    allowed = np.ones(len(items), dtype=bool)
    if narrowed and is_fast(items):
        from fashion_hash.retrieval.filters.kernels import keep_allowed, keep_allowed_of_three

        words, starts = _words(chosen.masks, slots)
        table = (items.reshape(-1), len(slots), words, starts)
        while len(narrowed) >= 3:
            keep_allowed_of_three(*table, *narrowed[:3], allowed.view(np.uint8))  # type: ignore[call-arg]
            narrowed = narrowed[3:]
        for slot in narrowed:
            keep_allowed(*table, slot, allowed.view(np.uint8))
    else:
        for slot in narrowed:
            allowed &= np.append(chosen.masks[slots[slot]], True)[items[:, slot]]  # EMPTY, -1, is the last
    for budget in chosen.budgets:
        allowed &= budget.keeps((totals or PoolTotals(slots)).of(budget.column, budget.amounts, items))
    return allowed


def item_test(chosen: Filter, slots: Sequence[str]) -> ItemTest | None:
    """A filter without budgets as a test of items, for engines that make it only where it matters.

    None where so few outfits pass that a mask of all of them (`allowed_outfits`) is the faster way.
    """
    narrowed = [slot for slot, own in enumerate(slots) if own in chosen.masks]
    share = float(
        np.prod([chosen.masks[slots[slot]].mean() if len(chosen.masks[slots[slot]]) else 0 for slot in narrowed])
    )
    if chosen.budgets or share < TEST_FROM:
        return None
    bits, starts = _words(chosen.masks, slots)
    return ItemTest(bits, np.array(narrowed, dtype=np.int64), starts[narrowed].astype(np.int64))


def within_budgets(chosen: Filter, slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """Which outfits keep to the budgets, whatever their items: (N,) bool. Arguments as `allowed_outfits`."""
    out = np.ones(len(items), dtype=bool)
    for budget in chosen.budgets:
        out &= budget.keeps(add_up(budget.amounts, slots, items))
    return out


def allowed_rows(
    chosen: Filter, slots: Sequence[str], open_slots: Sequence[int], given: Mapping[int, int] | None = None
) -> dict[int, np.ndarray]:
    """By open slot that is narrowed, the rows of the items that may fill it, ascending.

    Items that cannot keep to a budget, whatever stands in the other open slots, are left out too: of
    one open slot nothing is left to test then, of several the outfits with `within_budgets`.

    Args:
        chosen: the filter.
        slots: item type of each slot.
        open_slots: the slots to fill, by place.
        given: by place the row of the item that a slot holds already; the filter does not ask
            whether it is allowed, but a budget counts it.
    """
    given = given or {}
    masks = {slot: chosen.masks.get(slots[slot]) for slot in open_slots}
    for budget in chosen.budgets:
        spent = sum(int(budget.amounts[slots[slot]][row]) for slot, row in given.items())
        amounts = {slot: budget.amounts[slots[slot]] for slot in open_slots}
        least, most = {}, {}
        for slot in open_slots:
            mask = masks[slot]
            here = amounts[slot] if mask is None else amounts[slot][mask]
            least[slot], most[slot] = (int(here.min()), int(here.max())) if len(here) else (0, 0)
        for slot in open_slots:
            others_least = spent + sum(least.values()) - least[slot]
            others_most = spent + sum(most.values()) - most[slot]
            fits = (amounts[slot] + others_least <= budget.high) & (amounts[slot] + others_most >= budget.low)
            mask = masks[slot]
            masks[slot] = fits if mask is None else mask & fits
    return {slot: np.flatnonzero(mask) for slot, mask in masks.items() if mask is not None}


def first_passing(
    search: Callable[[int], tuple[np.ndarray, bool]],
    passes: Callable[[np.ndarray], np.ndarray],
    k: int,
    most: int = 1 << 16,
) -> tuple[np.ndarray, bool]:
    """The places of the first k outfits of a ranking that pass a test, by asking for more until k do.

    Args:
        search: for a number of outfits, the best ones, (K', S), fewer where there are fewer, and
            whether they are proven to be.
        passes: which of them pass, (K',) bool.
        k: how many are wanted.
        most: never asks for more than this.

    Returns:
        Places in the last answer of `search`, ascending, at most k; and whether they are proven to
        be the best k that pass: not when `most` or an unproven answer ended the search.
    """
    wanted = min(max(2 * k, 16), most)
    while True:
        items, proven = search(wanted)
        passing = np.flatnonzero(passes(items))[:k]
        if len(passing) == k or len(items) < wanted or not proven:
            return passing, proven
        if wanted >= most:
            return passing, False
        wanted = min(4 * wanted, most)


def _words(masks: Mapping[str, np.ndarray], slots: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The masks in one table of bits, and where each slot's begins: see filter_kernels.keep_allowed."""
    parts, starts, first = [], {}, 1
    for own, mask in masks.items():
        parts += [np.ones(1, dtype=bool), mask]
        starts[own] = first
        first += 1 + len(mask)
    bits = np.concatenate([*parts, np.zeros(-(first - 1) % 32, dtype=bool)])
    words = np.packbits(bits, bitorder="little").view("<u4")
    return words, np.array([starts.get(own, 0) for own in slots], dtype=np.uint32)


def _budget(where: Where, column: str, columns: Mapping[str, ItemColumns]) -> TotalBound:
    low, high = -UNBOUNDED, UNBOUNDED
    for total in where.totals:
        if total.column == column:
            limit = round(min(max(total.value, -(2.0**42)), 2.0**42) * STEPS)
            if total.op in ("<", "<="):
                high = min(high, limit - (total.op == "<"))
            else:
                low = max(low, limit + (total.op == ">"))
    return TotalBound(column, {own: table.amounts(column) for own, table in columns.items()}, low, high)


def _check_columns(where: Where, columns: Mapping[str, ItemColumns]) -> None:
    for test in comparisons(where.everywhere):
        _check_test(test, columns)
    for own, condition in where.by_type.items():
        for test in comparisons(condition):
            _check_test(test, {own: columns[own]})
    for total in where.totals:
        found = _check_known(total.path, total.column, columns)
        if NUMBER not in found:
            raise QueryError(f"{total.path}: column {total.column!r} holds {_listed(found)}: only numbers add up")


def _check_test(test: Compare, columns: Mapping[str, ItemColumns]) -> None:
    found = _check_known(test.path, test.column, columns)
    for value in () if test.op == "exists" else test.values:
        if (FLAG if isinstance(value, bool) else TEXT if isinstance(value, str) else NUMBER) not in found:
            raise QueryError(
                f"{test.path}: {plain(value)} is {kind_of(value)}, but column {test.column!r} holds {_listed(found)}"
            )


def _check_known(path: str, column: str, columns: Mapping[str, ItemColumns]) -> set[int]:
    """The kinds of values that a column holds in some types. Raises QueryError when none has it."""
    found = {kind for table in columns.values() for kind in table.held(column)}
    if not found:
        known = sorted({name for table in columns.values() for name in table.names})
        whose = f"items of type {', '.join(columns)} have"
        listed = ", ".join(known[:20]) + ", ..." * (len(known) > 20) if known else "none"
        raise QueryError(f"{path}: no column {column!r}{suggest(column, known)}: {whose} {listed}")
    return found


def _listed(kinds: set[int]) -> str:
    return " and ".join(KINDS[one] for one in sorted(kinds))
