"""The benchmark of ablations: what its rows change, and that a finished run is measured, not trained again."""

import sys

import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Dataset
from tests.paths import PROJECT
from tests.worlds.tiny import tiny_dataset, tiny_values

sys.path.append(str(PROJECT / "benchmarks"))

import bench_ablations


def test_every_row_is_a_model_of_its_own():
    configs = {case: bench_ablations.config_of(case, 1) for case in bench_ablations.CASES}
    assert len({config.to_yaml() for config in configs.values()}) == len(configs)
    assert {config.model.variant for config in configs.values()} == {"T0", "T1", "T2", "T3"}
    assert {config.model.terms for config in configs.values()} == {"both", "preference", "compatibility"}
    assert any(config.model.shared_head for config in configs.values())
    assert {config.seed for config in configs.values()} == {1}


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench_ablations.main(["--cases", "T4"])
    assert "--cases: no case 'T4': 'T3: both bit weights learned', " in capsys.readouterr().err


def test_a_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    dataset = tiny_dataset()
    config = make_config(tiny_values(train={"epochs": 2}))
    trained: list[bool] = []
    fit = bench_ablations.fit

    def counting(config: object, dataset: Dataset, folder: object, resume: bool = False) -> object:
        trained.append(resume)
        return fit(config, dataset, folder, resume=resume)

    monkeypatch.setattr(bench_ablations, "fit", counting)
    first = bench_ablations.run_of(config, tmp_path / "run", dataset)
    again = bench_ablations.run_of(config, tmp_path / "run", dataset)
    assert trained == [False]
    assert again.history == first.history
    other = make_config(tiny_values(train={"epochs": 1}))
    assert len(bench_ablations.run_of(other, tmp_path / "run", dataset).history) == 1
    assert trained == [False, False]
