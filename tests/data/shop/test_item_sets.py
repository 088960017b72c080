"""Sets of items against plain Python: pairs into sets, sets into slots, sessions; and the choice of slots."""

from collections import Counter

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.shop.events import BY_STRENGTH
from fashion_hash.data.shop.interactions import Interactions, form_sets
from fashion_hash.data.shop.item_sets import ItemSets, choose_slots, fit_slots, type_column
from fashion_hash.data.shop.notes import Notes

TYPES = ["top", "bottom", "shoe", "hat"]
SLOTS = ("top", "bottom", "top", "shoe")


def sets_of(*members):
    owners = np.repeat(np.arange(len(members)), [len(items) for items in members])
    return ItemSets.of_pairs(owners, np.array([item for items in members for item in items]), len(members))


def as_lists(sets):
    return [sets.items[a:b].tolist() for a, b in zip(sets.starts, sets.starts[1:])]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_become_sets(seed):
    rng = np.random.default_rng(seed)
    owners, items = rng.integers(7, size=60), rng.integers(9, size=60)
    expected = [list(dict.fromkeys(items[owners == owner].tolist())) for owner in range(8)]
    assert as_lists(ItemSets.of_pairs(owners, items, 8)) == expected
    assert as_lists(ItemSets.of_pairs(np.zeros(0, int), np.zeros(0, int), 2)) == [[], []]


def fit_slowly(members, type_of, slots):
    row, untyped, surplus = [EMPTY] * len(slots), 0, 0
    for item in members:
        free = [at for at, slot in enumerate(slots) if slot == TYPES[type_of[item]] and row[at] == EMPTY]
        if free:
            row[free[0]] = item
        elif TYPES[type_of[item]] in slots:
            surplus += 1
        else:
            untyped += 1
    return row, untyped, surplus


@pytest.mark.parametrize("seed", range(5))
def test_sets_are_fitted_into_slots(seed):
    rng = np.random.default_rng(seed)
    type_of = rng.integers(len(TYPES), size=30)
    members = [rng.permutation(30)[: rng.integers(9)].tolist() for _ in range(40)]
    fitted = fit_slots(sets_of(*members), type_of, TYPES, SLOTS)
    expected = [fit_slowly(items, type_of, SLOTS) for items in members]
    assert fitted.items.tolist() == [row for row, _, _ in expected]
    assert fitted.untyped == sum(untyped for _, untyped, _ in expected)
    assert fitted.surplus == sum(surplus for _, _, surplus in expected)


def sessions_slowly(events, gap):
    """Groups by user and order, or by user and gaps of time; each as (user, items by strength and then the latest)."""
    groups = []
    last = {}
    for user, item, order, time, strength in sorted(events, key=lambda event: (event[0], event[2], event[3])):
        if 0 < strength < BY_STRENGTH.index("clicked") or (order < 0 and time == NO_TIME):
            continue
        key = (user, order)
        if key not in last or (order < 0 and time - last[key][0] > gap):
            groups.append((user, []))
            last[key] = (time, groups[-1])
        last[key] = (time, last[key][1])
        last[key][1][1].append((-strength, -time, item))
    return Counter((user, tuple(dict.fromkeys(item for _, _, item in sorted(items)))) for user, items in groups)


@pytest.mark.parametrize("seed", range(8))
def test_sessions_and_orders(seed):
    rng = np.random.default_rng(seed)
    size = 80
    users, items = rng.integers(4, size=size), rng.integers(12, size=size)
    orders = np.where(rng.random(size) < 0.3, users * 3 + rng.integers(3, size=size), -1)
    times = np.where(rng.random(size) < 0.1, NO_TIME, rng.integers(1, 100_000, size=size))
    strengths = rng.integers(len(BY_STRENGTH), size=size)
    given = Interactions(users, items, orders, times, np.full(size, np.nan), strengths)
    sets, likes = form_sets(given, 30, Notes())
    formed = Counter((int(user), tuple(members)) for user, members in zip(likes.users, as_lists(sets)))
    events = list(zip(*(column.tolist() for column in (users, items, orders, times, strengths))))
    assert formed == sessions_slowly(events, 1800)
    order = rng.permutation(size)
    again, _ = form_sets(given[order], 30, Notes())
    assert as_lists(again) == as_lists(sets), "the order of the rows does not matter"


def test_no_interactions_form_no_sets():
    none = np.zeros(0, dtype=np.int32)
    sets, likes = form_sets(
        Interactions(none, none, none, none.astype(np.int64), none.astype(float), none), 30, Notes()
    )
    assert len(sets) == len(likes) == 0


def test_a_type_gets_slots_by_how_often_it_is_worn():
    type_of = np.array([0, 0, 1, 2, 3])  # two tops, a bottom, a shoe, a hat
    sets = sets_of(*[[0, 2]] * 6, *[[0, 1, 2]] * 4, *[[3, 0]] * 5, [4, 0], [4], [4])
    choice = choose_slots(sets, type_of, [*TYPES, "lamp"])
    assert choice.slots == ("top", "top", "bottom", "shoe")
    assert choice.left_out == {"hat": "in 3 outfits only", "lamp": "in no outfit"}


def test_there_are_at_most_eight_slots():
    sets = sets_of(*[[item for item in range(10) if item != skipped] for skipped in range(10)] * 3, [0, 1])
    choice = choose_slots(sets, np.arange(10), [f"type {number}" for number in range(10)])
    assert len(choice.slots) == 8
    assert choice.slots[:2] == ("type 0", "type 1")
    assert all("there are only 8 slots" in why for why in choice.left_out.values())


def test_the_column_of_types_is_the_one_in_which_items_of_a_set_differ():
    rng = np.random.default_rng(0)
    kinds = ["shirt", "trousers", "boots"]
    details = [
        {"garment": kinds[at % 3], "colour": ("red", "blue")[at % 2], "note": f"n{at}", "size": at} for at in range(60)
    ]
    sets = sets_of(*[[3 * rng.integers(20) + at for at in range(3)] for _ in range(50)])
    assert type_column(sets, details) == "garment"
    assert type_column(sets, [{"colour": row["colour"]} for row in details]) is None
    assert type_column(sets_of([1], [2]), details) is None
