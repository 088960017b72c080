"""Training end to end on a tiny world: it learns, resumes to the bit, and stops with reasons."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.errors import ConfigError, TrainingError
from fashion_hash.training.losses import RANKING_LOSSES
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from fashion_hash.training.schedules import slope_of
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = [("top", "bottom"), ("top", "bottom", "shoe"), ("top", "top", "bottom", "shoe")]


@pytest.mark.parametrize("slots", [*(pytest.param(slots, marks=pytest.mark.slow) for slots in SLOTS[:2]), SLOTS[2]])
@pytest.mark.parametrize("kind", ["random", "few", "hard", "mixed", "fixed", "shared"])
def test_it_learns_the_planted_taste(tmp_path, slots, kind):
    dataset = tiny_dataset(slots)
    negatives = {"kind": kind, "per_positive": 8 if kind == "shared" else 2}
    if kind == "few":
        negatives = {"kind": "random", "per_positive": 4, "items_a_batch": 6}
    config = make_config(tiny_values(negatives=negatives, train={"epochs": 8}, model={"item_bias": True}))
    run = fit(config, dataset, tmp_path / "run")
    found = evaluate(run, "test", dataset)["protocols"]["rank_random"]
    assert found["binary"]["auc"] > (0.8 if kind != "hard" else 0.6)
    assert found["baselines"]["popularity"]["auc"] < 0.7


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"optimiser": {"kind": "adam"}}, marks=pytest.mark.slow),  # as in most of the others
        {"optimiser": {"kind": "sgd", "rates": {"user": 5.0, "id": 5.0}, "momentum": 0.9}},
        {"negatives": {"kind": "shared", "per_positive": 8}, "id": {"hide": {"top": 0.5}}},
        {"negatives": {"kind": "outfits", "per_positive": 16}, "outfit": {}, "id": {"hide": 0.1}},
        {"train": {"average": 4}, "cooccurrence": {"dim": 4}, "model": {"item_bias": True}},
        {
            "negatives": {"kind": "mixed"},
            "optimiser": {"schedule": {"kind": "plateau", "patience": 1}},
            "model": {"item_bias": True},
        },
    ],
)
def test_killed_and_resumed_equals_never_stopped(tmp_path, settings):
    dataset = tiny_dataset()
    values = tiny_values(**settings)
    values["train"] = {**values["train"], "epochs": 4}
    config = make_config(values)
    whole = fit(config, dataset, tmp_path / "whole")

    def stop_after_two(line):
        if line.startswith("epoch   2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, dataset, tmp_path / "parts", report=stop_after_two)
    assert len(Run.open(tmp_path / "parts").history) == 2
    parts = fit(config, dataset, tmp_path / "parts", resume=True)
    for name in ("last", "best"):
        a = load_file(tmp_path / "whole" / f"{name}.safetensors")
        b = load_file(tmp_path / "parts" / f"{name}.safetensors")
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), key
    drop = ("seconds",)
    lines = [
        [
            {k: v for k, v in json.loads(line).items() if k not in drop}
            for line in (run.path / "metrics.jsonl").read_text().splitlines()
        ]
        for run in (whole, parts)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 4


def test_one_seed_one_result_another_seed_another(tmp_path):
    dataset = tiny_dataset()
    losses = [
        fit(make_config(tiny_values(seed=seed)), dataset, tmp_path / str(i)).history[-1]["loss"]
        for i, seed in enumerate((1, 1, 2))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_the_best_epoch_answers(tmp_path):
    dataset = tiny_dataset()
    run = fit(make_config(tiny_values(train={"epochs": 6})), dataset, tmp_path / "run")
    aucs = [one["valid_auc"] for one in run.history]
    assert run.best_epoch == 1 + int(np.argmax(aucs))
    found = evaluate(Run.open(run.path), "valid", dataset)["protocols"]["rank_random"]
    assert found["binary"]["auc"] == pytest.approx(max(aucs), abs=1e-12)
    assert found["relaxed"]["auc"] == pytest.approx(run.history[run.best_epoch - 1]["valid_auc_relaxed"], abs=1e-12)


@pytest.mark.usefixtures("drawn_curves")
def test_a_run_leaves_what_it_promises(tmp_path):
    run = fit(make_config(tiny_values()), tiny_dataset(), tmp_path / "run")
    names = {file.name for file in run.path.iterdir()}
    assert names == {
        *("config.yaml", "metrics.jsonl", "train.log", "curve.png", "best.safetensors", "last.safetensors"),
    }
    assert (run.path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_an_older_run_is_moved_aside_and_nothing_else_is_touched(tmp_path):
    config, dataset = make_config(tiny_values(train={"epochs": 1})), tiny_dataset()
    fit(config, dataset, tmp_path / "run")
    (tmp_path / "run/note.txt").write_text("mine")
    lines = []
    fit(config, dataset, tmp_path / "run", report=lines.append)
    assert (tmp_path / "run.old-1/note.txt").read_text() == "mine"
    assert "run.old-1" in lines[0]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").write_text("mine")
    with pytest.raises(TrainingError, match="not a run folder"):
        fit(config, dataset, tmp_path / "other")


def test_a_loss_that_is_not_finite_stops_and_names_the_step(tmp_path):
    config = make_config(tiny_values(optimiser={"rates": {"bit_weights": 1e30}}, train={"epochs": 4}))
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in step \d+ of epoch \d+"):
        fit(config, tiny_dataset(), tmp_path / "run")


def test_what_a_killed_write_left_behind_is_swept_on_resume(tmp_path):
    config, dataset = make_config(tiny_values(train={"epochs": 2})), tiny_dataset()
    fit(config, dataset, tmp_path / "run")
    (tmp_path / "run/.last.safetensors.abc.partial.safetensors").write_bytes(b"half")
    fit(config, dataset, tmp_path / "run", resume=True)
    assert not list((tmp_path / "run").glob(".*"))


def test_resume_says_why_it_cannot(tmp_path):
    config, dataset = make_config(tiny_values(train={"epochs": 1})), tiny_dataset()
    with pytest.raises(TrainingError, match="nothing to resume"):
        fit(config, dataset, tmp_path / "run", resume=True)
    fit(config, dataset, tmp_path / "run")
    other = make_config(tiny_values(train={"epochs": 1, "batch_size": 16}, seed=4))
    with pytest.raises(TrainingError, match=r"seed, train\.batch_size"):
        fit(other, dataset, tmp_path / "run", resume=True)
    with pytest.raises(TrainingError, match="other data"):
        fit(config, tiny_dataset(seed=1), tmp_path / "run", resume=True)


def test_a_broken_checkpoint_is_refused(tmp_path):
    run = fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "run")
    file = run.path / "last.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match=r"last\.safetensors is not a readable checkpoint"):
        Run.open(run.path)


def test_new_users_on_a_trained_model(tmp_path):
    dataset = tiny_dataset()
    first = fit(make_config(tiny_values(train={"epochs": 8})), dataset, tmp_path / "first")
    config = make_config(tiny_values(train={"epochs": 8, "start": str(first.path), "parts": ["user"]}))
    second = fit(config, dataset, tmp_path / "second")
    a, b = load_file(first.path / "best.safetensors"), load_file(second.path / "best.safetensors")
    changed = {name for name in a if not torch.equal(a[name], b[name])}
    assert changed == {"model/users.weight"}
    assert evaluate(second, "test", dataset)["protocols"]["rank_random"]["binary"]["auc"] > 0.8


def test_parts_that_the_model_lacks(tmp_path):
    config = make_config(tiny_values(train={"parts": ["text_head"]}))
    with pytest.raises(ConfigError, match=r"train\.parts"):
        fit(config, tiny_dataset(), tmp_path / "run")


def test_without_validation_the_last_epoch_answers(tmp_path):
    run = fit(make_config(tiny_values()), tiny_dataset(valid=False), tmp_path / "run")
    assert [one["valid_auc"] for one in run.history] == [None] * 3
    assert run.best_epoch == 3


def test_continuation():
    assert [round(slope_of(epoch, 1.0), 3) for epoch in (0, 3, 99)] == [1.0, 2.0, 10.0]
    assert slope_of(50, 0.0) == 1.0


def test_threads_do_not_change_what_a_seed_gives(tmp_path):
    """Many outfits of few items: gradients of one row come from every thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        dataset = tiny_dataset(items=6, users=6, outfits=2000, valid=False)
        values = tiny_values(model={"num_bits": 128}, train={"epochs": 1, "batch_size": 1000}, encoder={"blocks": 1})
        runs = [fit(make_config(values), dataset, tmp_path / f"run{number}") for number in range(3)]
    finally:
        torch.set_num_threads(threads)
    first, *others = (load_file(run.path / "last.safetensors") for run in runs)
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_loss_is_a_function_and_a_line(tmp_path, monkeypatch):
    def hinge(positive, negative):
        return torch.relu(1 - positive[:, None] + negative).mean()

    config = make_config(tiny_values(loss={"kind": "hinge"}, train={"epochs": 1}))
    with pytest.raises(ConfigError, match=r"loss.kind: unknown loss 'hinge'.*use one of \['bpr', 'softmax'\]"):
        fit(config, tiny_dataset(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setitem(RANKING_LOSSES, "hinge", hinge)
    assert fit(config, tiny_dataset(), tmp_path / "run").history[0]["loss"] > 0.9
