"""New items are looked at: their pictures give the codes that training would give, without torch."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import fashion_hash as fh
from fashion_hash.config.experiment import make_config
from fashion_hash.core.codes import unpack
from fashion_hash.data.dataset import Content
from fashion_hash.encoders.pictures.onnx_model import OnnxEncoder, Preparation
from fashion_hash.errors import BundleError, DataError, FeatureError, MissingExtraError
from fashion_hash.index.build import build_index
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.training.export import pictures as export_pictures
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from tests.paths import PROJECT
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "shoe")
RATES = {"user": 0.05, "image_head": 1e-3, "backbone": 1e-4, "bit_weights": 0.01}
NETWORK = {"backbone": "mobilenet_v3_small", "weights": "random", "size": 64}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Items with a coloured square each."""
    folder = tmp_path_factory.mktemp("pictures")
    plain = tiny_dataset(SLOTS)
    for item_type in plain.types:
        for number, item_id in enumerate(plain.items[item_type]):
            pixels = np.full((64, 64, 3), 255, dtype=np.uint8)
            pixels[10 : 40 + 2 * number, 12 + number : 50] = (20 * number, 250 - 20 * number, 90)
            Image.fromarray(pixels).save(folder / item_id, "PNG")
    return replace(plain, content=Content(pictures=folder))


def exported(folder, dataset, image, onnx=None):
    """A bundle with an index, of a short training on pictures alone."""
    values = tiny_values(optimiser={"rates": RATES}, data={"root": str(folder)}, train={"epochs": 2})
    config = make_config({**values, "id": None, "image": image})
    bundle = export_bundle(fit(config, dataset, folder / "run"), dataset=dataset, onnx=onnx)
    build_index(bundle, dataset.outfits)
    return bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, dataset):
    """A bundle of descriptors."""
    image = {"encoder": "descriptors", "normalise": "standard", "head": "linear"}
    return exported(tmp_path_factory.mktemp("run"), dataset, image)


def copy_of(bundle, folder):
    """A copy that a test may change."""
    shutil.copytree(bundle.root, folder)
    return folder


def codes(bundle, item_type, *ids):
    """The codes of items, (n, M, D)."""
    rows = [bundle.items[item_type].row(item_id) for item_id in ids]
    return unpack(np.asarray(bundle.item_codes[item_type])[rows])


def test_a_picture_gives_the_code_of_the_same_item_in_training(bundle, dataset, tmp_path):
    recommender = fh.Recommender.load(copy_of(bundle, tmp_path / "bundle"))
    old = list(dataset.items["top"])[3]
    path = dataset.content.pictures / old
    items = [{"item_id": "bytes", "picture": path.read_bytes()}, {"item_id": "path", "picture": path}]
    items += [{"item_id": "text path", "picture": str(path)}, {"item_id": "unseen"}]
    items.append({"item_id": "shown", "picture": path, "features": {"image": None}})
    recommender.add_items([{"type": "top", **item} for item in items])
    snapshot = recommender.live.now().bundle
    known, by_bytes, by_path, by_text, unseen, shown = codes(
        snapshot, "top", old, "bytes", "path", "text path", "unseen", "shown"
    )
    assert (by_bytes == known).all()
    assert (by_path == known).all()
    assert (by_text == known).all()
    assert (unseen != known).any()
    assert (shown == unseen).all()
    assert snapshot.catalogue.picture("top", snapshot.items["top"].row("path")) == path.read_bytes()


def test_another_picture_gives_another_code_in_place(bundle, dataset, tmp_path):
    recommender = fh.Recommender.load(copy_of(bundle, tmp_path / "bundle"))
    first, second = list(dataset.items["top"])[:2]
    of_second = {"item_id": first, "type": "top", "picture": dataset.content.pictures / second}
    assert recommender.update_items([of_second]) == 1
    changed, other = codes(recommender.live.now().bundle, "top", first, second)
    assert (changed == other).all()
    assert recommender.update_items([of_second]) == 0  # nothing differs
    shown = {**of_second, "picture": dataset.content.pictures / first, "features": {"image": None}}
    assert recommender.update_items([shown]) == 1
    assert (codes(recommender.live.now().bundle, "top", first)[0] == changed).all()
    new = {"item_id": "new", "type": "top", "picture": str(dataset.content.pictures / second)}
    assert recommender.upsert_items([new, {**of_second, "picture": dataset.content.pictures / first}]) == 2
    back, added = codes(recommender.live.now().bundle, "top", first, "new")
    assert (back == codes(bundle, "top", first)[0]).all()
    assert (added == other).all()


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (b"<html>", FeatureError, "top 'new': cannot decode a picture of 6 bytes"),
        (b"", FeatureError, "top 'new': cannot decode a picture of 0 bytes"),
        ("nowhere.jpg", DataError, "item 'new': cannot read the picture 'nowhere.jpg' .No such file"),
        (7, DataError, "item 'new': the picture must be the bytes of a file or its path, got int"),
    ],
)
def test_a_bad_picture_changes_nothing(bundle, tmp_path, picture, error, message):
    recommender = fh.Recommender.load(copy_of(bundle, tmp_path / "bundle"))
    before = len(recommender.live.now().bundle.items["top"])
    good = {"item_id": "good", "type": "top"}
    with pytest.raises(error, match=message):
        recommender.add_items([good, {"item_id": "new", "type": "top", "picture": picture}])
    assert len(recommender.live.now().bundle.items["top"]) == before


def test_new_items_are_looked_at_without_torch(bundle, dataset, tmp_path):
    code = (
        "import json, sys\nimport fashion_hash as fh\nrecommender = fh.Recommender.load(sys.argv[1])\n"
        "recommender.add_items([{'item_id': 'new', 'type': 'top', 'picture': sys.argv[2]}])\n"
        "print(json.dumps('torch' in sys.modules))"
    )
    picture = dataset.content.pictures / next(iter(dataset.items["top"]))
    command = [sys.executable, "-c", code, str(copy_of(bundle, tmp_path / "bundle")), str(picture)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    assert json.loads(run.stdout) is False


def test_a_bundle_that_does_not_say_what_made_its_features_warns(bundle, dataset, caplog):
    coder = ItemCoder.open(bundle.path)
    heads = {"image": replace(coder.heads["image"], pictures=None)}
    picture = (dataset.content.pictures / next(iter(dataset.items["top"]))).read_bytes()
    [code] = ItemCoder(coder.types, heads).codes_of_many("top", 1, {}, None, [picture])
    assert (code == coder.codes("top")).all()
    assert "the pictures of 1 item are shown, but have no part in their codes" in caplog.text


def test_a_network_that_was_not_exported_says_what_to_install(dataset, tmp_path):
    recommender = fh.Recommender.load(exported(tmp_path, dataset, NETWORK, onnx=False).root)
    item = {"item_id": "new", "type": "top", "picture": dataset.content.pictures / next(iter(dataset.items["top"]))}
    with pytest.raises(FeatureError, match=r"mobilenet_v3_small at 64 px.*pip install 'fashion_hash\[onnx\]'"):
        recommender.add_items([item])
    recommender.add_items([{**item, "features": {"image": None}}])


def test_bits_of_another_network_are_refused(bundle, dataset, monkeypatch):
    class Noise(OnnxEncoder):
        def encode_pictures(self, pictures):
            return np.random.default_rng(1).normal(size=(len(pictures), self.dim)).astype(np.float32)

    class Inputs:
        pass

    inputs = Inputs()
    inputs.dataset = dataset
    heads = ItemCoder.open(bundle.path).heads["image"]
    noise = Noise(b"", Preparation(64), heads.dim, "a network", "x")
    with pytest.raises(BundleError, match="a network as ONNX gives other bits than torch"):
        export_pictures.check_bits(heads, noise, heads.pictures, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["frozen", "finetune"])
def test_an_exported_network_gives_the_codes_of_training(dataset, tmp_path, mode):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made = exported(tmp_path, dataset, {**NETWORK, "mode": mode, "augment": False})
    coder = ItemCoder.open(made.path)
    assert isinstance(coder.heads["image"].pictures, OnnxEncoder)
    for item_type in dataset.types:
        ids = list(dataset.items[item_type])
        pictures = [(dataset.content.pictures / item_id).read_bytes() for item_id in ids]
        found = coder.codes_of_many(item_type, len(ids), {}, None, pictures)
        assert (found != codes(made, item_type, *ids)).mean() < 0.01


@pytest.mark.slow
def test_layers_that_slide_are_exported_as_they_are():
    import torch
    from torch import nn

    from fashion_hash.features.backbone import Backbone, SlidingLayers
    from fashion_hash.features.picture_encoders import BackboneEncoder

    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    network = nn.Module()  # laid out like AlexNet, with a last map of 9 x 9
    network.features = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.ReLU())
    network.avgpool = nn.AdaptiveAvgPool2d((6, 6))
    network.classifier = nn.Sequential(nn.Dropout(), nn.Linear(8 * 36, 16), nn.ReLU(), nn.Identity())
    encoder = BackboneEncoder(Backbone("small-sliding", SlidingLayers(network), 16), 72)
    exported_encoder = export_pictures.as_onnx(encoder, "a small network")
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (72, 72, 3), dtype=np.uint8)).save(file, "PNG")
    made = [by.encode_pictures([file.getvalue()]) for by in (encoder, exported_encoder)]
    assert np.abs(made[0]).max() > 0.01
    np.testing.assert_allclose(made[0], made[1], rtol=1e-3, atol=1e-5)


def test_a_picture_is_prepared_as_in_training():
    from fashion_hash.features.pictures import decode_picture

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(file, "PNG")
    np.testing.assert_array_equal(Preparation(32)(file.getvalue())[0], decode_picture(file.getvalue(), 32).numpy())


def test_onnxruntime_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("fashion_hash.core.extras.find_spec", lambda package: None)
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    with pytest.raises(
        MissingExtraError, match=r"encoding pictures by resnet18 needs onnxruntime.*fashion_hash\[onnx\]"
    ):
        OnnxEncoder(b"", Preparation(32), 8, "resnet18", "x").encode_pictures([file.getvalue()])
