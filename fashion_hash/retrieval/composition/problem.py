"""From a task of composition to the integers that branch and bound adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, unpack
from fashion_hash.core.outfits import EMPTY, fill_empty, slot_pairs, type_pairs
from fashion_hash.errors import BundleError, QueryError, counted, suggest
from fashion_hash.index import exact
from fashion_hash.index.partners import Partners
from fashion_hash.retrieval.composition.bounds import Problem, add_inner, code_tables


@dataclass(frozen=True)
class CompositionTask:
    """Which outfits to form for a user.

    Attributes:
        bundle: an open bundle.
        user_key: a row of Bundle.user_keys.
        slots: names of the slots to fill ("top", "top_2", ...); None for all that `fixed` leaves open.
        allowed: by slot name the item rows that may be used, in any order; a slot that is missing may
            hold every item of its type.
        fixed: by slot name the row of an item that every outfit holds.
        partners: partner lists of the bundle; without them large catalogues take longer. They are
            not read with an outfit encoder.
    """

    bundle: Bundle
    user_key: np.ndarray
    slots: Sequence[str] | None = None
    allowed: Mapping[str, np.ndarray] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    partners: Partners | None = None

    @property
    def open_slots(self) -> list[str]:
        """Names of the slots to fill."""
        if self.slots is None:
            return [name for name in self.bundle.slot_names if name not in self.fixed]
        return list(self.slots)

    def type_of(self, slot_name: str) -> str:
        """The item type of a slot."""
        return self.bundle.slots[self.bundle.slot_names.index(slot_name)]


def pose(task: CompositionTask) -> Problem:
    """The integer problem of a task.

    The numerator of an outfit is preference_scale * U * P + compatibility_scale * I * n + M D B P, see
    index/exact.py. What a fixed item adds with an open one is part of the open item's value.

    Raises:
        QueryError: no such slot or none left open, a slot with a fixed item that is asked for or restricted, a row
            that the bundle does not hold, or the same item given twice.
        BundleError: partner lists of other items.
    """
    _check(task)
    bundle = task.bundle
    counts = _count(task)
    open_slots = sorted(bundle.slot_names.index(name) for name in task.open_slots)
    rows = [_allowed_rows(task, slot) for slot in open_slots]
    # all rows are a view of the bundle's arrays, spared a copy
    indices = [slice(None) if len(allowed) == counts.size(slot) else allowed for slot, allowed in zip(open_slots, rows)]
    edges, scales = _edges(open_slots, counts.scale_of_edge)
    item_types = tuple(bundle.slots[slot] for slot in open_slots)
    if task.partners is not None:
        _check_partners(bundle, item_types, task.partners)
    return Problem(
        slots=tuple(open_slots),
        item_types=item_types,
        rows=tuple(rows),
        values=tuple(counts.values(slot, index, list(counts.fixed)) for slot, index in zip(open_slots, indices)),
        codes=tuple(bundle.item_codes[bundle.slots[slot]][index] for slot, index in zip(open_slots, indices)),
        edges=edges,
        scales=scales,
        weights=bundle.compatibility_weights.astype(np.int64),
        constant=counts.constant(),
        denominator=WEIGHT_ONE * counts.num_bits * counts.num_items * counts.num_pairs,
        interchangeable={
            (a, b): counts.times[open_slots[a]] == counts.times[open_slots[b]]
            for a in range(len(item_types))
            for b in range(a + 1, len(item_types))
            if item_types[a] == item_types[b]
        },
        partners=task.partners,
    )


class _Counts(NamedTuple):
    """How often items and pairs count in the numerator of every outfit of a task.

    Attributes:
        bundle: of the task.
        user: (D,) int64, see exact.query.
        fixed: by slot, the row of the item that it holds.
        times: by filled slot how often its item counts: more than once where an empty slot repeats it.
        scale_of_edge: by pair of filled slots (a, b), a < b, the factor of their items' compatibility.
        num_items, num_pairs: that count in an outfit; 1 pair where there is none.
    """

    bundle: Bundle
    user: np.ndarray
    fixed: dict[int, int]
    times: dict[int, int]
    scale_of_edge: dict[tuple[int, int], int]
    num_items: int
    num_pairs: int

    @property
    def num_bits(self) -> int:
        """Bits of an item over all modalities, M D."""
        return len(self.bundle.modalities) * self.bundle.num_bits

    def size(self, slot: int) -> int:
        """How many items the type of a slot has."""
        return len(self.bundle.items[self.bundle.slots[slot]])

    def values(self, slot: int, rows: np.ndarray | slice, given_slots: Sequence[int]) -> np.ndarray:
        """What items add by themselves and with the fixed items of other slots, int64."""
        bundle, item_type = self.bundle, self.bundle.slots[slot]
        factor = self.num_pairs * self.times[slot]
        queries = np.tile(bundle.preference_scale * factor * self.user, (len(bundle.modalities), 1))
        weights = bundle.compatibility_weights.astype(np.int64)
        for other in given_slots:
            code = unpack(bundle.item_codes[bundle.slots[other]][self.fixed[other]])
            queries += self.scale_of_edge.get((min(slot, other), max(slot, other)), 0) * (code * weights)
        values: np.ndarray = np.multiply(bundle.item_bias[item_type][rows], self.num_bits * factor, dtype=np.int64)
        add_inner(values, bundle.item_codes[item_type][rows], code_tables(queries))
        return values

    def constant(self) -> int:
        """What the fixed items add by themselves and with each other."""
        return sum(
            int(self.values(slot, np.array([row]), [other for other in self.fixed if other < slot])[0])
            for slot, row in self.fixed.items()
        )


def _count(task: CompositionTask) -> _Counts:
    bundle = task.bundle
    filled = sorted(bundle.slot_names.index(name) for name in [*task.open_slots, *task.fixed])
    source = _sources(bundle, filled)
    weight_of_edge: dict[tuple[int, int], int] = {}
    for a, b in slot_pairs(bundle.slots):
        if a in source and b in source:
            edge = min(source[a], source[b]), max(source[a], source[b])
            weight_of_edge[edge] = weight_of_edge.get(edge, 0) + 1
    scale = bundle.compatibility_scale * len(source)
    return _Counts(
        bundle=bundle,
        user=exact.query(bundle, task.user_key),
        fixed={bundle.slot_names.index(name): int(row) for name, row in task.fixed.items()},
        times={slot: list(source.values()).count(slot) for slot in filled},
        scale_of_edge={edge: scale * weight for edge, weight in weight_of_edge.items()},
        num_items=len(source),
        num_pairs=max(1, sum(weight_of_edge.values())),
    )


def _sources(bundle: Bundle, filled: Sequence[int]) -> dict[int, int]:
    """By slot that counts in the score the slot of its item: itself, or the slot that it repeats."""
    items = np.full(len(bundle.slots), EMPTY)
    items[list(filled)] = filled
    if bundle.repeat_empty:
        items = fill_empty(bundle.slots, items)
    return {slot: int(item) for slot, item in enumerate(items) if item != EMPTY}


def _edges(
    open_slots: Sequence[int], scale_of_edge: Mapping[tuple[int, int], int]
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """The edges between open slots, by their places; a slot without one gets one that counts nothing."""
    scales = {
        (a, b): scale_of_edge[open_slots[a], open_slots[b]]
        for a in range(len(open_slots))
        for b in range(a + 1, len(open_slots))
        if (open_slots[a], open_slots[b]) in scale_of_edge
    }
    for a in range(len(open_slots)):
        if len(open_slots) > 1 and not any(a in edge for edge in scales):
            other = 1 if a == 0 else 0
            scales[min(a, other), max(a, other)] = 0
    return tuple(scales), tuple(scales.values())


def _allowed_rows(task: CompositionTask, slot: int) -> np.ndarray:
    """The allowed rows of a slot, ascending, without those of fixed items of its type."""
    bundle = task.bundle
    item_type, allowed = bundle.slots[slot], task.allowed.get(bundle.slot_names[slot])
    size = len(bundle.items[item_type])
    taken = [int(row) for name, row in task.fixed.items() if task.type_of(name) == item_type]
    if allowed is None and not taken:
        return np.arange(size)
    mask = np.full(size, allowed is None)
    if allowed is not None:
        mask[allowed] = True
    mask[taken] = False
    return np.flatnonzero(mask)


def _check(task: CompositionTask) -> None:
    bundle, slots, allowed, fixed = task.bundle, task.open_slots, task.allowed, task.fixed
    for name in [*slots, *allowed, *fixed]:
        if name not in bundle.slot_names:
            raise QueryError(
                f"no slot {name!r}{suggest(name, bundle.slot_names)}: "
                f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
            )
    if len(set(slots)) < len(slots):
        raise QueryError(f"a slot is asked for twice in {', '.join(slots)}: name each slot once")
    if both := [name for name in slots if name in fixed]:
        raise QueryError(f"slot {both[0]!r} is both given and asked for: leave one of the two out")
    if not slots:
        raise QueryError("nothing is left to choose: leave at least one slot open")
    if held := [name for name in allowed if name in fixed]:
        raise QueryError(f"slot {held[0]!r} is given an item: it cannot be restricted to others")
    if closed := [name for name in allowed if name not in slots]:
        raise QueryError(f"slot {closed[0]!r} is restricted but not asked for: {', '.join(slots)}")
    for name, rows in [*allowed.items(), *fixed.items()]:
        _check_rows(bundle, name, np.asarray(rows))
    items = [(task.type_of(name), int(row)) for name, row in fixed.items()]
    if len(set(items)) < len(items):
        raise QueryError(f"the same item is given twice: {dict(fixed)}")


def _check_rows(bundle: Bundle, slot_name: str, rows: np.ndarray) -> None:
    if rows.size == 0:
        return
    item_type = bundle.slots[bundle.slot_names.index(slot_name)]
    size = len(bundle.items[item_type])
    if rows.dtype.kind not in "iu":
        raise QueryError(f"slot {slot_name!r}: item rows must be whole numbers, got {rows.dtype}: {rows.flat[0]!r}")
    if rows.min() < 0 or rows.max() >= size:
        raise QueryError(
            f"slot {slot_name!r}: item rows of {item_type} go from 0 to {size - 1}, got {rows.min()} to {rows.max()}"
        )


def _check_partners(bundle: Bundle, item_types: Sequence[str], partners: Partners) -> None:
    for a, b in type_pairs(bundle.slots):
        if a in item_types and b in item_types and len(partners[a, b][0]) != len(bundle.items[a]):
            raise BundleError(
                f"the partner lists hold {counted(len(partners[a, b][0]), 'item')} of type {a}, "
                f"the bundle {len(bundle.items[a])}: write them again with build_partners"
            )
