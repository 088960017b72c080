"""How often items are hidden in training behind the unknown item of their type."""

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.item_inputs import ItemInputs
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "top", "bottom", "shoe")


def hidden_share(hide: float | dict[str, float]) -> list[float]:
    """The share of the worn items that an epoch hides, slot by slot, positives and negatives alike."""
    dataset = tiny_dataset(SLOTS, outfits=2000)
    config = make_config(tiny_values(id={"hide": hide}))
    hidden: list[list[np.ndarray]] = [[] for _ in SLOTS]
    for batch in TrainingData(config, dataset, ItemInputs(config, dataset)).epoch(0):
        positions = batch.positions.numpy()
        for slot, item_type in enumerate(SLOTS):
            worn = positions[:, :, slot]
            hidden[slot].append(batch.hidden[item_type].numpy()[worn[worn != EMPTY]])
    return [float(np.concatenate(parts).mean()) for parts in hidden]


def test_the_share_is_of_the_items_that_are_hidden() -> None:
    assert hidden_share(0.2) == pytest.approx([0.2] * 4, abs=0.04)


def test_each_type_has_its_own_share() -> None:
    top, top_2, bottom, shoe = hidden_share({"top": 0.3, "shoe": 1.0})
    assert [top, top_2] == pytest.approx([0.3, 0.3], abs=0.04)
    assert (bottom, shoe) == (0, 1)


def test_nothing_is_hidden_unless_asked() -> None:
    assert hidden_share(0.0) == [0, 0, 0, 0]
