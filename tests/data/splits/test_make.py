"""Splits that are made: what each kind promises holds, for a seed they are the same, leaks are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_hash.config.data import SplitConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Split
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.splits.make import (
    LEFT_OUT,
    TEST,
    TRAIN,
    VALID,
    assign_splits,
    check_assigned,
    split_dataset,
    split_lines,
    undivided,
)
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.tiny import tiny_dataset
from tests.worlds.whole import SLOTS, whole_dataset
from tests.worlds.whole import whole_dataset as with_ids

KINDS = ("time", "per_user", "cold_users", "cold_items")


def used(outfits):
    """Every (item type, item) of some outfits."""
    return {(slot, item) for row in outfits.items.tolist() for slot, item in zip(SLOTS, row) if item != EMPTY}


def same_outfits(outfits):
    """Every (user, outfit), regardless of the order of its tops."""
    return {(user, tuple(sorted(row[:2].tolist())), int(row[2])) for user, row in outfits}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_keeps_its_promise(kind, seed):
    whole = whole_dataset(seed=seed, copies=30)
    chosen = SplitConfig(kind=kind, valid=0.1, test=0.2, seed=seed)
    if kind == "cold_items":
        chosen = SplitConfig(kind=kind, valid=0.02, test=0.05, seed=seed)
    splits = split_dataset(whole, chosen).splits
    parts = {name: same_outfits(split.positives) for name, split in splits.items()}
    assert not parts["train"] & parts["valid"]
    assert not parts["train"] & parts["test"]
    assert not parts["valid"] & parts["test"]
    users = {name: set(split.positives.users.tolist()) for name, split in splits.items()}
    times = {name: split.facts.times for name, split in splits.items()}
    if kind == "time":
        assert times["train"].max() <= times["valid"].min() <= times["valid"].max() <= times["test"].min()
    if kind == "per_user":
        assert users["train"] == set(range(20))
        assert len(splits["test"].positives) == pytest.approx(80, abs=25)
    if kind == "cold_users":
        assert {name: len(of_split) for name, of_split in users.items()} == {"train": 14, "valid": 2, "test": 4}
        assert len(set.union(*users.values())) == 20
    if kind == "cold_items":
        items = {name: used(split.positives) for name, split in splits.items()}
        assert not items["test"] & (items["train"] | items["valid"])
        assert not items["valid"] & items["train"]
    else:
        kept = sum(len(split.positives) for split in splits.values())
        assert kept == 400 or (kind == "time" and 370 <= kept < 400)  # later copies are left out


def test_users_of_few_outfits_stay_in_training():
    whole = whole_dataset(outfits=200, users=150)
    users = undivided(whole)[0].users
    for shares in ((0, 0.9), (0.9, 0), (0.45, 0.45)):
        assigned = assign_splits(whole, SplitConfig(kind="per_user", valid=shares[0], test=shares[1]))
        assert set(users[assigned == TRAIN]) == set(users)


def test_mixed_outfits_are_tested_when_so_configured():
    whole = whole_dataset(items=40)
    with pytest.raises(DataError, match=r"no outfit of made would be in train.*data\.split\.mixed"):
        split_dataset(whole, SplitConfig(kind="cold_items", test=0.4))
    splits = split_dataset(whole, SplitConfig(kind="cold_items", test=0.2, mixed="test")).splits
    assert sum(len(split.positives) for split in splits.values()) == 400
    assert 80 <= len(splits["test"].positives) < 120
    known = used(splits["train"].positives) | used(splits["valid"].positives)
    for row in range(len(splits["test"].positives)):
        assert used(splits["test"].positives[np.array([row])]) - known


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", [True, False])
def test_neither_the_order_of_the_file_nor_the_numbers_of_users_matter(kind, ids):
    def whole_dataset(**options):
        whole = with_ids(**options)
        if not ids:
            train = whole.splits["train"]
            whole = replace(whole, splits={"train": replace(train, facts=replace(train.facts, ids=None))})
        return whole

    chosen = SplitConfig(kind=kind, mixed="test", seed=5)
    order = np.random.default_rng(1).permutation(400)
    first = assign_splits(whole_dataset(copies=20), chosen)
    assert (assign_splits(whole_dataset(copies=20, order=order), chosen) == first[order]).all()
    whole = whole_dataset(copies=20)
    turned = whole.splits["train"].positives
    turned = replace(turned, users=np.int32(19) - turned.users)
    users = Vocabulary(whole.users.ids[::-1], "user")
    again = replace(whole, users=users, splits={"train": replace(whole.splits["train"], positives=turned)})
    assert (assign_splits(again, chosen) == first).all()
    if kind != "time":
        assert (assign_splits(whole, SplitConfig(kind=kind, mixed="test", seed=6)) != first).any()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 8)),
    shares=st.tuples(st.sampled_from([0, 0.1, 0.5]), st.sampled_from([0.01, 0.3, 0.49])),
    mixed=st.sampled_from(["left_out", "test"]),
    seed=st.integers(0, 50),
)
def test_any_data_is_split_without_leaks_or_refused(kind, sizes, shares, mixed, seed):
    whole = whole_dataset(*sizes, seed=seed)
    chosen = SplitConfig(kind=kind, valid=shares[0], test=shares[1], mixed=mixed, seed=seed)
    try:
        assigned = assign_splits(whole, chosen)
    except DataError:  # a split would be empty
        return
    check_assigned(whole, assigned, chosen)
    assert (assigned == TRAIN).any()
    assert (assigned == TEST).any()
    assert (assigned == VALID).any() == (shares[0] > 0)


def test_data_without_ids_and_times_is_split_too():
    tiny = tiny_dataset()
    whole = replace(tiny, splits={"train": Split(tiny.splits["train"].positives)})
    splits = split_dataset(whole, SplitConfig(kind="per_user")).splits
    assert set(splits) == {"train", "valid", "test"}
    assert splits["test"].facts is None
    with pytest.raises(DataError, match=r"data\.split\.kind time needs times, but the outfits have none"):
        split_dataset(whole, SplitConfig(kind="time"))


def test_an_outfit_without_a_time_is_named():
    whole = whole_dataset()
    facts = whole.splits["train"].facts
    times = facts.times.copy()
    times[[7, 9]] = NO_TIME
    split = replace(whole.splits["train"], facts=replace(facts, times=times))
    with pytest.raises(DataError, match=r"2 of 400 outfits without a time, the first is outfit 'o7'"):
        split_dataset(replace(whole, splits={"train": split}), SplitConfig(kind="time"))


def test_splits_that_the_data_has_are_not_made_again():
    with pytest.raises(ConfigError, match=r"tiny has splits of its own \(train, valid, test\)"):
        split_dataset(tiny_dataset(), SplitConfig(kind="per_user"))


def test_leaks_are_named():
    whole = whole_dataset(copies=10)
    for kind, message in (
        ("time", "is older than an outfit before it"),
        ("cold_users", r"user 'u\d+' is in two splits"),
        ("cold_items", "one of its items is in an earlier split"),
    ):
        chosen = SplitConfig(kind=kind, test=0.02, valid=0.02)
        assigned = assign_splits(whole, chosen)
        check_assigned(whole, assigned, chosen)
        order = np.argsort(undivided(whole)[1].times)
        moved = assigned.copy()
        moved[order[100]] = TEST
        with pytest.raises(DataError, match=message):
            check_assigned(whole, moved, chosen)
    chosen = SplitConfig(kind="per_user")
    moved = assign_splits(whole, chosen)
    moved[0], moved[-10] = TRAIN, TEST  # the first ten are copies of the last ten
    with pytest.raises(DataError, match=r"the outfit top\d+ .*of user 'u\d+' is in two splits"):
        check_assigned(whole, moved, chosen)
    moved[0] = LEFT_OUT
    check_assigned(whole, moved, chosen)


def test_what_a_split_holds_is_said():
    whole = whole_dataset()
    lines = split_lines(whole, assign_splits(whole, SplitConfig(kind="cold_users")))
    assert lines[0].startswith("split: ")
    assert "outfits in train" in lines[0]
    assert "test has 2 users (2 without a training outfit)" in lines[2]


def test_shares_that_leave_nothing():
    for shares in ({"valid": 0.5, "test": 0.5}, {"valid": 0, "test": 0}):
        with pytest.raises(ValueError, match=r"valid \+ test must be greater than 0 and less than 1"):
            SplitConfig(kind="time", **shares)
