"""The benchmark of distillation: its cases, what it refuses, and that no measurement is taken for another."""

import json
import re
import sys
from dataclasses import dataclass

import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from tests.paths import PROJECT
from tests.worlds.tiny import tiny_dataset, tiny_values

sys.path.append(str(PROJECT / "benchmarks"))

import bench_distillation
import distillation_runs
from distillation_runs import CASES, Bench, Form, figures, forms
from distillation_sizes import how_taught


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--parts", "sweep"], "no part 'sweep': one or more of ablation, sizes"),
        (["--parts", "sizes,tabels"], "no part 'tabels'"),
        (["--parts", ""], "nothing to do"),
        (["--plot", "docs"], "--plot draws the sweep: give --sweep as well"),
        (["--data", "iqon", "--cases", "encoder"], "iqon has no case 'encoder': 'FHN', 'FHN [+] CL'"),
        (["--parts", "sizes", "--cases", "FHN"], "--cases chooses rows of the ablation"),
        (["--seeds", "1", "1"], "a seed is named twice"),
    ],
)
def test_what_it_cannot_do_is_refused(options, words, capsys):
    with pytest.raises(SystemExit):
        bench_distillation.main(options)
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("data", ["sample", "iqon"])
def test_each_case_is_a_configuration(data, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation_runs, "iqon_root", lambda: tmp_path)
    bench = Bench(data, tmp_path)
    configs = {name: bench.config(name, 3) for name in CASES[data]}
    assert len({config.to_yaml() for config in configs.values()}) == len(configs)
    assert len({bench.folder(name, 3) for name in configs}) == len(configs)
    for name, config in configs.items():
        assert config.seed == 3
        assert bench.cases[name].alone in configs
        assert (config.teacher is not None) == any(word in name for word in ("FND", "both"))
        assert (config.contrastive is not None) == any(word in name for word in ("CL", "both"))
    cached = "shared negatives are judged at each step" if data == "iqon" else "its distances of an epoch's negatives"
    assert how_taught(configs["FHN + FND"]).startswith(cached)
    assert forms("FHN", configs["FHN"]) == [
        Form(codes, cal) for codes in ("binary", "relaxed") for cal in (False, True)
    ]
    if data == "sample":
        assert forms("encoder", configs["encoder"]) == forms("teacher", configs["teacher"]) == [Form("relaxed", False)]
        assert configs["FHN, half hard"].negatives.hard_share == (0.5, 0.5)
    else:  # a teacher in floats, by the relaxed codes of FHN
        assert forms("teacher", configs["teacher"]) == [Form("relaxed", False), Form("relaxed", True)]


def test_a_measurement_belongs_to_its_form_and_model(tmp_path):
    dataset = tiny_dataset()

    @dataclass(frozen=True)
    class Tiny(Bench):
        def run(self, name, seed, changes=()):
            return runs[seed]

        def dataset(self, config):
            return dataset

    configs = [make_config(tiny_values(seed=seed, model={"num_bits": 16}, train={"epochs": 2})) for seed in (0, 1)]
    runs = [fit(config, dataset, tmp_path / str(number)) for number, config in enumerate(configs)]
    bench = Tiny("sample", tmp_path)
    (runs[0].path / "evaluation.json").write_text('{"last_epoch": 0, "protocols": {}}')  # an older version's
    plain, calibrated = (bench.measured("FHN", 0, form) for form in (False, True))
    for form, found in ((False, plain), (True, calibrated)):
        assert found == evaluate(runs[0], "test", dataset, drawn=True, calibrate=form)["protocols"]
    assert figures(plain, "binary") != figures(calibrated, "binary")
    assert {"random AUC", "random NDCG", "hard AUC", "hard NDCG"} <= set(figures(plain, "binary"))
    file = runs[0].path / "measured-plain.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "protocols": {"told": {}}}))
    assert bench.measured("FHN", 0, False) == {"told": {}}  # read, not measured again
    file.replace(runs[0].path / "measured-calibrated.json")
    assert bench.measured("FHN", 0, True) == calibrated  # another form's
    runs[1].path.joinpath("measured-plain.json").write_text(json.dumps(kept))
    assert bench.measured("FHN", 1, False) != plain  # another model's


def test_gains_are_over_the_same_form(tmp_path, monkeypatch):
    bench = Bench("sample", tmp_path)
    level = {"FHN": 0.5, "FHN + CL": 0.6}

    def measured(self, name, seed, calibrated):
        one = {"auc": level[name] + 0.01 * seed + 0.1 * calibrated, "users": 1}
        return {"rank_random": {"binary": one, "relaxed": {"auc": one["auc"] + 0.2}}}

    monkeypatch.setattr(Bench, "measured", measured)
    rows = {(row["case"], row["form"]): row for row in bench_distillation.ablation(bench, [0, 2], list(level))}
    assert len(rows) == 8
    own = rows["FHN + CL", "relaxed, calibrated"]
    assert own["over"] == "FHN"
    assert own["gain"]["random AUC"]["mean"] == pytest.approx(0.1)
    assert own["gain"]["random AUC"]["in_std"] == pytest.approx(0.1 / (0.02 / 2**0.5))
    assert "gain_over_plain" not in own
    both = rows["FHN + CL", "binary, calibrated"]
    assert both["gain_over_plain"]["random AUC"]["mean"] == pytest.approx(0.2)
    assert "gain" not in rows["FHN", "binary"]
    single = bench_distillation.ablation(bench, [0], list(level))[-1]
    assert single["figures"]["random AUC"]["std"] is single["gain"]["random AUC"]["in_std"] is None
