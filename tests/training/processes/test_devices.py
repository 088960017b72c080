"""Training in bfloat16, and on a device whose tensors are not those of the CPU."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
import torch

from fashion_hash.core.seeds import generator
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from tests.worlds.together import CASES, STORE, config, dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The features of the cases, and a run that teaches."""
    path = tmp_path_factory.mktemp("devices")
    fit(config("ids", path), dataset(path / STORE), path / "ids")
    return path


def losses(run):
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_bfloat16_changes_a_training_by_its_rounding(folder, tmp_path):
    fit(config("ids", folder, precision="bf16"), dataset(folder / STORE), tmp_path / "half")
    single, half = losses(folder / "ids"), losses(tmp_path / "half")
    assert single != half
    np.testing.assert_allclose(half, single, rtol=5e-3)


@pytest.mark.parametrize("name", CASES)
def test_a_step_takes_all_its_tensors_to_the_device(name, folder, monkeypatch):
    """On the "meta" device, as on a GPU, an operation refuses tensors of the CPU."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: contextlib.nullcontext())
    settings, data = config(name, folder, device="meta"), dataset(folder / STORE)
    teacher = None if settings.teacher is None else Teacher(settings.teacher, data)
    inputs = ItemInputs(settings, data)
    model = make_model(settings, data, inputs).to(inputs.device)
    batch = next(iter(TrainingData(settings, data, inputs, teacher).epoch(1)))
    with torch.fx.experimental._config.patch(meta_nonzero_assume_all_nonzero=True):
        loss = Objective(settings, model, inputs)(batch, 1.0, generator(0, "views"))
        torch.autograd.backward(loss)
    assert loss.is_meta
    assert all(parameter.grad is None or parameter.grad.is_meta for parameter in model.parameters())
