"""Users hidden from training: none of their rows remains, all of them lie aside, the same for a seed."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.outfits import canonical_columns
from fashion_hash.data.splits.cold_users import COLD_TOLD, hide_cold_users, told_outfits
from fashion_hash.errors import ConfigError
from tests.worlds.tiny import tiny_dataset


def rows(outfits, ids):
    return sorted((ids[user], *items.tolist()) for user, items in outfits)


def test_hidden_users_leave_no_row_behind_and_none_is_lost():
    whole = tiny_dataset()
    test = whole.splits["test"]
    whole = replace(whole, splits={**whole.splits, "test": replace(test, retrieval={"top": test.questions})})
    hidden = hide_cold_users(whole, 2, seed=3)
    cold = hidden.cold
    assert len(cold.ids) == 2
    assert not set(cold.ids) & set(hidden.users.ids)
    assert set(cold.ids) | set(hidden.users.ids) == set(whole.users.ids)
    for name, split in whole.splits.items():
        aside = cold.told if name == "train" else cold.splits[name].positives
        both = rows(hidden.splits[name].positives, hidden.users.ids) + rows(aside, cold.ids)
        assert sorted(both) == rows(split.positives, whole.users.ids)
        if name != "train":
            parts = (hidden.splits[name], cold.splits[name])
            for kind, groups in split.negatives.items():
                assert sum(len(part.negatives[kind].outfits) for part in parts) == len(groups.outfits)
                for part in parts:  # a negative stays with its positive
                    owners = np.repeat(part.positives.users, groups.size)
                    assert (part.negatives[kind].outfits.users == owners).all()
    questions = [part.splits["test"].questions for part in (hidden, cold)]
    assert sum(len(one) for one in questions) == len(whole.splits["test"].questions)
    retrieval = [part.splits["test"].retrieval["top"] for part in (hidden, cold)]
    assert [len(one) for one in retrieval] == [len(one) for one in questions]
    assert hidden.fingerprint != whole.fingerprint
    assert hidden.items_fingerprint == whole.items_fingerprint


def test_the_first_outfits_told_are_the_same_whatever_their_number():
    cold = hide_cold_users(tiny_dataset(), 3, seed=0).cold
    one, five = told_outfits(cold, 1), told_outfits(cold, 5)
    assert np.bincount(one.users).tolist() == [1, 1, 1]
    assert np.bincount(five.users).tolist() == [5, 5, 5]
    assert (five.items[::5] == one.items).all()
    assert len(told_outfits(cold, 10**6)) == len(cold.told)


def test_a_seed_hides_the_same_users_another_others():
    chosen = [hide_cold_users(tiny_dataset(users=30), 5, seed).cold for seed in (0, 0, 1)]
    assert chosen[0].ids == chosen[1].ids != chosen[2].ids
    assert (canonical_columns(chosen[0].told) == canonical_columns(chosen[1].told)).all()


def test_more_than_there_are():
    with pytest.raises(ConfigError, match=rf"data\.cold_users: 7 users.*has 6 with {COLD_TOLD} training"):
        hide_cold_users(tiny_dataset(), 7, 0)
    with pytest.raises(ConfigError, match=r"data\.cold_users: 6 users to hide"):
        hide_cold_users(tiny_dataset(), 6, 0)
