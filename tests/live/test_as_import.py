"""What the import of tables does, changes to a live catalogue do too: names of columns, types, whole outfits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.errors import BundleError, DataError, QueryError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import add_generation, retrain
from tests.worlds.random_bundles import random_contents, random_pool

NAMES = {"Preis": "price", "Marke": "brand", "Titel": "title", "ArtNr": "item_id", "Art": "type", "item": "sku"}
CODE = np.ones((1, 16))


def contents(**changes: object) -> BundleContents:
    made = random_contents(num_items=12)
    details = {
        item_type: {
            item_id: {"title": item_id, "price": 10.0, "brand": "ab"[row % 2]} for row, item_id in enumerate(ids)
        }
        for item_type, ids in made.items.items()
    }
    return replace(made, **{"details": details, "names": NAMES, **changes})


def opened(path: Path, empty: float = 0.0, **changes: object) -> Recommender:
    bundle = write_bundle(path, contents(**changes))
    build_index(bundle, random_pool(bundle, 40, empty=empty))
    return Recommender.load(bundle.path)


@pytest.fixture
def shop(tmp_path: Path) -> Recommender:
    return opened(tmp_path / "bundle")


def item(shop: Recommender, item_id: str, item_type: str = "top") -> dict[str, object]:
    bundle = shop.bundle
    entry = bundle.catalogue.item(item_type, bundle.items[item_type].row(item_id))
    return {"title": entry.title, **entry.details}


def test_items_may_have_the_names_of_the_shops_tables(shop: Recommender) -> None:
    assert shop.update_items([{"ArtNr": "top-1", "Art": "top", "Preis": "12,50"}]) == 1
    assert item(shop, "top-1") == {"title": "top-1", "price": 12.5, "brand": "b"}
    new = {"ArtNr": "new", "Art": "top", "Preis": 7, "Titel": "Neu", "code": CODE}
    assert shop.upsert_items([new]) == 1
    shop.add_items([{**new, "ArtNr": "newer"}])
    for name in ("new", "newer"):
        assert item(shop, name) == {"title": "Neu", "price": 7}
    assert shop.upsert_items([new]) == 0
    for call in (shop.add_items, shop.update_items, shop.upsert_items):
        with pytest.raises(DataError, match=r"item 'top-1': '(Preis|price)' is the column 'price': give it once"):
            call([{"item_id": "top-1", "type": "top", "Preis": 9, "price": 10, "code": CODE}])
    assert "Preis" not in shop.live.column_types()


def test_filters_and_caps_may_have_them_too(shop: Recommender) -> None:
    shop.update_items([{"item_id": f"top-{number}", "type": "top", "price": 60} for number in range(6)])
    everything = shop.recommend("user-1", 40)
    for where in (
        {"price": {"<": 50}},
        {"top": {"price": {"<": 50}}},
        {"any": [{"price": 10}, {"not": {"price": {"<": 50}}, "brand": "nobody"}]},
        {"total": {"price": {"<=": 30}}},
        {"title": {"contains": "top-1"}, "top": {"brand": "b"}},
    ):
        text = json.dumps(where).replace("price", "Preis").replace("brand", "Marke").replace("title", "Titel")
        hits = shop.recommend("user-1", 40, where=where)
        assert shop.recommend("user-1", 40, where=json.loads(text)).ids.tolist() == hits.ids.tolist()
        assert len(hits.ids) < len(everything.ids)
    capped = shop.recommend("user-1", 40, max_per={"brand": 3, "item": 4})
    assert shop.recommend("user-1", 40, max_per={"Marke": 3, "item": 4}).ids.tolist() == capped.ids.tolist()
    with pytest.raises(QueryError, match="no column 'Pries'"):
        shop.recommend("user-1", where={"Pries": 10})


def test_a_column_of_the_catalogue_keeps_its_name(tmp_path: Path) -> None:
    """A name that the shop mapped in one table and not in another stands for the column that is there."""
    made = contents()
    details = {
        item_type: {name: {**row, "Preis": 3.0} for name, row in of.items()} for item_type, of in made.details.items()
    }
    shop = opened(tmp_path / "bundle", details=details)
    shop.update_items([{"item_id": "top-1", "type": "top", "Preis": 4}])
    assert item(shop, "top-1") == {"title": "top-1", "price": 10.0, "brand": "b", "Preis": 4}
    assert not len(shop.recommend("user-1", 40, where={"Preis": 10}).ids)


@pytest.mark.parametrize("names", [["Preis"], {"Preis": 1}, "Preis"])
def test_names_that_are_none_are_refused(tmp_path: Path, names: object, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(tmp_path / "bundle", contents())
    manifest = {**bundle.manifest, "shop_names": names}
    with pytest.raises(BundleError, match=r"manifest\.json.*(shop_names|Preis)"):
        Bundle(bundle.path, manifest)


def test_one_item_is_not_of_two_types(shop: Recommender) -> None:
    message = "item 'top-1' is of type top and was given as shoe: an item has one type"
    new = {"item_id": "new", "type": "top", "code": CODE}
    for call in (shop.add_items, shop.upsert_items):
        before = shop.live.now().seq
        with pytest.raises(DataError, match=message):
            call([new, {"item_id": "top-1", "type": "shoe", "code": CODE}])
        with pytest.raises(DataError, match="item 'new' is of type top and was given as shoe"):
            call([new, {**new, "type": "shoe"}])
        assert shop.live.now().seq == before
    shop.add_items([new])
    with pytest.raises(DataError, match="item 'new' is of type top"):
        shop.upsert_items([{**new, "type": "bottom"}])
    shop.remove_items({"top": ["new", "top-1"]})
    assert shop.upsert_items([{**new, "type": "bottom"}, {**new, "item_id": "top-1", "type": "shoe"}]) == 2


def test_ids_that_types_share_in_the_export_stay_allowed(tmp_path: Path) -> None:
    items = {name: tuple(f"{number}" for number in range(len(ids))) for name, ids in contents().items.items()}
    shop = opened(tmp_path / "bundle", items=items, details={})
    new = {"item_id": "new", "type": "top", "code": CODE}
    assert shop.upsert_items([new, {**new, "type": "shoe"}]) == 2


def test_an_outfit_has_two_items_where_those_of_the_pool_have(shop: Recommender, tmp_path: Path) -> None:
    message = "outfit 'alone' has one item: outfits of this bundle have at least two"
    whole = {"top": "top-1", "shoe": "shoe-1"}
    before = shop.live.now().seq
    for call in (shop.add_outfits, shop.upsert_outfits):
        with pytest.raises(QueryError, match=message):
            call({"whole": whole, "alone": {"top": "top-1"}})
    assert shop.live.now().seq == before
    shop.add_user("eve", liked=[{"top": "top-1"}])  # a user may like a single item
    other = opened(tmp_path / "other", empty=0.6)
    other.add_outfits({"alone": {"top": "top-1"}})
    assert other.outfit("alone") == {"top": "top-1"}


def test_outfits_of_one_item_that_an_older_version_took_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    shop = Recommender.load(path)
    shop.add_outfits({"alone": {"top": "top-1"}})
    retrain(path, seed=2, empty=0.0)
    assert shop.outfit("alone") == {"top": "top-1"}
