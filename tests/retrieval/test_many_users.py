"""Many users in one call are answered as each alone, by one state of the catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import QueryError, UnknownIdError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.composition import composer
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.encoder_bundles import encoder_bundle
from tests.worlds.live_world import World, new_bundle
from tests.worlds.random_bundles import random_pool

USERS = ("user-1", None, "user-0", "newcomer", "user-1")


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """A live catalogue with new items, an added user and a user who likes more by now."""
    prices = {
        kind: {f"{kind}-{row}": {"price": 10 * row + 5} for row in range(12)} for kind in ("top", "bottom", "shoe")
    }
    bundle = new_bundle(tmp_path_factory.mktemp("many") / "bundle", 62, details=prices)
    rng, recommender, world = np.random.default_rng(0), Recommender.load(bundle.root), World(bundle)
    recommender.add_items([world.new_item(rng, kind, f"new {kind}") for kind in bundle.types])
    first, second = recommender.pool.ids.all()[:2]
    recommender.add_user("newcomer", [first])
    recommender.update_user("user-0", liked=[second])
    return recommender


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_repeats": 1},
        {"taste": 0.8},
        {"where": {"price": {"<": 60}}, "skip": 2},
        {"max_per": {"item": 2}, "diversity": 0.4},
        {"types": ["top", "bottom"]},
    ],
    ids=str,
)
def test_compositions(recommender: Recommender, options: dict[str, Any]) -> None:
    together = recommender.compose_many(USERS, 6, **options)
    assert together == [recommender.compose(user, 6, **options) for user in USERS]
    assert together[0] == together[4]
    assert together[0].hits != together[1].hits  # it matters who asks
    assert [composed.personal for composed in together] == [True, False, True, True, True]


def test_completions_of_one_item_and_of_everybodys_own(recommender: Recommender) -> None:
    tops, options = recommender.bundle.items["top"].all(), {"where": {"price": {"<": 80}}}
    together = recommender.complete_many(USERS, {"top": tops[3]}, 4, **options)
    assert together == [recommender.complete(user, {"top": tops[3]}, 4, **options) for user in USERS]
    worn = [{"top": top} for top in tops[: len(USERS)]]
    apart = recommender.complete_many(USERS, worn, 4, **options)
    assert apart == [recommender.complete(user, items, 4, **options) for user, items in zip(USERS, worn)]


def test_a_query_is_read_once_for_everybody(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    read, pose = [], composer.pose_query
    monkeypatch.setattr(composer, "pose_query", lambda *args: read.append(args) or pose(*args))
    recommender.compose_many(USERS, 2)
    recommender.complete_many(USERS, {"top": recommender.bundle.items["top"].all()[0]}, 2)
    assert len(read) == 2


def test_an_outfit_encoder_composes_for_many_too(tmp_path: Any) -> None:
    bundle = encoder_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 30))
    encoded = Recommender.load(bundle.path)
    users = [None, *bundle.users.all()[:2]]
    assert encoded.compose_many(users, 3) == [encoded.compose(user, 3) for user in users]


def test_nobody_is_answered_nothing(recommender: Recommender) -> None:
    assert (
        recommender.compose_many([]) == recommender.complete_many([], {"top": "x"}) == recommender.answer_many([]) == []
    )


def test_one_id_is_no_list_of_ids(recommender: Recommender) -> None:
    for one in ("user", 7, None):
        with pytest.raises(QueryError, match="several user ids are needed here, a list even of one, got"):
            recommender.answer_many(one, 2)  # type: ignore[arg-type]


def test_each_short_list_says_its_own_reason(recommender: Recommender) -> None:
    liking, where = (
        max(recommender.bundle.users.all(), key=lambda user: len(_liked(recommender, user))),
        {"price": {"<": 100}},
    )
    k = len(recommender)
    answers = recommender.answer_many([None, liking], k, where=where)
    alone = [recommender.answer(user, k, where=where) for user in (None, liking)]
    assert [answer.shortfall for answer in answers] == [answer.shortfall for answer in alone]
    assert answers[1].shortfall is not None
    assert answers[0].shortfall != answers[1].shortfall
    assert recommender.recommend([None, liking], k, where=where).shortfall == (alone[0].shortfall or alone[1].shortfall)


def _liked(recommender: Recommender, user: str) -> list[str]:
    everything = recommender.recommend(user, len(recommender), include_liked=True).ids
    return sorted(set(everything.tolist()) - set(recommender.recommend(user, len(recommender)).ids.tolist()))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda it: it.compose_many("user-1"), QueryError, "list"),
        (lambda it: it.compose_many(["user-1", "user-one"]), UnknownIdError, "user-one"),
        (lambda it: it.compose_many(["user-1"], liked=["outfit-000001"]), QueryError, "each user alone"),
        (lambda it: it.compose_many(["user-1"], k=0), QueryError, "k must be"),
        (lambda it: it.compose_many(["user-1"], colour="red"), TypeError, "compose_many.*colour"),
        (lambda it: it.complete_many(["user-1"], {}), QueryError, "no item is given"),
        (lambda it: it.complete_many(["user-1"], [{"top": "top-1"}] * 2), QueryError, "1 user, but items for 2"),
        (lambda it: it.complete_many(["user-1"], "top-1"), QueryError, "items_by_slot must be a list"),
        (lambda it: it.complete_many(["user-1"], [["top-1"]]), QueryError, "must be a mapping"),
        (lambda it: it.complete_many(["user-1"], {"top": "nothing"}), UnknownIdError, "nothing"),
    ],
)
def test_what_cannot_be_answered(recommender: Recommender, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(recommender)
