"""A data set in memory, saved and read again: nothing is lost, and nothing that was changed is believed."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fashion_hash as fh
from fashion_hash.core.manifest import seal
from fashion_hash.data.dataset import Content, Groups, Labelled, Note, Pool, Split
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.splits.cold_users import hide_cold_users
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.tiny import tiny_dataset


def whole_dataset(folder):
    """The tiny data set with everything that a data set may have."""
    dataset = tiny_dataset()
    train, valid = dataset.splits["train"], dataset.splits["valid"]
    count = len(train.positives)
    rng = np.random.default_rng(0)
    facts = OutfitFacts.of(
        [f"look {row}" for row in range(count)],
        np.where(rng.random(count) < 0.5, NO_TIME, rng.integers(0, 10**9, count)),
        np.where(rng.random(count) < 0.5, np.nan, 0.5),
        ["bought", "liked"] * (count // 2) + ["bought"] * (count % 2),
    )
    again = valid.positives[np.repeat(np.arange(len(valid.positives)), 4)]
    labelled = Labelled(train.positives[:5], np.array([True, False, True, True, False]))
    splits = {
        **dataset.splits,
        "train": replace(train, facts=facts),
        "valid": Split(
            valid.positives,
            {"random": Groups(again, 4)},
            Groups(again, 4),
            labelled=labelled,
            retrieval={slot: Groups(again[: 4 * few], 4) for few, slot in enumerate(dataset.types, 1)},
        ),
    }
    item_type = dataset.slots[0]
    first, second = dataset.items[item_type].ids[:2]
    (folder / "pictures").mkdir()
    content = Content(
        pictures=folder / "pictures",
        details={item_type: {first: {"title": "Shirt\n\ud800", "price": 59.9, "sizes": ["S", "M"], "new": True}}},
        picture_keys={first: "a.jpg"},
        newer_pictures={first: b"\x00\xff", second: b"", "other": b"abc"},
        features={"text": {item_type: {first: np.arange(3, dtype=np.float32)}}},
        names={"Preis": "price"},
    )
    pool = Pool(("a", "b", "b2"), train.positives[np.array([0, 1, 1])])
    notes = (Note("odd rows", 3, ("x",)), Note("said once", 0))
    return replace(dataset, splits=splits, content=content, pool=pool, notes=notes)


def assert_same(first, second):
    """Both are the same in everything, arrays included."""
    if isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
    elif hasattr(first, "__dataclass_fields__"):
        assert type(first) is type(second)
        for name in first.__dataclass_fields__:
            assert_same(getattr(first, name), getattr(second, name))
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    else:
        assert first == second


def test_nothing_is_lost(tmp_path):
    dataset = whole_dataset(tmp_path)
    folder = fh.save_dataset(dataset, tmp_path / "saved")
    again = fh.load_dataset("saved", folder)
    assert_same(again, dataset)
    assert again.fingerprint == dataset.fingerprint
    assert fh.check_dataset("saved", fh.save_dataset(tiny_dataset(), tmp_path / "plain")).ok
    assert not list(folder.rglob("*.pkl"))


def test_cold_users_stay_hidden(tmp_path):
    dataset = hide_cold_users(tiny_dataset(), 2, seed=0)
    assert_same(fh.load_dataset("saved", fh.save_dataset(dataset, tmp_path / "cold")), dataset)


def test_a_configuration_trains_on_it(tmp_path):
    folder = fh.save_dataset(tiny_dataset(), tmp_path / "saved")
    values = {"name": "a", "data": {"format": "saved", "root": str(folder)}, "id": {}, "train": {"epochs": 1}}
    run = fh.fit(fh.make_config(values), out=tmp_path / "run")
    assert "rank_random" in fh.evaluate(run)["protocols"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="something else than a saved data set"):
        fh.save_dataset(tiny_dataset(), tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"
    fh.save_dataset(tiny_dataset(), tmp_path / "saved")
    fh.save_dataset(tiny_dataset(seed=1), tmp_path / "saved")
    assert fh.load_dataset("saved", tmp_path / "saved").fingerprint == tiny_dataset(seed=1).fingerprint
    with pytest.raises(TypeError, match="save_dataset needs a Dataset"):
        fh.save_dataset("data", tmp_path / "new")


def test_what_cannot_be_saved_leaves_the_old_one(tmp_path):
    dataset = tiny_dataset()
    folder = fh.save_dataset(dataset, tmp_path / "saved")
    item_type, item_id = dataset.slots[0], dataset.items[dataset.slots[0]].ids[0]
    broken = replace(dataset, content=Content(details={item_type: {item_id: {"what": object()}}}))
    with pytest.raises(DataError, match="cannot be saved"):
        fh.save_dataset(broken, folder)
    vectors = {"a": np.zeros(2), "b": np.zeros(3)}
    broken = replace(dataset, content=Content(features={"text": {item_type: vectors}}))
    with pytest.raises(DataError, match="different lengths"):
        fh.save_dataset(broken, folder)
    assert fh.load_dataset("saved", folder).fingerprint == dataset.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


@pytest.mark.parametrize("name", ["users.json", "train.positives.items.npy", "manifest.json"])
def test_changed_files_are_refused(tmp_path, name):
    folder = fh.save_dataset(tiny_dataset(), tmp_path / "saved")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(DataError, match=name):
        fh.load_dataset("saved", folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=name):
        fh.load_dataset("saved", folder)


def test_sealed_again_it_is_still_checked(tmp_path):
    folder = fh.save_dataset(tiny_dataset(), tmp_path / "saved")
    items = np.load(folder / "train.positives.items.npy")

    def sealed(rows):
        manifest = json.loads((folder / "manifest.json").read_text())
        np.save(folder / "train.positives.items.npy", rows)
        (folder / "manifest.json").unlink()
        seal(folder, {key: value for key, value in manifest.items() if key not in ("files", "fingerprint")})

    sealed(np.full_like(items, 10**6))
    with pytest.raises(DataError, match="beyond the"):
        fh.load_dataset("saved", folder)
    sealed(items[::-1])
    with pytest.raises(DataError, match="not the data set that was saved"):
        fh.load_dataset("saved", folder)
    sealed(np.array([{}], dtype=object))
    with pytest.raises(DataError, match="not a whole saved data set"):
        fh.load_dataset("saved", folder)
    sealed(items)
    fh.load_dataset("saved", folder)


def test_other_slots_and_subsets_are_refused(tmp_path):
    folder = fh.save_dataset(tiny_dataset(), tmp_path / "saved")
    with pytest.raises(ConfigError, match="no subsets"):
        fh.load_dataset("saved", folder, subset="a")
    with pytest.raises(ConfigError, match="the slots of"):
        fh.load_dataset("saved", folder, slots=["hat"])
    with pytest.raises(DataError, match="no folder"):
        fh.load_dataset("saved", tmp_path / "none")
    with pytest.raises(DataError, match=r"no manifest\.json"):
        fh.load_dataset("saved", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: {"splits": {"trian": data.splits["train"]}}, r"unknown split 'trian' \(nearest: 'train'"),
        (lambda data: {"items": {}}, "slots of the type 'top', but no items of it"),
        (lambda data: {"users": fh.Vocabulary(["only"], "user")}, r"train\.positives: a user row beyond the 1 id"),
        (
            lambda data: {"items": {**data.items, "top": fh.Vocabulary(["only"], "top")}},
            r"train\.positives: a top row beyond the 1 id",
        ),
        (
            lambda data: {"splits": {"train": Split(fh.Outfits.of(("top",), [0], [[0]]))}},
            r"train\.positives: outfits of the slots \['top'\], not \['top', ",
        ),
    ],
)
def test_what_no_data_set_can_hold_is_refused_before_it_is_written(tmp_path, change, message):
    dataset = tiny_dataset()
    with pytest.raises(DataError, match=message):
        fh.save_dataset(replace(dataset, **change(dataset)), tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
