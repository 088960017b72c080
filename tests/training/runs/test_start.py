"""What a run that starts from another one takes from it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.training.outfits.loop import fit
from tests.worlds.tiny import tiny_dataset, tiny_values

STILL = dict.fromkeys(("user", "id", "bit_weights", "item_bias"), 0.0)  # learning rates: nothing moves
BIASED = {"item_bias": True}


def taken(dataset: Dataset, folder: Path) -> set[str]:
    """The parameters that a new run on a data set has from a run on the tiny one, both with item biases."""
    first = fit(make_config(tiny_values(model=BIASED)), tiny_dataset(), folder / "first")
    train = {"epochs": 1, "start": str(first.path)}
    second = fit(make_config(tiny_values(model=BIASED, optimiser={"rates": STILL}, train=train)), dataset, folder / "b")
    before, after = (load_file(run.path / "best.safetensors") for run in (first, second))
    names = {name for name in after if name.startswith("model/")}
    assert names == {name for name in before if name.startswith("model/")}
    return {name for name in names if torch.equal(before[name], after[name])}


def test_all_but_the_users_where_the_items_are_the_same(tmp_path: Path) -> None:
    names = taken(tiny_dataset(users=9, seed=1), tmp_path)
    assert any(name.startswith("model/hashing.id.") for name in names)
    assert any(name.startswith("model/item_bias.") for name in names)
    assert not any(name.startswith("model/users.") for name in names)


def test_nothing_of_the_items_where_these_are_others(tmp_path: Path) -> None:
    names = taken(tiny_dataset(items=14), tmp_path)
    assert names
    assert not any(name.startswith(("model/users.", "model/hashing.id.", "model/item_bias.")) for name in names)


def test_a_run_whose_codes_mean_something_else_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    first = fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "first")
    values = tiny_values(model={"codes": "zero_one"}, train={"start": str(first.path)})
    with pytest.raises(ConfigError, match=r"train.start: .*first was trained with model.codes signs, got zero_one"):
        fit(make_config(values), tiny_dataset(), tmp_path / "second")
    assert not (tmp_path / "second").exists()
    # pictures that another network reads: a released run of before the option, told by its configuration
    text = (first.path / "config.yaml").read_text()
    (first.path / "config.yaml").write_text(text.replace("image: null", "image: {backbone: alexnet}"))
    values = tiny_values(image={"pooling": "sliding"}, train={"start": str(first.path)})
    with pytest.raises(ConfigError, match=r"with image.pooling adaptive, got sliding: set image.pooling to adaptive"):
        fit(make_config(values), tiny_dataset(), tmp_path / "second")
    values = tiny_values(image={"components": 8}, train={"start": str(first.path)})
    with pytest.raises(ConfigError, match=r"train.start: image.components are those of the training items"):
        fit(make_config(values), tiny_dataset(), tmp_path / "second")
