"""The rows of positives in the pool: by outfit id, or by items."""

from dataclasses import replace

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Pool, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.splits.pool_rows import ABSENT, pool_rows

SLOTS = ("top", "top", "bottom")


def world(pool=None, ids=None):
    users = Vocabulary(["u", "v"])
    items = {"top": Vocabulary([f"t{n}" for n in range(4)]), "bottom": Vocabulary([f"b{n}" for n in range(3)])}
    train = Outfits.of(SLOTS, [0, 1, 1], [[2, EMPTY, 0], [0, 1, 1], [1, 0, 1]])
    facts = None if ids is None else OutfitFacts.of(ids)
    return Dataset("made", SLOTS, users, items, {"train": Split(train, facts=facts)}, pool=pool)


def test_without_a_pool_the_same_outfit_is_found_whatever_the_order_of_its_tops():
    dataset = world()
    assert len(dataset.outfits) == 2
    rows = pool_rows(dataset, dataset.split("train"))
    assert rows.dtype == np.int64
    assert rows[1] == rows[2] != rows[0]
    assert dataset.outfits.items[rows[0]].tolist() == [2, EMPTY, 0]


def test_ids_tell_equal_outfits_apart():
    pool = Pool(("a", "b", "c"), Outfits.of(SLOTS, [0, 0, 0], [[0, 1, 1], [0, 1, 1], [2, EMPTY, 0]]))
    dataset = world(pool, ["c", "b", "a"])
    assert pool_rows(dataset, dataset.split("train")).tolist() == [2, 1, 0]
    without = replace(dataset.split("train"), facts=None)
    assert pool_rows(dataset, without).tolist() == [2, 0, 0], "by items the first of the same outfits"


def test_an_outfit_outside_the_pool_has_no_row():
    pool = Pool(("a",), Outfits.of(SLOTS, [0], [[0, 1, 1]]))
    dataset = world(pool, ["a", "gone", "a"])
    assert pool_rows(dataset, dataset.split("train")).tolist() == [0, ABSENT, 0]
    dataset = world(pool)
    assert pool_rows(dataset, dataset.split("train")).tolist() == [ABSENT, 0, 0]


def test_by_items_equals_looking_at_every_row():
    rng = np.random.default_rng(0)
    pool = Outfits.of(SLOTS, np.zeros(60), rng.integers(-1, 3, (60, 3)))
    part = Split(Outfits.of(SLOTS, np.zeros(80), rng.integers(-1, 3, (80, 3))))
    dataset = world(Pool(tuple(f"o{n}" for n in range(60)), pool))
    keys = [(frozenset(row[:2]) if row[0] != row[1] else (row[0],) * 2, row[2]) for row in pool.items.tolist()]
    expected = []
    for row in part.positives.items.tolist():
        key = (frozenset(row[:2]) if row[0] != row[1] else (row[0],) * 2, row[2])
        expected.append(keys.index(key) if key in keys else ABSENT)
    assert pool_rows(dataset, part).tolist() == expected
