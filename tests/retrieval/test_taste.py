"""The weight of taste against compatibility: every answer equals brute force with other scales."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.bundle.views import weighed
from fashion_hash.errors import QueryError
from fashion_hash.index import exact, scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.open import engine_class
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.encoder_bundles import encoder_bundle
from tests.worlds.live_world import World, new_bundle
from tests.worlds.random_bundles import random_bundle, random_pool

TASTES = (0, 0.05, 0.35, 0.5, 0.8, 1)


@pytest.fixture(scope="module", params=[0, 1 << 40], ids=["sums", "factored"])
def world(request, tmp_path_factory):
    """A live catalogue with changes, searched by both engines for large and small pools."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCAN_FROM", request.param)
        bundle = new_bundle(tmp_path_factory.mktemp("taste") / "bundle", 60 if request.param else 61)
    rng, recommender, world = np.random.default_rng(0), Recommender.load(bundle.root), World(bundle)
    recommender.add_items([world.new_item(rng, kind, f"new {kind}") for kind in bundle.types])
    drawn = (world.new_outfit(rng) for _ in range(40))
    added = {f"new-{number}": outfit for number, outfit in enumerate(drawn) if len(outfit) > 1}
    recommender.add_outfits(added)
    world.outfits |= added
    recommender.remove_outfits(["outfit-000003"])
    del world.outfits["outfit-000003"]
    engines = ("EarlyEngine", "SumScan") if request.param == 0 else ("Factored",)
    assert type(recommender.live.now().base.engine).__name__ in engines
    return recommender, world, bundle


def scales(bundle, taste):
    return {
        "preference_scale": round(20 * taste) if bundle.preference_scale else 0,
        "compatibility_scale": round(20 * (1 - taste)),
    }


@pytest.mark.parametrize("taste", TASTES)
def test_the_pool_is_ranked_as_brute_force_ranks_it(world, taste):
    recommender, truth, bundle = world
    truth.bundle = bundle.view(**scales(bundle, taste))
    for user in ("user-1", None):
        for k in (1, 5, 1000):
            expected = truth.best(user)[:k]
            hits = recommender.recommend(user, k, taste=taste)
            assert list(zip((-hits.scores).tolist(), hits.ids.tolist())) == expected
        for hit in recommender.answer(user, 3, taste=taste):
            assert hit.score == truth.score(user, hit.items)
            assert hit.score == pytest.approx(hit.preference + hit.compatibility + hit.bias)
    together = recommender.recommend(["user-1", None, "user-3"], 4, taste=taste)
    assert together.ids[0].tolist() == recommender.recommend("user-1", 4, taste=taste).ids.tolist()
    assert [hit.outfit_id for hit in recommender.answer_many(["user-3"], 4, taste=taste)[0]] == together.ids[2].tolist()


def test_half_is_as_trained_to_the_last_bit(world):
    recommender, _, _ = world
    plain, half = recommender.recommend("user-1", 50), recommender.recommend("user-1", 50, taste=0.5)
    assert plain.ids.tolist() == half.ids.tolist()
    assert plain.scores.tolist() == half.scores.tolist()


def test_filters_diversity_and_likes_go_with_it(world):
    recommender, truth, bundle = world
    truth.bundle = bundle.view(**scales(bundle, 0.8))
    best = [outfit_id for _, outfit_id in truth.best("user-1")]
    exclude = {"top": [truth.outfits[best[0]].get("top", "top-0")]}
    kept = [each for each in best if exclude["top"][0] not in (truth.outfits[each].get(n) for n in ("top", "top_2"))]
    hits = recommender.recommend("user-1", 5, taste=0.8, exclude=exclude)
    assert hits.ids.tolist() == kept[:5]
    assert len(recommender.recommend("user-1", 5, taste=0.8, diversity=0.5, liked=[best[1]]).ids) == 5


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    bundle = random_bundle(
        tmp_path_factory.mktemp("small") / "bundle", num_modalities=2, biased=True, num_items=7, num_bits=32
    )
    build_index(bundle, random_pool(bundle, 40))
    return Recommender.load(bundle.root)


def every(recommender, user, taste, fixed=None):
    """(-score, rows) of every outfit that fills all slots, by the referee; the best first."""
    bundle = recommender.bundle.view(**scales(recommender.bundle, taste))
    key = bundle.user_codes[bundle.users.row(user)]
    rows = [range(len(bundle.items[kind])) for kind in bundle.slots]
    for slot, row in (fixed or {}).items():
        rows[slot] = [row]
    items = np.array(list(itertools.product(*rows)))
    score = exact.scores(bundle, exact.terms(bundle, key, items))
    order = np.lexsort((*items.T[::-1], -score))
    return [(score[at], items_by_slot(bundle, items[at])) for at in order[:20]]


@pytest.mark.parametrize("taste", TASTES)
def test_compositions_stay_exact(small, taste):
    composed = small.compose("user-2", 20, taste=taste)
    assert composed.proven
    assert [(hit.score, hit.items) for hit in composed.hits] == every(small, "user-2", taste)
    completed = small.complete("user-2", {"bottom": "bottom-3"}, 20, taste=taste)
    assert completed.proven
    assert [(hit.score, hit.items) for hit in completed.hits] == every(small, "user-2", taste, {1: 3})


def test_the_ends_are_taste_alone_and_compatibility_alone(small):
    liked, together = small.compose("user-2", 1, taste=1).hits[0], small.compose("user-2", 1, taste=0).hits[0]
    assert liked.compatibility == 0
    assert together.preference == 0
    assert liked.items != together.items


def test_an_explanation_adds_up_to_the_weighed_score(small):
    hit = small.compose("user-2", 1, taste=0.8).hits[0]
    explained = small.explain("user-2", hit.items, taste=0.8)
    assert explained.score == hit.score
    assert sum(sum(item.preference.values()) for item in explained.items) == pytest.approx(hit.preference)


@pytest.mark.parametrize("engine", ["sums", "factored", "hamming", "scan"])
@pytest.mark.parametrize("taste", [0, 0.05, 0.95, 1])
def test_every_engine_equals_the_referee_on_a_weighed_view(tmp_path, monkeypatch, engine, taste):
    monkeypatch.setattr(scoring, "SCAN_FROM", 0)
    bundle = random_bundle(tmp_path / "bundle", num_modalities=2, biased=True, num_bits=64, variant="T3")
    build_index(bundle, random_pool(bundle, 400))
    view, pool = weighed(bundle, taste), Pool.open(bundle)
    searched = engine_class(engine)(bundle, pool).over(view)
    for code in bundle.user_codes:
        score = exact.scores(view, exact.terms(view, code, pool.items))
        ranking = searched.search(code, 25)
        assert ranking.rows.tolist() == exact.top(score, 25).tolist()
        assert ranking.scores.tolist() == score[ranking.rows].tolist()


@pytest.mark.parametrize("taste", [-0.1, 1.01, float("nan"), True, "much", None])
def test_a_weight_without_meaning_is_refused(small, taste):
    for ask in (partial(small.recommend, "user-2"), partial(small.compose, "user-2")):
        with pytest.raises(QueryError, match=r"taste must be a number from 0 \(what goes together\)"):
            ask(3, taste=taste)


def test_popularity_and_outfit_encoders_have_no_weight(small, tmp_path):
    with pytest.raises(QueryError, match="leave one of them out"):
        small.recommend(None, 3, by="popular", taste=0.7)
    bundle = encoder_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 20))
    encoder = Recommender.load(bundle.root)
    encoder.recommend("user-0", 3, taste=0.5)
    with pytest.raises(QueryError, match="needs a bundle that scores by codes"):
        encoder.compose("user-0", 3, taste=0.7)
