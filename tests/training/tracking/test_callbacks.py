"""Callbacks get every epoch as numbers and may stop a training; the log grows within epochs."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config, make_request_config
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from fashion_hash.training.tracking import train_log
from fashion_hash.training.tracking.train_log import duration
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests


def test_a_callback_gets_what_the_metrics_file_has_and_the_criterion(tmp_path):
    told = []
    run = fit(make_config(tiny_values()), tiny_dataset(), tmp_path / "run", on_epoch=told.append)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [{**line, "epochs": 3, "criterion": line["valid_auc"]} for line in lines] == told
    assert [metrics["epoch"] for metrics in told] == [1, 2, 3]


def test_a_callback_cannot_change_what_is_kept(tmp_path):
    run = fit(make_config(tiny_values()), tiny_dataset(), tmp_path / "run", on_epoch=lambda metrics: metrics.clear())
    assert [metrics["epoch"] for metrics in run.history] == [1, 2, 3]


def test_requests_have_callbacks_and_a_log_too(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(train_log, "LOG_EVERY", 0.0)
    config = make_request_config(tiny_request_values(train={"epochs": 2}))
    run = fit_requests(config, tiny_requests(), tmp_path / "run", on_epoch=[told.append])
    assert [metrics["criterion"] for metrics in told] == [metrics["valid_mrr"] for metrics in run.history]
    assert "requests/s" in (run.path / "train.log").read_text()


def test_a_text_stops_after_the_epoch_and_the_run_can_go_on(tmp_path):
    dataset, config, lines = tiny_dataset(), make_config(tiny_values(train={"epochs": 4})), []
    whole = fit(config, dataset, tmp_path / "whole")

    def enough(metrics):
        return "that is enough" if metrics["epoch"] == 2 else None

    told = []
    run = fit(config, dataset, tmp_path / "run", report=lines.append, on_epoch=[enough, told.append])
    assert len(run.history) == len(told) == 2  # the other callbacks hear of the last epoch
    assert lines[-1] == "stopped after epoch 2: that is enough"
    fit(config, dataset, tmp_path / "run", resume=True)
    a, b = (load_file(path / "best.safetensors") for path in (whole.path, run.path))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_what_is_no_function_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="on_epoch needs a function"):
        fit(make_config(tiny_values()), tiny_dataset(), tmp_path / "run", on_epoch=[3])
    assert not (tmp_path / "run").exists()


def test_the_log_has_lines_within_an_epoch_and_a_resumed_run_appends(tmp_path, monkeypatch):
    monkeypatch.setattr(train_log, "LOG_EVERY", 0.0)
    dataset, config = tiny_dataset(), make_config(tiny_values(train={"epochs": 2}))
    fit(config, dataset, tmp_path / "run", on_epoch=lambda metrics: "one")
    text = (tmp_path / "run/train.log").read_text()
    pattern = (
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*  epoch 1/2  step 2/4  loss \d\.\d{4}  [\d,]+ outfits/s  "
        r"\d+ s left of this epoch, \d+ s of the training$"
    )
    assert re.search(pattern, text, re.MULTILINE), text
    assert "tiny: begins, epochs: 2" in text.splitlines()[0]
    assert "stopped after epoch 1: one" in text
    fit(config, dataset, tmp_path / "run", resume=True)
    longer = (tmp_path / "run/train.log").read_text()
    assert longer.startswith(text)
    assert "tiny: goes on after epoch 1 of 2" in longer[len(text) :]
    assert "epoch 2/2  step 4/4" in longer
    assert "epoch 2/2" not in text


def test_a_quick_epoch_has_no_lines_within(tmp_path):
    run = fit(make_config(tiny_values()), tiny_dataset(), tmp_path / "run")
    assert "step" not in (run.path / "train.log").read_text()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (11100, "3 h 05 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
