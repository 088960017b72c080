"""Weights count in training; without them nothing changes, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.core.seeds import derive
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.errors import ConfigError, DataError
from fashion_hash.training.losses import RANKING_LOSSES
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.training_data import TrainingData, outfit_weights
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from tests.worlds.tiny import tiny_dataset, tiny_values

DAY = 86400


def with_facts(dataset, **columns):
    train = replace(dataset.splits["train"], facts=OutfitFacts.of(**columns))
    return replace(dataset, splits={**dataset.splits, "train": train})


def test_without_weights_training_is_the_same_to_the_bit(tmp_path):
    dataset = tiny_dataset()
    count = len(dataset.splits["train"].positives)
    facts = {"ids": [f"o{row}" for row in range(count)], "times": np.arange(count)}
    config = make_config(tiny_values(train={"epochs": 2}))
    plain = fit(config, dataset, tmp_path / "plain")
    for name, columns in (("known", facts), ("equal", {**facts, "weights": np.full(count, 3)})):
        run = fit(config, with_facts(dataset, **columns), tmp_path / name)
        assert [epoch["loss"] for epoch in run.history] == [epoch["loss"] for epoch in plain.history]
        for key, tensor in load_file(plain.path / "last.safetensors").items():
            assert torch.equal(tensor, load_file(run.path / "last.safetensors")[key])
    weighted = fit(config, with_facts(dataset, **facts, weights=np.arange(count)), tmp_path / "weighted")
    assert [epoch["loss"] for epoch in weighted.history] != [epoch["loss"] for epoch in plain.history]
    switched_off = make_config(tiny_values(train={"epochs": 2}, data={"weighted": False}))
    off = fit(switched_off, with_facts(dataset, **facts, weights=np.arange(count)), tmp_path / "off")
    assert [epoch["loss"] for epoch in off.history] == [epoch["loss"] for epoch in plain.history]


def test_an_outfit_of_weight_0_teaches_nothing(tmp_path):
    dataset = tiny_dataset()
    users = dataset.splits["train"].positives.users
    config = make_config(
        tiny_values(train={"epochs": 1, "batch_size": 64}, optimiser={"kind": "sgd", "weight_decay": 0})
    )
    run = fit(config, with_facts(dataset, weights=np.where(users == 0, 0, 1)), tmp_path / "run")
    torch.manual_seed(derive(config.seed, "model"))
    before = make_model(config, dataset, ItemInputs(config, dataset)).state_dict()
    after = load_file(run.path / "last.safetensors")
    moved = (after["model/users.weight"] - before["users.weight"]).abs().sum(dim=1) > 0
    assert moved.tolist() == [False] + [True] * 5


def test_batches_carry_the_weights_of_their_outfits():
    dataset = tiny_dataset()
    count = len(dataset.splits["train"].positives)
    facts = {"times": np.arange(count) * DAY, "kinds": ["bought", "liked"] * (count // 2)}
    config = make_config(tiny_values(data={"half_life": "90 days"}, train={"batch_size": 50}))
    training = TrainingData(config, with_facts(dataset, **facts), ItemInputs(config, dataset))
    weights = np.sort(np.concatenate([batch.weights for batch in training.epoch(0)]))
    expected = np.where(np.arange(count) % 2, 0.7, 1.0) * 0.5 ** ((count - 1 - np.arange(count)) / 90)
    assert weights == pytest.approx(np.sort(expected / expected.mean()), rel=1e-5)
    plain = TrainingData(make_config(tiny_values()), dataset, ItemInputs(config, dataset))
    assert all(batch.weights is None for batch in plain.epoch(0))


@pytest.mark.parametrize("loss", RANKING_LOSSES.values())
def test_a_weighted_loss_is_the_sum_of_its_parts(loss):
    generator = torch.Generator().manual_seed(0)
    positive, negative = torch.randn(4, generator=generator), torch.randn(4, 3, generator=generator)
    negative[1, 2] = -torch.inf
    weight = torch.tensor([0.0, 2.0, 1.0, 1.0])
    whole = loss(positive, negative, weight=weight)
    rows = [torch.eye(4)[row] for row in range(4)]
    assert whole == pytest.approx(sum(float(w * loss(positive, negative, weight=row)) for w, row in zip(weight, rows)))
    assert loss(positive, negative, weight=torch.ones(4)) == loss(positive, negative)


def test_durations():
    def days(half_life):
        return make_config(tiny_values(data={"half_life": half_life})).data.half_life

    assert days("90 days") == days(90) == 90
    assert days("1 week") == 7
    assert days("12 hours") == 0.5
    assert days("1 year") == 365.25
    assert make_config(tiny_values(data={"half_life": "90 days"})).to_yaml().count("half_life: 90.0") == 1
    for bad in ("soon", "90", 0, -1, "0 days", "5 parsecs"):
        with pytest.raises(ConfigError, match=r"data\.half_life"):
            days(bad)
    with pytest.raises(ConfigError, match=r"data\.kind_weights\.bought must be at least 0(\.0)?, got -1"):
        make_config(tiny_values(data={"kind_weights": {"bought": -1}}))


def test_kinds_are_weighed_as_configured():
    dataset = tiny_dataset()
    count = len(dataset.splits["train"].positives)
    facts = with_facts(dataset, kinds=["bought"] + ["seen"] * (count - 1))
    config = make_config(tiny_values(data={"kind_weights": {"seen": 0.5}}))
    weights = outfit_weights(config.data, facts, np.arange(count))
    assert weights[0] / weights[1] == 2
    with pytest.raises(DataError, match=r"no weight for the kind of event 'seen'"):
        outfit_weights(make_config(tiny_values()).data, facts, np.arange(count))
    with pytest.raises(DataError, match=r"data\.half_life needs times"):
        outfit_weights(make_config(tiny_values(data={"half_life": 1})).data, dataset, np.arange(count))


def test_users_of_many_outfits_can_count_less():
    dataset = tiny_dataset()
    positives, config = dataset.splits["train"].positives, make_config(tiny_values(data={"user_power": 0.5}))
    users, every = positives.users, np.arange(len(positives))
    weights = outfit_weights(config.data, dataset, every)
    together = np.bincount(users, weights)
    counts = np.bincount(users)
    assert together / together.sum() == pytest.approx(np.sqrt(counts) / np.sqrt(counts).sum(), rel=1e-5)
    assert weights.mean() == pytest.approx(1)
    facts = with_facts(dataset, weights=1 + np.arange(len(positives)))  # beside the weights of the data
    both = outfit_weights(config.data, facts, every) / weights
    assert both / both[0] == pytest.approx(1 + np.arange(len(positives)), rel=1e-4)
    assert outfit_weights(make_config(tiny_values(data={"user_power": 1})).data, dataset, every) is None
