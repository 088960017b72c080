"""Outfits for requests that name facts, against every outfit scored: facts on the item that they are about."""

from collections import Counter
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.core.codes import fixed_point
from fashion_hash.core.outfits import EMPTY
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.anchors import total_scores
from tests.retrieval.search.test_facts import details_of, make, referee
from tests.worlds.encoder_bundles import encoder_contents

ROWS = list(range(0, 50, 5))
INCLUDE = {name: [f"{name}-{row:03d}" for row in ROWS] for name in ("top", "bottom", "shoe")}
Holds = Callable[[dict[str, Any]], bool]


def item(**values: str) -> Holds:
    return lambda details: all(details[column] == value for column, value in values.items())


@pytest.fixture(scope="module", params=["codes", "vectors"])
def recommender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    options = {"contents_of": encoder_contents} if request.param == "vectors" else {}
    return make(tmp_path_factory.mktemp("outfits") / "bundle", **options)


def expected(
    recommender: Recommender, text: str, companions: list[Holds], per_anchor: int, most: int | None = None
) -> list[tuple[dict[str, str], float]]:
    """Every outfit of the included items, best first, with its total: by tier of the anchor, then by total."""
    bundle, details, weight = recommender.bundle, details_of(recommender), 20.0
    tier_of = {(kind, item_id): -tier for tier, _, item_id, kind in referee(recommender, text, "user-1")}
    hits = recommender.search(text, "user-1", 10**4)
    score_of = dict(zip(zip(hits.types.tolist(), hits.ids.tolist()), hits.scores.tolist()))
    kinds = bundle.slots
    beside = {(kind, row) for kind in kinds for row in ROWS if any(holds(details[kind][row]) for holds in companions)}
    order = [(kind, bundle.items[kind].row(item_id)) for kind, item_id in score_of]
    place = {key: number for number, key in enumerate(order) if key[1] in ROWS and key not in beside}
    outfits, owners = [], []
    for rows in product(ROWS, repeat=len(kinds)):
        worn = list(zip(kinds, rows))
        anchors = [key for key in worn if key in place]
        if not anchors:
            continue
        anchor = min(anchors, key=place.__getitem__)
        others = [details[kind][row] for kind, row in worn if (kind, row) != anchor]
        if any(
            all(holds(other) for holds, other in zip(companions, some))
            for some in permutations(others, len(companions))
        ):
            outfits.append(rows)
            owners.append(anchor)
    ids = [(kind, bundle.items[kind].id(row)) for kind, row in owners]
    bonus = fixed_point(weight * np.array([score_of[key] for key in ids])).astype(np.int64)
    moment = recommender._moment("user-1")
    totals = total_scores(moment.bundle, moment.user.user_key, np.array(outfits), bonus)
    ranked = sorted(
        (
            (-tier_of[key], -total, rows, anchor)
            for key, total, rows, anchor in zip(ids, totals.tolist(), outfits, owners)
        )
    )
    taken, of_anchor, of_item = [], Counter[Any](), Counter[Any]()
    for _, total, rows, anchor in ranked:
        worn = list(zip(kinds, rows))
        if of_anchor[anchor] < per_anchor and (most is None or all(of_item[key] < most for key in worn)):
            of_anchor[anchor] += 1
            of_item.update(worn)
            names = {kind: bundle.items[kind].id(row) for kind, row in worn if row != EMPTY}
            taken.append((names, -total))
    return taken


BLACK_BOOTS, BLUE_TROUSERS = item(colour="black", kind="boots"), item(colour="blue", kind="trousers")


@pytest.mark.parametrize(
    ("text", "companions"),
    [
        ("a red skirt", []),
        ("something in silk", []),
        ("a red skirt with black boots", [BLACK_BOOTS]),
        ("red skirt and black boots", [BLACK_BOOTS]),
        ("a white shirt to go with my blue trousers", [BLUE_TROUSERS]),
        ("black boots with blue trousers and a white shirt", [BLUE_TROUSERS, item(colour="white", kind="shirt")]),
        ("red boots, not silk", []),
    ],
)
def test_equals_every_outfit_scored(recommender: Recommender, text: str, companions: list[Holds]) -> None:
    answer = recommender.outfits_for(text, "user-1", 12, include=INCLUDE, weight=20.0, per_anchor=3)
    best = expected(recommender, text, companions, 3)[:12]
    assert [hit.items for hit in answer.hits] == [items for items, _ in best]
    np.testing.assert_allclose([hit.total for hit in answer.hits], [total for _, total in best], rtol=1e-12)
    if recommender.bundle.scoring == "codes":
        assert answer.proven


@pytest.mark.parametrize("text", ["a red skirt with black boots", "silk shirt"])
def test_caps_of_items_go_down_the_same_ranking(recommender: Recommender, text: str) -> None:
    if recommender.bundle.scoring != "codes":
        pytest.skip(
            "with an outfit encoder caps go down a shortlist: tests/retrieval/test_encoder_bundle.py holds them"
        )
    companions = [BLACK_BOOTS] if "boots" in text else []
    options: dict[str, Any] = {"max_per": {"item": 2}, "include": INCLUDE, "weight": 20.0}
    answer = recommender.outfits_for(text, "user-1", 8, per_anchor=2, **options)
    best = expected(recommender, text, companions, 2, most=2)[:8]
    assert [hit.items for hit in answer.hits] == [items for items, _ in best]


def test_facts_hold_on_the_item_that_they_are_about(recommender: Recommender) -> None:
    details = details_of(recommender)
    answer = recommender.outfits_for("a red skirt with black boots", None, 5)
    for hit in answer.hits:
        worn = {name: details[name][recommender.bundle.items[name].row(hit.items[name])] for name in hit.items}
        assert (worn["bottom"]["colour"], worn["bottom"]["kind"]) == ("red", "skirt")
        assert (worn["shoe"]["colour"], worn["shoe"]["kind"]) == ("black", "boots")
        assert hit.anchor == "bottom"
        assert hit.complete
    assert [str(fact) for fact in answer.understood] == ["colour = red", "kind = skirt"]
    assert [fact.value for fact in answer.goes_with] == ["black", "boots"]
    assert len({hit.items["top"] for hit in answer.hits}) > 1


def test_explanations_add_up_to_the_total(recommender: Recommender) -> None:
    for text in ("a red skirt with black boots", "silk shirt, rather cheap"):
        for hit in recommender.outfits_for(text, "user-1", 3, weight=33.3).hits:
            why = recommender.explain_request(text, "user-1", hit.items, weight=33.3, anchor=hit.anchor)
            assert why.total == hit.total
            assert (why.lacking == ()) == hit.complete
            assert why.facts > 0


def test_what_cannot_be_had_is_relaxed_and_said(recommender: Recommender) -> None:
    few = {**INCLUDE, "shoe": ["shoe-001", "shoe-005"]}  # red linen boots, red silk boots
    answer = recommender.outfits_for("a red skirt with black boots", None, 3, include=few)
    assert len(answer.hits) == 3
    assert "no item is 'black boots': what comes with it is without 'black'" in answer.note
    answer = recommender.outfits_for("a red skirt with black boots", None, 3, types=["top", "bottom"])
    assert len(answer.hits) == 3
    assert "no item is 'black boots', which is left out" in answer.note
    answer = recommender.outfits_for("black boots with white sandals", None, 3)
    assert len(answer.hits) == 3
    assert "no outfit holds 'white sandals' as well" in answer.note
    answer = recommender.outfits_for("a red skirt under 0.5", None, 3)
    assert not any(hit.complete for hit in answer.hits)
    assert "no outfit has all that is asked; the next is without 'under 0.5'" in answer.note


def test_an_item_that_is_fixed_may_be_what_is_wanted_beside(recommender: Recommender) -> None:
    [boots] = [row for row, of in enumerate(details_of(recommender)["shoe"]) if (of["title"]) == "black silk boots"]
    answer = recommender.outfits_for("a red skirt with black boots", None, 3, include={"shoe": f"shoe-{boots:03d}"})
    assert {hit.items["shoe"] for hit in answer.hits} == {f"shoe-{boots:03d}"}
    assert "boots" not in answer.note


def test_filters_pages_and_variety_go_with_facts(recommender: Recommender) -> None:
    text = "a red skirt with black boots"
    where = {"top": {"price": {"<": 20}}}
    first = recommender.outfits_for(text, None, 4, where=where, anchors=20)
    second = recommender.outfits_for(text, None, 4, where=where, anchors=20, skip=4)
    both = recommender.outfits_for(text, None, 8, where=where, anchors=20)
    if recommender.bundle.scoring == "codes":
        assert [hit.items for hit in (*first.hits, *second.hits)] == [hit.items for hit in both.hits]
    varied = recommender.outfits_for(text, None, 4, diversity=0.7, max_per={"material": 3})
    assert len(varied.hits) == 4
    assert all(hit.complete for hit in varied.hits)


def test_what_goes_with_mine_is_not_another_of_mine(recommender: Recommender) -> None:
    hits = recommender.search("what goes with my red skirt", None, 5)
    assert [str(fact) for fact in hits.understood] == ["kind is not skirt"]
    assert [fact.value for fact in hits.goes_with] == ["red", "skirt"]
    answer = recommender.outfits_for("what goes with my red skirt", None, 4)
    details = details_of(recommender)["bottom"]
    for hit in answer.hits:
        assert details[recommender.bundle.items["bottom"].row(hit.items["bottom"])]["title"].startswith("red ")
        assert hit.anchor != "bottom"


def test_live_items_are_anchors_and_companions(tmp_path: Path) -> None:
    recommender = make(tmp_path / "bundle")
    new = {"colour": "teal", "material": "velvet", "code": np.ones((1, 16))}
    recommender.add_items(
        [
            {**new, "item_id": "skirt-1", "type": "bottom", "title": "teal velvet skirt", "kind": "skirt"},
            {**new, "item_id": "boots-1", "type": "shoe", "title": "teal velvet boots", "kind": "boots"},
        ]
    )
    for text, slot, item_id in (
        ("a red shirt with teal boots", "shoe", "boots-1"),
        ("a teal skirt with black boots", "bottom", "skirt-1"),
    ):
        answer = recommender.outfits_for(text, "user-1", 2)
        assert {hit.items[slot] for hit in answer.hits} == {item_id}
