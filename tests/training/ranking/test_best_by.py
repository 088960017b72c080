"""Full ranking of the validation split: in every epoch's metrics, as the criterion of the best one, and of stopping."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.config.training import Criterion
from fashion_hash.errors import ConfigError
from fashion_hash.evaluation.ranking.protocols import full_protocols
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.ranking import validation
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.curve import draw_curve
from fashion_hash.training.runs.run import Run
from fashion_hash.training.runs.scoring import ModelScorer, trained_users
from tests.worlds.tiny import tiny_dataset, tiny_values


def config(**train):
    return make_config(tiny_values(train={"epochs": 2, **train}))


def epochs(key, *values):
    return [{"epoch": n, "valid_auc": 0.5 + n / 100, key: value, "slope": 1.0} for n, value in enumerate(values, 1)]


@pytest.fixture(scope="module")
def data():
    return tiny_dataset(outfits=60)


def test_what_best_by_may_be():
    assert Criterion.of("auc") == Criterion("auc", "auc", 20, None)
    assert Criterion.of("recall@50") == Criterion("recall@50", "recall", 50, None)
    assert Criterion.of("ndcg@10:long dress") == Criterion("ndcg@10:long dress", "ndcg", 10, "long dress")
    assert Criterion.of("mrr:top").measured == "mrr"
    for wrong in ("recall", "recall@0", "recall@x", "auc:top", "ndcg@5000", "mrr@3", "", "mrr:"):
        with pytest.raises(ConfigError, match=r"train.best_by") as caught:
            config(best_by=wrong)
        assert str(caught.value).count("got") == 1


def test_a_single_slot_has_none_to_leave_open(tmp_path):
    items = tiny_dataset(slots=("item",), outfits=60)
    with pytest.raises(ConfigError, match=r"best_by mrr:item: outfits of .* have one slot.*recall@K"):
        fit(config(best_by="mrr:item"), items, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_epoch_ranks_everything(data, tmp_path):
    run = fit(config(best_by="ndcg@5:bottom"), data, tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    names = ("recall@20", "ndcg@20", "mrr", "ndcg@5:bottom", "auc")
    for metrics in lines:
        for name in names:
            assert 0 <= metrics[f"valid_{name}"] <= 1
            assert 0 <= metrics[f"valid_{name}_relaxed"] <= 1
    assert Run.open(run.path).measure == "valid_ndcg@5:bottom"
    model, inputs, slope = run.model(data)
    scorer = ModelScorer(model, inputs, slope)
    scores = full_scores(scorer, trained_users(data))
    protocols = full_protocols(data, "valid")
    best = run.history[run.best_epoch - 1]
    whole = protocols["full_outfits"].rank(scores.outfits(data.outfits)).metrics()
    assert best["valid_recall@20_relaxed"] == whole["recall@20"]
    items = protocols["full_bottom"].rank(items=scores.items).metrics((5,))
    assert best["valid_ndcg@5:bottom_relaxed"] == items["ndcg@5"]


@pytest.mark.parametrize("best_by", ["recall@20", "mrr"])
def test_the_best_epoch_is_chosen_by_the_key(best_by, tmp_path):
    history = epochs(f"valid_{best_by}", 0.2, 0.4, 0.4, 0.1)
    assert Run(tmp_path, config(best_by=best_by), history, {}).best_epoch == 2
    assert Run(tmp_path, config(), history, {}).best_epoch == 4


def test_training_stops_after_the_patience_and_resuming_changes_nothing(data, tmp_path, monkeypatch):
    values = iter([0.5, 0.5, 0.4, 0.4, 0.5, 0.5])  # binary and relaxed, epoch by epoch
    monkeypatch.setattr(validation.FullValidation, "__call__", lambda self, scorer: {"recall@20": next(values)})
    patient = config(epochs=9, best_by="recall@20", patience=2)
    lines = []
    run = fit(patient, data, tmp_path / "run", report=lines.append)
    assert len(run.history) == 3, "an equal value is not better"
    assert run.best_epoch == 1
    assert lines[-1] == "no epoch was better than epoch 1 in the last 2: stopping (train.patience)"
    kept = (run.path / "last.safetensors").read_bytes()
    again = fit(patient, data, tmp_path / "run", resume=True)
    assert again.history == run.history
    assert (run.path / "last.safetensors").read_bytes() == kept


def test_an_interrupted_run_ends_like_one_in_a_piece(data, tmp_path):
    whole = fit(config(epochs=3, best_by="mrr"), data, tmp_path / "whole")
    fit(config(epochs=3, best_by="mrr"), data, tmp_path / "parts", on_epoch=lambda metrics: "enough")
    parts = fit(config(epochs=3, best_by="mrr"), data, tmp_path / "parts", resume=True)
    assert [{**m, "seconds": 0} for m in parts.history] == [{**m, "seconds": 0} for m in whole.history]


def test_a_long_ranking_is_cut_down_by_the_seed_or_left_out(data, monkeypatch):
    size = len(data.outfits)
    monkeypatch.setattr(validation, "UNASKED", size * 5)
    monkeypatch.setattr(validation, "MOST", size * 3)
    trained = trained_users(data)
    assert validation.FullValidation(config(), data, trained).protocols == {}
    drawn = [validation.FullValidation(config(best_by="recall@20"), data, trained) for _ in range(2)]
    users = [ranked.protocols["full_outfits"].lists.users.tolist() for ranked in drawn]
    assert users[0] == users[1]
    assert len(users[0]) == 3
    assert "3 of 6 lists, drawn with seed 0" in drawn[0].lines[0]


def test_what_cannot_be_measured_is_refused(data, tmp_path):
    unmeasured = replace(data, splits={name: data.splits[name] for name in ("train", "test")})
    for key, value in (("best_by", "recall@20"), ("patience", 2)):
        with pytest.raises(ConfigError, match=f"train.{key}: tiny has no validation split"):
            fit(config(**{key: value}), unmeasured, tmp_path / "run")
    with pytest.raises(ConfigError, match="has the item types top, bottom, shoe"):
        fit(config(best_by="recall@20:hat"), data, tmp_path / "run")
    known = replace(data, splits={**data.splits, "valid": data.splits["train"]})
    with pytest.raises(ConfigError, match="nothing to rank that is not known from training"):
        fit(config(best_by="recall@20"), known, tmp_path / "run")
    with pytest.raises(ConfigError, match="patience and average exclude each other"):
        config(patience=2, average=3)
    assert not (tmp_path / "run").exists()


def test_the_curve_draws_full_rankings_where_they_are(tmp_path):
    plain = {"epoch": 1, "loss": 1.0, "valid_auc": 0.6, "valid_auc_relaxed": 0.7}
    for name, metrics in (("plain", plain), ("full", {**plain, "valid_recall@20": 0.1, "valid_mrr": 0.2})):
        draw_curve(tmp_path / f"{name}.png", "tiny", [metrics])
    widths = [int.from_bytes((tmp_path / f"{name}.png").read_bytes()[16:20]) for name in ("plain", "full")]
    assert widths[1] > 1400 > widths[0]


def test_the_line_of_an_epoch_shows_both(data, tmp_path):
    lines = []
    fit(config(epochs=1), data, tmp_path / "run", report=lines.append)
    assert "validation AUC" in lines[-1]
    assert "recall@20" in lines[-1]
    assert np.isfinite(float(lines[-1].split("recall@20 ")[1].split()[0]))
