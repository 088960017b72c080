"""Why an answer holds fewer hits than were asked for: counted, not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.retrieval.filters.apply import Filter, within_total_bounds
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import AllOf, Condition


@dataclass(frozen=True)
class Matches:
    """How many items of a type match one condition of a filter by itself.

    Attributes:
        condition: as the filter states it.
        type: the item type.
        matching: how many items match.
        of: how many items there are.
    """

    condition: str
    type: str
    matching: int
    of: int


@dataclass(frozen=True)
class Shortfall:
    """Fewer hits than were asked for, and why.

    Attributes:
        wanted: how many hits were asked for.
        found: how many there are.
        items: by item type, how many items pass the whole filter, and of how many.
        conditions: each condition by itself, the strictest first.
        outfits: how many outfits the pool holds; None for compositions.
        allowed: how many of these hold only allowed items.
        within_totals: how many of these keep to the totals.
        excluded: how many of these may not be answered, such as liked ones.
        what: what was asked for, "outfits" or "items".
        totals: the columns whose totals are bounded.
    """

    wanted: int
    found: int
    items: Mapping[str, tuple[int, int]]
    conditions: tuple[Matches, ...]
    outfits: int | None = None
    allowed: int | None = None
    within_totals: int | None = None
    excluded: int = 0
    what: str = "outfits"
    totals: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason in words, on one line."""
        parts = [f"{self.found} of {self.wanted} {self.what} found"]
        if self.outfits is not None:
            parts[0] += f": the pool holds {self.outfits:,}"
            if self.allowed is not None and self.allowed < self.outfits:
                parts.append(f"{self.allowed or 'none'} of them have only allowed items")
            if self.within_totals is not None and self.within_totals != self.allowed:
                parts.append(f"{self.within_totals or 'none'} of these keep to the totals")
            if self.excluded:
                parts.append(f"{self.excluded:,} of these are left out (already liked, or excluded)")
        elif self.totals and self.what == "outfits":
            parts.append(f"every outfit must keep to its total of {', '.join(self.totals)}")
        if without := [item_type for item_type, (left, _) in self.items.items() if left == 0]:
            parts.append(f"no item of type {', '.join(without)} is allowed")
        if self.conditions and self.conditions[0].matching < self.conditions[0].of:
            first = self.conditions[0]
            condition = first.condition if len(first.condition) <= 200 else first.condition[:200] + "..."
            parts.append(
                f"the strictest condition is {condition} for items of type {first.type}, "
                f"which {first.matching:,} of {first.of:,} match"
            )
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the attributes and the reason."""
        return {**asdict(self), "reason": self.reason}


class PoolOutfits(NamedTuple):
    """The outfits that a pool can answer with.

    Attributes:
        slots: item type of each slot.
        items: (N, S) rows of items by slot, EMPTY in an empty slot.
        excluded: rows of the outfits that may not be answered.
    """

    slots: Sequence[str]
    items: np.ndarray
    excluded: np.ndarray


def explain_shortfall(
    k: int,
    count: int,
    chosen: Filter,
    columns: Mapping[str, ItemColumns],
    pool: PoolOutfits | None = None,
    what: str = "outfits",
) -> Shortfall:
    """Counts which items and outfits a filter lets through.

    Args:
        k: how many hits were asked for.
        count: how many there are.
        chosen: the filter.
        columns: by item type, the types that the hits may have.
        pool: the outfits that the hits were chosen from; None for compositions and items.
        what: what was asked for, "outfits" or "items".
    """
    items, conditions = {}, []
    for item_type, table in columns.items():
        mask = chosen.masks.get(item_type)
        items[item_type] = (len(table) if mask is None else int(mask.sum()), len(table))
        for part in _parts(chosen.where.of(item_type)):
            conditions.append(Matches(str(part), item_type, int(table.mask(part).sum()), len(table)))
    conditions.sort(key=lambda matches: matches.matching / max(matches.of, 1))
    totals = tuple(bound.column for bound in chosen.total_bounds)
    shortfall = Shortfall(k, count, items, tuple(conditions), what=what, totals=totals)
    if pool is None:
        return shortfall
    allowed = np.ones(len(pool.items), dtype=bool)
    for slot, item_type in enumerate(pool.slots):
        if item_type in chosen.masks:
            allowed &= np.append(chosen.masks[item_type], True)[pool.items[:, slot]]  # EMPTY is -1, the last
    passing = allowed & within_total_bounds(chosen, pool.slots, pool.items)
    return replace(
        shortfall,
        outfits=len(pool.items),
        allowed=int(allowed.sum()),
        within_totals=int(passing.sum()),
        excluded=int(passing[np.asarray(pool.excluded, dtype=np.int64)].sum()),
    )


def _parts(condition: AllOf) -> list[Condition]:
    """The parts that must all hold, those of nested conditions included."""
    return [inner for part in condition.parts for inner in (_parts(part) if isinstance(part, AllOf) else [part])]
