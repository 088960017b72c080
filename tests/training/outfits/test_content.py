"""Pictures and words through the whole learning half, alone and together."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Content
from fashion_hash.errors import FeatureError, TrainingError
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from tests.worlds.tiny import tiny_dataset, tiny_values

SIZE = 32
BACKBONE = {"backbone": "resnet18", "weights": "random", "size": SIZE}
RATES = {"rates": {"user": 0.05, "image_head": 1e-3, "text_head": 1e-3, "backbone": 1e-4, "bit_weights": 0.01}}


def picture(number: int) -> bytes:
    """Even items are red, odd ones blue: what a user likes can be seen."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 60, size=(SIZE, SIZE, 3))
    pixels[..., 0 if number % 2 == 0 else 2] += 190
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def drawn(folder, outfits=120):
    """Pictures in a folder, and users who like one colour of them."""
    folder.mkdir()
    details = {}
    for kind in ("top", "bottom"):
        details[kind] = {}
        for number in range(12):
            (folder / f"{kind}{number}.jpg").write_bytes(picture(number))
            colour = "red" if number % 2 == 0 else "blue"
            details[kind][f"{kind}{number}.jpg"] = {"title": f"{colour} {kind} of model {number}", "price": number}
    return tiny_dataset(("top", "bottom"), outfits=outfits, content=Content(pictures=folder, details=details))


@pytest.fixture
def dataset(tmp_path):
    return drawn(tmp_path / "pictures")


@pytest.fixture
def few(tmp_path):
    """Few outfits, for backbones that are trained with the rest."""
    return drawn(tmp_path / "pictures", outfits=24)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A data set whose features are extracted once for several trainings, and its folder."""
    root = tmp_path_factory.mktemp("extracted")
    return drawn(root / "pictures"), root


def values(tmp_path, **sections):
    plain = tiny_values(optimiser=RATES, data={"root": str(tmp_path)}, **sections)
    if "id" not in sections:
        plain["id"] = None
    return plain


MODALITIES = {
    "titles": {"text": {"source": "titles", "dim": 8}},
    "pictures": {"image": BACKBONE},
    "linear": {"image": {**BACKBONE, "head": "linear", "normalise": "standard"}},
    "both": {"image": BACKBONE, "text": {"source": "titles", "dim": 8, "normalise": "l2"}},
    "all": {"image": BACKBONE, "text": {"source": "titles", "dim": 8}, "id": {"hide": 0.2}},
    "shared head": {"text": {"source": "titles", "dim": 8}, "model": {"shared_head": True}},
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("pictures", "linear", "both") else ())
        for name in MODALITIES
    ],
)
def test_taste_is_learned_from_content(tmp_path, extracted, name):
    dataset, root = extracted
    config = make_config(values(root, **MODALITIES[name], train={"epochs": 10}))
    run = fit(config, dataset, tmp_path / "run")
    assert evaluate(run, "test", dataset)["protocols"]["rank_random"]["binary"]["auc"] > 0.75
    bundle = export_bundle(run, dataset=dataset, onnx=False)
    assert bundle.modalities == config.modalities
    assert bundle.item_codes["top"].shape == (12, len(config.modalities), 2)


@pytest.mark.slow
def test_a_backbone_is_trained_with_the_rest(tmp_path, dataset):
    image = {**BACKBONE, "mode": "finetune"}
    config = make_config(values(tmp_path, image=image, train={"epochs": 2}))
    run = fit(config, dataset, tmp_path / "run")
    again = fit(config, dataset, tmp_path / "again")
    assert [one["loss"] for one in run.history] == [one["loss"] for one in again.history]
    model, _, _ = Run.open(run.path).model(dataset)
    frozen, _, _ = fit(
        make_config(values(tmp_path, image=image, train={"epochs": 2, "parts": ["user"]})), dataset, tmp_path / "frozen"
    ).model(dataset)
    moved = [
        not a.equal(b)
        for a, b in zip(model.hashing["image"].backbone.parameters(), frozen.hashing["image"].backbone.parameters())
    ]
    assert all(moved)


def test_missing_and_broken_pictures_are_counted_and_left_out(tmp_path, dataset, caplog):
    (dataset.content.pictures / "top0.jpg").unlink()
    (dataset.content.pictures / "top1.jpg").write_bytes(b"no picture")
    lines = []
    run = fit(make_config(values(tmp_path, image=BACKBONE)), dataset, tmp_path / "run", report=lines.append)
    positives = dataset.split("train").positives
    gone = int(np.isin(positives.items[:, 0], (0, 1)).sum())
    assert f"{len(positives) - gone} training outfits ({gone} left out" in lines[0]
    assert "top0.jpg" in caplog.text
    assert "top1.jpg" in caplog.text
    assert (
        len(evaluate(run, "test", dataset, full=False)["protocols"]) == 2
    )  # items without a picture are scored all the same


def test_no_picture_at_all_stops(tmp_path, dataset):
    for file in dataset.content.pictures.iterdir():
        file.unlink()
    with pytest.raises(FeatureError, match="no item of tiny has a picture"):
        fit(make_config(values(tmp_path, image=BACKBONE)), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_bundle_shows_titles_prices_and_small_pictures(tmp_path, dataset):
    run = fit(make_config(values(tmp_path, **MODALITIES["titles"])), dataset, tmp_path / "run")
    catalogue = export_bundle(run, dataset=dataset).catalogue
    item = catalogue.item("top", 3)
    assert (item.item_id, item.title, item.details) == ("top3.jpg", "blue top of model 3", {"price": 3})
    seen = Image.open(io.BytesIO(catalogue.picture("top", 3)))
    assert max(seen.size) <= 160
    red, _, blue = np.asarray(seen.convert("RGB"), dtype=float).mean(axis=(0, 1))
    assert blue > 2 * red


def test_undecodable_pictures_count_as_missing_in_finetuning_too(tmp_path, few, caplog):
    dataset = few
    (dataset.content.pictures / "top1.jpg").write_bytes(b"no picture")
    image = {**BACKBONE, "mode": "finetune"}
    lines = []
    fit(make_config(values(tmp_path, image=image, train={"epochs": 1})), dataset, tmp_path / "a", report=lines.append)
    gone = int((dataset.split("train").positives.items[:, 0] == 1).sum())
    assert f"({gone} left out" in lines[0]
    assert caplog.text.count("top1.jpg") == 1
    for file in dataset.content.pictures.iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(FeatureError, match="there is nothing to learn from"):
        fit(make_config(values(tmp_path, image=image, train={"epochs": 1})), dataset, tmp_path / "b")


def test_content_that_changed_after_the_training_is_noticed(tmp_path, dataset):
    run = fit(make_config(values(tmp_path, **MODALITIES["titles"])), dataset, tmp_path / "run")
    details = {kind: {one: dict(known) for one, known in of.items()} for kind, of in dataset.content.details.items()}
    details["top"]["top3.jpg"]["title"] = "another title"
    changed = replace(dataset, content=Content(dataset.content.pictures, None, details))
    for use in (lambda: evaluate(run, "test", changed), lambda: export_bundle(run, dataset=changed)):
        with pytest.raises(TrainingError, match="other data: the text features had fingerprint"):
            use()


def test_new_users_leave_everything_else_as_it_was(tmp_path, few):
    dataset, image = few, {**BACKBONE, "mode": "finetune"}
    first = fit(make_config(values(tmp_path, image=image, train={"epochs": 1})), dataset, tmp_path / "first")
    only_users = {"epochs": 1, "start": str(first.path), "parts": ["user"]}
    second = fit(make_config(values(tmp_path, image=image, train=only_users)), dataset, tmp_path / "second")
    a, b = (load_file(run.path / "best.safetensors") for run in (first, second))
    assert {name for name in a if not a[name].equal(b[name])} == {"model/users.weight"}


def test_a_teacher_of_other_modalities_serves_and_one_of_other_words_is_refused(dataset, tmp_path):
    """The student knows ids only; its teacher reads titles, with inputs of its own."""
    words = fit(make_config(values(tmp_path, text={"source": "titles", "dim": 8})), dataset, tmp_path / "teacher")
    config = make_config(values(tmp_path, id={}, teacher={"run": str(words.path), "alpha": 0.1}, contrastive={}))
    run = fit(config, dataset, tmp_path / "student")
    assert run.config.modalities == ("id",)
    details = {kind: {one: {"title": f"another {one}"} for one in of} for kind, of in dataset.content.details.items()}
    other = replace(dataset, content=replace(dataset.content, details=details))
    with pytest.raises(TrainingError, match=r"teacher\.run: .*teacher was trained on.*the text features"):
        fit(config, other, tmp_path / "other")
    wordless = replace(dataset, content=Content())
    with pytest.raises(TrainingError, match=r"teacher\.run: .*cannot score the data of the student: .*titles"):
        fit(config, wordless, tmp_path / "other")
