"""Items updated in a bundle of an outfit encoder, or with a request model, answer as a fresh export would."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.index.build import build_index
from fashion_hash.inference.layers import apply_layers
from fashion_hash.inference.outfit_encoder import EncoderContents
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.encoder_bundles import FEATURE, encoder_contents
from tests.worlds.random_bundles import random_pool
from tests.worlds.words_world import words_bundle


def built(path: Path, contents: BundleContents) -> Recommender:
    bundle = write_bundle(path, contents)
    build_index(bundle, random_pool(bundle, 40))
    return Recommender.load(path)


def answers(recommender: Recommender) -> list[Any]:
    out: list[Any] = []
    for user in ("user-0", None):
        hits = recommender.recommend(user, 12)
        out.append([*zip(hits.ids.tolist(), hits.scores.tolist())])
        out.append([(hit.items, hit.score) for hit in recommender.compose(user, 4).hits])
    similar = recommender.similar_items("top-3", 5)
    return [*out, [*zip(similar.ids.tolist(), similar.scores.tolist())]]


@pytest.mark.parametrize("output", ["float", "bits"])
def test_new_features_under_an_outfit_encoder(tmp_path: Path, output: str) -> None:
    old = encoder_contents(0, output=output, num_items=10)
    assert old.encoder is not None
    feature = np.linspace(-2, 2, FEATURE).astype(np.float32)
    tokens = {item_type: array.copy() for item_type, array in old.encoder.item_tokens.items()}
    [coded] = apply_layers(old.heads["text"].layers["top"], feature[None])  # type: ignore[union-attr]
    tokens["top"][3] = coded + old.encoder.encoder.type_tokens["top"]
    encoder = EncoderContents(old.encoder.encoder, tokens, old.encoder.user_vectors)
    expected = answers(built(tmp_path / "new", replace(old, encoder=encoder, item_codes=encoder.item_codes)))
    recommender = built(tmp_path / "old", old)
    assert answers(recommender) != expected
    update = {"item_id": "top-3", "type": "top", "features": {"text": feature}}
    assert recommender.update_items([update]) == 1
    assert answers(recommender) == expected
    assert recommender.update_items([update]) == 0
    recommender.compact()
    assert answers(Recommender.load(tmp_path / "old")) == expected


def test_a_new_title_is_read_by_the_request_model(tmp_path: Path) -> None:
    path = words_bundle(tmp_path / "bundle").path
    recommender = Recommender.load(path)
    ids, catalogue = recommender.bundle.items["top"], recommender.bundle.catalogue
    title = catalogue.item("top", 5).title  # its code is the one that the export made of these words
    asked = str(title)

    def scores(recommender: Recommender) -> dict[str, float]:
        hits = recommender.search(asked, None, 1000, item_type="top")
        return dict(zip(hits.ids.tolist(), hits.scores.tolist()))

    before = scores(recommender)
    changed, like = ids.id(0), ids.id(5)
    assert before[changed] != before[like]
    assert recommender.update_items([{"item_id": changed, "type": "top", "title": title, "price": 5.0}]) == 1
    expected = {**before, changed: before[like]}
    assert scores(recommender) == scores(Recommender.load(path)) == expected
    recommender.compact()
    assert scores(Recommender.load(path)) == expected
