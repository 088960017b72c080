"""What was told to one generation of a bundle is told to the next one, coded by its own model."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import UserForm, unpack
from fashion_hash.data.told.tables import read_told, write_told
from fashion_hash.errors import DataError, UnknownIdError
from fashion_hash.foldin.fold_in import open_fold
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.generations.told import told_of
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import FEATURE, add_generation, retrain


def feature(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, FEATURE).astype(np.float32)


def new_item(name: str, seed: int, **more: object) -> dict[str, object]:
    return {
        "item_id": name,
        "type": "top",
        "features": {"image": feature(seed)},
        "title": f"New {name}",
        "price": 7,
        **more,
    }


def told_bundle(path: Path) -> Recommender:
    add_generation(path, seed=1)
    shop = Recommender.load(path)
    shop.add_items([new_item("new", 1, bias=0.5, picture=b"\xff\xd8picture"), new_item("passing", 2)])
    shop.add_items([{"item_id": "coded", "type": "shoe", "code": np.ones((1, 16))}])
    shop.add_outfits({"one": {"top": "new", "shoe": "shoe-1"}, "two": {"top": "top-1", "shoe": "coded"}})
    shop.remove_items({"top": ["top-3", "passing"]})
    shop.add_user("eve", liked=[{"top": "new", "shoe": "shoe-2"}], disliked=[{"top": "top-2"}])
    shop.add_user("quiet")
    shop.update_user("user-1", liked=[{"top": "top-1", "shoe": "coded"}, {"top": "top-5"}])
    return shop


@pytest.mark.parametrize(("compacted", "user_form"), [(False, "bits"), (True, "bits"), (False, "bytes")])
def test_what_was_told_is_told_to_the_new_model(tmp_path: Path, compacted: bool, user_form: UserForm) -> None:
    path = tmp_path / "bundle"
    shop = told_bundle(path)
    removed = shop.live.now().ids.all()[0]
    content = shop.outfit(removed)
    shop.remove_outfits([removed])
    if compacted:
        shop.compact()
        shop.add_outfits({"three": {"top": "new"}})
    carried = retrain(path, seed=2, user_form=user_form)
    assert (carried.items, carried.users, carried.removed_items, carried.outfits) == (1, 3, 1, 1 + compacted)
    assert set(carried.left_behind) == {("item", "shoe", "coded"), ("outfit", "", "two")}
    assert "given as a code" in carried.left_behind["item", "shoe", "coded"]
    assert carried.opinions_left == 1
    lines = "\n".join(carried.lines())
    assert "1 item added" in lines
    assert "shoe 'coded'" in lines

    bundle = shop.bundle
    assert bundle.path.name == "2"
    row = bundle.items["top"].row("new")
    assert (unpack(bundle.item_codes["top"][row]) == ItemCoder.open(path).codes("top", {"image": feature(1)})).all()
    assert bundle.item_bias["top"][row] == 2**15
    item = bundle.catalogue.item("top", row)
    assert (item.title, item.details) == ("New new", {"price": 7})
    assert bundle.catalogue.picture("top", row) == b"\xff\xd8picture"
    assert "top-3" not in bundle.items["top"]
    assert shop.outfit("one") == {"top": "new", "shoe": "shoe-1"}
    ids = set(shop.live.now().ids.all())
    assert "two" not in ids
    assert not [name for name in ids if shop.outfit(name) == content]
    assert shop.liked("eve") == [{"top": "new", "shoe": "shoe-2"}]
    code = open_fold(shop.live.bundle).fit(
        *(
            np.array([[row, -1, -1, bundle.items["shoe"].row("shoe-2")]]),
            np.array([[bundle.items["top"].row("top-2"), -1, -1, -1]]),
        ),
        bundle=bundle,
    )
    assert (shop._now().moment("eve").user.user_key == code).all()
    assert not shop.recommend("quiet", 1).personal
    assert {"top": "top-5"} in shop.liked("user-1")
    assert len(shop.liked("user-1")) == len(Recommender.load(path).live.bundle.lines_of(1)) + 1


def test_what_is_carried_over_is_carried_on_for_generations(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    shop = told_bundle(path)
    retrain(path, seed=2)
    shop.add_items([new_item("later", 3)])
    shop.remove_outfits(["one"])
    third = retrain(path, seed=3)
    assert (third.items, third.users) == (2, 3)
    assert ("item", "shoe", "coded") in third.left_behind
    assert {"new", "later"} <= set(shop.bundle.items["top"].all())
    assert "one" not in shop.live.now().ids
    assert "top-3" not in shop.bundle.items["top"]
    shop.add_items([{"item_id": "coded", "type": "shoe", "features": {"image": feature(4)}}])
    retrain(path, seed=4)
    assert "coded" in shop.bundle.items["shoe"]
    assert shop.outfit("two") == {"top": "top-1", "shoe": "coded"}, "it was told, and can be expressed now"


def test_the_same_model_keeps_codes(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    shop = told_bundle(path)
    carried = retrain(path, seed=1, count=30)
    assert not carried.left_behind
    assert (unpack(shop.bundle.item_codes["shoe"][shop.bundle.items["shoe"].row("coded")]) == 1).all()
    assert shop.outfit("two") == {"top": "top-1", "shoe": "coded"}


def test_what_the_training_took_in_is_not_told_twice(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    shop = Recommender.load(path)
    shop.add_items([new_item("top-12", 1), new_item("top-13", 2), new_item("top-14", 3)])
    shop.add_user("user-5", liked=[{"top": "top-12"}])
    shop.add_outfits({"one": {"top": "top-12"}})
    trained = told_of(LiveCatalogue(path))
    shop.remove_items({"top": ["top-13", "top-14"]})
    shop.add_items([new_item("top-14", 9, price=1)])
    carried = retrain(path, trained, seed=2, num_items=15, num_users=6)
    assert carried.removed_items == 1
    assert carried.items == 1, "top-14 is another item now"
    bundle = shop.bundle
    assert "top-12" in Bundle.open(path).items["top"]
    assert len(bundle.items["top"]) == 16
    assert "top-13" not in bundle.items["top"]
    assert bundle.catalogue.item("top", bundle.items["top"].row("top-14")).details["price"] == 1
    assert shop.outfit("one") == {"top": "top-12"}


def test_outfits_are_merged_by_id_and_by_items(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    shop, same = Recommender.load(path), "outfit-000007"
    second = add_generation(tmp_path / "second", seed=2)
    other = Recommender.load(second.root).outfit(same)
    shop.remove_outfits([same, "outfit-000009"])
    shop.add_outfits({same: {"top": "top-1"}, "again": other})
    shop.remove_outfits(["again"])
    carried = retrain(path, seed=2)
    assert carried.outfits == 1
    assert shop.outfit(same) == {"top": "top-1"}, "an id that the shop gave an outfit keeps its outfit"
    assert shop.outfit("outfit-000009") == Recommender.load(second.root).outfit("outfit-000009"), "another outfit"


def test_a_bundle_without_changes_is_replaced_silently(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    carried = retrain(path, seed=2)
    assert not list(carried.lines())
    assert not (Bundle.open(path).path / "live").exists()


def test_tables_hold_all_that_was_told(tmp_path: Path) -> None:
    shop = told_bundle(tmp_path / "bundle")
    told = told_of(shop.live)
    write_told(tmp_path / "told", told, {})
    again = read_told(tmp_path / "told")
    assert told.items.keys() == again.items.keys() == {("top", "new"), ("shoe", "coded")}
    assert all(item.same(again.items[key]) for key, item in told.items.items())
    assert again.items["top", "new"].features["image"].dtype == np.float32
    assert again.items["shoe", "coded"].coded
    assert (again.outfits, again.removed_items, again.users) == (told.outfits, told.removed_items, told.users)
    assert told.removed_items == {("top", "top-3")}


def test_updates_hidden_items_and_removed_users_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    shop = told_bundle(path)
    shop.update_items([{"item_id": "top-1", "type": "top", "price": 9, "features": {"image": feature(5)}}])
    shop.update_items([{"item_id": "new", "type": "top", "title": "Renamed"}])
    shop.hide_items({"shoe": ["shoe-4"]})
    shop.remove_user(["user-2", "eve"])
    for seed in (2, 3):
        carried = retrain(path, seed=seed)
        assert carried.forgotten == 1
        assert carried.updated == 1
        bundle = shop.bundle
        row = bundle.items["top"].row("top-1")
        assert bundle.catalogue.item("top", row).details["price"] == 9
        expected = ItemCoder.open(path).codes("top", {"image": feature(5)})
        assert (unpack(bundle.item_codes["top"][row]) == expected).all()
        assert bundle.catalogue.item("top", bundle.items["top"].row("new")).title == "Renamed"
        assert not [hit for hit in shop.compose("user-0", 30).hits if hit.items.get("shoe") == "shoe-4"]
        for user in ("user-2", "eve"):
            with pytest.raises(UnknownIdError):
                shop.recommend(user, 1)
            with pytest.raises(DataError, match="was removed"):
                shop.add_user(user)
    shop.show_items({"shoe": ["shoe-4"]})
    retrain(path, seed=4)
    assert told_of(shop.live).hidden == set()


def test_a_removed_user_is_erased_from_what_came_over(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    shop = told_bundle(path)
    retrain(path, seed=2)
    tables = shop.live.bundle.path / "live/told"
    assert "eve" in (tables / "users.jsonl").read_text()
    shop.remove_user("eve")
    assert shop.compact()
    assert "eve" not in "".join(file.read_text() for file in tables.glob("*.jsonl"))
    assert ("top", "new") in told_of(shop.live).items
