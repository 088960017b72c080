"""The spectral start: what it knows before any training, and that it goes on from there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Split
from fashion_hash.errors import ConfigError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.starts.spectral import itq, start_from_spectrum
from tests.worlds.tiny import tiny_dataset


def groups_dataset(users=60, items=40, groups=4, each=12):
    """Users of a group wear the items of that group; some outfits of each user are kept for the test."""
    rng = np.random.default_rng(0)
    dataset = tiny_dataset(("top", "bottom"), users=users, items=items)
    owner = np.repeat(np.arange(users), each)
    drawn = rng.integers(items // groups, size=(len(owner), 2)) * groups + (owner % groups)[:, None]
    table = Outfits.of(("top", "bottom"), owner, drawn)
    tested = rng.random(len(owner)) < 0.2
    splits = {"train": Split(table[~tested]), "valid": Split(table[tested])}
    return replace(dataset, splits=splits)


def values(**sections):
    return {
        "name": "spectral",
        "data": {"format": "iqon3000", "root": "x"},
        "id": {},
        "model": {"num_bits": 16, "item_bias": True},
        "optimiser": {"kind": "adam", "rates": {"user": 0.05, "id": 0.05, "bit_weights": 0.01, "item_bias": 0.01}},
        "train": {"epochs": 1, "start": "spectral"},
        **sections,
    }


def started(config, dataset):
    torch.manual_seed(0)
    inputs = ItemInputs(config, dataset)
    model = make_model(config, dataset, inputs)
    start_from_spectrum(model, config, dataset, inputs)
    rows = {name: torch.arange(count) for name, count in inputs.num_items.items()}
    return model, model.item_codes(inputs(rows), rows, None)


def test_signs_tell_the_groups_before_any_training():
    dataset = groups_dataset()
    model, codes = started(make_config(values()), dataset)
    users = model.user_codes(torch.arange(60), None)
    near = (users @ codes.codes["top"][:-1, 0].T).detach().numpy() / 16
    same = (np.arange(60) % 4)[:, None] == (np.arange(40) % 4)[None]
    worn = np.isin(np.arange(40), dataset.split("train").positives.items[:, 0])
    assert near[:, worn][same[:, worn]].mean() > near[:, worn][~same[:, worn]].mean() + 0.3
    assert all(set(np.unique(code.detach())) <= {-1.0, 0.0, 1.0} for code in codes.codes.values())


def test_item_biases_are_the_logarithm_of_how_often_an_item_occurs():
    dataset = groups_dataset()
    model, _ = started(make_config(values()), dataset)
    counts = np.bincount(dataset.split("train").positives.items[:, 1], minlength=40)
    bias = model.item_bias["bottom"].weight.detach().numpy()[:, 0]
    assert bias == pytest.approx(np.log1p(counts) - np.log1p(counts).mean(), abs=1e-5)


def test_itq_brings_signs_nearer_and_only_turns():
    points = np.random.default_rng(3).normal(size=(500, 8)) * np.linspace(3, 0.2, 8)
    rotation = itq(points, 0)
    assert rotation.T @ rotation == pytest.approx(np.eye(8), abs=1e-9)

    def lost(turned):
        return ((np.sign(turned) - turned) ** 2).sum()

    random_rotation = itq(points, 0, steps=0)
    assert lost(points @ rotation) < min(lost(points), lost(points @ random_rotation))
    assert (itq(points, 0) == rotation).all()


def test_content_heads_start_at_the_principal_components():
    """Items with near features get near codes, whatever their type; users lie where their items do."""
    rng, dataset = np.random.default_rng(1), groups_dataset()
    words = np.array([[f"{name}{number}" for number in range(6)] for name in ("silk", "denim", "wool", "linen")])
    details = {
        name: {item: {"title": " ".join(rng.choice(words[row % 4], 4))} for row, item in enumerate(vocabulary.ids)}
        for name, vocabulary in dataset.items.items()
    }
    text = {"source": "titles", "dim": 12, "head": "linear", "normalise": "standard"}
    for sections in ({"id": None, "text": text}, {"text": text}):
        content = replace(dataset.content, details=details)
        model, codes = started(make_config(values(**sections)), replace(dataset, content=content))
        place = list(model.modalities).index("text")
        tops, bottoms = (codes.codes[name][:-1, place].detach().numpy() for name in ("top", "bottom"))
        users = model.user_codes(torch.arange(60), None).detach().numpy()
        same = (np.arange(60) % 4)[:, None] == (np.arange(40) % 4)[None]
        for near in (tops @ bottoms.T / 16, users @ tops.T / 16):
            alike = same[: len(near)]
            assert near[alike].mean() > near[~alike].mean() + 0.15, sections


def test_training_goes_on_from_the_spectrum_and_repeats(tmp_path):
    dataset = groups_dataset()
    plain = values(train={"epochs": 2})
    losses = {
        name: [epoch["loss"] for epoch in fit(make_config(of), dataset, tmp_path / name).history]
        for name, of in (("a", values(train={"epochs": 2, "start": "spectral"})), ("plain", plain))
    }
    again = fit(make_config(values(train={"epochs": 2, "start": "spectral"})), dataset, tmp_path / "again")
    assert losses["a"] == [epoch["loss"] for epoch in again.history]
    assert losses["a"][0] < losses["plain"][0] - 0.1


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"id": None, "cooccurrence": {"head": "fhn"}}, "set cooccurrence.head to linear"),
        ({"encoder": {"width": 8, "heads": 2}}, r"encoder\.width must be model\.num_bits \(16\), got 8"),
    ],
)
def test_what_cannot_start_so(tmp_path, sections, message):
    dataset = tiny_dataset()
    with pytest.raises(ConfigError, match=message):
        fit(make_config(values(**sections)), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()
