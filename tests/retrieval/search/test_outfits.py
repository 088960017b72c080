"""Outfits around the best items for a request: against every outfit scored, and explained to the last bit."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import fixed_point
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, UnknownIdError
from fashion_hash.retrieval.answers import OutfitsFor
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.anchors import total_scores
from tests.worlds.words_world import titles, words_bundle

TWO_TOPS = ("top", "top", "bottom")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return words_bundle(tmp_path_factory.mktemp("words") / "bundle")


Worlds = Callable[[tuple[str, ...]], Recommender]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """Catalogues of few bits, so of many ties, by their slots."""
    known: dict[tuple[str, ...], Recommender] = {}

    def make(slots: tuple[str, ...]) -> Recommender:
        if slots not in known:
            path = tmp_path_factory.mktemp("world") / "bundle"
            known[slots] = Recommender.load(words_bundle(path, slots=slots, num_bits=32).path)
        return known[slots]

    return make


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
    per_anchor: int | None = None,
    max_repeats: int | None = None,
) -> list[tuple[float, tuple[int, ...]]]:
    """(-total, rows) of every outfit that holds one of the best items, best first; two tops in order of rows."""
    bundle, given = recommender.bundle, given or {}
    hits = recommender.search(text, user, 10**4)
    names = [name for name in bundle.slot_names if name in rows]
    kinds = dict(zip(bundle.slot_names, bundle.slots))
    may = {(kinds[name], bundle.items[kinds[name]].id(row)) for name in names for row in rows[name]}
    best = [one for one in zip(hits.types, hits.ids, hits.scores) if one[:2] in may][:anchors]
    order = {(kind, bundle.items[kind].row(one)): place for place, (kind, one, _) in enumerate(best)}
    outfits, owners = [], []
    for choice in product(*([given[name]] if name in given else rows.get(name, [EMPTY]) for name in bundle.slot_names)):
        worn = [(kind, row) for kind, row in zip(bundle.slots, choice) if row != EMPTY]
        tops = [row for name, row in zip(bundle.slot_names, choice) if kinds[name] == "top" and name in rows]
        held = [(kinds[name], row) for name, row in zip(bundle.slot_names, choice) if name in rows]
        if len(set(worn)) == len(worn) and tops == sorted(tops) and any(one in order for one in held):
            outfits.append(choice)
            owners.append(min(order[one] for one in held if one in order))
    bonus = fixed_point(weight * np.array([best[place][2] for place in owners])).astype(np.int64)
    moment = recommender._moment(user)
    totals = -total_scores(moment.bundle, moment.user.user_key, np.array(outfits), bonus)
    taken, of_anchor, of_item = [], Counter[int](), Counter[tuple[str, int]]()
    for total, outfit, owner in sorted(zip(totals.tolist(), outfits, owners)):
        held = [(kinds[name], row) for name, row in zip(bundle.slot_names, outfit) if name in rows]
        full = max_repeats is not None and any(of_item[one] >= max_repeats for one in held)
        if not full and (per_anchor is None or of_anchor[owner] < per_anchor):
            taken.append((total, outfit))
            of_anchor[owner] += 1
            of_item.update(held)
    return taken


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
@pytest.mark.parametrize(
    ("weight", "anchors", "per_anchor"), [(20.0, 50, None), (20.0, 50, 2), (3, 1, 1), (0, 9, None), (500, 9, 3)]
)
@pytest.mark.parametrize("slots", [("top", "bottom", "shoe"), TWO_TOPS, ("item",)])
def test_equals_brute_force(
    worlds: Worlds,
    slots: tuple[str, ...],
    user: str | None,
    weight: float,
    anchors: int,
    per_anchor: int | None,
) -> None:
    recommender = worlds(slots)
    rows = {name: SOME for name in recommender.bundle.slot_names}
    include = {name: [f"{kind}-{row:03d}" for row in SOME] for name, kind in zip(rows, slots)}
    for text, k in (("a red linen shirt", 1), ("silk trousers", 12)):
        options: dict[str, Any] = {"weight": weight, "anchors": anchors, "per_anchor": per_anchor}
        answer = recommender.outfits_for(text, user, k, include=include, **options)
        expected = every_total(recommender, text, user, weight, max(anchors, k), rows, per_anchor=per_anchor)[:k]
        assert answer.proven
        assert answer.gap == 0
        assert found(recommender, answer) == expected


@pytest.mark.parametrize("slots", [("top", "bottom", "shoe"), TWO_TOPS])
@pytest.mark.parametrize(("most", "per_anchor"), [(1, None), (2, 2), (3, 1)])
def test_caps_of_items_are_the_walk_down_the_ranking(
    worlds: Worlds, slots: tuple[str, ...], most: int, per_anchor: int | None
) -> None:
    recommender = worlds(slots)
    rows = {name: SOME for name in recommender.bundle.slot_names}
    include = {name: [f"{kind}-{row:03d}" for row in SOME] for name, kind in zip(rows, slots)}
    options: dict[str, Any] = {"weight": 9, "max_per": {"item": most}, "per_anchor": per_anchor, "include": include}
    answer = recommender.outfits_for("red linen", "user-1", 8, **options)
    expected = every_total(recommender, "red linen", "user-1", 9, 50, rows, per_anchor=per_anchor, max_repeats=most)[:8]
    assert found(recommender, answer) == expected


def test_what_is_given_does_not_answer_the_request(recommender: Recommender) -> None:
    given = {"top": "top-000"}  # a red linen shirt
    rows = {"bottom": SOME, "shoe": SOME}
    include = {name: [f"{name}-{row:03d}" for row in SOME] for name in rows}
    answer = recommender.outfits_for("red linen trousers", "user-1", 6, include={**given, **include}, per_anchor=None)
    expected = every_total(recommender, "red linen trousers", "user-1", 100.0, 50, rows, {"top": 0})[:6]
    assert found(recommender, answer) == expected
    assert all(hit.items["top"] == "top-000" for hit in answer.hits)
    assert all(hit.anchor in ("bottom", "shoe") for hit in answer.hits)


@pytest.mark.parametrize("row", range(0, 50, 5))
@pytest.mark.parametrize("user", ["user-0", "user-1", "user-2"])
def test_bounds_count_what_is_given(worlds: Worlds, user: str, row: int) -> None:
    """Given items add to every outfit or take from it; either way no anchor is passed over."""
    recommender, rows = worlds(("top", "bottom", "shoe")), {"bottom": SOME, "shoe": SOME}
    include = {"top": f"top-{row:03d}", **{name: [f"{name}-{other:03d}" for other in SOME] for name in rows}}
    for k, weight in ((3, 0.5), (6, 2.0)):
        answer = recommender.outfits_for("red linen", user, k, include=include, weight=weight, per_anchor=1)
        expected = every_total(recommender, "red linen", user, weight, 50, rows, {"top": row}, per_anchor=1)[:k]
        assert answer.proven
        assert found(recommender, answer) == expected


def test_a_hit_says_what_it_is_made_of(recommender: Recommender) -> None:
    answer = recommender.outfits_for("a red linen shirt", "user-2", 5)
    assert (answer.by, answer.note, answer.weight, answer.personal) == ("taste and words", "", 100.0, True)
    for hit in answer.hits:
        score = recommender.score("user-2", hit.items)
        assert (hit.score, hit.preference, hit.compatibility) == score[:3]
        assert hit.total == pytest.approx(hit.score + 100 * hit.request, abs=1e-4)
        ids, shares = recommender.search("a red linen shirt", "user-2", 1000)
        assert hit.request == shares[ids.tolist().index(hit.items[hit.anchor])]
    best = recommender.outfits_for("a red linen shirt", weight=10_000).hits[0]
    assert best.anchor == "top"
    assert titles("top")[int(best.items["top"][-3:])] == "red linen shirt"
    # without weight the order is that of compose, among outfits that hold an anchor: here all items are
    freely = recommender.outfits_for("red", "user-2", 8, weight=0, anchors=1000, per_anchor=None)
    assert [hit.items for hit in freely.hits] == [hit.items for hit in recommender.compose("user-2", 8).hits]


def test_filters_caps_variety_and_types(recommender: Recommender) -> None:
    cheap = recommender.outfits_for("silk boots", "user-0", 300, where={"price": {"<": 3}}, per_anchor=None)
    assert len(cheap.hits) == 27
    assert cheap.shortfall is not None
    assert cheap.shortfall.items["top"] == (3, 50)
    total = recommender.outfits_for("silk boots", "user-0", 7, where={"total": {"price": {"<": 20}}})
    assert all(sum(int(one[-3:]) for one in hit.items.values()) < 20 for hit in total.hits)
    assert len(total.hits) == 7
    capped = recommender.outfits_for("silk boots", "user-0", 6, max_per={"item": 1})
    worn = [one for hit in capped.hits for one in hit.items.values()]
    assert len(set(worn)) == len(worn) == 18
    varied = recommender.outfits_for("silk boots", "user-0", 6, diversity=0.7)
    plain = recommender.outfits_for("silk boots", "user-0", 6)
    assert len(varied.hits) == len(plain.hits) == 6
    assert varied.hits[0] == plain.hits[0]
    count = [len({one for hit in some.hits for one in hit.items.values()}) for some in (varied, plain)]
    assert count[0] > count[1]
    assert max(Counter(hit.items[hit.anchor] for hit in plain.hits).values()) == 2
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
    answer = recommender.outfits_for("red linen shirt", "user-0", 200, weight=200, per_anchor=None)
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
    text = why.to_text()
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
    assert "preference" in outfit.to_text()
    text = replace(why, title="red\n\x1b[2Jshirt", note="a\rb").to_text()
    assert "top top-000 (red\\n\\x1b[2Jshirt): " in text
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"weight": float("nan")}, QueryError, "weight must be a number from 0 .*got nan"),
        ({"weight": -1}, QueryError, "weight must be a number from 0 .*got -1"),
        ({"weight": "much"}, QueryError, "weight must be .*got 'much'"),
        ({"weight": True}, QueryError, "weight must be .*got True"),
        ({"per_anchor": 0}, QueryError, "per_anchor must be at least 1, got 0"),
        ({"max_per": {"item": 0}}, QueryError, "max_per\\['item'\\] must be at least 1, got 0"),
        ({"max_per": {"colour": 1}}, QueryError, "no column 'colour'"),
        ({"anchors": 0}, QueryError, "anchors must be at least 1, got 0"),
        ({"k": 0}, QueryError, "k must be at least 1, got 0"),
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
        ({"seconds": 0}, QueryError, "seconds must be a number above 0, got 0"),
        ({"diversity": 2}, QueryError, "diversity must be .*got 2"),
    ],
)
def test_bad_questions(recommender: Recommender, question: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        recommender.outfits_for(**{"text": "red", **question})


def test_bad_questions_to_an_explanation(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="unknown item 'top-0000'"):
        recommender.explain_request("red", None, "top-0000")
    with pytest.raises(QueryError, match=r"anchor must be a filled slot of this outfit, one of top.*got 'shoe'"):
        recommender.explain_request("red", None, {"top": "top-000"}, anchor="shoe")
    with pytest.raises(QueryError, match=r"weight must be .*got inf"):
        recommender.explain_request("red", None, {"top": "top-000"}, weight=float("inf"))
    outfit = recommender.recommend("user-0", 1).ids[0]
    assert recommender.explain_request("red", None, str(outfit)).outfit is not None


def test_no_anchor_may_be_used(recommender: Recommender) -> None:
    nothing = recommender.outfits_for("red", "user-0", 3, where={"top": {"price": {">": 1000}}})
    assert nothing.hits == []
    assert nothing.proven
    assert nothing.shortfall is not None
