"""Removed users leave a data set and its requests without a trace; a broken list is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Pool, Split
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.table import NOBODY, REMOVED, RequestData, Requests
from fashion_hash.data.shop.likes import set_id
from fashion_hash.data.splits.files import MadeSplit, SplitConfig
from fashion_hash.data.splits.removed_list import RemovedUsers, digest_of
from fashion_hash.data.splits.removed_users import requests_without_users, without_users
from fashion_hash.errors import DataError
from tests.worlds.request_files import form_2014
from tests.worlds.tiny import tiny_dataset


def removed(*user_ids: str, salt: str = "0a" * 32) -> RemovedUsers:
    return RemovedUsers(((salt, frozenset(digest_of(salt, user_id) for user_id in user_ids)),))


def test_the_outfits_of_removed_users_leave_every_split() -> None:
    dataset = tiny_dataset()
    left, count = without_users(dataset, removed("u1", "u4", "nobody"))
    assert count == 2
    assert left.users.ids == ("u0", "u2", "u3", "u5")
    for name, split in dataset.splits.items():
        owners = np.array(dataset.users.ids)[split.positives.users]
        kept = ~np.isin(owners, ["u1", "u4"])
        after = left.splits[name]
        assert (np.array(left.users.ids)[after.positives.users] == owners[kept]).all()
        assert (after.positives.items == split.positives.items[kept]).all()
        assert len(after.negatives["random"]) == kept.sum()
    assert without_users(dataset, removed("nobody")) == (dataset, 0)
    with pytest.raises(DataError, match="all users with training outfits were removed"):
        without_users(dataset, removed(*dataset.users.ids))


def test_sets_that_only_removed_users_formed_leave_the_pool() -> None:
    dataset = tiny_dataset(("top", "shoe"), users=2)
    items = [[0, 0], [1, 1], [2, 2], [3, 3]]
    liked = Outfits.of(dataset.slots, [0, 0, 0, 1], [items[row] for row in (0, 1, 2, 2)])
    ids = [set_id([f"top{at}.jpg", f"shoe{at}.jpg"]) for at in range(4)]
    pool = Pool((ids[0], "look-1", ids[2], ids[3]), Outfits.of(dataset.slots, [0] * 4, items))
    left, _ = without_users(replace(dataset, splits={"train": Split(liked)}, pool=pool), removed("u0"))
    assert left.pool is not None
    assert left.pool.ids == ("look-1", ids[2], ids[3])
    assert left.pool.outfits.items.tolist() == items[1:]


def test_a_shared_split_may_still_name_removed_users(tmp_path: Path) -> None:
    whole = replace(tiny_dataset(), splits={"train": Split(tiny_dataset().splits["train"].positives)})
    settings = SplitConfig(kind="per_user", file=str(tmp_path / "split.csv"))
    before = MadeSplit.make(whole, settings)
    gone = removed("u2")
    left, _ = without_users(whole, gone)
    after = MadeSplit.make(left, settings, None, gone)
    stay = whole.splits["train"].positives.users != 2
    assert (after.assigned == before.assigned[stay]).all()
    with pytest.raises(DataError, match="out of date"):
        MadeSplit.make(left, settings)


def test_requests_of_removed_users_and_their_words_go(tmp_path: Path) -> None:
    path = tmp_path / "reviews.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in form_2014()))
    whole = load_requests("amazon_reviews", path)
    assert any("coast" in words for words in whole.all_descriptions)
    left = load_requests("amazon_reviews", path, removed=removed("anna", "nobody"))
    assert set(left.users) == set(whole.users) - {"anna"}
    assert left.counts[REMOVED] == 1
    assert not any("coast" in words for words in left.all_descriptions)
    assert left.item_id(0) == whole.item_id(0)
    for name, split in left.splits.items():
        assert not any("Straw hat" in text for text in split.texts), name
        assert split.users.max() < len(left.users)


def test_requests_that_were_read_already_lose_removed_users() -> None:
    data = RequestData(
        "shop",
        Vocabulary(["ann", "bo", "cleo"], "user"),
        {"item": Vocabulary(["a", "b"], "item")},
        {"train": Requests.of([0, 1, 2, NOBODY], [0, 1, 0, 1], ["x", "y", "z", "w"], [1, 2, 3, 4])},
        {"item": ("", "")},
    )
    left = requests_without_users(data, removed("bo"))
    assert (left.users.ids, left.counts[REMOVED]) == (("ann", "cleo"), 1)
    train = left.split("train")
    assert (train.users.tolist(), train.texts, train.times.tolist()) == ([0, 1, NOBODY], ("x", "z", "w"), [1, 3, 4])
    assert requests_without_users(data, removed("eve")) is data


def test_lists_of_several_bundles_are_joined(tmp_path: Path) -> None:
    removed("ann").write(tmp_path / "a.json")
    removed("bo", salt="ff").write(tmp_path / "b.json")
    (tmp_path / "old.json").write_text(json.dumps({"salt": None, "digests": []}))
    joined = RemovedUsers.read(*(tmp_path / name for name in ("a.json", "b.json", "old.json")))
    assert ["ann" in joined, "bo" in joined, "cleo" in joined] == [True, True, False]
    joined.write(tmp_path / "both.json")
    assert RemovedUsers.read(tmp_path / "both.json") == joined


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"list\.json: the list of removed users cannot be read \(No such file"),
        ("{", "is not a list of removed users: it is not JSON"),
        ("7", "entry 0 has no keys salt and digests"),
        ('{"salt": "0a", "digests": "x"}', "digests of entry 0 must be a list, got 'x'"),
        ('{"salt": "zz", "digests": ["00"]}', "salt of entry 0 must be 2 to 128 hexadecimal digits, got 'zz'"),
        ('{"salt": "0a", "digests": ["00"]}', "a digest must be 64 hexadecimal digits, got '00'"),
        ('{"salt": "0a", "digests": [7]}', "a digest must be 64 hexadecimal digits, got 7"),
    ],
)
def test_a_broken_list_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "list.json").write_text(text)
    with pytest.raises(DataError, match=message):
        RemovedUsers.read(tmp_path / "list.json")
