"""Trackers get the numbers of each epoch, and none of them can stop a training."""

import json
import os
import subprocess
import sys
import time

import pytest

import fashion_hash as fh
from fashion_hash.commands.train import main as train
from fashion_hash.config.experiment import make_config
from fashion_hash.errors import ConfigError, MissingExtraError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from fashion_hash.training.tracking import trackers
from fashion_hash.training.tracking.trackers import TRACKERS, check_trackers, finite_numbers, settings, tracking
from tests.worlds.tiny import tiny_dataset, tiny_values


class Kept:
    """A tracker that keeps what it gets."""

    def __init__(self, config, folder):
        self.rows, self.closed = [], False
        Kept.last = self

    def log(self, epoch, numbers):
        self.rows.append((epoch, dict(numbers)))

    def close(self):
        self.closed = True


class Broken(Kept):
    def log(self, epoch, numbers):
        raise ConnectionError("no server\nat this address")


class Closed(Kept):
    def __init__(self, config, folder):
        raise SystemExit(3)


class Hanging(Kept):
    def log(self, epoch, numbers):
        time.sleep(60)


def trained(tmp_path, monkeypatch, tracker):
    monkeypatch.setitem(TRACKERS, "kept", (tracker, "json"))
    config, lines = make_config(tiny_values()), []
    with tracking(["kept"], config, tmp_path / "run", lines.append) as callbacks:
        run = fit(config, tiny_dataset(), tmp_path / "run", on_epoch=callbacks)
    return run, lines


def test_a_tracker_gets_all_numbers_in_order_and_is_closed(tmp_path, monkeypatch):
    run, lines = trained(tmp_path, monkeypatch, Kept)
    assert [epoch for epoch, _ in Kept.last.rows] == [1, 2, 3]
    assert [numbers["loss"] for _, numbers in Kept.last.rows] == [metrics["loss"] for metrics in run.history]
    assert Kept.last.closed
    assert lines == []


@pytest.mark.parametrize(("tracker", "error"), [(Broken, "ConnectionError: no server"), (Closed, "SystemExit: 3")])
def test_a_tracker_that_fails_is_one_warning(tmp_path, monkeypatch, tracker, error):
    run, lines = trained(tmp_path, monkeypatch, tracker)
    assert len(run.history) == 3
    assert lines == [f"warning: logging to kept failed, and the training goes on without it: {error}"]


def test_a_tracker_that_hangs_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "WAIT", 0.05)
    run, lines = trained(tmp_path, monkeypatch, Hanging)
    assert len(run.history) == 3
    assert len(lines) == 1
    assert "did not answer" in lines[0]


def test_only_finite_numbers_are_logged():
    assert finite_numbers({"a": 1, "b": None, "c": float("nan"), "d": "x", "e": 0.5}) == {"a": 1.0, "e": 0.5}


def test_settings_have_keys_with_dots():
    flat = settings(make_config(tiny_values()))
    assert flat["model.num_bits"] == 16
    assert flat["train.epochs"] == 3


def test_unknown_and_absent_trackers_are_refused_before_training(monkeypatch, capsys):
    with pytest.raises(ConfigError, match=r"no tracker 'tensorbord' \(nearest: 'tensorboard'\)"):
        check_trackers(["tensorbord"])
    monkeypatch.setitem(TRACKERS, "kept", (Kept, "a_package_that_nobody_has"))
    with pytest.raises(MissingExtraError, match=r"fashion_hash\[kept\]"):
        check_trackers(["kept"])
    assert train(["absent.yaml", "--log", "kept"]) == 2
    assert "pip install 'fashion_hash[kept]'" in capsys.readouterr().err


def test_an_interrupted_training_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    data = {"format": "saved", "root": str(fh.save_dataset(tiny_dataset(), tmp_path / "data"))}
    config = tmp_path / "tiny.yaml"
    config.write_text(json.dumps({**tiny_values(), "data": data}))  # JSON is YAML
    finish, command = Run.finish_epoch, [str(config), "--out", str(tmp_path / "run")]

    def interrupted(run, *args):
        finish(run, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "finish_epoch", interrupted)
    assert train(command) == 130
    said = f"stopped; the same command with --resume goes on with {tmp_path / 'run'}"
    assert said in capsys.readouterr().out
    monkeypatch.setattr(Run, "finish_epoch", finish)
    assert train([*command, "--resume"]) == 0
    assert "epoch   1/3" not in capsys.readouterr().out


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config, lines = make_config(tiny_values()), []
    with tracking(["tensorboard"], config, tmp_path / "run", lines.append) as callbacks:
        run = fit(config, tiny_dataset(), tmp_path / "run", on_epoch=callbacks)
    assert lines == []
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("valid_auc")] == [1, 2, 3]
    values = [event.value for event in events.Scalars("loss")]
    assert values == pytest.approx([metrics["loss"] for metrics in run.history])


OUTSIDE = """
import sys
from pathlib import Path
from fashion_hash.config.experiment import make_config
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.tracking.trackers import tracking
from tests.worlds.tiny import tiny_dataset, tiny_values
config, folder = make_config(tiny_values()), Path("run")
with tracking([sys.argv[1]], config, folder, print) as callbacks:
    fit(config, tiny_dataset(), folder, on_epoch=callbacks)
"""


@pytest.mark.slow  # these packages take seconds to import, and start processes
@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_the_real_package_takes_the_metrics(tmp_path, name):
    pytest.importorskip(name, reason=f"the extra {name} is not installed")
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE, name], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout, done.stdout
    if name == "wandb":
        assert list(tmp_path.glob("run/wandb/offline-run-*/*.wandb"))
        return
    import mlflow

    client = mlflow.MlflowClient(env["MLFLOW_TRACKING_URI"])
    (run,) = client.search_runs([client.get_experiment_by_name("fashion_hash").experiment_id])
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "valid_auc")] == [1, 2, 3]
    assert run.data.params["model.num_bits"] == "16"
