"""Extraction to a store: resumable, counted, refused when the store is another extractor's."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Content
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.errors import ConfigError, FeatureError
from fashion_hash.features.backbone import build_backbone
from fashion_hash.features.extraction import (
    extract_features,
    feature_store_path,
    image_table,
    item_ids,
    picture_store,
    read_table,
)
from fashion_hash.features.pictures import decode_picture

NAME, SIZE = "mobilenet_v3_small", 64


@pytest.fixture(scope="module")
def backbone():
    return build_backbone(NAME, "random", seed=1)


def contents(path, ids):
    """Everything a store holds, as bytes."""
    store = FeatureStore(path)
    return {one: store.get(one).tobytes() for one in ids if one in store}


def test_features_are_those_of_the_backbone(drawn, backbone, tmp_path):
    report = extract_features(drawn, backbone, tmp_path / "store", SIZE, batch_size=4)
    assert (report.done, report.already) == (11, 0)
    table = read_table(drawn, report.store)
    picture = decode_picture((drawn.content.pictures / "b3.png").read_bytes(), SIZE)
    with torch.inference_mode():
        expected = backbone(picture[None])[0].numpy()
    np.testing.assert_allclose(table.features["bag"][3], expected, rtol=1e-4, atol=1e-5)


def test_missing_and_undecodable_are_counted_and_the_rest_goes_on(drawn, backbone, tmp_path):
    report = extract_features(drawn, backbone, tmp_path / "store", SIZE)
    assert (report.missing, report.undecodable) == (["t3.png"], ["b1.png"])
    assert "1 item without a picture ('t3.png'); 1 picture that cannot be decoded ('b1.png')" in str(report)
    table = read_table(drawn, report.store)
    assert table.known["top"].tolist() == [True, True, True, False, True, True, True, True]
    assert table.imputed == {"top": 1, "bag": 1}


def test_a_killed_extraction_goes_on_to_the_same_bytes(drawn, tmp_path):
    whole = extract_features(drawn, build_backbone(NAME, "random", seed=1), tmp_path / "whole", SIZE, batch_size=3)

    killed = build_backbone(NAME, "random", seed=1)
    calls = []

    def kill(module, inputs):
        calls.append(len(inputs[0]))
        if len(calls) == 4:  # the first call is the check of the size
            raise KeyboardInterrupt

    hook = killed.register_forward_pre_hook(kill)
    with pytest.raises(KeyboardInterrupt):
        extract_features(drawn, killed, tmp_path / "killed", SIZE, batch_size=3)
    half = contents(tmp_path / "killed", item_ids(drawn))
    assert 0 < len(half) < whole.done
    hook.remove()
    resumed = extract_features(drawn, killed, tmp_path / "killed", SIZE, batch_size=3)
    assert (resumed.already, resumed.done) == (len(half), whole.done - len(half))
    assert contents(tmp_path / "killed", item_ids(drawn)) == contents(tmp_path / "whole", item_ids(drawn))
    assert extract_features(drawn, killed, tmp_path / "killed", SIZE).done == 0


def test_a_picture_that_comes_later_is_added(drawn, backbone, tmp_path):
    extract_features(drawn, backbone, tmp_path / "store", SIZE)
    Image.new("RGB", (9, 9), "red").save(drawn.content.pictures / "t3.png")
    report = extract_features(drawn, backbone, tmp_path / "store", SIZE)
    assert (report.done, report.already, list(report.missing)) == (1, 11, [])


def test_a_picture_that_changed_is_extracted_again(drawn, backbone, tmp_path):
    """Other drawings under the same names: another seed of the sample, or one file replaced by hand."""
    path, folder = tmp_path / "store", drawn.content.pictures
    extract_features(drawn, backbone, path, SIZE)
    before = contents(path, item_ids(drawn))
    Image.new("RGB", (9, 9), "red").save(folder / "t0.png")
    (folder / "t1.png").write_bytes(b"no picture any more")
    (folder / "t2.png").unlink()
    report = extract_features(drawn, backbone, path, SIZE)
    assert (report.done, report.already, report.anew) == (1, 9, 1)
    assert "1 feature extracted (1 of them because their picture changed), 9 already stored" in str(report)
    assert report.undecodable == ["t1.png", "b1.png"]
    after = contents(path, item_ids(drawn))
    assert {one for one in before if before[one] != after.get(one)} == {"t0.png", "t1.png"}
    assert "t1.png" not in after
    fresh = extract_features(drawn, backbone, tmp_path / "fresh", SIZE).store
    np.testing.assert_allclose(
        FeatureStore(path).get("t0.png"), FeatureStore(fresh).get("t0.png"), rtol=1e-4, atol=1e-5
    )
    assert extract_features(drawn, backbone, path, SIZE).done == 0


def test_the_store_of_another_extractor_is_refused(drawn, backbone, tmp_path):
    extract_features(drawn, backbone, tmp_path / "store", SIZE)
    before = contents(tmp_path / "store", item_ids(drawn))
    for other, size in ((build_backbone(NAME, "random", seed=2), SIZE), (backbone, 48)):
        with pytest.raises(FeatureError) as error:
            extract_features(drawn, other, tmp_path / "store", size)
        assert backbone.fingerprint(SIZE) in str(error.value)
        assert other.fingerprint(size) in str(error.value)
    assert contents(tmp_path / "store", item_ids(drawn)) == before


def test_an_empty_remainder_stops(drawn, backbone, tmp_path):
    for picture in drawn.content.pictures.iterdir():
        picture.write_bytes(b"")
    with pytest.raises(FeatureError, match=r"no item of drawn has a picture .* 12 pictures that cannot be decoded"):
        extract_features(drawn, backbone, tmp_path / "store", SIZE)


def test_weights_that_give_no_numbers_are_named(drawn, tmp_path):
    broken = build_backbone(NAME, "random")
    with torch.no_grad():
        next(iter(broken.network.parameters())).fill_(float("nan"))
    with pytest.raises(FeatureError, match=r"the feature of 't0.png' is not finite"):
        extract_features(drawn, broken, tmp_path / "store", SIZE)


def test_no_pictures_at_all(drawn, tmp_path):
    without = dataclasses.replace(drawn, content=Content())
    with pytest.raises(FeatureError, match=r"drawn has no pictures"):
        picture_store(without)


def test_by_configuration(drawn, tmp_path, caplog):
    values = {
        "name": "toy",
        "data": {"format": "polyvore_u", "root": str(tmp_path)},
        "image": {"backbone": NAME, "weights": "random", "size": SIZE, "normalise": "l2"},
    }
    config = make_config(values)
    with caplog.at_level(logging.WARNING):
        table = image_table(config, drawn, "cpu")
    assert "11 features extracted" in caplog.text
    assert "'t3.png'" in caplog.text
    assert feature_store_path(config) == tmp_path / "features" / "mobilenet_v3_small-64px.lmdb"
    assert feature_store_path(config).exists()
    np.testing.assert_allclose(np.linalg.norm(table.features["bag"][[0, 2, 3, 4]], axis=1), 1, rtol=1e-5)
    again = image_table(config, drawn, "cpu")
    np.testing.assert_array_equal(again.features["top"], table.features["top"])
    with pytest.raises(ConfigError, match="no section image"):
        feature_store_path(make_config({"name": "x", "data": values["data"], "id": {}}))
