"""Items for words and taste: against brute force, under filters, changes, and questions without an answer."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import pack
from fashion_hash.encoders import WordsEncoder
from fashion_hash.encoders.sentences import SentenceEncoder
from fashion_hash.errors import BundleError, FeatureError, MissingExtraError, QueryError, UnknownIdError
from fashion_hash.index import nearest as nearest_module
from fashion_hash.index.build import build_index
from fashion_hash.index.nearest import nearest
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool
from tests.worlds.words_world import titles, words_bundle

KINDS = ("top", "bottom", "shoe")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return words_bundle(tmp_path_factory.mktemp("words") / "bundle")


@pytest.fixture(scope="module")
def recommender(bundle: Bundle) -> Recommender:
    return Recommender.load(bundle.path)


@pytest.fixture
def own(tmp_path: Path) -> Recommender:
    """One that a test may change."""
    return Recommender.load(words_bundle(tmp_path / "bundle").path)


def title(recommender: Recommender, item_id: str) -> str:
    kind, row = item_id.split("-")
    return titles(kind)[int(row)]


def brute_force(bundle: Bundle, text: str, row: int | None, floats: bool = False) -> list[tuple[float, str, str]]:
    """(-score, id, type) of every item, best first."""
    tower = bundle.requests
    assert tower is not None
    asked = tower.request([text], [None if row is None else tower.taste_of_user(row)])
    found = []
    for kind in bundle.types:
        for item in range(len(bundle.items[kind])):
            if floats:
                score = (
                    1 + float(tower.item_vectors[kind][item].astype(float) @ asked.floats[0].astype(float)) / 256
                ) / 2
            else:
                agree = ~(tower.item_codes[kind][item] ^ pack(asked.bits)[0])
                score = int(np.unpackbits(agree).sum()) / 256
            found.append((-score, bundle.items[kind].id(item), kind))
    return sorted(found)


@pytest.mark.parametrize("user", [None, "user-0", "user-3"])
@pytest.mark.parametrize("k", [1, 7, 1000])
def test_every_item_is_compared(recommender: Recommender, user: str | None, k: int) -> None:
    row = None if user is None else recommender.bundle.users.row(user)
    for text in ("a red linen shirt", "boots", "silk"):
        ids, scores = hits = recommender.search(text, user, k)
        expected = brute_force(recommender.bundle, text, row)[:k]
        assert list(zip((-scores).tolist(), ids.tolist(), hits.types.tolist())) == expected
        assert hits.by == ("words alone" if user is None else "taste and words")


def test_words_find_what_they_say_and_taste_pulls(recommender: Recommender) -> None:
    assert title(recommender, recommender.search("a red linen shirt", k=1).ids[0]) == "red linen shirt"
    for user, colour in enumerate(("red", "blue", "green", "black")):
        best = [title(recommender, one) for one in recommender.search("sandals", f"user-{user}", 3).ids]
        assert all("sandals" in one for one in best)
        assert best[0] == f"{colour} linen sandals"
    nobody = recommender.search("sandals", "user-4", 5)
    assert nobody.ids.tolist() == recommender.search("sandals", k=5).ids.tolist()
    assert nobody.by == "words alone"
    assert nobody.note == "nothing is known of what user-4 likes"


def test_no_known_word_is_by_taste_alone_and_says_so(recommender: Recommender) -> None:
    by_taste = recommender.search("", "user-1", 6)
    assert by_taste.by == "taste alone"
    assert by_taste.note == "no words were given"
    assert "blue" in title(recommender, by_taste.ids[0])
    foreign = recommender.search("夏の結婚式 leinenhemd", "user-1", 6)
    assert foreign.ids.tolist() == by_taste.ids.tolist()
    assert (foreign.by, foreign.known_words) == ("taste alone", ())
    assert foreign.unknown_words == ("夏の結婚式", "leinenhemd")
    assert foreign.note == "no word of the request is known; not known: 夏の結婚式, leinenhemd"
    mixed = recommender.search("red qwertz shirt", None, 1)
    assert (mixed.known_words, mixed.unknown_words) == (("red", "shirt"), ("qwertz",))
    assert mixed.note == "not known: qwertz"
    assert recommender.search(None, "user-1", 6).ids.tolist() == by_taste.ids.tolist()


def test_a_long_text_is_cut_and_says_so(recommender: Recommender) -> None:
    long = "red linen shirt " + "very " * 10_000
    hits = recommender.search(long, k=1)
    assert title(recommender, hits.ids[0]) == "red linen shirt"
    assert "only the first 2,000 of 50,015 letters were read" in hits.note
    # what stands behind is not read
    behind = recommender.search("red linen shirt " + "very " * 1000 + " blue silk boots " * 99, k=1)
    assert title(recommender, behind.ids[0]) == "red linen shirt"


def test_rerank_orders_a_shortlist_by_float(recommender: Recommender) -> None:
    hits = recommender.search("black wool trousers", "user-2", 12, rerank=True)
    expected = brute_force(recommender.bundle, "black wool trousers", 2, floats=True)[:12]
    assert hits.reranked
    assert hits.ids.tolist() == [one for _, one, _ in expected]
    np.testing.assert_allclose(hits.scores, [-score for score, _, _ in expected], atol=1e-6)
    assert not recommender.search("black wool trousers", "user-2").reranked


def test_types_and_filters_come_before_the_top_k(recommender: Recommender) -> None:
    everything = brute_force(recommender.bundle, "silk blouse", None)
    shoes = recommender.search("silk blouse", k=5, item_type="shoe")
    assert shoes.ids.tolist() == [one for _, one, kind in everything if kind == "shoe"][:5]
    cheap = recommender.search("silk blouse", k=50, where={"price": {"<": 3}})
    assert cheap.ids.tolist() == [one for _, one, _ in everything if int(one[-3:]) < 3]
    assert cheap.shortfall is not None
    assert cheap.shortfall.reason.startswith("9 of 50 items found; the strictest condition is price < 3")
    total = recommender.search("silk blouse", k=50, where={"total": {"price": {"<": 3}}})
    assert total.ids.tolist() == cheap.ids.tolist()
    of_type = recommender.search("silk blouse", k=4, where={"top": {"price": {">": 45}}}, item_type="top")
    assert sorted(of_type.ids) == ["top-046", "top-047", "top-048", "top-049"]
    assert of_type.shortfall is None


def test_items_that_come_and_go(own: Recommender) -> None:
    best = str(own.search("green denim skirt", k=1).ids[0])
    code = np.ones((1, 16), dtype=np.int8)
    same = {"code": code, "title": "green denim skirt"}
    own.add_items(
        [
            {"item_id": "new", "type": "bottom", **same},
            {"item_id": "a-top", "type": "top", **same},
            {"item_id": "told", "type": "shoe", "code": code, "title": "odd", "description": "green denim skirt"},
        ]
    )
    ids, scores = hits = own.search("green denim skirt", k=4)
    # equal codes: ties by id, whatever the type
    assert ids.tolist()[:3] == ["a-top", best, "new"]
    assert hits.types.tolist()[:3] == ["top", "bottom", "bottom"]
    assert len(set(scores.tolist()[:3])) == 1
    assert "told" in own.search("green denim skirt", k=10).ids  # its description counts
    own.remove_items({"bottom": [best, "new"]})
    assert best not in own.search("green denim skirt", k=200).ids
    assert "new" not in own.search("green denim skirt", k=200).ids
    assert own.compact()
    for recommender in (own, Recommender.load(own.bundle.path)):
        assert recommender.search("green denim skirt", k=1).ids.tolist() == ["a-top"]
        assert recommender.search("green denim skirt", k=200).ids.size == 151
        reranked = recommender.search("green denim skirt", k=200, rerank=True)
        assert reranked.ids[0] == "a-top"


def test_new_people_have_a_taste_at_once(own: Recommender) -> None:
    white = [{"top": f"top-{row:03d}"} for row in (40, 41)]
    own.add_user("stranger", liked=white)
    hits = own.search("boots", "stranger", 1)
    assert hits.by == "taste and words"
    assert title(own, hits.ids[0]) == "white linen boots"
    tower = own.bundle.requests
    assert tower is not None
    taste = tower.taste_of({"top": [40, 41]})
    expected = pack(tower.request(["boots"], [taste]).bits)[0]
    agree = np.unpackbits(~(expected ^ tower.item_codes["shoe"][int(hits.ids[0][-3:])])).sum()
    assert hits.scores[0] == agree / 256
    own.add_user("nobody")
    assert own.search("boots", "nobody").by == "words alone"
    # somebody known who comes to like white leaves red behind
    red = own.search("", "user-0", 1).ids[0]
    assert "red" in title(own, red)
    own.update_user("user-0", liked=[{"top": f"top-{row:03d}", "bottom": f"bottom-{row:03d}"} for row in range(40, 50)])
    assert "white" in title(own, own.search("", "user-0", 1).ids[0])


def test_one_slot_and_floats(tmp_path: Path) -> None:
    single = Recommender.load(words_bundle(tmp_path / "single", slots=("item",)).path)
    hits = single.search("red silk sandals", "user-1", 3)
    assert hits.types.tolist() == ["item"] * 3
    assert "sandals" in titles("item")[int(hits.ids[0][-3:])]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"text": None}, "nothing to search by"),
        ({"text": "  "}, "nothing to search by"),
        ({"text": "", "user": "user-4"}, "no text, and nothing is known of what 'user-4' likes"),
        ({"text": "leinenhemd"}, r"no word of the request is known \(leinenhemd\), and no user is given"),
        ({"text": "the of"}, "no word of the request is known, and no user is given"),
        ({"text": "x y", "user": "user-4"}, "no word of the request is known, and nothing is known of what 'user-4'"),
        ({"text": 5}, "text must be a string, .*got 5"),
        ({"text": "red", "k": 0}, "k must be at least 1, got 0"),
        ({"text": "red", "k": 1.5}, "k must be a whole number, got 1.5"),
        ({"text": "red", "item_type": "tops"}, r"no item type 'tops' \(nearest: 'top'"),
        ({"text": "red", "where": {"prize": 5}}, "no column 'prize'"),
        ({"text": "red", "rerank": 3}, "rerank must be True or False, got 3"),
    ],
)
def test_questions_without_an_answer(recommender: Recommender, question: dict, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        recommender.search(**question)


def test_an_unknown_user(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match=r"unknown user 'user-9': add new users"):
        recommender.search("red", "user-9")


def test_a_bundle_without_a_request_model(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "plain")
    build_index(bundle, random_pool(bundle, 20))
    recommender = Recommender.load(bundle.path)
    with pytest.raises(BundleError, match=r"holds no request model \(requests/\).*train a configuration of requests"):
        recommender.search("red")
    with pytest.raises(BundleError, match="holds no request model"):
        recommender.outfits_for("red")


def test_another_encoder_is_refused_and_both_are_named(bundle: Bundle) -> None:
    other = WordsEncoder.fit(["some words", "of another shop"], 8)
    recommender = Recommender.load(bundle.path, encoder=other)
    assert recommender.recommend("user-0", 1).ids.size == 1
    assert bundle.requests is not None
    with pytest.raises(BundleError, match=f"{bundle.requests.encoder.fingerprint}.*{other.fingerprint}"):
        recommender.search("red")
    same = Recommender.load(bundle.path, encoder=bundle.requests.encoder)
    assert same.search("red", k=1).ids.size == 1


@pytest.mark.slow  # imports sentence-transformers
def test_weights_of_a_pretrained_encoder_that_are_missing(tmp_path: Path) -> None:
    encoder = SentenceEncoder(str(tmp_path / "no-weights"), expected=("sentence_transformers abc", 32))
    path = words_bundle(tmp_path / "bundle", named=encoder).path
    recommender = Recommender.load(path)
    assert recommender.recommend("user-0", 1).ids.size == 1
    # by taste alone no words are encoded
    assert recommender.search("", "user-0", 1).by == "taste alone"
    for one in (recommender, Recommender.load(path, encoder_weights=str(tmp_path / "elsewhere"))):
        with pytest.raises((MissingExtraError, FeatureError), match=r"text-encoder|no-weights|elsewhere"):
            one.search("red shirt")


@pytest.mark.parametrize("width", [2, 8, 16, 24])
@pytest.mark.parametrize("compiled", [False, True])
def test_nearest_is_everything_sorted(monkeypatch: pytest.MonkeyPatch, width: int, compiled: bool) -> None:
    monkeypatch.setattr(nearest_module, "COMPILED_FROM", 0 if compiled else 10**9)
    rng = np.random.default_rng(width)
    codes = rng.integers(0, 4, (500, width), dtype=np.uint8)  # few values: many ties
    distances = np.unpackbits(codes ^ codes[7], axis=1).sum(axis=1)
    for allowed in (None, rng.random(500) < 0.1, np.zeros(500, dtype=bool)):
        rows = np.arange(500) if allowed is None else np.flatnonzero(allowed)
        for k in (1, 20, 499, 501):
            found = nearest(codes, codes[7], k, allowed)
            cut = np.sort(distances[rows])[min(k, len(rows)) - 1] if len(rows) else 0
            expected = rows[distances[rows] <= cut]
            assert found.rows.tolist() == expected.tolist()
            assert found.distances.tolist() == distances[expected].tolist()
    assert nearest(codes[:0], codes[7], 3).rows.tolist() == []
