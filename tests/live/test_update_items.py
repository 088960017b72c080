"""Items updated in place answer as a bundle that was exported with these values; hidden items are in no answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.codes import fixed_point
from fashion_hash.errors import BundleError, DataError, FashionHashError, UnknownIdError
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import SLOTS, World, key, new_bundle
from tests.worlds.random_bundles import random_contents, random_pool


def priced(seed: int = 0) -> BundleContents:
    contents = random_contents(seed, slots=SLOTS, num_modalities=2, biased=True, num_items=20, num_users=4)
    details = {
        item_type: {
            item_id: {
                "title": f"{['red', 'blue'][number % 2]} {item_type}",
                "price": 10.0 + number,
                "brand": "ab"[number % 2],
            }
            for number, item_id in enumerate(ids)
        }
        for item_type, ids in contents.items.items()
    }
    return replace(contents, details=details)


def built(path: Path, contents: BundleContents) -> Bundle:
    bundle = write_bundle(path, contents)
    build_index(bundle, random_pool(bundle, 80))
    build_partners(bundle, length=6)
    return bundle


def changed_contents(contents: BundleContents, rng: np.random.Generator) -> tuple[BundleContents, list[dict[str, Any]]]:
    """Other prices for some items, other codes for some, a title, a brand less; and the same as updates."""
    codes = {item_type: array.copy() for item_type, array in contents.item_codes.items()}
    bias = {item_type: array.copy() for item_type, array in contents.item_bias.items()}
    details = {t: {i: dict(d) for i, d in of_type.items()} for t, of_type in contents.details.items()}
    updates: dict[tuple[str, str], dict[str, Any]] = {}
    for item_type, ids in contents.items.items():
        for number in rng.choice(len(ids), 6, replace=False).tolist():
            update = updates[item_type, ids[number]] = {"item_id": ids[number], "type": item_type}
            details[item_type][ids[number]]["price"] = update["price"] = float(rng.integers(1, 60))
            if rng.random() < 0.7:
                code = np.where(rng.random(codes[item_type][number].shape) < 0.5, -1, 1)
                codes[item_type][number] = update["code"] = code
                bias[item_type][number] = update["bias"] = float(rng.normal())
            if rng.random() < 0.5:
                details[item_type][ids[number]]["title"] = update["title"] = f"green {item_type}"
            if rng.random() < 0.5:
                del details[item_type][ids[number]]["brand"]
                update["brand"] = None
    return replace(contents, item_codes=codes, item_bias=bias, details=details), list(updates.values())


def answers(recommender: Recommender) -> list[Any]:
    """Everything that a change of codes and details could leave wrong."""
    out: list[Any] = [len(recommender)]
    for user in ("user-0", "user-3", None):
        for options in (
            {},
            {"where": {"price": {"<": 25}}},
            {"where": {"total": {"price": {"<=": 60}}}},
            {"max_per": {"brand": 3}},
        ):
            hits = recommender.recommend(user, 12, include_liked=user is None, **options)
            out.append([*zip(hits.ids.tolist(), hits.scores.tolist())])
            composed = recommender.compose(user, 6, **options)
            out.append([(hit.items, hit.score, hit.compatibility, hit.bias) for hit in composed.hits])
        out.append([(hit.items, hit.score) for hit in recommender.complete(user, {"top": "top-4"}, 4).hits])
        out.append(recommender.explain(user, {"top": "top-1", "shoe": "shoe-2"}).to_text())
        if user:
            out.append([key(outfit) for outfit in recommender.liked(user)])
    for item_type in ("top", "shoe"):
        similar = recommender.similar_items(f"{item_type}-3", 5)
        out.append([*zip(similar.ids.tolist(), similar.scores.tolist())])
    catalogue = recommender.bundle.catalogue
    out.append(
        [
            (catalogue.item(t, row).title, catalogue.item(t, row).details)
            for t in recommender.bundle.types
            for row in range(20)
        ]
    )
    return out


@pytest.mark.parametrize("seed", [0, 1])
def test_updated_items_answer_as_if_they_had_been_exported_so(seed: int, tmp_path: Path) -> None:
    contents = priced(seed)
    new, updates = changed_contents(contents, np.random.default_rng(seed))
    expected = answers(Recommender.load(built(tmp_path / "new", new).path))
    path = built(tmp_path / "old", contents).path
    writer, reader = Recommender.load(path), Recommender.load(path)
    before = answers(reader)  # columns, partners and totals are read before the change
    assert before != expected
    assert writer.update_items(updates) == len(updates)
    assert answers(reader) == answers(writer) == expected
    assert writer.update_items(updates) == writer.upsert_items(updates) == 0
    assert writer.compact()
    assert not writer.compact()
    assert answers(reader) == answers(Recommender.load(path)) == expected


def valid(outfit: dict[str, str]) -> bool:
    return outfit.get("top") != outfit.get("top_2", "")


def test_codes_that_change_again_and_again_equal_brute_force(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bundle = new_bundle(tmp_path / "bundle", num_users=3)
    world, writer, reader = World(bundle), Recommender.load(bundle.path), Recommender.load(bundle.path)
    hidden: dict[str, set[str]] = {item_type: set() for item_type in bundle.types}
    outfits = dict(world.outfits)
    for step in range(30):
        item_type = str(rng.choice(bundle.types))
        item_id = str(rng.choice(sorted(world.items[item_type])))
        what = rng.choice(
            ["code", "bias", "hide", "show", "outfit", "same outfit", "compact"],
            p=[0.3, 0.1, 0.2, 0.15, 0.1, 0.1, 0.05],
        )
        if what in ("code", "bias"):
            update: dict[str, Any] = {"item_id": item_id, "type": item_type, "bias": float(rng.normal())}
            code = world.items[item_type][item_id][0]
            if what == "code":
                update["code"] = code = np.where(rng.random(code.shape) < 0.5, -1, 1)
            world.items[item_type][item_id] = code, int(fixed_point(np.asarray(update["bias"])))
            assert writer.update_items([update]) == 1
        elif what == "hide":
            assert writer.hide_items({item_type: [item_id]}) == (item_id not in hidden[item_type])
            hidden[item_type].add(item_id)
        elif what == "show":
            assert writer.show_items({item_type: [item_id]}) == (item_id in hidden[item_type])
            hidden[item_type].discard(item_id)
        elif what == "outfit":
            name = str(rng.choice(["outfit-000003", f"new-{step % 4}"]))
            outfits[name] = world.new_outfit(rng)
            assert writer.upsert_outfits({name: outfits[name]}) in (0, 1)
        elif what == "same outfit":
            name = str(rng.choice(sorted(name for name in outfits if valid(outfits[name]))))
            assert writer.upsert_outfits(iter([(name, outfits[name])])) == 0
        else:
            writer.compact()
        kinds = dict(zip(bundle.slot_names, bundle.slots))
        world.outfits = {
            name: outfit
            for name, outfit in outfits.items()
            if not any(item in hidden[kinds[slot]] for slot, item in outfit.items())
        }
        world.check(reader, rng)


def test_hidden_items_are_in_no_answer_and_may_be_asked_about(tmp_path: Path) -> None:
    path = built(tmp_path / "bundle", priced()).path
    writer, reader = Recommender.load(path), Recommender.load(path)
    before = answers(reader)
    hidden = {"top": ["top-1", "top-4", "top-7"], "shoe": ["shoe-2"]}
    assert writer.hide_items(hidden) == 4
    assert writer.hide_items(hidden) == 0
    for compacted in (False, True):
        if compacted:
            writer.compact()
        for recommender in (reader, Recommender.load(path)):
            for user in ("user-0", None):
                for where in (None, {"price": {"<": 90}}):
                    found = [
                        recommender.outfit(name)
                        for name in recommender.recommend(user, 80, include_liked=True, where=where).ids
                    ]
                    found += [hit.items for hit in recommender.compose(user, 20, where=where).hits]
                    assert found
                    items = {item for outfit in found for item in outfit.values()}
                    assert not items & {item for ids in hidden.values() for item in ids}
            assert not set(recommender.similar_items("top-2", 50).ids.tolist()) & set(hidden["top"])
            completed = recommender.complete("user-0", {"top": "top-4"}, 5).hits
            assert completed
            assert all(hit.items["top"] == "top-4" for hit in completed)
            assert len(recommender.similar_items("top-4", 3).ids) == 3
            assert recommender.score("user-0", {"top": "top-4", "shoe": "shoe-2"})
            narrowed = recommender.compose("user-0", 3, include={"top": ["top-4", "top-5"]}).hits
            assert {hit.items["top"] for hit in narrowed} == {"top-5"}
    assert writer.show_items(hidden) == 4
    assert answers(reader) == before


def test_a_batch_of_known_and_new_items_is_one_step(tmp_path: Path) -> None:
    path = built(tmp_path / "bundle", priced()).path
    writer, reader = Recommender.load(path), Recommender.load(path)
    code = np.ones((2, 16))
    batch = [
        {"item_id": "top-1", "type": "top", "price": "3.50"},
        {"item_id": "top-new", "type": "top", "price": 4, "code": code},
        {"item_id": "shoe-1", "type": "shoe", "title": None, "picture": b"a picture"},
    ]
    assert writer.upsert_items(iter(batch)) == 3
    assert writer.upsert_items(batch) == 0
    catalogue, ids = reader.bundle.catalogue, reader.bundle.items
    assert catalogue.item("top", 1).details["price"] == 3.5
    assert catalogue.item("top", ids["top"].row("top-new")).details == {"price": 4}
    assert catalogue.item("shoe", 1).title is None
    assert catalogue.picture("shoe", 1) == b"a picture"
    assert writer.update_items([{**batch[2], "picture": None}, {**batch[1], "price": None}]) == 2
    assert reader.bundle.catalogue.picture("shoe", 1) is None
    assert reader.bundle.catalogue.item("top", ids["top"].row("top-new")).details == {}


BAD = [
    ("update_items", [{"item_id": "top-99", "type": "top"}], UnknownIdError, "unknown top 'top-99'"),
    (
        "update_items",
        [{"item_id": "top-2", "type": "top", "price": "cheap"}],
        DataError,
        "item 'top-2': column 'price'",
    ),
    ("update_items", [{"item_id": "top-1", "type": "top"}], DataError, "top 'top-1' was given twice"),
    ("update_items", [{"item_id": "top-2", "type": "top", "code": [1]}], FashionHashError, "item 'top-2': a code"),
    (
        "update_items",
        [{"item_id": "top-2", "type": "top", "features": {"image": [1]}}],
        BundleError,
        "holds no hash heads",
    ),
    (
        "upsert_items",
        [{"item_id": "x", "type": "top", "code": np.ones((2, 16))}] * 2,
        DataError,
        "top 'x' was given twice",
    ),
    ("upsert_items", [{"item_id": "", "type": "top", "code": np.ones((2, 16))}], DataError, "an id must be UTF-8"),
    ("upsert_items", [{"type": "top"}], DataError, "item 1 has no 'item_id'"),
]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, list[Any]]:
    """A catalogue that must stay as it is, and its answers."""
    recommender = Recommender.load(built(tmp_path_factory.mktemp("unchanged") / "bundle", priced()).path)
    return recommender, answers(recommender)


@pytest.mark.parametrize(("act", "items", "error", "message"), BAD)
def test_a_bad_item_keeps_the_whole_batch_out(
    act: str, items: list, error: type[Exception], message: str, unchanged: tuple[Recommender, list[Any]]
) -> None:
    recommender, before = unchanged
    good = {"item_id": "top-1", "type": "top", "price": 1.0, "code": np.ones((2, 16))}
    with pytest.raises(error, match=message):
        getattr(recommender, act)([good, *items])
    assert answers(recommender) == before


@pytest.mark.parametrize(
    ("outfits", "error", "message"),
    [
        ([("a", {"top": "top-1"}), ("a", {"top": "top-2"})], DataError, "outfit 'a' was given twice"),
        ([("a", {"top": "top-1", "top_2": "top-1"})], DataError, "outfit 'a' has top 'top-1' in two slots"),
        ([("a", {"top": "nope"})], UnknownIdError, "unknown top 'nope'"),
        ([("a", {"hat": "top-1"})], FashionHashError, "no slot 'hat'"),
        ([("a", {})], FashionHashError, "outfit 'a' has no items"),
        ([("a", ["top-1"])], FashionHashError, "outfit 'a' must be a mapping"),
    ],
)
def test_a_bad_outfit_keeps_the_whole_batch_out(
    outfits: list, error: type[Exception], message: str, unchanged: tuple[Recommender, list[Any]]
) -> None:
    recommender, before = unchanged
    with pytest.raises(error, match=message):
        recommender.upsert_outfits([("good", {"top": "top-1", "shoe": "shoe-3"}), *outfits])
    assert answers(recommender) == before
