"""A bundle of an outfit encoder answers like any other: one list of questions, asked of FHN bundles as well."""

import itertools
import json
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands.query import main
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError, DataError, FeatureError, QueryError, UnknownIdError
from fashion_hash.foldin.vectors import FoldInVectors
from fashion_hash.index.build import build_index
from fashion_hash.index.outfit_vectors import outfit_vectors, real_vectors
from fashion_hash.retrieval.composition.encoded import by_vectors as compose_encoded
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.scores import scores_of
from tests.worlds.encoder_bundles import FEATURE, encoder_bundle
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "top", "bottom", "shoe")
FORMS = {
    "fhn": None,
    "euclidean": {"distance": "euclidean"},
    "cosine": {"distance": "cosine", "num_bits": 64},
    "bits": {"output": "bits", "num_bits": 24},
}
DETAILS = {
    kind: {f"{kind}-{n}": {"title": f"{kind} {n}", "price": 10 + n, "brand": "abc"[n % 3]} for n in range(40)}
    for kind in dict.fromkeys(SLOTS)
}


def new_bundle(path: Path, form: str, count: int = 40, **options) -> Bundle:
    options = {"slots": SLOTS, "num_items": 10, "biased": True, "details": DETAILS, **options}
    bundle = random_bundle(path, **options) if form == "fhn" else encoder_bundle(path, **options, **FORMS[form])
    build_index(bundle, random_pool(bundle, count))
    return bundle


# the ordinary tests ask all questions of one distance between vectors, and the first one of both
@pytest.fixture(params=[pytest.param(form, marks=pytest.mark.slow if form == "cosine" else ()) for form in FORMS])
def form(request):
    return request.param


@pytest.fixture
def recommender(tmp_path, form):
    return Recommender.load(new_bundle(tmp_path / "bundle", form).path)


def brute_force(recommender, user, include_liked=False):
    """All outfits of the pool by their score at the door, (-score, id), best first, ties by id."""
    liked = [] if user is None or include_liked else recommender.liked(user)
    outfits = {one: recommender.outfit(one) for one in recommender.live.now().ids.all()}
    left = [one for one, items in outfits.items() if canonical(items) not in [canonical(other) for other in liked]]
    return sorted((-recommender.score(user, one).score, one) for one in left)


def canonical(items):
    return sorted(("top" if slot == "top_2" else slot, item) for slot, item in items.items())


def check_pool(recommender, users=("user-3", None)):
    for user in users:
        for liked in (False, True) if user is not None else (True,):
            wanted = brute_force(recommender, user, liked)
            for k in (1, 7, 1000):
                hits = recommender.recommend(user, k, include_liked=liked)
                assert list(zip((-hits.scores).tolist(), hits.ids.tolist())) == wanted[:k]


@pytest.mark.parametrize("form", FORMS, indirect=True)
def test_the_pool_is_searched_exactly(recommender):
    check_pool(recommender)
    together = recommender.recommend(["user-1", None, "user-2"], 5)
    for place, user in enumerate(["user-1", None, "user-2"]):
        alone = recommender.recommend(user, 5)
        assert together.ids[place].tolist() == alone.ids.tolist()
        assert together.scores[place].tolist() == alone.scores.tolist()
    assert together.personal.tolist() == [True, False, True]


def test_hits_say_what_their_scores_are_made_of(recommender):
    for user in ("user-2", None):
        for hit in recommender.answer(user, 5):
            assert hit.score == pytest.approx(hit.preference + hit.compatibility + hit.bias, abs=1e-9)
            assert hit.score == recommender.score(user, hit.outfit_id).score
            assert hit.personal == (user is not None)
            if user is None:
                assert hit.preference == 0


def test_what_lives_is_searched_exactly(recommender, form):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, FEATURE))
    code = np.where(rng.random((1, 16)) < 0.5, -1, 1)
    own = {"code": code} if form == "fhn" else {}
    new = [
        {"item_id": f"new-{n}", "type": "top", "bias": 0.3 * n, "price": 1, **(own or {"features": {"text": one}})}
        for n, one in enumerate(features)
    ]
    recommender.add_items(new)
    recommender.add_outfits(
        {
            "a-new-one": {"top": "new-0", "top_2": "top-3", "bottom": "bottom-1"},
            "a-new-two": {"top": "new-2"},
            "z-new": {"top": "new-1", "shoe": "shoe-4"},
        }
    )
    recommender.remove_outfits(["outfit-000003", "outfit-000007"])
    check_pool(recommender)
    gone = recommender.remove_items({"bottom": ["bottom-1", "bottom-2"], "top": ["new-1"]})
    assert {"a-new-one", "z-new"} <= set(gone)
    check_pool(recommender)
    assert recommender.compact()
    check_pool(recommender)
    recommender.add_outfits({"late": {"top": "new-2", "shoe": "shoe-1"}})
    check_pool(Recommender.load(recommender.live.bundle.path))


def test_the_best_of_all_outfits(recommender, form):
    """So few items that all outfits fit into the shortlist: exact, and said so."""
    options = {"types": ["bottom", "shoe"]}
    for user in ("user-1", None):
        found = recommender.compose(user, 12, **options)
        every = [
            (-recommender.score(user, {"bottom": bottom, "shoe": shoe}).score, bottom, shoe)
            for bottom, shoe in itertools.product(
                *(recommender.bundle.items[kind].all() for kind in ("bottom", "shoe"))
            )
        ]
        wanted = sorted(one for one, *_ in every)[:12]
        assert [-hit.score for hit in found.hits] == wanted
        assert found.proven
        assert found.gap == 0
        assert {hit.personal for hit in found.hits} == {user is not None}


def test_a_shortlist_says_that_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(compose_encoded, "SHORTLIST_LEAST", 20)
    bundle = new_bundle(tmp_path / "b", "euclidean", slots=("top", "bottom", "shoe"), num_items=5, spread=0.05)
    recommender = Recommender.load(bundle.path)
    found = recommender.compose("user-1", 10)
    assert not found.proven
    every = sorted(
        (
            -recommender.score("user-1", {"top": t, "bottom": b, "shoe": s}).score
            for t, b, s in itertools.product(*(recommender.bundle.items[kind].all() for kind in bundle.types))
        )
    )
    scores = [-hit.score for hit in found.hits]
    assert scores == sorted(scores)
    assert len(set(every[:10]) & set(scores)) >= 5  # of 440 outfits of random vectors
    assert found.hits[-1].score + found.gap >= -every[0]


@pytest.fixture(scope="module")
def every_scored(tmp_path_factory):
    """A bundle of three types, all outfits of them, and user-1's scores of these: by form and number of items."""

    @cache
    def make(form, count):
        slots = ("top", "bottom", "shoe")
        path = tmp_path_factory.mktemp("every") / "b"
        recommender = Recommender.load(new_bundle(path, form, slots=slots, num_items=count).path)
        bundle = recommender.bundle
        rows = np.array([*itertools.product(*(range(len(bundle.items[kind])) for kind in slots))])
        ids = [bundle.items[kind].all() for kind in slots]
        outfits = [dict(zip(slots, one)) for one in itertools.product(*ids)]
        scores = np.array(
            [made.score for made in scores_of(bundle, bundle.user_keys[bundle.users.row("user-1")], rows)]
        )
        for place in range(0, len(rows), 97):
            assert scores[place] == recommender.score("user-1", outfits[place]).score
        return recommender, outfits, scores

    return make


@pytest.mark.parametrize(("count", "k", "most"), [(5, 5, 1), (9, 9, 1), (9, 15, 2)])
def test_repeats_are_capped_down_the_whole_ranking(every_scored, form, count, k, most):
    """With 5 items and a few more of the other types all outfits fit into the shortlist, with 9 they do not."""
    recommender, outfits, every = every_scored(form, count)
    uses, wanted = Counter(), []
    for place in np.argsort(-every, kind="stable"):  # items of two types never have the same id
        if len(wanted) < k and all(uses[one] < most for one in outfits[place].values()):
            uses.update(outfits[place].values())
            wanted.append(every[place])
    found = recommender.compose("user-1", k, max_repeats=most)
    scores = [hit.score for hit in found.hits]
    assert len(scores) == len(wanted) == k
    assert scores == sorted(scores, reverse=True)
    assert max(Counter(one for hit in found.hits for one in hit.items.values()).values()) <= most
    assert len({tuple(hit.items.values()) for hit in found.hits}) == k
    assert all(hit.score == recommender.score("user-1", hit.items).score for hit in found.hits)
    if count == 5 or form == "fhn":
        assert found.proven
        assert scores == wanted
    else:
        assert not found.proven
        assert np.mean(scores) > np.mean(wanted) - 0.1 * every.std()
        assert found.gap >= every.max() - scores[-1]


def test_fewer_come_where_the_cap_leaves_no_more(tmp_path):
    recommender = Recommender.load(new_bundle(tmp_path / "b", "cosine", num_items=9, slots=SLOTS[1:]).path)
    most = min(len(recommender.bundle.items[kind].all()) for kind in ("top", "bottom", "shoe"))
    found = recommender.compose("user-1", 50, max_repeats=1)
    assert len(found.hits) == most
    assert 0 < found.gap < np.inf
    given = recommender.compose("user-1", 8, include={"top": "top-1"}, max_repeats=1)
    assert len(given.hits) == 8  # what every outfit holds is not counted
    twins = Recommender.load(new_bundle(tmp_path / "twins", "euclidean").path).compose("user-1", 5, max_repeats=1)
    assert len(twins.hits) == 5  # two tops each
    assert len({one for hit in twins.hits for one in hit.items.values()}) == 20


def test_composed_outfits_keep_to_what_was_asked(recommender):
    found = recommender.compose(
        "user-0",
        6,
        where={"price": {"<": 17}},
        include={"top": "top-1", "shoe": ["shoe-2", "shoe-4"]},
        exclude={"bottom": ["bottom-3"]},
        max_repeats=3,
    )
    assert len(found.hits) == 6
    for hit in found.hits:
        assert hit.items["top"] == "top-1"
        assert hit.items["shoe"] in ("shoe-2", "shoe-4")
        assert hit.items["top_2"] != "top-1"
        assert hit.items["bottom"] != "bottom-3"
        assert all(int(one.split("-")[1]) < 7 for one in hit.items.values())
        assert hit.score == recommender.score("user-0", hit.items).score
    used = [hit.items["shoe"] for hit in found.hits]
    assert max(used.count(one) for one in used) <= 3
    assert len({json.dumps(hit.items, sort_keys=True) for hit in found.hits}) == 6
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_totals_caps_and_variety_of_compositions(recommender, monkeypatch):
    found = recommender.compose("user-0", 4, where={"total": {"price": {"<=": 45}}}, types=["bottom", "shoe", "top"])
    assert len(found.hits) == 4
    for hit in found.hits:
        assert sum(10 + int(one.split("-")[1]) for one in hit.items.values()) <= 45
    monkeypatch.setattr(compose_encoded, "SHORTLIST_LEAST", 1)
    monkeypatch.setattr(compose_encoded, "SHORTLIST", 1)
    cheap = {"where": {"total": {"price": {"<=": 34}}}, "types": ["bottom", "shoe", "top"]}
    assert len(recommender.compose("user-0", 30, **cheap).hits) == 30  # of 35, some far down the ranking
    monkeypatch.undo()
    for options in ({"max_per": {"item": 1}}, {"diversity": 0.7}, {"max_per": {"brand": 2}}):
        found = recommender.compose("user-0", 3, **options)
        assert 1 <= len(found.hits) <= 3
        if "item" in options.get("max_per", {}):
            items = [one for hit in found.hits for one in hit.items.values()]
            assert len(set(items)) == len(items)


def test_completion_fills_the_open_slots(recommender):
    found = recommender.complete("user-4", {"top": "top-2", "bottom": "bottom-5"}, 5, types=["shoe"])
    scores = {
        shoe: recommender.score("user-4", {"top": "top-2", "bottom": "bottom-5", "shoe": shoe}).score
        for shoe in recommender.bundle.items["shoe"].all()
    }
    assert found.proven
    assert [hit.score for hit in found.hits] == sorted(scores.values(), reverse=True)[:5]
    with pytest.raises(QueryError, match="no item is given"):
        recommender.complete("user-4", {})


def test_filters_caps_and_variety_of_the_pool(recommender):
    hits = recommender.recommend("user-1", 50, where={"price": {"<": 16}})
    wanted = [
        one
        for _, one in brute_force(recommender, "user-1")
        if all(int(item.split("-")[1]) < 6 for item in recommender.outfit(one).values())
    ]
    assert hits.ids.tolist() == wanted
    assert "outfits found" in hits.shortfall.reason
    varied = recommender.recommend("user-1", 8, diversity=0.6, max_per={"item": 2})
    items = [(slot[:3], item) for one in varied.ids for slot, item in recommender.outfit(one).items()]
    assert len(varied.ids) == 8
    assert max(items.count(one) for one in items) <= 2
    assert recommender.compose("user-1", 3, where={"price": {"<": 1}}).shortfall is not None


def test_the_parts_of_an_explanation_add_up_exactly(recommender):
    for user, outfit in itertools.product(
        ("user-0", None), ({"top": "top-1", "bottom": "bottom-2", "shoe": "shoe-3"}, {"shoe": "shoe-1"})
    ):
        why = recommender.explain(user, outfit)
        parts = [part.total for part in (*why.items, *why.pairs)]
        assert sum(parts, Fraction(0)) + why.rest == why.exact
        assert why.score == recommender.score(user, outfit).score
        assert [part.item_id for part in why.items] == list(outfit.values())
        assert f"score {why.score:.4f}" in why.to_text()
        json.dumps(why.to_dict())
    assert recommender.explain("user-0", {"top": "top-1"}).liked


def test_leave_one_out_is_what_an_item_adds(recommender, form):
    if form == "fhn":
        return
    outfit = {"top": "top-1", "bottom": "bottom-2", "shoe": "shoe-3"}
    whole = recommender.score("user-0", outfit)
    for part in recommender.explain("user-0", outfit).items:
        rest = {slot: one for slot, one in outfit.items() if slot != part.slot}
        wanted = whole.preference - recommender.score("user-0", rest).preference
        assert float(part.preference["outfit"]) == pytest.approx(wanted, abs=1e-9)


def test_nobody_asks_as_the_mean_user(recommender, form):
    if form == "fhn":
        return
    encoder, outfit = recommender.bundle.encoder, np.array([[1, EMPTY, 2, 3]])
    found = recommender.score(None, {"top": "top-1", "bottom": "bottom-2", "shoe": "shoe-3"})
    mean = encoder.place(recommender.bundle.user_keys.astype(float).mean(axis=0))
    [vector] = real_vectors(recommender.bundle, outfit_vectors(recommender.bundle, outfit)).astype(float)
    assert found.compatibility == pytest.approx(-encoder.factor * ((vector - mean) ** 2).sum(), rel=1e-6)


def test_similar_items_liked_and_outfits(recommender):
    hits = recommender.similar_items("top-1", 4)
    assert len(hits.ids) == 4
    assert "top-1" not in hits.ids
    assert (np.diff(hits.scores) <= 0).all()
    assert all(set(one) <= {"top", "top_2", "bottom", "shoe"} for one in recommender.liked("user-0"))
    with pytest.raises(UnknownIdError, match="nearest: 'outfit-0000"):
        recommender.outfit("outfit-00001")


def test_someone_new_is_fitted_to_what_they_like(tmp_path, form):
    recommender = Recommender.load(new_bundle(tmp_path / "bundle", form, biased=False).path)
    best = recommender.recommend("user-3", 12, include_liked=True).ids.tolist()
    recommender.add_user("nobody-yet")
    assert not recommender.recommend("nobody-yet", 3).personal
    recommender.add_user("new", liked=best[:6])
    assert recommender.recommend("new", 3).personal
    assert not set(best[:6]) & set(recommender.recommend("new", 60).ids)
    ranks = recommender.recommend("new", 1000, include_liked=True).ids.tolist()
    strangers = recommender.recommend(None, 1000).ids.tolist()
    assert np.mean([ranks.index(one) for one in best]) < np.mean([strangers.index(one) for one in best])
    before = recommender.score("new", ranks[0]).score
    recommender.update_user("new", disliked=[ranks[0]])
    assert ranks[0] not in recommender.recommend("new", 1000, include_liked=True).ids
    assert recommender.score("new", ranks[0]).score < before
    again = Recommender.load(recommender.live.bundle.path)
    assert again.score("new", ranks[3]) == recommender.score("new", ranks[3])
    recommender.update_user("user-0", liked=[ranks[5]])
    assert recommender.score("user-0", ranks[5]) == again.score("user-0", ranks[5])
    with pytest.raises(DataError, match="'new' already exists"):
        recommender.add_user("new")
    with pytest.raises(UnknownIdError, match="user-3"):
        recommender.recommend("user-33")


def test_sheet_page_and_query(recommender, tmp_path, capsys):
    out = ["--sheet", str(tmp_path / "s.png"), "--page", str(tmp_path / "p.html")]
    assert main([str(recommender.bundle.path), "--user", "user-1", "-k", "3", *out]) == 0
    assert "best 3 of" in capsys.readouterr().out
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert "user-1" in (tmp_path / "p.html").read_text()


def test_the_manifest_says_how_exact_answers_are(recommender, form):
    answers = recommender.bundle.answers
    assert set(answers) == {"pool", "score", "explain", "compose", "complete"}
    pool = {"fhn": "exact", "bits": "exact, outfit codes"}.get(form, "exact, outfit vectors")
    assert answers["pool"] == answers["score"] == pool
    assert answers["compose"] == ("exact" if form == "fhn" else "shortlist and re-rank")


def test_what_an_encoder_bundle_cannot_do_is_told(tmp_path):
    bundle = new_bundle(tmp_path / "b", "euclidean")
    recommender = Recommender.load(bundle.path)
    with pytest.raises(FeatureError, match=r"'x': outfits of this bundle are encoded .* give features"):
        recommender.add_items([{"item_id": "x", "type": "top", "code": np.ones((1, 16))}])
    with pytest.raises(FeatureError, match=r"top 'x': the text feature of item 0 has shape \(2,\)"):
        recommender.add_items([{"item_id": "x", "type": "top", "features": {"text": np.ones(2)}}])
    with pytest.raises(QueryError, match="engine 'hamming'"):
        Recommender.load(bundle.path, engine="hamming")
    (bundle.path / "index/vectors.npy").unlink()
    with pytest.raises(BundleError, match=r"vectors.npy is missing"):
        Recommender.load(bundle.path)


def test_a_fold_needs_outfits(tmp_path):
    fold = FoldInVectors(new_bundle(tmp_path / "b", "bits"))
    assert fold.fit(np.zeros((0, 4))) is None
    with pytest.raises(QueryError, match="liked outfit 0 has no items"):
        fold.fit(np.full((1, 4), EMPTY))
    assert set(np.abs(fold.fit(np.array([[1, EMPTY, 2, 3]])))) == {1.0}
