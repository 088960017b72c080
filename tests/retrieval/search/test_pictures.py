"""Search by a picture: every allowed item compared by its bits, against the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_hash.core.codes import unpack
from fashion_hash.errors import DataError, FeatureError, QueryError
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.similar_items import PictureCode
from tests.worlds.pages_world import SLOTS, pages_bundle
from tests.worlds.picture_world import picture, pictured_encoder_contents
from tests.worlds.words_world import words_bundle

PHOTO = picture("orange", 2, "PNG")


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    return Recommender.load(pages_bundle(tmp_path_factory.mktemp("photo") / "bundle").root)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "bundle"
    return Recommender.load(pages_bundle(path, pictured_encoder_contents).root)


def slowly(recommender, photo, types):
    """(-share of equal bits, id, type) of every item with a picture, the best first: one item after the other."""
    coder = ItemCoder.open(recommender.bundle.path)
    bundle, ranked = recommender.bundle, []
    for item_type in types:
        [query] = coder.codes_of_many(item_type, 1, {}, None, [photo])
        for row, item_id in enumerate(bundle.items[item_type].all()):
            if bundle.catalogue.picture(item_type, row) is not None:
                code = unpack(np.asarray(bundle.item_codes[item_type][row]))
                ranked.append((-float((code == query).mean()), item_id, item_type))
    return sorted(ranked)


@pytest.mark.parametrize("types", [None, ["top"], ["shoe", "top"]])
def test_the_nearest_items_are_those_of_the_slow_way(recommender, types):
    expected = slowly(recommender, PHOTO, types or SLOTS)
    for k, skip in ((1, 0), (7, 0), (5, 3), (1000, 0)):
        hits = recommender.search_picture(PHOTO, types, k, skip=skip)
        answered = list(zip((-hits.scores).tolist(), hits.ids.tolist(), hits.types.tolist()))
        assert answered == expected[skip : skip + k]
    assert (hits.by, hits.by_bits, hits.reranked) == ("picture", True, False)


def test_an_item_is_found_by_its_own_picture(recommender):
    row = recommender.bundle.items["top"].row("top-023")
    photo = recommender.bundle.catalogue.picture("top", row)
    hits = recommender.search_picture(photo, ["top"], 50)
    same = hits.ids[hits.scores == 1].tolist()
    assert "top-023" in same
    assert "top-021" not in hits.ids  # it has no picture


def test_filters_and_words_decide_before_the_picture(recommender):
    hits = recommender.search_picture(PHOTO, k=30, where={"season": "summer"}, text="a blue shirt at most 45")
    rows = [recommender.bundle.items[kind].row(item) for kind, item in zip(hits.types, hits.ids)]
    details = [recommender.bundle.catalogue.item(kind, row).details for kind, row in zip(hits.types, rows)]
    assert all(each["season"] == "summer" for each in details)
    assert [fact.column for fact in hits.understood][:1] == ["colour"]
    assert hits.complete.any()
    assert all(each["colour"] == "blue" and each["price"] <= 45 for each, whole in zip(details, hits.complete) if whole)
    assert hits.complete.tolist() == sorted(hits.complete.tolist(), reverse=True)
    assert hits.by == "picture and words"


def test_the_code_of_a_picture_is_written_and_read(recommender, vectors):
    for each in (recommender, vectors):
        code = each.code_picture(PHOTO)
        again = PictureCode.from_text(each.bundle, code.to_text())
        assert each.search_picture(again, k=9).ids.tolist() == each.search_picture(PHOTO, k=9).ids.tolist()
    with pytest.raises(QueryError, match="belongs to another bundle"):
        recommender.search_picture(code)
    for text in ("", "x", f"{recommender.bundle.fingerprint}.AAAA", f"{recommender.bundle.fingerprint}.é"):
        with pytest.raises(QueryError, match="send the picture again"):
            PictureCode.from_text(recommender.bundle, text)


def test_with_an_outfit_encoder_vectors_decide(vectors):
    bundle, coder = vectors.bundle, ItemCoder.open(vectors.bundle.path)
    hits = vectors.search_picture(PHOTO, ["bottom"], 12)
    encoder = bundle.encoder
    token = encoder.tokens("bottom", coder.outputs_of_many("bottom", 1, {}, None, [PHOTO]))
    query = encoder.singles(token)[0].astype(np.float16).astype(np.float64)
    items = np.asarray(bundle.encoded_items["bottom"])[:, encoder.width :].astype(np.float64)
    cosine = items @ query / np.linalg.norm(items, axis=1) / np.linalg.norm(query)
    best = sorted(zip((-(1 + cosine) / 2).tolist(), bundle.items["bottom"].all()))[:12]
    np.testing.assert_allclose(hits.scores, [-score for score, _ in best], rtol=1e-9)
    assert set(hits.ids) == {item_id for _, item_id in best}
    assert (hits.reranked, hits.by_bits) == (True, False)


def test_a_new_item_is_found_by_its_picture_at_once(tmp_path):
    recommender = Recommender.load(pages_bundle(tmp_path / "bundle").root)
    before = recommender.search_picture(PHOTO, ["top"], 1).ids[0]
    recommender.add_items([{"item_id": "a new one", "type": "top", "picture": PHOTO}])
    hits = recommender.search_picture(PHOTO, ["top"], 1)
    assert (hits.ids[0], hits.scores[0]) == ("a new one", 1.0)
    recommender.hide_items({"top": ["a new one"]})
    assert recommender.search_picture(PHOTO, ["top"], 1).ids[0] == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"item_types": ["tops"]}, "no item type 'tops'.*nearest: 'top'"),
        ({"item_types": []}, "item_types is empty"),
        ({"item_types": "top"}, "item_types must be a list"),
        ({"text": 5}, "text must be a string"),
        ({"where": {"prise": 5}}, "prise"),
        ({"skip": -1}, "skip must be at least 0"),
    ],
)
def test_bad_options_are_named(recommender, options, message):
    with pytest.raises(QueryError, match=message):
        recommender.search_picture(PHOTO, **options)


def test_what_is_not_a_picture_is_refused(recommender, tmp_path):
    for data in (b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", PHOTO[: len(PHOTO) // 2]):
        with pytest.raises(FeatureError, match="cannot decode a picture"):
            recommender.search_picture(data)
    with pytest.raises(DataError, match=r"cannot read the picture .*no-file"):
        recommender.search_picture(tmp_path / "no-file.jpg")
    with pytest.raises(TypeError, match="unexpected keyword argument 'types'"):
        recommender.search_picture(PHOTO, types=["top"])


def test_a_bundle_without_an_encoder_says_what_to_do(tmp_path):
    plain = Recommender.load(words_bundle(tmp_path / "bundle").root)
    assert not plain.reads_pictures
    with pytest.raises(QueryError, match=r"image\.encoder: descriptors"):
        plain.search_picture(PHOTO)
