"""Outfits around the best items for a request: against every outfit scored, and explained to the last bit."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from words_world import titles, words_bundle

from fashion_hash.bundle import Bundle
from fashion_hash.data.outfits import EMPTY
from fashion_hash.errors import QueryError, UnknownIdError
from fashion_hash.retrieval.outfits_for import OutfitsFor, bonus_of, total_scores
from fashion_hash.retrieval.recommender import Recommender

TWO_TOPS = ("top", "top", "bottom")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return words_bundle(tmp_path_factory.mktemp("words") / "bundle")


@pytest.fixture(scope="module")
def recommender(bundle: Bundle) -> Recommender:
    return Recommender.load(bundle.path)


def every_total(
    recommender: Recommender,
    text: str,
    user: str | None,
    weight: float,
    anchors: int,
    rows: dict[str, list[int]],
    given: dict[str, int] | None = None,
) -> list[tuple[float, tuple[int, ...]]]:
    """(-total, rows) of every outfit that holds one of the best items, best first; two tops in order of rows."""
    bundle, given = recommender.bundle, given or {}
    hits = recommender.search(text, user, 10**4)
    share = {(kind, one): score for kind, one, score in zip(hits.types, hits.ids, hits.scores)}
    names = [name for name in bundle.slot_names if name in rows]
    kinds = dict(zip(bundle.slot_names, bundle.slots))
    may = {(kinds[name], bundle.items[kinds[name]].id(row)) for name in names for row in rows[name]}
    best = [one for one in zip(hits.types, hits.ids) if one in may][:anchors]
    outfits, requests = [], []
    for choice in product(*([given[name]] if name in given else rows.get(name, [EMPTY]) for name in bundle.slot_names)):
        worn = [(kind, row) for kind, row in zip(bundle.slots, choice) if row != EMPTY]
        tops = [row for name, row in zip(bundle.slot_names, choice) if kinds[name] == "top" and name in rows]
        if len(set(worn)) < len(worn) or tops != sorted(tops):
            continue
        held = [
            (kinds[name], bundle.items[kinds[name]].id(row))
            for name, row in zip(bundle.slot_names, choice)
            if name in rows
        ]
        if any(one in best for one in held):
            outfits.append(choice)
            requests.append(max(share[one] for one in held))
    code = recommender._person(user)[1]
    scores = total_scores(
        code.bundle_of(recommender.living.now()), code.code, np.array(outfits), bonus_of(np.array(requests), weight)
    )
    return sorted(zip((-scores).tolist(), outfits))


def found(recommender: Recommender, answer: OutfitsFor) -> list[tuple[float, tuple[int, ...]]]:
    bundle = recommender.bundle
    kinds = dict(zip(bundle.slot_names, bundle.slots))
    return [
        (
            -hit.total,
            tuple(
                bundle.items[kinds[name]].row(hit.items[name]) if name in hit.items else EMPTY
                for name in bundle.slot_names
            ),
        )
        for hit in answer.hits
    ]


SOME = list(range(0, 50, 4))


@pytest.mark.parametrize("user", ["user-0", None])
@pytest.mark.parametrize(("weight", "anchors"), [(20.0, 50), (3, 1), (0, 9), (500, 9)])
@pytest.mark.parametrize("slots", [("top", "bottom", "shoe"), TWO_TOPS, ("item",)])
def test_equals_brute_force(
    tmp_path_factory: pytest.TempPathFactory, slots: tuple[str, ...], user: str | None, weight: float, anchors: int
) -> None:
    path = tmp_path_factory.mktemp("w") / "bundle"
    recommender = Recommender.load(words_bundle(path, slots=slots, num_bits=32).path)
    rows = {name: SOME for name in recommender.bundle.slot_names}
    include = {name: [f"{kind}-{row:03d}" for row in SOME] for name, kind in zip(rows, slots)}
    for text, k in (("a red linen shirt", 1), ("silk trousers", 12)):
        answer = recommender.outfits_for(text, user, k, weight=weight, anchors=anchors, include=include)
        expected = every_total(recommender, text, user, weight, max(anchors, k), rows)[:k]
        assert answer.proven
        assert answer.gap == 0
        assert found(recommender, answer) == expected


def test_what_is_given_does_not_answer_the_request(recommender: Recommender) -> None:
    given = {"top": "top-000"}  # a red linen shirt
    rows = {"bottom": SOME, "shoe": SOME}
    include = {name: [f"{name}-{row:03d}" for row in SOME] for name in rows}
    answer = recommender.outfits_for("red linen trousers", "user-1", 6, include={**given, **include}, anchors=6)
    expected = every_total(recommender, "red linen trousers", "user-1", 20.0, 6, rows, {"top": 0})[:6]
    assert found(recommender, answer) == expected
    assert all(hit.items["top"] == "top-000" for hit in answer.hits)
    assert all(hit.anchor in ("bottom", "shoe") for hit in answer.hits)


def test_a_hit_says_what_it_is_made_of(recommender: Recommender) -> None:
    answer = recommender.outfits_for("a red linen shirt", "user-2", 5)
    assert (answer.by, answer.note, answer.weight, answer.personal) == ("taste and words", "", 20.0, True)
    for hit in answer.hits:
        score = recommender.score("user-2", hit.items)
        assert (hit.score, hit.preference, hit.compatibility) == score[:3]
        assert hit.total == pytest.approx(hit.score + 20 * hit.request, abs=1e-4)
        ids, shares = recommender.search("a red linen shirt", "user-2", 1000)
        assert hit.request == shares[ids.tolist().index(hit.items[hit.anchor])]
    best = recommender.outfits_for("a red linen shirt", weight=10_000).hits[0]
    assert best.anchor == "top"
    assert titles("top")[int(best.items["top"][-3:])] == "red linen shirt"
    # without weight the order is that of compose, among outfits that hold an anchor: here all items are
    freely = recommender.outfits_for("red", "user-2", 8, weight=0, anchors=1000)
    assert [hit.items for hit in freely.hits] == [hit.items for hit in recommender.compose("user-2", 8).hits]


def test_filters_caps_variety_and_types(recommender: Recommender) -> None:
    cheap = recommender.outfits_for("silk boots", "user-0", 300, where={"price": {"<": 3}})
    assert len(cheap.hits) == 27
    assert cheap.shortfall is not None
    assert cheap.shortfall.items["top"] == (3, 50)
    total = recommender.outfits_for("silk boots", "user-0", 7, where={"total": {"price": {"<": 20}}})
    assert all(sum(int(one[-3:]) for one in hit.items.values()) < 20 for hit in total.hits)
    assert len(total.hits) == 7
    varied = recommender.outfits_for("silk boots", "user-0", 6, max_per={"item": 1}, diversity=0.4)
    worn = [one for hit in varied.hits for one in hit.items.values()]
    assert len(set(worn)) == len(worn) == 18
    pair = recommender.outfits_for("silk boots", k=3, types=["top", "bottom"])
    assert all(set(hit.items) == {"top", "bottom"} for hit in pair.hits)
    without = recommender.outfits_for("red linen shirt", k=20, exclude={"top": ["top-000"]})
    assert all(hit.items["top"] != "top-000" for hit in without.hits)


def test_by_taste_alone_and_for_nobody(recommender: Recommender) -> None:
    alone = recommender.outfits_for("", "user-0", 3)
    assert (alone.by, alone.personal) == ("taste alone", True)
    nobody = recommender.outfits_for("blue boots", None, 3)
    assert not nobody.personal
    assert all(hit.preference == 0 for hit in nobody.hits)
    assert "known: " in recommender.outfits_for("blue xyzzy", k=1).note


def test_time_that_is_up_is_said(recommender: Recommender) -> None:
    late = recommender.outfits_for("a red linen shirt", "user-0", 5, seconds=1e-9)
    in_time = recommender.outfits_for("a red linen shirt", "user-0", 5)
    assert not late.proven
    assert late.gap >= in_time.hits[0].total - (late.hits[0].total if late.hits else -np.inf)


def test_added_items_are_anchors_too(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle").path)
    code = np.ones((1, 16), dtype=np.int8)
    recommender.add_items([{"item_id": "new", "type": "top", "code": code, "title": "striped jumper red linen shirt"}])
    answer = recommender.outfits_for("red linen shirt", "user-0", 200, weight=200)
    assert any(hit.items["top"] == "new" for hit in answer.hits)
    recommender.remove_items({"top": ["new", "top-000"]})
    answer = recommender.outfits_for("red linen shirt", "user-0", 200, weight=200)
    assert not any(hit.items["top"] in ("new", "top-000") for hit in answer.hits)


@pytest.mark.parametrize("text", ["a red linen shirt xyzzy", ""])
@pytest.mark.parametrize("user", ["user-0", "user-3", None])
def test_parts_add_up_to_the_total(recommender: Recommender, text: str, user: str | None) -> None:
    if not text and user is None:
        return
    for hit in recommender.outfits_for(text, user, 4, weight=7.3).hits:
        why = recommender.explain_request(text, user, hit.items, weight=7.3)
        assert why.total == hit.total
        assert why.outfit is not None
        assert why.exact == why.words + why.taste + why.outfit.exact
        assert why.outfit.score == hit.score
        assert (why.slot, why.item_id, why.request) == (hit.anchor, hit.items[hit.anchor], hit.request)
        assert (why.words == 0) == (not text)
        assert (why.taste == 0) == (user is None) or why.agreeing == why.agreeing_words
        assert why.to_dict()["total"] == why.total
    ids, scores = recommender.search(text, user, 3)
    for one, score in zip(ids, scores):
        why = recommender.explain_request(text, user, str(one))
        assert (why.total, why.weight, why.outfit) == (score, None, None)
        assert why.words + why.taste == Fraction(why.agreeing, why.num_bits)


def test_an_explanation_in_words(recommender: Recommender) -> None:
    why = recommender.explain_request("red linen shirt xyzzy", "user-1", "top-000")
    text = str(why)
    assert "top top-000 (red linen shirt)" in text
    assert "words known: red, linen, shirt" in text
    assert "not known: xyzzy" in text
    assert all(one.change < 0 for one in why.without), why.without
    assert [one.word for one in why.without] == ["red", "linen", "shirt"]
    # what user-1 likes: blue linen
    assert why.liked[0].title == "blue linen shirt"
    assert "like the liked top top-010 (blue linen shirt)" in text
    outfit = recommender.explain_request("red", "user-1", {"top": "top-000", "shoe": "shoe-003"}, anchor="shoe")
    assert outfit.slot == "shoe"
    assert "preference" in str(outfit)


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"weight": float("nan")}, QueryError, "weight = nan: a number from 0"),
        ({"weight": -1}, QueryError, "weight = -1: a number from 0"),
        ({"weight": "much"}, QueryError, "weight = 'much'"),
        ({"weight": True}, QueryError, "weight = True"),
        ({"anchors": 0}, QueryError, "anchors = 0: a whole number from 1 on"),
        ({"k": 0}, QueryError, "k = 0"),
        ({"types": ["hat"]}, QueryError, "no slot 'hat'"),
        ({"text": "xyzzy"}, QueryError, "no word of the request is known"),
        ({"user": "user-99"}, UnknownIdError, "unknown user 'user-99'"),
        ({"include": {"top": "top-999"}}, UnknownIdError, "unknown top 'top-999'"),
        ({"include": {"top": "a", "bottom": "b", "shoe": "c"}}, UnknownIdError, "unknown top 'a'"),
        (
            {"include": {"top": "top-000", "bottom": "bottom-000", "shoe": "shoe-000"}},
            QueryError,
            "nothing is left to choose",
        ),
        ({"seconds": 0}, QueryError, "seconds = 0"),
        ({"diversity": 2}, QueryError, "diversity = 2"),
    ],
)
def test_bad_questions(recommender: Recommender, question: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        recommender.outfits_for(**{"text": "red", **question})


def test_bad_questions_to_an_explanation(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="unknown item 'top-0000'"):
        recommender.explain_request("red", None, "top-0000")
    with pytest.raises(QueryError, match="anchor = 'shoe': this outfit has items in the slots top"):
        recommender.explain_request("red", None, {"top": "top-000"}, anchor="shoe")
    with pytest.raises(QueryError, match="weight = inf"):
        recommender.explain_request("red", None, {"top": "top-000"}, weight=float("inf"))
    outfit = recommender.recommend("user-0", 1).ids[0]
    assert recommender.explain_request("red", None, str(outfit)).outfit is not None


def test_no_anchor_may_be_used(recommender: Recommender) -> None:
    nothing = recommender.outfits_for("red", "user-0", 3, where={"top": {"price": {">": 1000}}})
    assert nothing.hits == []
    assert nothing.proven
    assert nothing.shortfall is not None
