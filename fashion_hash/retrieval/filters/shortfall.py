"""Why fewer came back than were asked for: counted, not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fashion_hash.retrieval.filters.apply import Filter, within_budgets
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import AllOf, Condition


@dataclass(frozen=True)
class Matches:
    """How many items of a type one condition of a filter lets through by itself."""

    condition: str
    type: str
    matching: int
    of: int


@dataclass(frozen=True)
class Shortfall:
    """Fewer answers than wanted, and why.

    Attributes:
        wanted, found: outfits, or whatever `what` says.
        items: by item type, how many items the whole filter lets through, and of how many.
        conditions: each condition by itself, the strictest first.
        outfits: outfits of the pool; None for compositions.
        allowed: of these, how many hold allowed items only.
        within_totals: of these, how many keep to the totals.
        excluded: how many of these were not to be answered (liked already).
        what: "outfits" or "items".
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

    @property
    def reason(self) -> str:
        """One or two sentences."""
        parts = [f"{self.found} of {self.wanted} {self.what} found"]
        if self.outfits is not None:
            parts[0] += f": the pool holds {self.outfits:,}"
            if self.allowed is not None and self.allowed < self.outfits:
                parts.append(f"{self.allowed:,} of them hold allowed items only")
            if self.within_totals is not None and self.within_totals != self.allowed:
                parts.append(f"{self.within_totals:,} of these keep to the totals")
            if self.excluded:
                parts.append(f"{self.excluded:,} of these are left out (liked already, or excluded)")
        if nothing := [own for own, (left, _) in self.items.items() if left == 0]:
            parts.append(f"no item of type {', '.join(nothing)} is allowed")
        if self.conditions and self.conditions[0].matching < self.conditions[0].of:
            first = self.conditions[0]
            parts.append(
                f"the strictest condition is {first.condition} for items of type {first.type}, "
                f"which {first.matching:,} of {first.of:,} match"
            )
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "reason": self.reason}


def explain_shortfall(
    wanted: int,
    found: int,
    chosen: Filter,
    columns: Mapping[str, ItemColumns],
    slots: Sequence[str],
    pool_items: np.ndarray | None = None,
    excluded: np.ndarray | None = None,
    what: str = "outfits",
) -> Shortfall:
    """Counts what a filter left of items and outfits.

    Args:
        wanted, found: outfits.
        chosen: the filter.
        columns: as for `read_filter`.
        slots: item type of each slot.
        pool_items: (N, S) the outfits that there are; None for compositions.
        excluded: rows of the pool that were not to be answered.
        what: was wanted.
    """
    items, conditions = {}, []
    for own, table in columns.items():
        mask = chosen.masks.get(own)
        items[own] = (len(table) if mask is None else int(mask.sum()), len(table))
        for part in _parts(chosen.where.of(own)):
            conditions.append(Matches(str(part), own, int(table.mask(part).sum()), len(table)))
    conditions.sort(key=lambda one: one.matching / max(one.of, 1))
    if pool_items is None:
        return Shortfall(wanted, found, items, tuple(conditions), what=what)
    allowed = np.ones(len(pool_items), dtype=bool)
    for slot, own in enumerate(slots):
        if own in chosen.masks:
            allowed &= np.append(chosen.masks[own], True)[pool_items[:, slot]]
    both = allowed & within_budgets(chosen, slots, pool_items)
    out = 0 if excluded is None else int(both[np.asarray(excluded, dtype=np.int64)].sum())
    return Shortfall(wanted, found, items, tuple(conditions), len(pool_items), int(allowed.sum()), int(both.sum()), out)


def _parts(condition: AllOf) -> list[Condition]:
    """What must hold together, apart."""
    return [one for part in condition.parts for one in (_parts(part) if isinstance(part, AllOf) else [part])]
