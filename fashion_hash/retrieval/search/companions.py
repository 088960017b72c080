"""What a request wants beside its item: the rows of the catalogue that an outfit must hold one of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import complete, missing


class Companion(NamedTuple):
    """An item that an outfit must hold beside the one that the request is about.

    Attributes:
        words: the words that name it.
        rows: by item type the rows that may be it; types without any are left out.
    """

    words: str
    rows: Mapping[str, np.ndarray]


def companions_of(moment: Moment, task: CompositionTask, request: SearchQuery, notes: list[str]) -> list[Companion]:
    """What must stand in a slot of its own, in the order of the request.

    Each is one of the items in the greatest tier by its facts that open slots may hold. One that a fixed item of the
    outfit is already needs no further item. One of which no item has even the most important fact is left out.

    Args:
        moment: the catalogue.
        task: the outfits to compose.
        request: what is asked.
        notes: takes what is given up, in words.
    """
    companions = []
    for said in () if request.said is None else request.said.companions:
        words = " ".join(dict.fromkeys(fact.words for fact in said.facts))
        best, rows = _best_rows(moment, task, said)
        fixed = max(
            (int(_tiers(moment, task.type_of(name), said)[row]) for name, row in task.fixed.items()), default=-1
        )
        greatest = max(best, fixed)
        if greatest < 0 or missing(said, greatest)[:1] == said.hard[:1]:
            notes.append(f"no item is {words!r}, which is left out")
            continue
        if fixed >= best:
            continue
        if not complete(said, np.array([best]))[0]:
            lacking = " and ".join(f"{fact.words!r}" for fact in missing(said, best))
            notes.append(f"no item is {words!r}: what comes with it is without {lacking}")
        companions.append(Companion(words, rows))
    return companions


def _best_rows(moment: Moment, task: CompositionTask, said: Understanding) -> tuple[int, dict[str, np.ndarray]]:
    """The greatest tier of an item that an open slot may hold, -1 for none, and the rows in it by item type."""
    best, by_type = -1, {}
    for item_type in dict.fromkeys(task.type_of(name) for name in task.open_slots):
        tiers = _tiers(moment, item_type, said)
        allowed = np.zeros(len(tiers), dtype=bool)
        for name in task.open_slots:
            if task.type_of(name) == item_type:
                allowed[task.allowed.get(name, slice(None))] = True
        tiers = np.where(allowed, tiers, -1)
        by_type[item_type] = tiers
        best = max(best, int(tiers.max(initial=-1)))
    rows = {item_type: np.flatnonzero(tiers == best) for item_type, tiers in by_type.items()}
    return best, {item_type: of_type for item_type, of_type in rows.items() if len(of_type)}


def _tiers(moment: Moment, item_type: str, said: Understanding) -> np.ndarray:
    tables = moment.columns.of(moment.snapshot)
    return moment.tower.facts.tiers(moment.snapshot, tables, item_type, said)
