"""The table of outfits: slots, their names and pairs, empty slots, distinct outfits, fingerprints."""

import numpy as np
import pytest

from fashion_hash.core.outfits import (
    EMPTY,
    Outfits,
    are_sets,
    canonical_items,
    check_slots,
    concatenate,
    fill_empty,
    slot_names,
    slot_pairs,
)
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Groups, Split
from fashion_hash.errors import DataError, UnknownIdError
from tests.worlds.tiny import tiny_dataset

TOPS = ("top", "top", "bottom", "shoe")


def test_slots_have_names_and_pairs_of_different_types():
    assert slot_names(TOPS) == ("top", "top_2", "bottom", "shoe")
    assert slot_pairs(TOPS) == ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    assert slot_pairs(check_slots(("item",))) == ()


def test_items_of_a_set_are_all_compared():
    assert slot_pairs(check_slots(("item", "item", "item"))) == ((0, 1), (0, 2), (1, 2))
    assert are_sets(("item", "item"))
    assert not are_sets(("item",))
    assert not are_sets(TOPS)


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ((), "1 to 8 slots"),
        (tuple("abcdefghi"), "1 to 8 slots"),
        (("top", ""), "non-empty"),
        (("top", "top", "top_2"), "have the same name"),
    ],
)
def test_slots_that_cannot_be(slots, words):
    with pytest.raises(DataError, match=words):
        check_slots(slots)


def test_an_empty_slot_repeats_the_first_item_of_its_type():
    items = np.array([[3, EMPTY, 1, 2], [3, 4, 1, 2], [EMPTY, 5, 1, 2]])
    assert fill_empty(TOPS, items).tolist() == [[3, 3, 1, 2], [3, 4, 1, 2], [EMPTY, 5, 1, 2]]
    assert items[0, 1] == EMPTY


def test_tables_check_their_shapes():
    with pytest.raises(DataError, match="do not fit"):
        Outfits(("a", "b"), np.zeros(2, np.int32), np.zeros((2, 3), np.int32))
    with pytest.raises(DataError, match="3 users for 2 outfits"):
        Outfits(("a", "b"), np.zeros(3, np.int32), np.zeros((2, 2), np.int32))
    with pytest.raises(DataError, match="different slots"):
        concatenate([Outfits.of(("a", "b"), [0], [[1, 2]]), Outfits.of(("a", "c"), [0], [[1, 2]])])


def test_distinct_outfits_whoever_wears_them():
    table = Outfits.of(("a", "b"), [0, 1, 1], [[2, 1], [0, 1], [2, 1]])
    assert table.distinct().items.tolist() == [[0, 1], [2, 1]]


def test_items_of_one_type_may_stand_in_any_order():
    slots = ("top", "bottom", "top")
    rows = [[5, 1, 2], [2, 1, 5], [2, 1, EMPTY], [EMPTY, 1, 2], [2, 1, 2], [0, 9, 1]]
    canonical = canonical_items(slots, np.array(rows)).tolist()
    assert canonical[0] == canonical[1] != canonical[2] == canonical[3] != canonical[4]
    table = Outfits.of(slots, [0, 1, 1, 0, 2, 2], rows)
    # the first of each stays as it is, in order of rows
    assert table.distinct().items.tolist() == [[0, 9, 1], [2, 1, EMPTY], [2, 1, 2], [5, 1, 2]]


def test_groups_divide_evenly_and_fit_their_positives():
    table = Outfits.of(("a", "b"), [0, 0, 0], [[0, 0]] * 3)
    with pytest.raises(DataError, match="groups of 2"):
        Groups(table, 2)
    with pytest.raises(DataError, match="random negatives: 1 groups of 3 for 3 positives"):
        Split(table, {"random": Groups(table, 3)})


def test_a_vocabulary_knows_its_rows_and_names_near_ids():
    words = Vocabulary(["ada", "bob", "7"], "user")
    assert words.rows(["bob", 7]).tolist() == [1, 2]
    assert words.find("eve") == -1
    with pytest.raises(UnknownIdError, match=r"unknown user 'adda': add new users"):
        words.row("adda")
    with pytest.raises(DataError, match="'a' occurs twice, in rows 0 and 1"):
        Vocabulary(["a", "a"])


def test_fingerprints_change_with_what_was_read():
    one, same, other = tiny_dataset(), tiny_dataset(), tiny_dataset(seed=1)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.items_fingerprint == other.items_fingerprint != tiny_dataset(items=14).items_fingerprint


def test_splits_by_name():
    dataset = tiny_dataset()
    assert dataset.split("val") is dataset.split("valid")
    with pytest.raises(DataError, match="no split 'dev'; it has"):
        dataset.split("dev")
