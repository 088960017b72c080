"""How well items satisfy what a request says: tiers by hard facts, a share for soft ones.

A tier is a number of two bits a hard fact. The first half says which facts an item has, the most important first;
the second half, which of them it has to the letter: a pleated skirt is a skirt, but a plain one comes first. So the
greatest tiers hold the items that have everything, and below them the least important fact is given up first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fashion_hash.understanding.said import Fact, Understanding, listed

MOST_HARD = 30  # two bits each in a tier; further facts count as soft
Where = Mapping[str, Any]
Mask = Callable[[Where], np.ndarray]


def tiers(understanding: Understanding, item_type: str, size: int, mask: Mask, lists: frozenset[str]) -> np.ndarray:
    """(N,) int64, the tier of each item of a type; equal for all without hard facts.

    Where several items are asked for, an item has the best of its tiers as one of them.

    Args:
        understanding: what the request says.
        item_type: of the items.
        size: N.
        mask: which items match a filter, (N,) bool.
        lists: columns that hold lists.
    """
    items = understanding.items
    count = num_digits(understanding)
    best = np.full(size, -1, dtype=np.int64)
    for item in items:
        has, exactly = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        facts = item.hard[:MOST_HARD]
        for fact in facts:
            degree = degrees(fact, item_type, size, mask, lists)
            has = 2 * has + (degree > 0)
            exactly = 2 * exactly + (degree == 2)
        rest = count - len(facts)  # what is not asked of this item, it has
        ones = 2**rest - 1
        np.maximum(best, (((has << rest) + ones) << count) + (exactly << rest) + ones, out=best)
    return best


def num_digits(understanding: Understanding) -> int:
    """How many binary digits each half of a tier has: the most hard facts of one item."""
    return max(len(item.hard[:MOST_HARD]) for item in understanding.items)


def complete(understanding: Understanding, tier: np.ndarray) -> np.ndarray:
    """Which items have every hard fact, by their tiers."""
    count = num_digits(understanding)
    return np.asarray(tier >> count == 2**count - 1)


def missing(understanding: Understanding, tier: int) -> tuple[Fact, ...]:
    """The hard facts that an item of a tier lacks, most important first.

    Where several items are asked for, these are the facts of the first that the tier can belong to.
    """
    count = num_digits(understanding)
    has = tier >> count
    for item in understanding.items:
        facts = item.hard[:MOST_HARD]
        rest = count - len(facts)
        if has % 2**rest == 2**rest - 1:
            return tuple(fact for place, fact in enumerate(facts) if not has >> (count - 1 - place) & 1)
    return ()


def soft_shares(
    understanding: Understanding, item_type: str, size: int, mask: Mask, lists: frozenset[str]
) -> np.ndarray:
    """(N,) float64, which share of the soft facts each item has; nearly counts half; 0 without soft facts.

    Where several items are asked for, an item has the greatest of its shares as one of them.
    """
    best = np.zeros(size)
    if not understanding.soft and len(understanding.hard) <= MOST_HARD:
        return best
    for item in understanding.items:
        facts = [*item.soft, *item.hard[MOST_HARD:]]
        total = np.zeros(size)
        for fact in facts:
            total += degrees(fact, item_type, size, mask, lists) / 2
        np.maximum(best, total / max(1, len(facts)), out=best)
    return best


def degrees(fact: Fact, item_type: str, size: int, mask: Mask, lists: frozenset[str]) -> np.ndarray:
    """(N,) int8: 2 where an item has what a fact says, 1 where it nearly has it, 0 where not."""
    if fact.column == "type":
        fits = item_type in listed(fact.value)
        return np.full(size, 2 * (fits != fact.excluded), dtype=np.int8)
    held = mask(where(fact, listed(fact.value), lists))
    degree = (~held if fact.excluded else held).astype(np.int8) << 1
    if fact.excluded:
        return degree
    if fact.nearly:
        np.maximum(degree, mask(where(fact, list(fact.nearly), lists)).astype(np.int8), out=degree)
    return degree


def where(fact: Fact, values: list[str], lists: frozenset[str]) -> dict[str, Any]:
    """The items that a fact names: {"word": a word of their titles}, or a filter (retrieval/filters/language.py)."""
    if fact.column == "title":
        return {"word": fact.value["contains"]}
    if isinstance(fact.value, bool | Mapping):
        return {"columns": {fact.column: fact.value}}
    return {"columns": {fact.column: {"overlaps" if fact.column in lists else "in": values}}}
