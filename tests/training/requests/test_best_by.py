"""Validation by requests as users type them: in the metrics of every epoch, and as what chooses the best one."""

import json
from dataclasses import replace

import pytest

from fashion_hash.config.experiment import make_request_config
from fashion_hash.errors import ConfigError
from fashion_hash.training.requests.loop import fit_requests, judged_sample
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.runs.curve import draw_curve
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

KEYS = ("valid_adherence@2", "valid_satisfied_ndcg@10")


def config(**train):
    return make_request_config(tiny_request_values(train=train))


@pytest.fixture(scope="module")
def data():
    plain = tiny_requests(users=16, events=8)
    details = {item_id: {"colour": item_id.split("-")[0]} for item_id in plain.items["item"].ids}
    return replace(plain, details={"item": details})


def epochs(*values):
    """The history of a run: MRR and satisfied NDCG of each epoch."""
    return [
        {"valid_requests": 16, "valid_mrr": mrr, "valid_mrr_relaxed": mrr, KEYS[1]: ndcg, f"{KEYS[1]}_relaxed": ndcg}
        for mrr, ndcg in values
    ]


def test_every_epoch_measures_judged_requests(data, tmp_path):
    run = fit_requests(config(epochs=2, best_by="satisfied_ndcg"), data, tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    for metrics in lines:
        for key in KEYS:
            assert 0 <= metrics[key] <= 1
            assert 0 <= metrics[f"{key}_relaxed"] <= 1
    assert RequestRun.open(run.path).measure == "valid_satisfied_ndcg@10"


def test_the_best_epoch_is_chosen_by_the_key(tmp_path):
    history = epochs((0.3, 0.5), (0.4, 0.6), (0.2, 0.9), (0.1, 0.1))
    assert RequestRun(tmp_path, config(), history, {}).best_epoch == 2
    assert RequestRun(tmp_path, config(best_by="satisfied_ndcg"), history, {}).best_epoch == 3


def test_without_columns_the_key_is_refused(data):
    plain = tiny_requests(users=16, events=8)
    assert judged_sample(config(), plain) is None
    with pytest.raises(ConfigError, match=r"best_by satisfied_ndcg needs .* use best_by mrr"):
        judged_sample(config(best_by="satisfied_ndcg"), plain)
    unmeasured = replace(data, splits={name: data.splits[name] for name in ("train", "test")})
    assert judged_sample(config(best_by="satisfied_ndcg"), unmeasured) is None


@pytest.mark.parametrize("judged", [True, False])
def test_the_curve_draws_them_where_they_are(tmp_path, judged):
    history = [{"epoch": 1, "loss": 1.0, "valid_mrr": 0.1, "valid_mrr_relaxed": 0.2}]
    history += [{**history[0], "epoch": 2, **dict.fromkeys(KEYS, 0.5)}] if judged else []
    draw_curve(tmp_path / "curve.png", "tiny", history, "valid_mrr", "validation MRR")
    width = int.from_bytes((tmp_path / "curve.png").read_bytes()[16:20])
    assert (width > 1400) == judged
