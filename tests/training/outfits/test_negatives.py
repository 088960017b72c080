"""Shared candidates: drawn from the slot's items, and whom they are liked by."""

import numpy as np
import pytest

from fashion_hash.config.training import NegativesConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError
from fashion_hash.training.outfits.negatives import EpochNegatives
from tests.worlds.tiny import tiny_dataset


@pytest.mark.parametrize("slots", [("top", "bottom"), ("top", "top", "bottom")])
def test_liked_pairs_are_exactly_those_of_training(slots):
    dataset = tiny_dataset(slots, users=5, items=8)
    positives = dataset.split("train").positives
    worn = {
        (user, slots[slot], int(item)) for user, items in positives for slot, item in enumerate(items) if item != EMPTY
    }
    negatives = EpochNegatives(NegativesConfig(kind="shared", per_positive=8), dataset, 1)
    rng = np.random.default_rng(0)
    seen_slots = set()
    for _ in range(20):
        rows = rng.integers(len(positives), size=16)
        users, items = positives.users[rows], positives.items[rows]
        found = negatives.candidates(users, items, rng)
        seen_slots.add(found.slot)
        left_out = set(zip(*(one.tolist() for one in found.liked)))
        plain = {
            (b, c)
            for b in range(16)
            for c in range(8)
            if (int(users[b]), slots[found.slot], int(found.items[c])) in worn or items[b, found.slot] == EMPTY
        }
        assert left_out == plain
    assert len(seen_slots) > 1


def test_only_the_types_to_swap_are_drawn():
    negatives = EpochNegatives(NegativesConfig(kind="shared", swap=("bottom",)), tiny_dataset(), 1)
    positives = tiny_dataset().split("train").positives
    rng = np.random.default_rng(0)
    assert {negatives.candidates(positives.users, positives.items, rng).slot for _ in range(9)} == {1}


def test_fixed_negatives_that_no_file_holds():
    with pytest.raises(ConfigError, match=r"no 'hard' negatives.*\['random'\]"):
        EpochNegatives(NegativesConfig(kind="fixed", file="hard"), tiny_dataset(), 1)


def test_negatives_of_a_batch_come_from_few_items_and_from_all_in_the_long_run():
    dataset = tiny_dataset(items=12, outfits=200)
    positives = dataset.split("train").positives
    negatives = EpochNegatives(NegativesConfig(per_positive=3, items_a_batch=4), dataset, 1)
    rng = np.random.default_rng(0)
    negatives.start_epoch(0, rng)
    known = {(user, *items.tolist()) for user, items in positives}
    seen = [set() for _ in dataset.slots]
    for _ in range(40):
        rows = rng.integers(len(positives), size=32)
        found = negatives.of_batch(rows, rng)
        assert found.shape == (32, 3, 3)
        for slot in range(3):
            assert len(np.unique(found[:, :, slot])) <= 4
            seen[slot] |= set(found[:, :, slot].ravel().tolist())
        for row, ours in zip(rows, found):
            assert not {(int(positives.users[row]), *one) for one in ours.tolist()} & known
    assert seen == [set(range(12))] * 3
