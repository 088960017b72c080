"""What counts beside the bits in a live catalogue: every item as the plain way scores it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.codes import pack, unpack
from fashion_hash.inference.request_sum import SumWeights, rounded
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search import beside as beside_bits
from tests.worlds.words_world import words_bundle

WEIGHTS = SumWeights(words=0.5, taste=0.75, encoder=2.0, popular=0.125, half=6.0)
FACTS = (0.3, 0.2)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return Recommender.load(
        words_bundle(tmp_path_factory.mktemp("beside") / "bundle", facts=FACTS, beside=WEIGHTS).path
    )


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return Recommender.load(words_bundle(tmp_path_factory.mktemp("without") / "bundle", facts=FACTS).path)


def beside(recommender: Recommender, text: str, user: str | None) -> Callable[[str, int], float]:
    """What counts beside the bits for an item, by type and row, term by term."""
    now = recommender._now()
    tower, bundle = now.tower.tower, recommender.bundle
    vector = rounded(tower.encoder.encode_texts([text]))[0].astype(int)
    words = tower.request([text]).bits[0]
    if user is not None:
        liked = len(bundle.lines_of(bundle.users.row(user))) * 3
        taste = tower.request([None], [tower.taste_of_user(bundle.users.row(user))]).bits[0]

    def of_item(item_type: str, row: int) -> float:
        [code] = now.tower.items(now.live.now(), item_type, np.array([row])).codes
        total = WEIGHTS.popular * np.log1p(row)

        def share(bits: np.ndarray) -> float:
            return 1 - int(np.unpackbits(code ^ pack(bits)).sum()) / 256

        if text:
            title = rounded(tower.encoder.encode_texts([bundle.catalogue.item(item_type, row).title]))[0].astype(int)
            total += WEIGHTS.encoder * (vector @ title) / 127**2
            total += WEIGHTS.words * share(words)
        if user is not None:
            total += WEIGHTS.taste * liked / (liked + WEIGHTS.half) * share(taste)
        return total

    return of_item


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("red skirt", None),
        ("red skirt", "user-3"),
        ("something linen", "user-0"),
        ("no word xyzzy of a silk shirt", None),
        ("", "user-3"),
    ],
)
def test_scores_are_the_plain_sum(recommender: Recommender, without: Recommender, text: str, user: str | None) -> None:
    plain = without.search(text, user, 1000)
    score = {(kind, item): value for kind, item, value in zip(plain.types, plain.ids, plain.scores)}
    hits = recommender.search(text, user, 1000)
    assert len(hits.ids) == len(plain.ids)
    more = beside(recommender, text, user)
    for item_type, item_id, value in zip(hits.types, hits.ids, hits.scores):
        row = recommender.bundle.items[str(item_type)].row(str(item_id))
        expected = score[item_type, item_id] + more(str(item_type), row)
        assert value == pytest.approx(expected, abs=1e-6)
    assert hits.ids[0] != plain.ids[0] or hits.scores[0] > plain.scores[0]


def test_pages_and_filters_give_the_same_scores(recommender: Recommender) -> None:
    whole = recommender.search("something linen", "user-3", 30)
    for skip in (0, 7, 20):
        page = recommender.search("something linen", "user-3", 10, skip=skip)
        assert page.ids.tolist() == whole.ids[skip : skip + 10].tolist()
        assert page.scores.tolist() == whole.scores[skip : skip + 10].tolist()
    only = recommender.search("something linen", "user-3", 30, where={"price": {"<": 20}})
    known = dict(zip(whole.ids, whole.scores))
    assert all(known.get(item_id, score) == score for item_id, score in zip(only.ids, only.scores))


def test_explanations_add_up_to_the_score(recommender: Recommender) -> None:
    for text, user in (("red skirt", "user-3"), ("something linen", None), ("linen silk", "user-1"), ("", "user-1")):
        hits = recommender.search(text, user, 12)
        for item_id, item_type, score in zip(hits.ids, hits.types, hits.scores):
            why = recommender.explain_request(text, user, str(item_id), item_type=str(item_type))
            assert why.total == score
            assert why.to_dict()["popular"] == float(why.popular) >= 0
    assert "popular +" in why.to_text()


def test_items_that_come_later_count_by_their_words(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle", facts=FACTS, beside=WEIGHTS).path)
    title = recommender.bundle.catalogue.item("bottom", 0).title
    recommender.add_items([{"type": "bottom", "item_id": "new", "title": title, "code": np.ones((1, 16))}])
    old, new = (recommender.explain_request(title, None, item, item_type="bottom") for item in ("bottom-000", "new"))
    assert new.popular == 0  # nobody has taken it yet
    assert old.agreeing == new.agreeing
    assert float(new.words) == pytest.approx(float(old.words), abs=1e-6)
    recommender.update_items([{"type": "bottom", "item_id": "bottom-000", "title": "black silk trousers"}])
    changed = recommender.explain_request(title, None, "bottom-000", item_type="bottom")
    assert changed.words < old.words
    assert changed.popular == old.popular
    hits = recommender.search(title, None, 100)
    assert hits.scores[hits.ids.tolist().index("new")] == new.total


def test_likes_in_the_call_say_how_much_is_known(recommender: Recommender) -> None:
    liked = [{"top": "top-000"}, {"top": "top-001"}]
    few, more = (recommender.search("something linen", k=50, liked=liked[:count]) for count in (1, 2))
    known = [WEIGHTS.known(count) for count in (1, 2)]
    assert known[0] < known[1]
    assert few.by == more.by == "taste and words"
    assert few.scores.tolist() != more.scores.tolist()


def test_taste_is_the_same_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    query = rng.integers(-(1 << 20), 1 << 20, 128)
    codes = rng.integers(0, 256, (300, 2, 16), dtype=np.uint8)
    counted: list[float] = []
    monkeypatch.setattr(beside_bits, "count_seconds", counted.append)
    monkeypatch.setattr(beside_bits, "are_kernels_loaded", lambda: False)
    plain = beside_bits._sums(query, codes)
    assert len(counted) == 1  # the time after which kernels are loaded
    np.testing.assert_array_equal(plain, (unpack(codes).astype(np.int64) @ query).sum(axis=1))
    monkeypatch.setattr(beside_bits, "are_kernels_loaded", lambda: True)
    np.testing.assert_array_equal(beside_bits._sums(query, codes), plain)
    assert len(counted) == 1
