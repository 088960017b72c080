"""Splits as files: read again they are the same, whatever the order of the rows; stale and broken ones are refused."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.config.data import SplitConfig
from fashion_hash.core.outfits import concatenate
from fashion_hash.data.dataset import Split
from fashion_hash.data.splits.files import MadeSplit, blank_users, read_split
from fashion_hash.data.splits.removed_list import RemovedUsers, digest_of
from fashion_hash.data.splits.removed_users import without_users
from fashion_hash.errors import DataError
from tests.worlds.tiny import tiny_dataset
from tests.worlds.whole import whole_dataset

TIME = SplitConfig(kind="time")


@pytest.fixture
def kept(tmp_path):
    made = MadeSplit.make(whole_dataset(copies=30), TIME)
    made.write(tmp_path / "split.csv")
    return tmp_path / "split.csv", made


def test_a_file_gives_the_split_that_was_written(kept):
    path, made = kept
    assert (read_split(path, made.whole, TIME) == made.assigned).all()
    text = path.read_text()
    assert text.startswith("outfit_id,user_id,split\no0,u")
    assert text.count(",left_out") == (made.assigned == -1).sum() > 0
    order = np.random.default_rng(2).permutation(400)
    assert (read_split(path, whole_dataset(copies=30, order=order), TIME) == made.assigned[order]).all()


def test_a_file_without_removed_users_gives_the_same_split(kept):
    path, made = kept
    gone = [made.whole.users.ids[0], made.whole.users.ids[3]]
    before = path.read_text()
    salt = "00" * 32
    removed = RemovedUsers(((salt, frozenset(digest_of(salt, user_id) for user_id in gone)),))
    blank_users(path, RemovedUsers(((salt, frozenset([digest_of(salt, "nobody")])),)))
    assert path.read_text() == before
    blank_users(path, removed)
    text = path.read_text()
    assert not any(f",{user_id}," in text for user_id in gone)
    assert text.count("\n") == before.count("\n")
    assert (read_split(path, made.whole, TIME) == made.assigned).all(), "the data still has them"
    left, count = without_users(made.whole, removed)
    assert count == 2
    stay = ~np.isin(made.whole.split("train").positives.users, [0, 3])
    assert (read_split(path, left, TIME, removed) == made.assigned[stay]).all(), "they have left the data"


def test_outfits_without_ids_are_named_by_their_items(tmp_path):
    tiny = tiny_dataset(("top", "top", "bottom"))
    everything = concatenate([split.positives for split in tiny.splits.values()])
    whole = replace(tiny, splits={"train": Split(everything)})
    made = MadeSplit.make(whole, SplitConfig(kind="per_user"))
    made.write(tmp_path / "split.csv")
    assert (read_split(tmp_path / "split.csv", whole, made.settings) == made.assigned).all()
    assert ".jpg -1 bottom" in (tmp_path / "split.csv").read_text()


def test_the_file_of_the_configuration_is_written_once_and_used_by_all(tmp_path):
    settings = SplitConfig(kind="cold_users", seed=3, file=str(tmp_path / "shared.csv"))
    whole = whole_dataset()
    made = MadeSplit.make(whole, settings)
    text = (tmp_path / "shared.csv").read_text()
    assert (MadeSplit.make(whole, settings).assigned == made.assigned).all()
    lines = text.splitlines()  # by hand: everything of one user moves from training to the test
    user = next(line for line in lines if line.endswith("train")).split(",")[1]
    moved = [line.replace(",train", ",test") if f",{user}," in line else line for line in lines]
    (tmp_path / "shared.csv").write_text("\n".join(moved) + "\n")
    again = MadeSplit.make(whole, settings)
    assert (again.assigned == 2).sum() > (made.assigned == 2).sum()
    assert again.dataset.split("test").positives.users.max() < 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "per_user"}, r"split\.csv was made with kind 'time', data\.split\.kind is 'per_user'"),
        ({"kind": "time", "test": 0.2}, r"was made with test 0\.1, data\.split\.test is 0\.2"),
        ({"kind": "time", "seed": 1}, r"was made with seed 0, data\.split\.seed is 1"),
    ],
)
def test_other_settings_are_refused(kept, settings, message):
    path, made = kept
    with pytest.raises(DataError, match=message):
        read_split(path, made.whole, SplitConfig(**settings))


def test_other_outfits_are_refused(kept):
    path, _ = kept
    grown = whole_dataset(outfits=410, copies=30)
    with pytest.raises(DataError, match=r"is out of date: \d+ of 410 outfits of made missing from it.*remove .*split"):
        read_split(path, grown, TIME)
    shrunk = whole_dataset(copies=30)
    shrunk = replace(
        shrunk,
        splits={"train": Split(shrunk.splits["train"].positives[:390], facts=shrunk.splits["train"].facts[:390])},
    )
    with pytest.raises(DataError, match=r"it has 400 outfits, made has 390, such as outfit 'o39\d' of user 'u\d+'"):
        read_split(path, shrunk, TIME)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("outfit_id,", "id,", 1),
            r"split\.csv:1: the columns must be outfit_id,user_id,split",
        ),
        (
            lambda text: text.replace(",train", ",training", 1),
            r"split\.csv:\d+: expected outfit_id, user_id and one of",
        ),
        (lambda text: text.replace(",train", "", 1), r"split\.csv:\d+: expected"),
        (lambda text: text.replace(",train", ",test", 1), r"split\.csv: the outfit .* is in two splits: .*; remove"),
        (lambda text: "", r"split\.csv:1: the columns must be"),
        (lambda text: text[:2000].rpartition("\n")[0], r"out of date: \d+ of 400 outfits"),
        (lambda text: text + text.splitlines()[5], r"out of date: it has 401 outfits, made has 400"),
    ],
)
def test_a_changed_file_is_refused(kept, change, message):
    path, made = kept
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        read_split(path, made.whole, TIME)


def test_files_that_are_no_text(kept):
    path, made = kept
    path.write_bytes(b"outfit_id,user_id,split\n\xff\xfe,u1,train\n")
    with pytest.raises(DataError, match=r"split\.csv is not a CSV file in UTF-8"):
        read_split(path, made.whole, TIME)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(DataError, match=r"split\.json does not say how split\.csv was made"):
        read_split(path, made.whole, TIME)
