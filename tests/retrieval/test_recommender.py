import copy
import pickle
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.errors import BundleError, QueryError, UnknownIdError
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.open import open_engine
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.composition.composer import CompositionOptions, CompositionQuery
from fashion_hash.retrieval.explanation.requests import RequestExplanationOptions, RequestExplanationQuery
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.items import ItemQuery, SearchOptions
from fashion_hash.retrieval.search.outfits import AnchorQuery, OutfitsForOptions
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "top", "bottom", "shoe")


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    bundle = random_bundle(tmp_path_factory.mktemp("bundles") / "bundle", slots=SLOTS, num_modalities=2, biased=True)
    build_index(bundle, random_pool(bundle, 120))
    return Recommender.load(bundle.path)


def test_hits_are_brute_force_over_the_pool(recommender: Recommender) -> None:
    bundle, pool = recommender.bundle, recommender.pool
    for user in range(len(bundle.users)):
        score = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], pool.items)).tolist()
        expected = sorted(zip([-value for value in score], pool.ids.all()))
        ids, scores = recommender.recommend(f"user-{user}", 15, include_liked=True)
        assert list(zip((-scores).tolist(), ids.tolist())) == expected[:15]


@pytest.mark.parametrize("engine", ["factored", "hamming", "scan"])
def test_every_engine_answers_alike(recommender: Recommender, engine: str) -> None:
    other = Recommender.load(recommender.bundle.path, engine=engine)
    for user in recommender.bundle.users.all():
        mine, theirs = recommender.recommend(user, 20), other.recommend(user, 20)
        assert mine.ids.tolist() == theirs.ids.tolist()
        assert mine.scores.tolist() == theirs.scores.tolist()


def test_a_batch_answers_like_one_by_one(recommender: Recommender) -> None:
    users = recommender.bundle.users.all()
    for k in (1, 10, 118, 500):
        ids, scores = recommender.recommend(users, k)
        assert ids.shape == scores.shape == (len(users), min(k, 120))
        for query, user in enumerate(users):
            one = recommender.recommend(user, k)
            assert one.ids.shape == one.scores.shape
            found = len(one.ids)
            assert ids[query, :found].tolist() == one.ids.tolist()
            assert scores[query, :found].tolist() == one.scores.tolist()
            assert (ids[query, found:] == "").all()
            assert np.isneginf(scores[query, found:]).all()


def test_no_users_no_rows(recommender: Recommender) -> None:
    ids, scores = recommender.recommend([], 3)
    assert ids.shape == scores.shape == (0, 3)


def test_liked_outfits_are_left_out_unless_asked_for(recommender: Recommender) -> None:
    liked_by_anyone = 0
    for row, user in enumerate(recommender.bundle.users.all()):
        liked = set(recommender.pool.ids.at(recommender.pool.liked(row)))
        liked_by_anyone += len(liked)
        everything = set(recommender.recommend(user, 1000, include_liked=True).ids.tolist())
        assert everything == set(recommender.pool.ids.all())
        assert set(recommender.recommend(user, 1000).ids.tolist()) == everything - liked
    assert liked_by_anyone >= 8


def test_who_likes_everything_gets_nothing(tmp_path: Path) -> None:
    pool = Outfits.of(("top", "bottom"), [0, 0, 1], [[0, 0], [1, EMPTY], [2, 2]])
    bundle = random_bundle(tmp_path / "bundle", slots=pool.slots, history=Outfits.of(pool.slots, [0] * 3, pool.items))
    build_index(bundle, pool)
    recommender = Recommender.load(bundle.path)
    assert recommender.recommend("user-0", 5).ids.shape == (0,)
    assert recommender.answer("user-0", 5) == []
    assert recommender.recommend(["user-0", "user-1"], 2).ids[0].tolist() == ["", ""]
    assert len(recommender.answer("user-0", 5, include_liked=True)) == 3


def test_a_number_is_an_id(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", users=("7", "8", "9", "10", "11"))
    build_index(bundle, random_pool(bundle, 20))
    recommender = Recommender.load(bundle.path)
    expected = recommender.recommend("7", 2).ids.tolist()
    for one in (7, np.int64(7)):
        assert recommender.recommend(one, 2).ids.tolist() == expected
        assert recommender.recommend([one, "8"], 2).ids.tolist()[0] == expected
        assert recommender.answer(one, 1)[0].outfit_id == expected[0]
    for one in (70, 7.5):
        with pytest.raises(UnknownIdError, match=f"unknown user '{one}'"):
            recommender.recommend(one)


def test_an_answer_names_items_and_its_terms_add_up(recommender: Recommender) -> None:
    hits = recommender.answer("user-2", 30)
    ids, scores = recommender.recommend("user-2", 30)
    assert [hit.outfit_id for hit in hits] == ids.tolist()
    assert [hit.score for hit in hits] == scores.tolist()
    assert any("top_2" not in hit.items for hit in hits)
    for hit in hits:
        assert hit.score == pytest.approx(hit.preference + hit.compatibility + hit.bias, abs=1e-12)
        assert hit.items == recommender.outfit(hit.outfit_id)
        assert recommender.score("user-2", hit.items) == (
            hit.score,
            hit.preference,
            hit.compatibility,
            hit.bias,
        )


def test_liked_tells_the_history(recommender: Recommender) -> None:
    history = recommender.bundle.history
    for row, user in enumerate(recommender.bundle.users.all()):
        assert len(recommender.liked(user)) == (history.users == row).sum()


@pytest.mark.parametrize("k", [0, -3, 2.5, "10", True, None])
def test_k_is_a_whole_number_from_one(recommender: Recommender, k: object) -> None:
    for ask in (recommender.recommend, recommender.answer):
        with pytest.raises(QueryError, match=f"k must be (at least 1|a whole number), got {k!r}"):
            ask("user-1", k)
    with pytest.raises(QueryError, match="k must be"):
        recommender.recommend(["user-1"], k)


def test_unknown_ids_name_their_neighbours(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match=r"unknown user 'user-9': add new users"):
        recommender.recommend("user-9")
    with pytest.raises(UnknownIdError, match="unknown user 'nobody'"):
        recommender.recommend(["user-1", "nobody"])
    with pytest.raises(UnknownIdError, match=r"unknown outfit 'outfit-1' \(nearest: 'outfit-0"):
        recommender.outfit("outfit-1")
    with pytest.raises(UnknownIdError, match=r"unknown top 'bottom-1': this item has type bottom"):
        recommender.score("user-1", {"top": "bottom-1"})
    with pytest.raises(QueryError, match=r"no slot 'tops' \(nearest: 'top'.*\): .* top, top_2, bottom, shoe"):
        recommender.score("user-1", {"tops": "top-1"})
    with pytest.raises(QueryError, match="an outfit has no items"):
        recommender.score("user-1", {})
    with pytest.raises(QueryError, match="no engine 'fast'"):
        open_engine("fast", recommender.bundle, recommender.pool)
    with pytest.raises(QueryError, match="engine 'vectors' searches bundles that score outfits by vectors"):
        open_engine("vectors", recommender.bundle, recommender.pool)


def test_what_cannot_be_trusted_is_not_loaded(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="has no pool index"):
        Recommender.load(bundle.path)
    build_index(bundle, random_pool(bundle, 9))
    file = bundle.path / "codes/users.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match=r"users\.npy does not match its checksum"):
        Recommender.load(bundle.path)
    with pytest.raises(BundleError, match="is not a fashion_hash bundle"):
        Recommender.load(tmp_path)


def test_a_new_bundle_does_not_keep_the_old_index(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 9))
    again = random_bundle(tmp_path / "bundle", seed=1)
    assert isinstance(again, Bundle)
    with pytest.raises(BundleError, match="has no pool index"):
        Pool.open(again)


@pytest.mark.parametrize(
    "user_ids",
    [b"7", bytearray(b"7"), memoryview(b"7"), [b"7"], {"user-1": 1}, True, [["user-1"]], np.array(7), object()],
)
def test_what_is_no_user_id_is_refused(recommender: Recommender, user_ids: object) -> None:
    with pytest.raises(QueryError, match=r"must be (a string|strings), (a number|numbers) or None"):
        recommender.recommend(user_ids)
    if not isinstance(user_ids, list | dict):
        with pytest.raises(QueryError, match="must be a string, a number or None"):
            recommender.answer(user_ids)


def test_several_users_come_from_any_iterable(recommender: Recommender) -> None:
    expected = recommender.recommend(["user-1", None], 2).ids.tolist()
    for user_ids in (("user-1", None), iter(["user-1", None]), dict.fromkeys(["user-1", None]).keys()):
        assert recommender.recommend(user_ids, 2).ids.tolist() == expected
    assert recommender.recommend(np.array(["user-1", "user-2"]), 2).ids.shape == (2, 2)


def test_an_unknown_option_is_named(recommender: Recommender) -> None:
    calls = {
        "compose": lambda **options: recommender.compose("user-1", **options),
        "complete": lambda **options: recommender.complete("user-1", {"top": "top-1"}, **options),
        "outfits_for": lambda **options: recommender.outfits_for("red", **options),
        "explain_request": lambda **options: recommender.explain_request("red", None, "top-1", **options),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=rf"Recommender.{name}\(\) got an unexpected keyword argument 'tpyes'"):
            call(tpyes=["top"])
    with pytest.raises(TypeError, match="'max_repeats'"):
        recommender.outfits_for("red", max_repeats=1)
    with pytest.raises(TypeError, match=r"'diversty' \(nearest: 'diversity'\)"):
        recommender.compose("user-1", diversty=1)


def test_the_docstrings_name_every_option_and_its_default() -> None:
    queries = {
        Recommender.compose: (CompositionOptions, [CompositionQuery]),
        Recommender.outfits_for: (OutfitsForOptions, [AnchorQuery]),
        Recommender.search: (SearchOptions, [ItemQuery]),
        Recommender.explain_request: (RequestExplanationOptions, [RequestExplanationQuery]),
    }
    for method, (options, defaults_of) in queries.items():
        for name in options.__optional_keys__:
            assert re.search(rf"\b{name}\b", method.__doc__), f"{method.__name__} does not document {name}"
        for field in (field for query in defaults_of for field in fields(query)):
            if isinstance(field.default, float | int):
                assert f"{field.name} (default {field.default})" in method.__doc__


def test_it_pickles_as_path_and_options(recommender: Recommender) -> None:
    path = recommender.bundle.path
    loaded = Recommender.load(path, verify=False, engine="scan")
    for opened in (pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded), pickle.loads(pickle.dumps(recommender))):
        assert opened.recommend("user-1", 5).ids.tolist() == recommender.recommend("user-1", 5).ids.tolist()
        assert opened.bundle.path == path
    assert type(pickle.loads(pickle.dumps(loaded)).live.now().base.engine) is type(loaded.live.now().base.engine)
    assert len(pickle.dumps(loaded)) < 1000


def test_no_outfit_at_all_comes_with_a_shortfall(recommender: Recommender) -> None:
    tops = recommender.bundle.items["top"].all()
    found = recommender.compose("user-1", 3, exclude={"top": tops[1:]})
    assert (found.hits, found.proven, found.gap) == ([], True, 0.0)
    assert found.shortfall is not None
    assert found.shortfall.reason.startswith("0 of 3 outfits found")
    assert len(recommender.compose("user-1", 9, exclude={"top": tops[3:]}, max_repeats=1).hits) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_per": np.array([1, 2])}, r"^max_per must be a mapping such as \{\"brand\": 1\}, got array"),
        ({"max_per": ["item"]}, r"^max_per must be a mapping such as .*, got \['item'\]$"),
        ({"max_per": []}, r"^max_per must be a mapping such as .*, got \[\]$"),
        ({"max_per": 1}, r"^max_per must be a mapping such as .*, got 1$"),
        ({"include": np.array(["top-1", "top-2"])}, r"^include must be a mapping such as \{\"top\": \"item-1\"\}, got"),
        ({"include": {"top-1"}}, r"^include must be a mapping such as .*, got \{'top-1'\}$"),
        ({"include": 0}, r"^include must be a mapping such as .*, got 0$"),
        ({"include": {"top": 3}}, r"^include\['top'\] must be a list of item ids, or one item id, got 3$"),
        ({"include": {"top": {"top-1": 1}}}, r"^include\['top'\] must be a list of item ids, or one item id, got"),
        ({"exclude": np.zeros(2)}, r"^exclude must be a mapping such as \{\"top\": \[\"item-1\"\]\}, got array"),
        ({"exclude": {"top-1"}}, r"^exclude must be a mapping such as .*, got \{'top-1'\}$"),
        ({"exclude": 3}, r"^exclude must be a mapping such as .*, got 3$"),
        ({"exclude": {"top": "top-1"}}, r"^exclude\['top'\] must be a list of item ids, got 'top-1'$"),
        ({"exclude": {"top": 3}}, r"^exclude\['top'\] must be a list of item ids, got 3$"),
        ({"exclude": {"top": np.zeros((2, 2))}}, r"^exclude\['top'\] must be a list of item ids, got array"),
        ({"types": 3}, r"^types must be a list of item types or slot names, got 3$"),
        ({"types": "top"}, r"^types must be a list of item types or slot names, got 'top'$"),
        ({"types": {"top": 1}}, r"^types must be a list of item types or slot names, got \{'top': 1\}$"),
        ({"types": np.zeros((2, 2))}, r"^types must be a list of item types or slot names, got array"),
        ({"types": np.array("top")}, r"^types must be a list of item types or slot names, got array"),
        ({"types": [np.zeros(2)]}, r"^types must be a list of item types or slot names, got array.* in it$"),
        ({"types": [3]}, r"^types must be a list of item types or slot names, got 3 in it$"),
    ],
)
def test_a_composition_names_the_argument(recommender: Recommender, options: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        recommender.compose("user-1", 3, **options)
    with pytest.raises(QueryError, match=message):
        recommender.complete("user-1", {"shoe": "shoe-1"}, 3, **options)


@pytest.mark.parametrize("items_by_slot", [np.array(["top-1", "top-2"]), ["top-1"], {"top-1"}, 3])
def test_items_to_complete_are_a_mapping(recommender: Recommender, items_by_slot: Any) -> None:
    with pytest.raises(QueryError, match="mapping of slot names to item ids"):
        recommender.complete("user-1", items_by_slot)


def test_collections_of_names_are_taken(recommender: Recommender) -> None:
    tops = recommender.bundle.items["top"].all()
    lists = recommender.compose(
        "user-1", 3, types=["top", "shoe"], include={"top": tops[:3]}, exclude={"shoe": ["shoe-1"]}
    )
    arrays = recommender.compose(
        "user-1",
        3,
        types=np.array(["top", "shoe"]),
        include={"top": np.array(tops[:3])},
        exclude={"shoe": {"shoe-1"}},
    )
    assert arrays == lists


def test_a_plain_answer_opens_nothing_else(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Recommender.load(recommender.bundle.path)
    expected = fresh.recommend("user-1", 5, where={}, max_per={})

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a plain answer needs no columns, caps, partner lists or request tower")

    for name in ("columns.LiveColumns.filter", "columns.LiveColumns.of", "columns.LiveColumns.allowed"):
        monkeypatch.setattr(f"fashion_hash.retrieval.filters.live_{name}", fail)
    monkeypatch.setattr("fashion_hash.retrieval.pool.diversity.check_diversity", fail)
    monkeypatch.setattr("fashion_hash.retrieval.pool.variety.Variety.check", fail)
    monkeypatch.setattr("fashion_hash.live.partners.LivePartners.of", fail)
    monkeypatch.setattr("fashion_hash.inference.request_tower.RequestTower.open", fail)
    hits = fresh.recommend("user-1", 5)
    assert (hits.ids.tolist(), hits.scores.tolist()) == (expected.ids.tolist(), expected.scores.tolist())
    assert fresh.recommend(["user-1", None], 5).ids[0].tolist() == expected.ids.tolist()
    assert [hit.outfit_id for hit in fresh.answer("user-1", 5)] == expected.ids.tolist()
