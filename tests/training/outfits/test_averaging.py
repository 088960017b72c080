"""The mean of the weights of the last epochs answers, and training goes on from the weights themselves."""

import numpy as np
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from tests.worlds.tiny import tiny_dataset, tiny_values


def weights(path, name):
    return {key.removeprefix("model/"): one for key, one in load_file(path / name).items() if key.startswith("model/")}


def test_the_best_epoch_holds_the_mean_of_the_last_ones(tmp_path):
    dataset, lasts = tiny_dataset(valid=False), []  # without validation the last epoch answers
    config = make_config(tiny_values(train={"epochs": 5, "average": 3}))

    def keep(line):
        if line.startswith("epoch"):
            lasts.append(weights(tmp_path / "run", "last.safetensors"))

    run = fit(config, dataset, tmp_path / "run", report=keep)
    plain = fit(make_config(tiny_values(train={"epochs": 5})), dataset, tmp_path / "plain")
    best = weights(run.path, "best.safetensors")
    for name, one in weights(plain.path, "last.safetensors").items():
        assert torch.equal(one, lasts[-1][name])  # averaging does not touch what is trained
        mean = np.mean([last[name].numpy() for last in lasts[2:]], axis=0)
        np.testing.assert_allclose(best[name].numpy(), mean, atol=1e-6)
        assert not torch.equal(best[name], one)


def test_validation_measures_the_mean(tmp_path):
    dataset = tiny_dataset()
    run = fit(make_config(tiny_values(train={"epochs": 4, "average": 4})), dataset, tmp_path / "run")
    found = evaluate(run, "valid", dataset)["protocols"]["rank_random"]
    assert found["binary"]["auc"] == run.history[run.best_epoch - 1]["valid_auc"]
