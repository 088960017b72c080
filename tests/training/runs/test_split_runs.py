"""Runs on data that came without splits: the split lies in the run, and everything that asks the run uses it."""

from dataclasses import replace

import pytest

from fashion_hash.config.experiment import load_config, make_config
from fashion_hash.data.dataset import Split
from fashion_hash.errors import DataError
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import load_data
from tests.worlds.tiny import tiny_dataset, tiny_values


def whole():
    tiny = tiny_dataset(outfits=200)
    return replace(tiny, splits={"train": Split(tiny.splits["train"].positives)})


def config(**split):
    return make_config(tiny_values(data={"split": {"kind": "per_user", **split}}, train={"epochs": 1}))


def test_a_run_keeps_its_split(tmp_path):
    lines = []
    run = fit(config(), whole(), tmp_path / "run", report=lines.append)
    assert any("outfits in train" in line for line in lines)
    assert (run.path / "split.csv").is_file()
    assert load_config(run.path / "config.yaml").data.split == config().data.split
    assert evaluate(run, "test", whole())["protocols"]
    split = load_data(run.config, whole(), run.path)
    assert export_bundle(run, tmp_path / "bundle", whole()).fingerprint
    assert split.fingerprint == load_data(run.config, split).fingerprint  # what is divided already stays so
    resumed = fit(config(), whole(), tmp_path / "run", resume=True)
    assert resumed.history == run.history


def test_a_run_refuses_a_split_of_other_data(tmp_path):
    run = fit(config(), whole(), tmp_path / "run")
    path = run.path / "split.csv"
    path.write_text(path.read_text().rpartition("\n")[0].rpartition("\n")[0])
    with pytest.raises(DataError, match="is out of date: 1 of 200 outfits"):
        evaluate(run, "test", whole())
    with pytest.raises(DataError, match="is out of date"):
        fit(config(), whole(), tmp_path / "run", resume=True)


def test_a_configuration_without_splits_and_weights_is_written_as_before():
    text = make_config(tiny_values()).to_yaml()
    assert not any(key in text for key in ("split", "kind_weights", "half_life", "weighted"))
