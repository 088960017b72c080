"""A study end to end on a small sample: it trains, resumes, refuses, goes on after a failure, and writes its tables."""

import csv
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.commands.studies.study import main as study
from fashion_hash.data.sample.write import make_sample
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from fashion_hash.training.studies import cells
from fashion_hash.training.studies.plot import pictured
from tests.worlds.tiny_requests import tiny_requests

CONFIG = """
name: tiny
data: {format: polyvore_u, root: data, subset: tuples_630}
text: {source: vectors, head: linear}
model: {num_bits: 16}
optimiser: {kind: adam, rates: {user: 0.01, text_head: 1e-3, bit_weights: 1e-3}}
train: {epochs: 2, batch_size: 64}
"""
REQUESTS = """
name: asked
data: {format: polyvore_u, root: data, subset: tuples_630}
requests: {num_bits: 32, hidden: 16}
encoder: {dim: 16}
train: {epochs: 1, descriptions: 0.0}
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder / "data", seed=0, pictures=False, users=8, items=24, outfits_per_user=12)
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "asked.yaml").write_text(REQUESTS)
    return folder


@pytest.fixture
def here(sample, tmp_path, monkeypatch):
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fashion_hash.training.studies.run.draw_study", lambda path, *_: path.touch())
    return tmp_path


VARY = ["tiny.yaml", "--vary", "model.num_bits=16,24", "--seeds", "2", "--set", "train.epochs=1"]


def times(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.safetensors"))}


def test_a_study_trains_every_run_once_and_writes_its_tables(here, capsys):
    assert study(VARY) == 0
    out = here / "runs/tiny-study"
    printed = capsys.readouterr().out
    assert "4/4  model.num_bits=24, seed 1: best epoch" in printed
    assert "rank_random auc" in printed
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names == {
        *("model.num_bits=16", "model.num_bits=24", "study.json", "study.png"),
        *("table.txt", "table.md", "table.tex", "table.csv", "values.csv"),
    }
    kept = json.loads((out / "model.num_bits=24/seed-1/measured-test-binary.json").read_text())
    assert set(kept["figures"]) - set(kept["users"]) == {
        *(f"full_{ranked} coverage@20" for ranked in ("outfits", "top", "bottom", "shoe")),
        *(name for name in kept["figures"] if name.endswith("auc_rows")),
    }
    with open(out / "table.csv", newline="") as stream:
        compared = [line for line in csv.DictReader(stream) if line["variant"] == "model.num_bits=24"]
    assert {line["figure"]: line["users"] for line in compared}["full_outfits recall@20"] == "8"
    assert all(line["wilcoxon_p"] for line in compared)
    before = times(out)
    assert study(VARY) == 0
    assert times(out) == before
    assert capsys.readouterr().out.count("trained already") == 4


def test_an_interrupted_run_goes_on_and_its_bits_are_those_of_a_whole_one(here, monkeypatch, capsys):
    alone = ["tiny.yaml", "--seeds", "0,"]
    assert study([*alone, "--out", "whole"]) == 0

    def stopped(config, **options):
        def stop(metrics):
            raise KeyboardInterrupt

        return fit(config, **options, on_epoch=stop)

    monkeypatch.setattr(cells, "fit", stopped)
    assert study([*alone, "--out", "parts"]) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert len(Run.open("parts/tiny/seed-0").history) == 1
    monkeypatch.setattr(cells, "fit", fit)
    assert study([*alone, "--out", "parts"]) == 0
    assert "going on with parts/tiny/seed-0" in capsys.readouterr().out
    whole, parts = (here / name / "tiny/seed-0/best.safetensors" for name in ("whole", "parts"))
    a, b = load_file(whole), load_file(parts)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_changed_configuration_is_refused_or_trained_anew_by_name(here, capsys):
    alone = ["tiny.yaml", "--seeds", "0,", "--out", "out"]
    assert study(alone) == 0
    before = times(here / "out")
    changed = [*alone, "--set", "train.epochs=1"]
    assert study(changed) == 2
    assert "other values of train.epochs" in capsys.readouterr().err
    assert times(here / "out") == before
    assert study([*changed, "--anew", "tinny"]) == 2
    assert study([*changed, "--anew", "tiny"]) == 0
    assert len(Run.open("out/tiny/seed-0").history) == 1
    assert len(Run.open("out/tiny/seed-0.old-1").history) == 2


def test_a_run_that_fails_is_named_and_the_others_go_on(here, capsys):
    broken = "broken: optimiser.rates.bit_weights=1e30"
    assert study(["tiny.yaml", "--variant", broken, "--variant", "plain:", "--seeds", "0,", "--against", "plain"]) == 1
    printed = capsys.readouterr().out
    assert "failed: broken, seed 0: a bit weight or an item bias cannot be kept in a bundle" in printed
    assert "plain, seed 0: best epoch" in printed
    out = here / "runs/tiny-study"
    assert "plain" in (out / "table.md").read_text()
    assert "broken, seed 0" in (out / "failed.txt").read_text()
    assert list(json.loads((out / "study.json").read_text())["failed"]) == ["broken, seed 0"]


def test_what_depends_on_a_failed_run_fails_by_its_name(here, capsys):
    (here / "s.yaml").write_text(
        "name: s\nconfig: tiny.yaml\nseeds: [0]\nvariants:\n"
        "  taught: {run_of: {teacher.run: teacher}}\n"
        "  teacher: {set: {optimiser.rates.bit_weights: 1e30}}\n"
    )
    assert study(["s.yaml"]) == 1
    assert "because it failed" in capsys.readouterr().out


def test_students_have_the_teacher_of_their_seed_and_runs_are_measured_in_two_forms(here):
    (here / "s.yaml").write_text(
        "name: s\nconfig: tiny.yaml\nseeds: [0, 1]\nset: {train.epochs: 1}\ndrawn: true\n"
        "figures: [rank_random auc, rank_hard ndcg@10]\nvariants:\n"
        "  plain: {}\n"
        "  taught: {set: {teacher.pairs: 1.0}, run_of: {teacher.run: plain}}\n"
        "  taught, relaxed: {same_runs: taught, form: relaxed}\n"
    )
    assert study(["s.yaml"]) == 0
    assert Run.open("runs/s/taught/seed-1").config.teacher.run == ("runs/s/plain/seed-1",)
    table = (here / "runs/s/table.md").read_text()
    assert table.startswith("|  | rank_random auc | rank_hard ndcg_at_10 |")
    assert "| taught, relaxed |" in table
    assert len(times(here / "runs/s")) == 8


def test_requests_are_compared_too(here, monkeypatch):
    for module in ("training.requests.loop", "training.studies.measured"):
        monkeypatch.setattr(f"fashion_hash.{module}.load_request_data", lambda *_: tiny_requests(users=16))
    assert study(["asked.yaml", "--vary", "requests.num_bits=16,32", "--seeds", "1"]) == 0
    table = (here / "runs/asked-study/table.txt").read_text()
    assert table.split()[:2] == ["ndcg@10", "mrr"]
    assert "users" in table


def test_the_picture(here, monkeypatch):
    from fashion_hash.training.studies import plot, run

    monkeypatch.setattr(run, "draw_study", plot.draw_study)
    assert study(["tiny.yaml", "--seeds", "2", "--set", "train.epochs=1"]) == 0
    assert (here / "runs/tiny-study/study.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_many_figures_has_one_of_each_protocol():
    slots = [f"retrieval_{slot} {metric}" for slot in ("top", "shoe") for metric in ("auc", "mrr")]
    full = [f"full_{what} {metric}" for what in ("outfits", "top", "shoe") for metric in ("recall@20", "ndcg@20")]
    figures = ["rank_random auc", "rank_random ndcg", "fitb accuracy", *slots, *full]
    assert pictured(figures) == ["rank_random auc", "fitb accuracy", "retrieval_top auc", *full[::2]]
    few = ["full_top mrr", "full_top ndcg@20", "rank_random auc"]
    assert pictured(few) == few


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.yaml"], "no configuration absent.yaml"),
        (["tiny.yaml", "--against", "x"], "--against: no variant 'x'; there are tiny"),
        (["tiny.yaml", "--vary", "model.num_bitz=1"], "unknown key 'model.num_bitz'"),
        (["tiny.yaml", "--seeds", "many"], "--seeds 'many'"),
        (["tiny.yaml", "--split", "tests"], "split must be train, valid or test, got 'tests'"),
        (["form.yaml"], "variant 'a': no form 'relaxd' (nearest: 'relaxed'): choose binary, asymmetric or relaxed"),
    ],
)
def test_wrong_arguments_train_nothing(here, capsys, arguments, message):
    (here / "form.yaml").write_text("name: form\nconfig: tiny.yaml\nvariants: {a: {form: relaxd}}\n")
    assert study(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (here / "runs").exists()
