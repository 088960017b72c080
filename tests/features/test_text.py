"""Text features: given vectors, or titles; whose words are not known is filled in."""

import dataclasses
import logging
import pickle

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Content
from fashion_hash.errors import ConfigError, DataError, FeatureError
from fashion_hash.features.text import fit_titles, given_vectors, text_table, titles_of


def config_of(**text):
    return make_config({"name": "toy", "data": {"format": "polyvore_u", "root": "nowhere"}, "text": text})


def with_vectors(dataset, path, vectors):
    path.write_bytes(pickle.dumps(vectors))
    return dataclasses.replace(dataset, content=dataclasses.replace(dataset.content, text_vectors=path))


def test_given_vectors_are_aligned(drawn, tmp_path):
    draw = np.random.default_rng(0)
    vectors = {f"{kind}{i}.png": draw.normal(size=7).astype(np.float32) for kind in "tb" for i in range(4)}
    dataset = with_vectors(drawn, tmp_path / "semantic.pkl", vectors)
    raw, known = given_vectors(dataset)
    assert raw["top"].shape == (8, 7)
    assert known["top"].tolist() == [True] * 4 + [False] * 4
    np.testing.assert_array_equal(raw["bag"][2], vectors["b2.png"])
    table = text_table(config_of(source="vectors"), dataset)
    assert table.imputed == {"top": 4, "bag": 1}
    np.testing.assert_array_equal(table.features["top"][3], vectors["t3.png"])
    assert table.encoder is None


def test_vectors_that_cannot_be_used(drawn, tmp_path):
    with pytest.raises(FeatureError, match=r"drawn has no text vectors .*titles"):
        text_table(config_of(source="vectors"), drawn)
    path = tmp_path / "semantic.pkl"
    uneven = with_vectors(drawn, path, {"t0.png": np.zeros(4), "t1.png": np.zeros(5)})
    with pytest.raises(DataError, match=r"semantic.pkl.*t1.png"):
        given_vectors(uneven)
    strangers = with_vectors(drawn, path, {"other.png": np.zeros(4)})
    with pytest.raises(FeatureError, match=r"semantic.pkl has a vector for none of the 13 items"):
        given_vectors(strangers)
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"semantic.pkl"):
        given_vectors(uneven)


def test_titles(drawn, caplog):
    with caplog.at_level(logging.WARNING):
        table = text_table(config_of(source="titles", dim=5), drawn)
    assert "drawn: 5 items have no known words" in caplog.text
    assert table.known["top"].tolist() == [True, True, False, True, True, False, False, False]
    assert table.dim <= 5
    vectors, _ = table.encoder.encode(["blue denim shirt"])
    np.testing.assert_allclose(table.features["top"][1], vectors[0], rtol=1e-5)


def test_only_titles_of_training_items_are_learned_from(drawn):
    assert titles_of(drawn)["bag"][3] == "black leather bag"  # an item of test alone
    _, known = fit_titles(drawn, 5).encode(["leather", "denim"])
    assert known.all()  # "leather" is also in the title of a training item
    details = {kind: dict(one) for kind, one in drawn.content.details.items()}
    details["bag"]["b3.png"] = {"title": "zyx"}
    changed = dataclasses.replace(drawn, content=dataclasses.replace(drawn.content, details=details))
    _, known = fit_titles(changed, 5).encode(["zyx"])
    assert not known.any()


def test_an_encoder_of_before_is_used_again(drawn, tmp_path):
    config = config_of(source="titles", dim=4)
    first = text_table(config, drawn)
    first.encoder.save(tmp_path / "titles")
    loaded = type(first.encoder).load(tmp_path / "titles")
    again = text_table(config, drawn, loaded)
    np.testing.assert_array_equal(first.features["top"], again.features["top"])


def test_no_titles(drawn):
    bare = dataclasses.replace(drawn, content=Content())
    with pytest.raises(FeatureError, match="no training item of drawn has a title"):
        text_table(config_of(source="titles"), bare)
    with pytest.raises(ConfigError, match="no section text"):
        text_table(make_config({"name": "x", "data": {"format": "a", "root": "b"}, "id": {}}), drawn)
