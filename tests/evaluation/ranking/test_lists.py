"""The lists of a split against a plain loop over its outfits."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Pool, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.evaluation.ranking.lists import item_lists, known_parts, outfit_lists

SLOTS = ("top", "top", "bottom", "shoe")
SIZES = {"top": 4, "bottom": 3, "shoe": 2}


def world(seed=0, outfits=60, users=4):
    """Few items and users, so that outfits come again, also in other splits and with their tops exchanged."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.integers(0, SIZES[slot], outfits * 3) for slot in SLOTS], axis=1)
    items[:, 1] = np.where((items[:, 0] == items[:, 1]) | (rng.random(len(items)) < 0.4), EMPTY, items[:, 1])
    items[rng.random(len(items)) < 0.3, 3] = EMPTY
    splits = {
        name: Split(Outfits.of(SLOTS, rng.integers(0, users, outfits), items[part * outfits : (part + 1) * outfits]))
        for part, name in enumerate(("train", "valid", "test"))
    }
    vocabularies = {name: Vocabulary([f"{name}{n}" for n in range(size)]) for name, size in SIZES.items()}
    return Dataset("made", SLOTS, Vocabulary([f"u{n}" for n in range(users)]), vocabularies, splits)


def as_sets(items):
    """Outfits whatever the order of their items of a type."""
    return frozenset((slot, item) for slot, item in zip(SLOTS, items) if item != EMPTY)


def rows_of(rows, number):
    return set(rows.of_lists(np.array([number])).rows.tolist())


@pytest.mark.parametrize("split", ["train", "valid", "test", "val"])
def test_all_outfits_for_a_user(split):
    dataset = world()
    part = dataset.split(split)
    lists = outfit_lists(dataset, part, known_parts(dataset, split))
    before = {"train": [], "valid": ["train"], "val": ["train"], "test": ["train", "valid"]}[split]
    pool = [as_sets(items) for items in dataset.outfits.items.tolist()]
    expected = {}
    for user in range(4):
        known = {as_sets(i) for name in before for u, i in dataset.split(name).positives if u == user}
        liked = {as_sets(i) for u, i in part.positives if u == user} - known
        if liked:
            expected[user] = ({pool.index(outfit) for outfit in liked}, {pool.index(outfit) for outfit in known})
    assert lists.users.tolist() == sorted(expected)
    for number, user in enumerate(lists.users.tolist()):
        assert (rows_of(lists.positives, number), rows_of(lists.known, number)) == expected[user]
    assert lists.size == len(pool)


@pytest.mark.parametrize("item_type", SIZES)
def test_all_items_of_an_open_slot(item_type):
    dataset = world(1)
    lists = item_lists(dataset, dataset.split("test"), known_parts(dataset, "test"), item_type)

    def opened(split):
        for user, items in dataset.split(split).positives:
            for item in {i for slot, i in zip(SLOTS, items.tolist()) if slot == item_type and i != EMPTY}:
                if len(rest := as_sets(items.tolist()) - {(item_type, item)}):
                    yield (user, rest), item

    known = {}
    for name in ("train", "valid"):
        for query, item in opened(name):
            known.setdefault(query, set()).add(item)
    expected = {}
    for (user, rest), item in opened("test"):
        left_out = known.get((user, rest), set()) | {i for slot, i in rest if slot == item_type}
        positives, _ = expected.setdefault((user, rest), (set(), left_out))
        if item not in left_out:
            positives.add(item)
    expected = {query: sets for query, sets in expected.items() if sets[0]}
    assert lists.partial.items[:, lists.slot].tolist() == [EMPTY] * len(lists)
    measured = {}
    for number, (user, items) in enumerate(lists.partial):
        assert user == lists.users[number]
        measured[user, as_sets(items.tolist())] = rows_of(lists.positives, number), rows_of(lists.known, number)
        filled = items[:2] if item_type != "top" else items[1:2]
        assert sorted(filled.tolist(), key=lambda i: i == EMPTY) == filled.tolist(), "empty slots come last"
    assert measured == expected
    assert lists.size == SIZES[item_type]


def test_equal_outfits_under_two_ids_are_two_candidates():
    pool = Pool(("a", "b"), Outfits.of(("top", "bottom"), [0, 0], [[0, 0], [0, 0]]))
    train, test = (
        Split(Outfits.of(("top", "bottom"), [0], [[0, 0]]), facts=OutfitFacts.of([name])) for name in ("a", "b")
    )
    items = {name: Vocabulary(["x"]) for name in ("top", "bottom")}
    dataset = Dataset("made", ("top", "bottom"), Vocabulary(["u"]), items, {"train": train, "test": test}, pool=pool)
    lists = outfit_lists(dataset, test, known_parts(dataset, "test"))
    assert (rows_of(lists.positives, 0), rows_of(lists.known, 0)) == ({1}, {0})
    assert not len(outfit_lists(replace(dataset, pool=None), test, known_parts(dataset, "test"))), "it is known"


def test_a_sample_depends_on_the_seed_alone():
    dataset = world(2, outfits=200, users=50)
    lists = outfit_lists(dataset, dataset.split("test"), known_parts(dataset, "test"))
    few = lists.sample(10 * lists.size, seed=4)
    assert len(few) == 10
    assert few.users.tolist() == lists.sample(10 * lists.size, seed=4).users.tolist()
    assert few.users.tolist() != lists.sample(10 * lists.size, seed=5).users.tolist()
    for number, user in enumerate(few.users.tolist()):
        where = lists.users.tolist().index(user)
        assert rows_of(few.positives, number) == rows_of(lists.positives, where)
        assert rows_of(few.known, number) == rows_of(lists.known, where)
    assert lists.sample(lists.scores, seed=4) is lists
    partial = item_lists(dataset, dataset.split("test"), [], "bottom")
    assert len(partial.sample(30, seed=0).partial) == 10
