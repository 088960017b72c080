"""Outfits out of what users did with single items: what was ordered together, or in one session.

Shapes: E interactions, N sets.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.tables import read_table
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.events import BY_STRENGTH, Events
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.data.shop.items import Items
from fashion_hash.data.shop.likes import Likes
from fashion_hash.data.shop.notes import Notes
from fashion_hash.data.shop.tables.names import Source
from fashion_hash.errors import DataError

_WEAKEST = BY_STRENGTH.index("clicked")  # what was only shown says nothing about what goes together
_DAY = 86_400
UNKNOWN_ITEMS = "interactions with items that no table of items has, left out"


@dataclass(frozen=True)
class Interactions:
    """What users did with items.

    Attributes:
        users: (E,) int32 rows of users.
        items: (E,) int32 numbers of items.
        orders: (E,) int32, equal for interactions of one order; -1 without an order.
        times: (E,) int64 Unix seconds, or NO_TIME.
        weights: (E,) float64, NaN where none is given.
        strengths: (E,) int8, positions in BY_STRENGTH.
    """

    users: np.ndarray
    items: np.ndarray
    orders: np.ndarray
    times: np.ndarray
    weights: np.ndarray
    strengths: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: np.ndarray) -> Interactions:
        columns = (self.users, self.items, self.orders, self.times, self.weights, self.strengths)
        return Interactions(*(column[rows] for column in columns))


def read_interactions(
    sources: Sequence[Source], items: Items, users: dict[str, int], notes: Notes, report: Reporter
) -> Interactions:
    """Reads tables of interactions.

    Args:
        sources: the tables.
        items: the items of the shop.
        users: the row of each user id; new users are added.
        notes: rows that are left out are counted here.
        report: called with each row that cannot be read.

    Raises:
        DataError: a column of times cannot be read.
    """
    owners, numbers, order_rows = array("i"), array("i"), array("i")
    orders: dict[tuple[str, str], int] = {}
    tables: list[Events] = []
    for source in sources:
        events = Events(source, notes)
        tables.append(events)
        columns = {name: names[0] for name, names in source.mapped.items()}
        rows = read_table(source.path, list(dict.fromkeys(columns.values())), report)
        for line, row in progress(rows, source.path.name, "rows"):
            try:
                user, item_id = id_text(row[columns["user_id"]], "user_id"), id_text(row[columns["item_id"]], "item_id")
                order = id_text(row[columns["order_id"]], "order_id") if "order_id" in columns else ""
                event = events.read(line, row)
            except DataError as error:
                report(DataError.at(source.path, line, str(error)))
                continue
            if event is None:
                continue
            if not user:
                notes.add(f"rows of {source.path.name} without a user, passed over", f"line {line}")
            elif (number := items.find(item_id)) is None:
                notes.add(UNKNOWN_ITEMS, item_id or f"{source.path.name}:{line}")
            else:
                owners.append(users.setdefault(user, len(users)))
                numbers.append(number)
                order_rows.append(orders.setdefault((source.path.name, order), len(orders)) if order else -1)
                events.keep(event, line, row)
    return Interactions(
        np.array(owners, dtype=np.int32),
        np.array(numbers, dtype=np.int32),
        np.array(order_rows, dtype=np.int32),
        np.concatenate([np.zeros(0, dtype=np.int64), *(events.times() for events in tables)]),
        np.concatenate([np.zeros(0), *(np.array(events.weights) for events in tables)]),
        np.concatenate([np.zeros(0, np.int8), *(np.array(events.strengths, np.int8) for events in tables)]),
    )


def form_sets(interactions: Interactions, session_minutes: float, notes: Notes) -> tuple[ItemSets, Likes]:
    """Interactions that belong together, as sets of items, and whose they are: set i is liked by one user.

    Together belong those of one user in one order, or, without an order, those that follow each other within the
    gap; all of one day where the times are days. What was only shown is left out. In a set those items stand first
    that were dealt with most seriously (bought before liked before clicked), of these the latest.

    Args:
        interactions: of all users.
        session_minutes: the longest gap within a session.
        notes: interactions without order and time are counted here.
    """
    shown = (interactions.strengths > 0) & (interactions.strengths < _WEAKEST)
    loose = (interactions.orders < 0) & (interactions.times == NO_TIME)
    notes.add_all("interactions that were only shown, left out", int((shown & ~loose).sum()))
    notes.add_all("interactions without an order_id or a time: nothing says what they belong to", int(loose.sum()))
    kept = interactions[~shown & ~loose]
    gap = session_minutes * 60
    in_sessions = kept.orders < 0
    if in_sessions.any() and (kept.times[in_sessions] % _DAY == 0).all():
        gap = 0  # days, without a time of day
    order = np.lexsort((kept.times, kept.orders, kept.users))
    kept = kept[order]
    apart = np.ones(len(kept), dtype=bool)
    apart[1:] = (kept.users[1:] != kept.users[:-1]) | (kept.orders[1:] != kept.orders[:-1])
    apart[1:] |= (kept.orders[1:] < 0) & (kept.times[1:] - kept.times[:-1] > gap)
    owners = np.cumsum(apart) - 1
    count = int(owners[-1]) + 1 if len(owners) else 0
    # ~ turns the order round without overflow, which - has for NO_TIME
    ranked = np.lexsort((kept.items, ~kept.times, -kept.strengths, owners))
    sets = ItemSets.of_pairs(owners[ranked], kept.items[ranked], count)
    first = np.flatnonzero(apart)
    return sets, Likes(
        kept.users[first],
        np.arange(count, dtype=np.int32),
        np.maximum.reduceat(kept.times, first) if count else kept.times,
        np.fmax.reduceat(kept.weights, first) if count else kept.weights,
        np.maximum.reduceat(kept.strengths, first) if count else kept.strengths,
        np.full(count, "", dtype=object),
    )
