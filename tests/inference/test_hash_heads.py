"""New items' codes without torch: equal to the model's, and bad input refused."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from fashion_hash.bundle.write import write_bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.core.codes import unpack
from fashion_hash.data.dataset import Content
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.errors import BundleError, FeatureError, QueryError
from fashion_hash.features.extraction import feature_store_path
from fashion_hash.inference.content_heads import ContentHeads
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.inference.layers import Layer, apply_layers
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from tests.worlds.random_bundles import random_bundle, random_contents
from tests.worlds.tiny import tiny_dataset, tiny_values

SIZE, COUNT = 32, 12
SLOTS = ("jeans/denim", "top", "top")
BACKBONE = {"backbone": "resnet18", "weights": "random", "size": SIZE}
RATES = {"user": 0.05, "image_head": 1e-3, "text_head": 1e-3, "backbone": 1e-4, "bit_weights": 0.01}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Drawn pictures and titles; one item without a picture, one without a title."""
    folder = tmp_path_factory.mktemp("pictures")
    plain = tiny_dataset(SLOTS, outfits=40)
    colours = ["red", "blue", "green", "black", "white"]
    details = {}
    for item_type in plain.types:
        details[item_type] = {}
        for number, item_id in enumerate(plain.items[item_type]):
            pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "JPEG")
            (folder / item_id).parent.mkdir(exist_ok=True)
            (folder / item_id).write_bytes(out.getvalue())
            details[item_type][item_id] = {"title": f"{colours[number % 5]} {colours[number % 3]} {item_type}"}
    (folder / "top3.jpg").unlink()
    del details["top"]["top4.jpg"]
    return replace(plain, content=Content(pictures=folder, details=details))


def trained(tmp_path, dataset, **sections):
    values = tiny_values(optimiser={"rates": RATES}, data={"root": str(tmp_path)}, train={"epochs": 2})
    config = make_config({**values, "id": None, **sections})
    return config, export_bundle(fit(config, dataset, tmp_path / "run"), dataset=dataset, onnx=False)


MODALITIES = {
    "pictures": {"image": {**BACKBONE, "normalise": "standard"}},
    "linear": {"image": {**BACKBONE, "head": "linear", "normalise": "l2", "components": 6}},
    "titles": {"text": {"source": "titles", "dim": 8}},
    "all": {
        "image": BACKBONE,
        "text": {"source": "titles", "dim": 8, "normalise": "standard"},
        "id": {"hide": 0.2},
    },
    "shared": {
        "image": BACKBONE,
        "text": {"source": "titles", "dim": 8},
        "model": {"num_bits": 16, "shared_head": True},
    },
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "pictures" else ()) for name in MODALITIES]
)
def test_codes_are_those_of_the_model(tmp_path, dataset, name):
    config, bundle = trained(tmp_path, dataset, **MODALITIES[name])
    encoder = ItemCoder.open(bundle.path)
    assert encoder.modalities == bundle.modalities
    store = FeatureStore(feature_store_path(config)) if config.image else None
    learned = [modality for modality in bundle.modalities if modality != "id"]
    for item_type in dataset.types:
        codes = unpack(bundle.item_codes[item_type])
        features, titles = [], []
        for row, item_id in enumerate(dataset.items[item_type]):
            features.append(store.get(item_id) if store else None)
            titles.append(dataset.content.details[item_type].get(item_id, {}).get("title"))
            code = encoder.codes(item_type, {"image": features[-1]} if store else None, titles[-1])
            assert code.dtype == np.int8
            assert code.shape == codes[row].shape
            for modality in learned:
                number = bundle.modalities.index(modality)
                assert code[number].tolist() == codes[row, number].tolist(), (item_id, modality)
        many = encoder.codes_of_many(item_type, COUNT, {"image": features} if store else {}, titles)
        assert (many[:, : len(learned)] == codes[:, : len(learned)]).all()


def test_text_vectors_of_zeros_are_unknown():
    rng = np.random.default_rng(0)
    layers = (Layer(rng.normal(size=(8, 3)).astype(np.float32)),)
    heads = ContentHeads(
        {"top": layers}, Normaliser("l2", np.zeros(3), np.ones(3)), {"top": np.ones(3)}, "features", ""
    )
    encoder = ItemCoder(["top"], {"text": heads})
    assert encoder.codes("top", {"text": np.zeros(3)}).tolist() == encoder.codes("top").tolist()
    assert encoder.codes("top").tolist() == encoder.codes("top", {"text": np.array([2, 2, 2])}).tolist()


def test_a_new_id_has_the_unknown_items_code(tmp_path, dataset):
    config = make_config(tiny_values(id={"hide": 0.3}))
    run = fit(config, dataset, tmp_path / "run")
    encoder = ItemCoder.open(export_bundle(run, dataset=dataset, onnx=False).path)
    model, _, _ = run.model(dataset)
    for item_type in dataset.types:
        unknown = model.hashing["id"].embeddings[item_type].weight[-1].detach().numpy()
        assert encoder.codes(item_type)[0].tolist() == np.where(unknown >= 0, 1, -1).tolist()
    with pytest.raises(FeatureError, match="the modality id takes no features"):
        encoder.codes("top", {"id": np.zeros(16)})


def test_layers_against_plain_loops():
    rng = np.random.default_rng(1)
    first = Layer(rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32))
    second = Layer(rng.normal(size=(2, 4)).astype(np.float32))
    x = rng.normal(size=3).astype(np.float32)
    hidden = [max(0.0, sum(first.weight[j, i] * x[i] for i in range(3)) + first.bias[j]) for j in range(4)]
    expected = [sum(second.weight[k, j] * hidden[j] for j in range(4)) for k in range(2)]
    np.testing.assert_allclose(apply_layers((first, second), x[None])[0], expected, rtol=1e-5)


def test_a_trained_backbone_is_named_and_needs_no_picture(tmp_path, dataset):
    _, bundle = trained(tmp_path, dataset, image={**BACKBONE, "mode": "finetune"})
    encoder = ItemCoder.open(bundle.path)
    with pytest.raises(FeatureError, match=r"trained with it \(resnet18 at 32 px.*image.mode frozen"):
        encoder.codes("top", {"image": np.zeros(512)})
    without = dataset.items["top"].row("top3.jpg")  # it has no picture
    assert encoder.codes("top").tolist() == unpack(bundle.item_codes["top"][without]).tolist()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, dataset):
    return trained(tmp_path_factory.mktemp("both"), dataset, **MODALITIES["all"])[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tops",), r"no item type 'tops' \(nearest: 'top'\)"),
        (("top", {"imagge": np.zeros(512)}), r"no modality 'imagge' \(nearest: 'image'\)"),
        (
            ("top", {"image": np.zeros(7)}),
            r"item 0 has shape \(7,\), but this bundle takes \(512,\): resnet18 at 32 px",
        ),
        (("top", {"image": np.full(512, np.nan)}), "item 0 has values that are not finite numbers"),
        (("top", {"image": np.full(512, "x")}), "item 0 has values that are not finite numbers"),
        (("top", {"text": np.zeros(8)}), "comes from titles: give titles"),
    ],
)
def test_bad_content_is_refused(bundle, arguments, message):
    with pytest.raises((FeatureError, QueryError), match=message):
        ItemCoder.open(bundle.path).codes(*arguments)


def test_columns_of_other_lengths_are_refused(bundle):
    encoder = ItemCoder.open(bundle.path)
    with pytest.raises(QueryError, match="got 1 titles for 2 items"):
        encoder.codes_of_many("top", 2, {}, ["red top"])
    assert encoder.codes_of_many("top", 0, {}).shape == (0, 3, 16)


def test_an_unknown_word_is_an_unknown_title(bundle):
    encoder = ItemCoder.open(bundle.path)
    assert encoder.codes("top", title="xyzzy").tolist() == encoder.codes("top").tolist()
    assert encoder.codes("top", title="red red top").tolist() != encoder.codes("top").tolist()


def test_a_bundle_without_heads_says_so(tmp_path):
    path = random_bundle(tmp_path / "bundle").path
    with pytest.raises(BundleError, match=r"bundle holds no hash heads.*export the bundle again"):
        ItemCoder.open(path)


def test_heads_of_other_modalities_are_no_part_of_a_bundle(tmp_path, bundle):
    heads = ItemCoder.open(bundle.path).heads
    with pytest.raises(
        BundleError, match=r"heads have the modalities \['image', 'text', 'id'\], but the bundle has \['image'\]"
    ):
        write_bundle(tmp_path / "other", replace(random_contents(), heads=heads))
    assert not (tmp_path / "other").exists()


def test_broken_files_are_named(tmp_path, bundle):
    def copy(name):
        subprocess.run(["cp", "-r", str(bundle.path), str(tmp_path / name)], check=True)
        return tmp_path / name

    short = copy("short")
    image = short / "heads/image.safetensors"
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(BundleError, match=r"image.safetensors holds no readable hash heads"):
        ItemCoder.open(short)
    lacking = copy("lacking")
    arrays = load_file(lacking / "heads/text.safetensors")
    del arrays["centre"]
    save_file(arrays, lacking / "heads/text.safetensors")
    with pytest.raises(BundleError, match=r"text.safetensors holds no readable hash heads.*centre"):
        ItemCoder.open(lacking)
    other = copy("other")
    about = json.loads((other / "heads/heads.json").read_text())
    (other / "heads/heads.json").write_text(json.dumps({**about, "format_version": 9}))
    with pytest.raises(BundleError, match=r"heads.json is not 'fashion_hash heads' of version 1"):
        ItemCoder.open(other)


@pytest.mark.slow  # an ordinary test of pictures of new items adds an item in a process without torch
def test_no_torch(bundle):
    code = (
        "import sys; from fashion_hash.inference.hash_heads import ItemCoder; "
        "ItemCoder.open(sys.argv[1]).codes('top', title='red top'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(bundle.path)], check=True)
