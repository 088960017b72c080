"""What a live catalogue was told becomes data to train on, and counts are exact."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.data.dataset import Content
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.told.join import with_told
from fashion_hash.data.told.told import Told, ToldItem, ToldUser
from fashion_hash.errors import FeatureError
from fashion_hash.features.extraction import picture_store
from fashion_hash.features.table import make_table
from tests.worlds.tiny import tiny_dataset

FEATURE = np.arange(4, dtype=np.float32)


def told() -> Told:
    dataset = tiny_dataset()
    first = dataset.split("train").positives[:1]
    disliked = {slot: dataset.items[slot].ids[row] for slot, row in zip(dataset.slots, first.items[0])}
    liked = {"top": "new", "bottom": "bottom1.jpg"}
    return Told(
        items={
            ("top", "new"): ToldItem("New", {"price": 7}, features={"image": FEATURE}),
            ("top", "titled"): ToldItem("Titled", {}),
            ("top", "top1.jpg"): ToldItem(None, {"price": 3}, features={"image": FEATURE + 1}),
            ("shoe", "bare"): ToldItem(None, {}, coded=True),
            ("hat", "hat-1"): ToldItem("A hat", {}),
        },
        removed_items={("top", "top2.jpg")},
        outfits={"one": liked},
        users={
            "eve": ToldUser((liked, {"shoe": "bare"}), ()),
            "quiet": ToldUser((), (liked,)),
            dataset.users.ids[first.users[0]]: ToldUser((disliked | {"top": "new"},), (disliked,)),
        },
    )


def test_items_users_and_likes_are_trained_on() -> None:
    dataset = tiny_dataset(content=Content(details={"top": {"top1.jpg": {"title": "Old", "price": 1}}}))
    joined = with_told(dataset, told())
    assert joined.items["top"].ids == (*dataset.items["top"].ids, "new", "titled")
    assert joined.users.ids == (*dataset.users.ids, "eve")
    before, after = dataset.split("train"), joined.split("train")
    gone = len(before.positives) + 2 - len(after.positives)
    assert gone >= 1
    assert after.positives.users[-2] == joined.users.row("eve")
    assert after.positives.items[-2].tolist() == [12, 1, -1]
    assert (after.negatives["random"].outfits.users[-4:] == after.positives.users[-1]).all()
    assert joined.content.details["top"]["new"] == {"price": 7, "title": "New"}
    assert joined.content.details["top"]["top1.jpg"] == {"price": 3, "title": "Old"}
    notes = "\n".join(joined.content.notes)
    for line in (
        "2 items (2 with features)",
        "1 item already in the data",
        "1 item left out without features, title or picture, such as ['bare']",
        "1 item left out of another type than top, bottom, shoe, such as ['hat-1']",
        "2 liked outfits of 2 users for training (1 user is new)",
        "1 liked outfit left out with an item",
        f"{gone} training outfit{'s' if gone > 1 else ''} left out after a dislike",
        "2 dislikes not trained on",
        "1 outfit of no user",
        "1 removed item kept",
    ):
        assert line in notes
    again = with_told(joined, told())
    assert len(again.split("train").positives) == len(after.positives)
    assert with_told(dataset, told()).fingerprint == joined.fingerprint != dataset.fingerprint


def test_facts_of_likes_are_as_new_as_the_newest() -> None:
    dataset = tiny_dataset()
    train = dataset.split("train")
    facts = OutfitFacts.of(times=np.arange(len(train.positives)), kinds=["bought"] * len(train.positives))
    dataset.splits["train"] = type(train)(train.positives, train.negatives, None, facts)  # type: ignore[index]
    joined = with_told(dataset, told()).split("train").facts
    assert joined is not None
    assert joined.times[-2:].tolist() == [len(train.positives) - 1] * 2
    assert joined.kinds[-1] == "liked"
    assert NO_TIME not in joined.times


def test_pictures_that_came_with_items_go_before_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "top1.jpg").write_bytes(b"old")
    (tmp_path / "top2.jpg").write_bytes(b"kept")
    dataset = tiny_dataset(content=Content(pictures=tmp_path))
    items = {("top", "new"): ToldItem(None, {}, b"new"), ("top", "top1.jpg"): ToldItem(None, {}, b"newer")}
    joined = with_told(dataset, Told(items=items))
    assert joined.items["top"].ids[-1] == "new"
    store = picture_store(joined)
    assert [store.get(key) for key in ("new", "top1.jpg", "top2.jpg", "none")] == [b"new", b"newer", b"kept", None]
    assert ["new" in store, "none" in store] == [True, False]
    assert "2 items with a new picture" in "\n".join(joined.content.notes)


def test_features_that_came_with_items_go_before_those_of_stores() -> None:
    joined = with_told(tiny_dataset(), told())
    raw = {item_type: np.ones((len(ids), 4), dtype=np.float32) for item_type, ids in joined.items.items()}
    known = {item_type: np.arange(len(ids)) < 12 for item_type, ids in joined.items.items()}
    table = make_table(joined, "image", raw, known)
    assert (table.features["top"][12] == FEATURE).all()
    assert (table.features["top"][1] == FEATURE + 1).all()
    assert table.known["top"].tolist() == [True] * 13 + [False]
    with pytest.raises(FeatureError, match=r"came with top 'new' has shape \(4,\), but .* \(5,\)"):
        make_table(joined, "image", {name: np.ones((len(array), 5)) for name, array in raw.items()}, known)
