"""All kinds of answers of a changed catalogue, against brute force over what exists."""

import sqlite3
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.codes import hamming
from fashion_hash.core.outfits import Outfits
from fashion_hash.errors import DataError, FeatureError, QueryError, UnknownIdError
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.inference.content_heads import ContentHeads
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import SLOTS, World, key, new_bundle
from tests.worlds.random_bundles import random_contents

PRICES = {"top": 10, "bottom": 20, "shoe": 40}


@pytest.fixture(scope="module", params=[False, True], ids=["changes", "compacted"])
def changed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[World, Recommender]:
    """Items and outfits came and went; every item that came has a price, of the others only the first."""
    rng = np.random.default_rng(0)
    bundle = new_bundle(tmp_path_factory.mktemp("bundles") / "bundle", num_users=3)
    build_partners(bundle)
    recommender, world = Recommender.load(bundle.path), World(bundle)
    for item_type in bundle.types:
        items = [world.new_item(rng, item_type, f"{item_type}-new-{number}") for number in range(4)]
        for number, item in enumerate(items):
            item |= {"price": PRICES[item_type] + number, "brand": "ab"[number % 2]}
        recommender.add_items(items)
        gone = [f"{item_type}-3", f"{item_type}-new-2"]
        recommender.remove_items({item_type: gone})
        world.remove_items(item_type, gone)
    for number in range(30):
        world.outfits[f"new-{number}"] = world.new_outfit(rng)
    recommender.add_outfits(
        {outfit_id: outfit for outfit_id, outfit in world.outfits.items() if outfit_id.startswith("new-")}
    )
    if request.param:
        recommender.compact()
    recommender.add_user("nobody")
    world.users["nobody"], world.liked["nobody"] = None, set()  # type: ignore[assignment]
    world.check(recommender, rng)
    return world, recommender


def price(world: World, item_type: str, item_id: str) -> float | None:
    if item_id == f"{item_type}-0":
        return 12.5
    return PRICES[item_type] + int(item_id[-1]) if "-new-" in item_id else None


def prices(world: World, outfit: dict[str, str]) -> list[float | None]:
    return [price(world, slot.removesuffix("_2"), item_id) for slot, item_id in outfit.items()]


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ({"price": {">": 11}}, lambda amounts: all(amount is not None and amount > 11 for amount in amounts)),
        ({"price": {"exists": False}}, lambda amounts: all(amount is None for amount in amounts)),
        ({"total": {"price": {"<=": 50}}}, lambda amounts: None not in amounts and sum(amounts) <= 50),
    ],
)
def test_a_filter_is_brute_force(changed: tuple[World, Recommender], where: dict, passes: object) -> None:
    world, recommender = changed
    for user in ("user-0", "user-1", None):
        expected = [hit for hit in world.best(user) if passes(prices(world, world.outfits[hit[1]]))]  # type: ignore[operator]
        for k in (1, 3, 500):
            hits = recommender.recommend(user, k, where=where)
            assert list(zip((-hits.scores).tolist(), hits.ids.tolist())) == expected[:k]
            assert (hits.shortfall is None) == (len(expected) >= k)
            if hits.shortfall:
                assert (
                    f"{len(expected)} of {k} outfits found: the pool holds {len(world.outfits)}"
                    in hits.shortfall.reason
                )
    together = recommender.recommend(["user-0", None], 4, where=where)
    assert together.ids.shape == (2, 4)
    assert together.personal.tolist() == [True, False]


def test_caps_and_variety(changed: tuple[World, Recommender]) -> None:
    world, recommender = changed
    hits = recommender.recommend("user-1", 8, max_per={"item": 1})
    used: set = set()
    expected = []
    for _, outfit_id in world.best("user-1"):
        worn = {(slot.removesuffix("_2"), item) for slot, item in world.outfits[outfit_id].items()}
        if not worn & used:
            expected.append(outfit_id)
            used |= worn
    assert hits.ids.tolist() == expected[:8]
    plain, varied = recommender.recommend("user-1", 5), recommender.recommend("user-1", 5, diversity=0.9)
    assert plain.ids[0] == varied.ids[0]
    assert plain.ids.tolist() != varied.ids.tolist()
    assert [hit.outfit_id for hit in recommender.answer("user-1", 5, diversity=0.9)] == varied.ids.tolist()
    for bad in (-0.1, 1.5, "a lot", True):
        with pytest.raises(QueryError, match="diversity must be a number"):
            recommender.recommend("user-1", 5, diversity=bad)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="no column 'brandt'"):
        recommender.recommend("user-1", 5, max_per={"brandt": 1})


def composed(world: World, slots: tuple[str, ...]) -> list[dict[str, str]]:
    """Every outfit that fills the slots; two tops are a set."""
    kinds = [slot.removesuffix("_2") for slot in slots]
    out = []
    for items in product(*(sorted(world.items[item_type]) for item_type in kinds)):
        outfit = dict(zip(slots, items))
        if outfit["top"] < outfit.get("top_2", "~"):  # each set once; "~" comes after every id
            out.append(outfit)
    return out


@pytest.mark.parametrize("user", ["user-2", None])
def test_composition_is_brute_force(changed: tuple[World, Recommender], user: str | None) -> None:
    world, recommender = changed
    every = composed(world, ("top", "bottom", "shoe"))
    ranked = sorted(-score for score in world.scores(user, every))
    composition = recommender.compose(user, 20, types=["top", "bottom", "shoe"])
    assert (composition.proven, composition.gap, composition.personal, composition.shortfall) == (
        True,
        0.0,
        user is not None,
        None,
    )
    assert [-hit.score for hit in composition.hits] == ranked[:20]
    for hit in composition.hits:
        assert hit.score == world.score(user, hit.items)
        assert (hit.outfit_id, hit.personal) == ("", user is not None)
    cheap = [outfit for outfit in every if None not in prices(world, outfit) and sum(prices(world, outfit)) <= 72]  # type: ignore[arg-type]
    where = {"total": {"price": {"<=": 72}}}
    composition = recommender.compose(user, 1000, types=["top", "bottom", "shoe"], where=where)
    assert [-hit.score for hit in composition.hits] == sorted(-score for score in world.scores(user, cheap))
    assert composition.shortfall is not None
    assert composition.shortfall.found == len(cheap) > 0
    four = recommender.compose(user, 3)
    best = world.scores(user, composed(world, world.bundle.slot_names))
    assert [hit.score for hit in four.hits] == sorted(best, reverse=True)[:3]
    assert [world.score(user, hit.items) for hit in four.hits] == [hit.score for hit in four.hits]


def test_include_exclude_and_completion(changed: tuple[World, Recommender]) -> None:
    world, recommender = changed
    tops = ["top-new-0", "top-1", "top-2"]
    composition = recommender.compose(
        "user-0", 500, types=["top", "shoe"], include={"top": tops}, exclude={"shoe": ["shoe-1", "shoe-new-0"]}
    )
    every = [
        outfit
        for outfit in composed(world, ("top", "shoe"))
        if outfit["top"] in tops and outfit["shoe"] not in ("shoe-1", "shoe-new-0")
    ]
    assert [-hit.score for hit in composition.hits] == sorted(-world.score("user-0", outfit) for outfit in every)
    fixed = {"top": "top-new-1", "shoe": "shoe-2"}
    composition = recommender.complete("user-0", fixed, 5, types=["bottom"])
    every = [{**fixed, "bottom": outfit} for outfit in world.items["bottom"]]
    assert [-hit.score for hit in composition.hits] == sorted(-world.score("user-0", outfit) for outfit in every)[:5]
    assert all(hit.items.items() >= fixed.items() for hit in composition.hits)
    assert len({tuple(hit.items.values()) for hit in recommender.complete("user-0", fixed, 5, max_repeats=1).hits}) == 5
    varied = recommender.compose("user-0", 6, types=["top", "shoe"], max_per={"item": 1}).hits
    assert len({hit.items["top"] for hit in varied}) == len({hit.items["shoe"] for hit in varied}) == 6


@pytest.mark.parametrize(
    ("ask", "options", "error", "message"),
    [
        ("compose", {"k": 0}, QueryError, "k must be at least 1, got 0"),
        ("compose", {"k": 3, "types": ["tops"]}, QueryError, "no slot 'tops'"),
        ("compose", {"k": 3, "types": "top"}, QueryError, "a list of item types"),
        ("compose", {"k": 3, "types": ["shoe", "shoe"]}, QueryError, "types has 'shoe' 2 times"),
        ("compose", {"k": 3, "types": ["top"], "include": {"shoe": ["shoe-1"]}}, QueryError, "include narrows slot"),
        ("compose", {"k": 3, "include": {"top": "top-3"}}, UnknownIdError, "unknown top 'top-3'"),
        ("compose", {"k": 3, "include": {"shoe": "top-1"}}, UnknownIdError, "this item has type top"),
        ("compose", {"k": 3, "include": {"top": "top-1", "top_2": "top-1"}}, DataError, "given twice"),
        ("compose", {"k": 3, "exclude": {"hat": ["a"]}}, QueryError, "no item type 'hat'"),
        ("compose", {"k": 3, "exclude": {"top": "top-1"}}, QueryError, "a list of item ids"),
        ("compose", {"k": 3, "seconds": 0}, QueryError, "seconds must be a number above 0, got 0"),
        ("compose", {"k": 3, "where": {"prize": 3}}, QueryError, r"no column 'prize' \(nearest: 'price'"),
        ("complete", {"k": 3, "items_by_slot": {}}, QueryError, "no item is given"),
        ("complete", {"k": 3, "items_by_slot": {"hat": "x"}}, QueryError, "no slot 'hat'"),
        (
            "complete",
            {"k": 3, "items_by_slot": {"top": "top-1"}, "include": {"top": "top-2"}},
            QueryError,
            "is given an item and also named in include",
        ),
    ],
)
def test_bad_questions(
    changed: tuple[World, Recommender], ask: str, options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        getattr(changed[1], ask)("user-0", **options)


def test_similar_items(changed: tuple[World, Recommender]) -> None:
    world, recommender = changed
    for item_id in ("top-1", "top-new-0"):
        mine = np.packbits(world.items["top"][item_id][0] > 0)
        far = {
            other_id: int(hamming(mine, np.packbits(code > 0))) for other_id, (code, _) in world.items["top"].items()
        }
        hits = recommender.similar_items(item_id, 5)
        assert hits.scores.tolist() == [
            1 - other_id / 32 for other_id in sorted(far[other_id] for other_id in far if other_id != item_id)[:5]
        ]
        expected = sorted((distance, other) for other, distance in far.items() if other != item_id)[:5]
        assert hits.ids.tolist() == [other for _, other in expected]  # ties by id
        priced = recommender.similar_items(item_id, 9, item_type="top", where={"price": {"exists": True}}).ids.tolist()
        assert set(priced) == {"top-0", "top-new-0", "top-new-1", "top-new-3"} - {item_id}
    with pytest.raises(UnknownIdError, match="unknown top 'top-3'"):
        recommender.similar_items("top-3", item_type="top")
    with pytest.raises(UnknownIdError, match=r"unknown item .top-3..*nearest"):
        recommender.similar_items("top-3")
    with pytest.raises(QueryError, match="no item type 'hat'"):
        recommender.similar_items("top-1", item_type="hat")


def test_explanations_add_up(changed: tuple[World, Recommender]) -> None:
    world, recommender = changed
    for user, outfit in (("user-0", "new-3"), ("user-1", {"top": "top-new-0", "shoe": "shoe-1"}), (None, "new-4")):
        told = recommender.explain(user, outfit)
        items = world.outfits[outfit] if isinstance(outfit, str) else outfit
        assert told.score == world.score(user, items) == recommender.score(user, items).score
        assert bool(told.liked) == (user is not None)


def test_titles_and_pictures_of_added_items(changed: tuple[World, Recommender]) -> None:
    bundle = changed[1].bundle
    item = bundle.catalogue.item("top", bundle.items["top"].row("top-new-1"))
    assert (item.item_id, item.title, item.details["brand"]) == ("top-new-1", "New top-new-1", "b")
    assert bundle.catalogue.picture("top", bundle.items["top"].row("top-new-1")) is None


def test_a_user_without_outfits_gets_the_impersonal_answer(changed: tuple[World, Recommender]) -> None:
    world, recommender = changed
    mine, everyone = recommender.recommend("nobody", 5), recommender.recommend(None, 5)
    assert mine.ids.tolist() == everyone.ids.tolist()
    assert (mine.personal, everyone.personal) == (False, False)
    assert not any(hit.personal or hit.preference for hit in recommender.answer(None, 5))
    recommender.update_user("nobody", liked=["new-5"])
    hits = recommender.recommend("nobody", 5)
    assert hits.personal
    assert "new-5" not in recommender.recommend("nobody", 500).ids
    assert recommender.liked("nobody") == [world.outfits["new-5"]]
    assert key(world.outfits["new-5"]) not in world.liked["user-0"]


def test_codes_of_new_items_come_from_their_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = {item_type: (Layer(rng.normal(size=(16, 6)).astype(np.float32)),) for item_type in ("top", "shoe")}
    normaliser = Normaliser("none", np.zeros(6, dtype=np.float32), np.ones(6, dtype=np.float32))
    unknown = dict.fromkeys(layers, np.ones(6, dtype=np.float32))
    heads = {"image": ContentHeads(layers, normaliser, unknown, "features", "a test")}
    bundle = write_bundle(tmp_path / "bundle", random_contents(slots=("top", "shoe"), heads=heads))
    build_index(bundle, bundle.history)
    recommender, feature = Recommender.load(bundle.path), rng.normal(size=6)
    items = [
        {"item_id": "seen", "type": "top", "features": {"image": feature}},
        {"item_id": "unseen", "type": "top"},
        {"item_id": "seen-shoe", "type": "shoe", "features": {"image": feature}},
    ]
    recommender.add_items(items)
    encoder, now = ItemCoder.open(bundle.path), recommender.bundle
    for item in items:
        code = now.item_codes[item["type"]][now.items[item["type"]].row(item["item_id"])]
        expected = np.packbits(encoder.codes(item["type"], item.get("features")) > 0, axis=-1, bitorder="little")
        assert (code == expected).all()
    with pytest.raises(FeatureError, match=r"top 'bad': the image feature of item 0 has shape \(5,\)"):
        recommender.add_items([{"item_id": "bad", "type": "top", "features": {"image": feature[:5]}}])


def test_a_liked_outfit_is_not_answered_in_another_order_of_its_tops(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle", history=Outfits.of(SLOTS, [0], [[3, 7, 1, 1]]))
    build_index(bundle, Outfits.of(SLOTS, [0] * 3, [[5, 6, 2, 2], [7, 3, 1, 1], [8, 9, 1, 1]]))
    recommender = Recommender.load(bundle.path)
    tops = [
        {"top": f"top-{a}", "top_2": f"top-{b}", "bottom": "bottom-1", "shoe": "shoe-1"} for a, b in ((7, 3), (6, 4))
    ]
    alone = {"top_2": "top-5", "bottom": "bottom-2", "shoe": "shoe-2"}
    recommender.add_outfits({"liked": tops[0], "new": tops[1], "alone": alone})
    assert sorted(recommender.recommend("user-0", 9).ids) == ["alone", "new", "outfit-000001", "outfit-000003"]
    turned = [
        {**tops[1], "top": "top-4", "top_2": "top-6"},
        {"top": "top-6", "top_2": "top-5", "bottom": "bottom-2", "shoe": "shoe-2"},
        {"top": "top-5", "bottom": "bottom-2", "shoe": "shoe-2"},
    ]
    recommender.update_user("user-0", liked=turned)
    assert recommender.recommend("user-0", 9).ids.tolist() == ["outfit-000003"]
    with pytest.raises(QueryError, match="both liked and disliked"):
        recommender.update_user("user-0", liked=[tops[1]], disliked=[turned[0]])
    recommender.update_user("user-0", disliked=[tops[1]])
    assert turned[0] not in recommender.liked("user-0")


def test_added_values_get_the_type_of_their_column(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")  # price is a column of numbers
    assert bundle.catalogue.column_types == {"price": "number"}
    with sqlite3.connect(bundle.path / "catalogue.sqlite") as connection:
        connection.execute("DROP TABLE columns")  # as in a bundle of before columns had types
    for number in range(2):
        recommender, code = Recommender.load(bundle.path, verify=False), np.ones((2, 16))
        item = {"item_id": f"x{number}", "type": "top", "code": code}
        with pytest.raises(DataError, match=rf"item 'x{number}': column 'price' holds numbers such as 59.90, got "):
            recommender.add_items([{**item, "price": "cheap"}])
        recommender.add_items([{**item, "price": "59.90", "sizes": ("S", "M"), "sold": date(2026, 1, 31), "on": True}])
        assert (
            f"x{number}" in recommender.similar_items("top-0", 50, item_type="top", where={"price": 59.9}).ids.tolist()
        )
        row = recommender.bundle.items["top"].row(f"x{number}")
        details = recommender.bundle.catalogue.item("top", row).details
        assert details == {"price": 59.9, "sizes": ["S", "M"], "sold": "2026-01-31", "on": True}
        for name, value, held in (
            ("sizes", 3, r'lists of texts such as \["S", "M"\], got 3'),
            ("sold", "yesterday", "dates such as 2026-01-31 or 2026-01-31T18:00:00.01:00, got 'yesterday'"),
            ("on", 1, r"true and false, got 1 \(int\)"),
        ):
            with pytest.raises(DataError, match=f"item 'y': column '{name}' holds {held}"):
                recommender.add_items([{**item, "item_id": "y", name: value}])
        for bad in (
            {"new": float("nan")},
            {"new": {"a": 1}},
            {"new": "\udc80"},
            {3: "a"},
            {"\udc80": 1},
            {"title": "\udc80"},
        ):
            with pytest.raises(DataError, match="item 'y': "):
                recommender.add_items([{**item, "item_id": "y", **bad}])
        assert recommender.live.column_types() == {"price": "number", "sizes": "texts", "sold": "date", "on": "boolean"}
        recommender.compact()
        recommender.close()
