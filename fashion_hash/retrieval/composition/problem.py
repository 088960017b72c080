"""From a bundle, a user and the allowed items to the integers that composition adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, unpack
from fashion_hash.core.outfits import EMPTY, fill_empty, slot_pairs
from fashion_hash.errors import BundleError, QueryError, suggest
from fashion_hash.index.partners import Partners
from fashion_hash.retrieval.composition.bounds import Problem, add_inner, code_tables


def pose(
    bundle: Bundle,
    user_code: Packed,
    slots: Sequence[str],
    allowed: Mapping[str, np.ndarray],
    given: Mapping[str, int],
    partners: Partners | None,
) -> Problem:
    """The problem of filling `slots`, those of `given` being filled already.

    The numerator of an outfit is preference_scale * U * P + compatibility_scale * I * n + M D B P, see
    index/exact.py. What a given item adds with an open one is part of the open item's value.
    """
    _check(bundle, slots, allowed, given)
    position = {name: number for number, name in enumerate(bundle.slot_names)}
    filled = sorted(position[name] for name in [*slots, *given])
    open_slots = sorted(position[name] for name in slots)
    fixed = {position[name]: int(row) for name, row in given.items()}
    source = _sources(bundle, filled)
    num_items = len(source)
    times = {slot: list(source.values()).count(slot) for slot in filled}
    weight_of_edge: dict[tuple[int, int], int] = {}
    for a, b in slot_pairs(bundle.slots):
        if a in source and b in source:
            edge = min(source[a], source[b]), max(source[a], source[b])
            weight_of_edge[edge] = weight_of_edge.get(edge, 0) + 1
    num_pairs = max(1, sum(weight_of_edge.values()))
    bits = len(bundle.modalities) * bundle.num_bits
    scale_of_edge = {edge: bundle.compatibility_scale * num_items * weight for edge, weight in weight_of_edge.items()}

    user = unpack(user_code) * bundle.preference_weights.astype(np.int64)
    weights = bundle.compatibility_weights.astype(np.int64)

    def own_values(slot: int, rows: np.ndarray | slice, partners_of: Sequence[int]) -> np.ndarray:
        """What items add by themselves and with given items in other slots, int64."""
        kind, factor = bundle.slots[slot], num_pairs * times[slot]
        queries = np.tile(bundle.preference_scale * factor * user, (len(bundle.modalities), 1))
        for other in partners_of:
            code = unpack(bundle.item_codes[bundle.slots[other]][fixed[other]])
            queries += scale_of_edge.get((min(slot, other), max(slot, other)), 0) * (code * weights)
        values = np.multiply(bundle.item_bias[kind][rows], bits * factor, dtype=np.int64)
        add_inner(values, bundle.item_codes[kind][rows], code_tables(queries))
        return values

    rows, values, codes = [], [], []
    for slot in open_slots:
        kind, name = bundle.slots[slot], bundle.slot_names[slot]
        taken = [row for other, row in fixed.items() if bundle.slots[other] == kind]
        here = _allowed_rows(bundle, slot, allowed.get(name), taken)
        index = slice(None) if len(here) == len(bundle.items[kind]) else here
        rows.append(here)
        values.append(own_values(slot, index, list(fixed)))
        codes.append(bundle.item_codes[kind][index])
    constant = 0
    for slot, row in fixed.items():
        before = [other for other in fixed if other < slot]
        constant += int(own_values(slot, np.array([row]), before)[0])

    edges, scales = _edges(open_slots, scale_of_edge)
    kinds = tuple(bundle.slots[slot] for slot in open_slots)
    if partners is not None:
        _check_partners(bundle, kinds, partners)
    interchangeable = {
        (a, b): times[open_slots[a]] == times[open_slots[b]]
        for a in range(len(kinds))
        for b in range(a + 1, len(kinds))
        if kinds[a] == kinds[b]
    }
    return Problem(
        slots=tuple(open_slots),
        kinds=kinds,
        rows=tuple(rows),
        values=tuple(values),
        codes=tuple(codes),
        edges=edges,
        scales=scales,
        weights=weights,
        constant=constant,
        denominator=WEIGHT_ONE * bits * num_items * num_pairs,
        interchangeable=interchangeable,
        partners=partners,
    )


def _sources(bundle: Bundle, filled: Sequence[int]) -> dict[int, int]:
    """By slot that counts in the score the slot whose item it holds: itself, or the one it repeats."""
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


def _allowed_rows(bundle: Bundle, slot: int, allowed: np.ndarray | None, taken: Sequence[int]) -> np.ndarray:
    """The allowed rows of a slot, ascending, without those of given items of its type."""
    size = len(bundle.items[bundle.slots[slot]])
    if allowed is None and not taken:
        return np.arange(size)
    mask = np.full(size, allowed is None)
    if allowed is not None:
        mask[allowed] = True
    mask[list(taken)] = False
    return np.flatnonzero(mask)


def _check(bundle: Bundle, slots: Sequence[str], allowed: Mapping[str, np.ndarray], given: Mapping[str, int]) -> None:
    for name in [*slots, *allowed, *given]:
        if name not in bundle.slot_names:
            raise QueryError(
                f"no slot {name!r}{suggest(name, bundle.slot_names)}: "
                f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
            )
    if len(set(slots)) < len(slots):
        raise QueryError(f"a slot is asked for twice: {', '.join(slots)}")
    if both := [name for name in slots if name in given]:
        raise QueryError(f"slot {both[0]!r} is both given and asked for: leave one of the two out")
    if not slots:
        raise QueryError("nothing is left to choose: leave at least one slot open")
    for name in allowed:
        if name in given:
            raise QueryError(f"slot {name!r} is given an item: it cannot be restricted to others")
        if name not in slots:
            raise QueryError(f"slot {name!r} is restricted but not asked for: {', '.join(slots)}")
    for name, rows in [*allowed.items(), *given.items()]:
        kind = bundle.slots[bundle.slot_names.index(name)]
        array, size = np.asarray(rows), len(bundle.items[kind])
        if array.size == 0:
            continue
        if array.dtype.kind not in "iu":
            raise QueryError(f"slot {name!r}: item rows are whole numbers, got {array.dtype} like {array.flat[0]!r}")
        if array.min() < 0 or array.max() >= size:
            raise QueryError(
                f"slot {name!r}: item rows of {kind} go from 0 to {size - 1}, got {array.min()} to {array.max()}"
            )
    items = [(bundle.slots[bundle.slot_names.index(name)], int(row)) for name, row in given.items()]
    if len(set(items)) < len(items):
        raise QueryError(f"the same item is given twice: {dict(given)}")


def _check_partners(bundle: Bundle, kinds: Sequence[str], partners: Partners) -> None:
    for a, b in permutations(dict.fromkeys(kinds), 2):
        if len(partners[a, b][0]) != len(bundle.items[a]):
            raise BundleError(
                f"the partner lists hold {len(partners[a, b][0])} items of type {a}, "
                f"the bundle {len(bundle.items[a])}: write them again with build_partners"
            )
