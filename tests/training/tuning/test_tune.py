"""A tuning end to end: it finds, prunes, goes on after an interruption as if never stopped, and writes best.yaml."""

import csv

import pytest

from fashion_hash.commands.studies.tune import main as tune
from fashion_hash.config.experiment import load_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import TrainingError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.tuning import tune as tuning

pytest.importorskip("optuna", reason="the extra tune is not installed")

CONFIG = """
name: tiny
data: {format: polyvore_u, root: ROOT, subset: tuples_630}
text: {source: vectors, head: linear}
model: {num_bits: 16}
optimiser: {kind: adam, rates: {user: 0.01, text_head: 1e-3, bit_weights: 1e-3}}
train: {epochs: 2, batch_size: 64}
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder, seed=0, pictures=False, users=6, items=20, outfits_per_user=10)
    return folder


@pytest.fixture
def here(sample, tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(CONFIG.replace("ROOT", str(sample)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fashion_hash.training.tuning.history.draw_history", lambda path, _: path.touch())
    return tmp_path


OVER = ["--over", "optimiser.rates.user=1e-4..1e-1:log", "--over", "model.num_bits=8..32:8"]


def history(folder):
    with open(folder / "history.csv", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_a_tuning_finds_its_best_trial_and_goes_on_to_more(here, capsys):
    assert tune(["tiny.yaml", "--trials", "2", *OVER]) == 0
    out = here / "runs/tiny-tuning"
    first = history(out)
    assert tune(["tiny.yaml", "--trials", "3", *OVER]) == 0
    trials = history(out)
    assert trials[:2] == first
    assert [trial["state"] for trial in trials] == ["complete"] * 3
    best = max(trials, key=lambda trial: float(trial["criterion"]))
    config = load_config(out / "best.yaml")
    assert config.name == "tiny-tuned"
    assert config.optimiser.rates.user == float(best["optimiser.rates.user"])
    assert config.model.num_bits == int(best["model.num_bits"])
    assert "3/3" in capsys.readouterr().out


def test_an_interrupted_tuning_finds_what_a_whole_one_finds(here, monkeypatch, capsys):
    assert tune(["tiny.yaml", "--trials", "3", *OVER, "--out", "whole"]) == 0

    def stopped(config, **options):
        def stop(metrics):
            if options["out"].name == "1" and metrics["epoch"] == 1:
                raise KeyboardInterrupt

        return fit(config, **{**options, "on_epoch": [options["on_epoch"], stop]})

    monkeypatch.setattr(tuning, "fit", stopped)
    assert tune(["tiny.yaml", "--trials", "3", *OVER, "--out", "parts"]) == 130
    assert len(history(here / "parts")) == 1
    monkeypatch.setattr(tuning, "fit", fit)
    assert tune(["tiny.yaml", "--trials", "3", *OVER, "--out", "parts"]) == 0
    assert "2/3  going on with" in capsys.readouterr().out
    assert history(here / "parts") == history(here / "whole")


def test_trials_below_the_median_stop_early(here, monkeypatch):
    monkeypatch.setattr(tuning, "STARTUP", 1)
    given = iter([0.9, 0.9, 0.9, 0.1, 0.95, 0.95, 0.95])

    def judged(config, **options):
        value = next(given)
        return fit(config, **{**options, "on_epoch": lambda m: options["on_epoch"]({**m, "criterion": value})})

    monkeypatch.setattr(tuning, "fit", judged)
    arguments = ["tiny.yaml", "--trials", "5", *OVER, "--set", "train.epochs=3"]
    assert tune(arguments) == 0
    trials = history(here / "runs/tiny-tuning")
    assert [trial["state"] for trial in trials] == ["complete", "complete", "complete", "pruned", "complete"]
    assert trials[3]["epochs"] == "2"


def test_the_test_split_is_never_looked_at(here, monkeypatch):
    split = Dataset.split

    def guarded(self, name):
        assert name != "test"
        return split(self, name)

    monkeypatch.setattr(Dataset, "split", guarded)
    assert tune(["tiny.yaml", "--trials", "1", *OVER]) == 0


def test_trials_that_fail_are_kept_as_such(here, monkeypatch, capsys):
    def fail(config, **options):
        raise TrainingError("the loss is nan in step 1 of epoch 1")

    monkeypatch.setattr(tuning, "fit", fail)
    assert tune(["tiny.yaml", "--trials", "2", *OVER]) == 1
    assert capsys.readouterr().out.count("failed: the loss is nan") == 2
    assert [trial["state"] for trial in history(here / "runs/tiny-tuning")] == ["fail", "fail"]


def test_another_space_in_the_same_folder_is_refused(here, capsys):
    assert tune(["tiny.yaml", "--trials", "1", *OVER]) == 0
    assert tune(["tiny.yaml", "--trials", "2", *OVER[:2]]) == 2
    assert "a tuning with another space" in capsys.readouterr().err
    assert tune(["tiny.yaml", "--trials", "2", *OVER, "--set", "train.epochs=3"]) == 2
    assert "a tuning with another config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--over", "model.num_bitz=8,16"], "unknown key 'model.num_bitz'"),
        (["--over", "model.num_bits=4..32:4"], "model.num_bits must be"),
        ([*OVER, "--trials", "0"], "--trials must be at least 1, got 0"),
        (["--space", "absent.yaml"], "cannot read absent.yaml"),
    ],
)
def test_wrong_arguments_start_nothing(here, capsys, arguments, message):
    assert tune(["tiny.yaml", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (here / "runs").exists()
