"""Applying a filter: which items, which outfits of a pool and which compositions are allowed.

A filter is applied before the top k are taken: engines and the composer see only allowed outfits and
items, so that k answers come back whenever k exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from fashion_hash.errors import QueryError, shown, suggest
from fashion_hash.index.engines.contract import ItemTest
from fashion_hash.retrieval.filters.columns import (
    DATE,
    FITTING,
    FLAG,
    KINDS,
    LIST,
    NUMBER,
    STEPS,
    TEXT,
    ItemColumns,
)
from fashion_hash.retrieval.filters.contradictions import check_contradictions, kind_of
from fashion_hash.retrieval.filters.language import OPERATORS, Compare, Value, Where, comparisons, parse, plain
from fashion_hash.retrieval.filters.totals import PoolTotals, add_up, is_fast
from fashion_hash.retrieval.filters.typed_values import with_our_names, with_typed_values

UNBOUNDED = 2**62
# if a smaller share of the outfits passes, an engine would test most of them before it finds enough
TEST_FROM = 0.05


@dataclass(frozen=True)
class TotalBound:
    """Bounds of the sum of a column over an outfit's items, in millionths.

    Attributes:
        column: its name.
        amounts: by item type (N,) int64; 0 for items without a number, which the masks exclude.
        low: the least sum that is allowed.
        high: the greatest sum that is allowed.
    """

    column: str
    amounts: Mapping[str, np.ndarray]
    low: int
    high: int

    def keeps(self, totals: np.ndarray) -> np.ndarray:
        """Which totals are within the bounds: (N,) bool."""
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
        masks: by item type (N,) bool, the allowed items; all items of a type that is absent here.
        total_bounds: the totals that whole outfits must keep to.
        excludes: whether items are refused by id as well.
    """

    where: Where
    masks: Mapping[str, np.ndarray]
    total_bounds: tuple[TotalBound, ...]
    excludes: bool = False

    def without(self, excluded: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> Filter:
        """The filter that also refuses some items: rows by item type; `counts` says how many items each type has."""
        masks = dict(self.masks)
        for item_type, rows in excluded.items():
            mask = masks.get(item_type)
            masks[item_type] = np.ones(counts[item_type], dtype=bool) if mask is None else mask.copy()
            masks[item_type][rows] = False
        return replace(self, masks=masks, excludes=self.excludes or bool(excluded))


def read_filter(
    where: Mapping[str, object] | None,
    columns: Mapping[str, ItemColumns],
    shop_names: Mapping[str, str] | None = None,
) -> Filter:
    """Reads a filter and evaluates it.

    Args:
        where: see `language`; None and {} let everything through.
        columns: by item type, all types of the bundle.
        shop_names: what a shop calls columns that have another name here.

    Raises:
        QueryError: the filter is malformed or contradicts itself, no item has a column, or a column
            never holds values that an operator takes, or of the kind it is compared with.
    """
    parsed = with_typed_values(with_our_names(parse(where, tuple(columns)), columns, shop_names or {}), columns)
    check_contradictions(parsed)
    _check_columns(parsed, columns)
    total_bounds = tuple(
        _bound(parsed, column, columns) for column in dict.fromkeys(total.column for total in parsed.totals)
    )
    masks = {}
    for item_type, table in columns.items():
        condition = parsed.of(item_type)
        mask = table.mask(condition) if condition.parts else None
        for bound in total_bounds:
            numbers = table.column(bound.column)[0] == NUMBER
            mask = numbers if mask is None else mask[: len(numbers)] & numbers[: len(mask)]
        if mask is not None and not mask.all():
            masks[item_type] = mask
    return Filter(parsed, masks, total_bounds)


def allowed_outfits(
    chosen: Filter, slots: Sequence[str], items: np.ndarray, totals: PoolTotals | None = None
) -> np.ndarray:
    """Which outfits of a pool hold only allowed items and keep to the totals: (N,) bool.

    For a million outfits this takes about 2 ms (numba). Engines take the answer as `allowed`.

    Args:
        chosen: the filter.
        slots: item type of each slot.
        items: (N, S) integers, rows of items by slot, EMPTY in an empty slot.
        totals: sums over the same pool and columns, kept from question to question; without them
            they are computed.
    """
    narrowed = [slot for slot, item_type in enumerate(slots) if item_type in chosen.masks]
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
            allowed &= np.append(chosen.masks[slots[slot]], True)[items[:, slot]]  # EMPTY is -1, the last
    for bound in chosen.total_bounds:
        allowed &= bound.keeps((totals or PoolTotals(slots)).of(bound.column, bound.amounts, items))
    return allowed


def item_test(chosen: Filter, slots: Sequence[str]) -> ItemTest | None:
    """A filter without totals as a test of items, for engines that apply it only where it matters.

    Returns:
        The test, or None where so few outfits pass that `allowed_outfits` is faster.
    """
    narrowed = [slot for slot, item_type in enumerate(slots) if item_type in chosen.masks]
    masks = (chosen.masks[slots[slot]] for slot in narrowed)
    share = math.prod(np.count_nonzero(mask) / max(len(mask), 1) for mask in masks)
    if chosen.total_bounds or share < TEST_FROM:
        return None
    bits, starts = _words(chosen.masks, slots)
    return ItemTest(bits, np.array(narrowed, dtype=np.int64), starts[narrowed].astype(np.int64))


def within_total_bounds(chosen: Filter, slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """Which outfits keep to the totals, whatever their items: (N,) bool. Arguments as for `allowed_outfits`."""
    out = np.ones(len(items), dtype=bool)
    for bound in chosen.total_bounds:
        out &= bound.keeps(add_up(bound.amounts, slots, items))
    return out


def allowed_rows(
    chosen: Filter, slots: Sequence[str], open_slots: Sequence[int], held: Mapping[int, int] | None = None
) -> dict[int, np.ndarray]:
    """The items that may fill each open slot.

    Items that exceed a total whatever fills the other open slots are left out too. With one open slot
    nothing remains to be tested then; with several, test the outfits by `within_total_bounds`.

    Args:
        chosen: the filter.
        slots: item type of each slot.
        open_slots: the places of the slots to fill.
        held: by place of a slot, the row of the item that it holds already; such an item need not
            be allowed, but it counts in the totals.

    Returns:
        By place of an open slot, the rows of the allowed items, ascending; all items are allowed in a
        slot that is absent here.
    """
    held = held or {}
    masks = {slot: chosen.masks.get(slots[slot]) for slot in open_slots}
    for bound in chosen.total_bounds:
        spent = sum(int(bound.amounts[slots[slot]][row]) for slot, row in held.items())
        amounts = {slot: bound.amounts[slots[slot]] for slot in open_slots}
        least, most = {}, {}
        for slot in open_slots:
            mask = masks[slot]
            possible = amounts[slot] if mask is None else amounts[slot][mask]
            least[slot], most[slot] = (int(possible.min()), int(possible.max())) if len(possible) else (0, 0)
        for slot in open_slots:
            others_least = spent + sum(least.values()) - least[slot]
            others_most = spent + sum(most.values()) - most[slot]
            fits = (amounts[slot] + others_least <= bound.high) & (amounts[slot] + others_most >= bound.low)
            mask = masks[slot]
            masks[slot] = fits if mask is None else mask & fits
    return {slot: np.flatnonzero(mask) for slot, mask in masks.items() if mask is not None}


def first_passing(
    search: Callable[[int], tuple[np.ndarray, bool]],
    passes: Callable[[np.ndarray], np.ndarray],
    k: int,
    most: int = 1 << 16,
) -> tuple[np.ndarray, bool]:
    """The first k outfits of a ranking that pass a test; longer rankings are searched until k do.

    Args:
        search: gives the best outfits of a number, (K', S), fewer if no more exist, and whether they
            are proven to be the best.
        passes: which outfits pass, (K',) bool.
        k: how many must pass.
        most: the length of the longest ranking to search.

    Returns:
        Places in the last answer of `search`, ascending, at most k; and whether they are proven to
        be the best k that pass. They are not if `most` or an unproven answer ended the search.
    """
    count = min(max(2 * k, 16), most)
    while True:
        items, proven = search(count)
        passing = np.flatnonzero(passes(items))[:k]
        if len(passing) == k or len(items) < count or not proven:
            return passing, proven
        if count >= most:
            return passing, False
        count = min(4 * count, most)


def _words(masks: Mapping[str, np.ndarray], slots: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The masks in one table of bits, and the first bit of each slot: see kernels.keep_allowed."""
    parts, starts, first = [], {}, 1
    for item_type, mask in masks.items():
        parts += [np.ones(1, dtype=bool), mask]
        starts[item_type] = first
        first += 1 + len(mask)
    bits = np.concatenate([*parts, np.zeros(-(first - 1) % 32, dtype=bool)])
    words = np.packbits(bits, bitorder="little").view("<u4")
    return words, np.array([starts.get(item_type, 0) for item_type in slots], dtype=np.uint32)


def _bound(where: Where, column: str, columns: Mapping[str, ItemColumns]) -> TotalBound:
    low, high = -UNBOUNDED, UNBOUNDED
    for total in where.totals:
        if total.column == column:
            limit = round(min(max(total.value, -(2.0**42)), 2.0**42) * STEPS)
            if total.op in ("<", "<="):
                high = min(high, limit - (total.op == "<"))
            else:
                low = max(low, limit + (total.op == ">"))
    return TotalBound(column, {item_type: table.amounts(column) for item_type, table in columns.items()}, low, high)


def _check_columns(where: Where, columns: Mapping[str, ItemColumns]) -> None:
    for test in comparisons(where.everywhere):
        _check_test(test, columns)
    for item_type, condition in where.by_type.items():
        for test in comparisons(condition):
            _check_test(test, {item_type: columns[item_type]})
    for total in where.totals:
        held = _kinds_held(total.path, total.column, columns)
        if NUMBER not in held:
            raise QueryError(
                f"{total.path}: column {shown(total.column)} holds {_listed(held)}: only numbers have a total"
            )


def _check_test(test: Compare, columns: Mapping[str, ItemColumns]) -> None:
    held, column = _kinds_held(test.path, test.column, columns), shown(test.column)
    fitting = {op for kind in held for op in FITTING[kind]}
    if test.op not in fitting:
        listed = ", ".join(op for op in OPERATORS if op in fitting)
        raise QueryError(
            f"{test.path}: {test.op} does not fit column {column}, which holds {_listed(held)}: use {listed}"
        )
    holder = f"column {column} holds"
    if test.op in ("contains", "overlaps") and LIST in held:
        held = {kind for table in columns.values() for kind in table.elements(test.column)} | (held & {TEXT})
        held, holder = held or {NUMBER, TEXT}, f"the lists of column {column} hold"
    for value in () if test.op == "exists" else test.values:
        if _kind(value) not in held:
            raise QueryError(f"{test.path}: {plain(value)} is {kind_of(value)}, but {holder} {_listed(held)}")


def _kind(value: Value) -> int:
    if isinstance(value, datetime):
        return DATE
    return FLAG if isinstance(value, bool) else TEXT if isinstance(value, str) else NUMBER


def _kinds_held(path: str, column: str, columns: Mapping[str, ItemColumns]) -> set[int]:
    """The kinds of values that a column holds in any of the types. Raises QueryError if no item has it."""
    held = {kind for table in columns.values() for kind in table.held(column)}
    if not held:
        known = sorted({name for table in columns.values() for name in table.names})
        listed = ", ".join(known[:20]) + ", ..." * (len(known) > 20) if known else "none"
        types = ", ".join(columns)
        raise QueryError(
            f"{path}: no column {shown(column)}{suggest(column, known)}; the columns of {types} items are: {listed}"
        )
    return held


def _listed(kinds: set[int]) -> str:
    return " and ".join(KINDS[kind] for kind in sorted(kinds))
