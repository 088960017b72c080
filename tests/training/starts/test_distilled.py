"""The distilled start: what bits know that EASE taught before any training, and what it needs."""

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.data.formats.clicks.kgin import read_ifashion_kgin
from fashion_hash.errors import ConfigError
from fashion_hash.evaluation.baselines.clicks import Clicks
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.runs.scoring import ModelScorer
from fashion_hash.training.starts import distilled
from fashion_hash.training.starts.distilled import Bits, distil, start_from_teacher
from tests.worlds.click_world import ClickWorld, write_kgin
from tests.worlds.tiny import tiny_values

STILL = {"kind": "adam", "rates": dict.fromkeys(("user", "id", "bit_weights", "item_bias", "outfit", "outfit_bias"), 0)}


def values(**sections):
    usual = {
        "outfit": {},
        "negatives": {"kind": "outfits", "per_positive": 20},
        "loss": {"kind": "softmax"},
        "model": {"num_bits": 16, "user_weight": 0.05},
        "optimiser": STILL,
        "train": {"epochs": 3, "start": "distilled", "best_by": "recall@20"},
    }
    return tiny_values(**{**usual, **sections})


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    world = ClickWorld(users=120, outfits=90, clicks=3.0)
    return read_ifashion_kgin(write_kgin(world, tmp_path_factory.mktemp("log") / "log"))


def groups(users=80, outfits=30, each=3):
    """Clicks within four groups of users and outfits; the last user has none."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(users - 1), each)
    return Clicks(who, rng.integers(outfits // 4, size=len(who)) * 4 + who % 4, (users, outfits))


def taught(of, steps=150, **changes):
    """Bits taught by whose group an outfit is of."""
    start = np.random.default_rng(1).normal(size=(of.shape[1], 16))
    same = (np.arange(of.shape[1]) % 4 == (np.arange(of.shape[0]) % 4)[:, None]).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"STEPS": steps, "BATCH": 16, "RATE": 0.05, "LEAST_BATCH": 4, **changes}.items():
            patch.setattr(distilled, name, value)
        return distil(of, lambda users: same[users] - 0.5, start, 0, torch.device("cpu"))


def scores(bits):
    signs = np.where(bits.users >= 0, 1, -1) @ np.where(bits.outfits >= 0, 1, -1).T
    return bits.weight * signs / bits.users.shape[1] + bits.bias


def test_bits_learn_what_the_teacher_knows_of_outfits_nobody_clicked_yet():
    of = groups()
    bits, before = taught(of), taught(of, RATE=0.0)
    new = of.matrix.toarray()[:-1] == 0
    same = np.arange(30) % 4 == (np.arange(79) % 4)[:, None]
    gap = {
        name: scores(one)[:-1][new & same].mean() - scores(one)[:-1][new & ~same].mean()
        for name, one in (("after", bits), ("before", before))
    }
    # three tenths of what is taught are popularity, the others the outfits of the group that are left
    left = (new & same).sum(axis=1)
    assert gap["after"] == pytest.approx(np.log((0.7 / left + 0.3 / 30) / (0.3 / 30)).mean(), abs=0.3)
    assert abs(gap["before"]) < 1
    assert not bits.users[-1].any()
    again = taught(of)
    assert all(np.array_equal(one, other) for one, other in zip(bits, again))


def test_what_a_user_clicked_takes_no_share_from_what_is_taught():
    scores = np.array([[3.0, 1.0, 4.0, -2.0], [0.0, 0.0, 5.0, 0.0]], dtype=np.float32)
    popularity = np.array([0.4, 0.3, 0.2, 0.1])
    wanted = distilled._shares(scores, (np.array([0, 1]), np.array([2, 0])), popularity)
    assert wanted == pytest.approx(
        np.array([[0.7 * 0.9 + 0.12, 0.7 * 0.1 + 0.09, 0, 0.03], [0, 0.09, 0.7 + 0.06, 0.03]]), abs=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "steps", "size"),
    [
        ({}, 12, 16),
        ({"AT_ONCE": 30 * 5}, 16, 5),  # small batches for many outfits, and every user once
        ({"BATCH": 1024}, 12, 79),  # few users, all of them in every step
    ],
)
def test_small_logs_take_all_steps_and_large_ones_every_user(changes, steps, size, monkeypatch):
    of, sizes = groups(), []
    monkeypatch.setattr(distilled, "_shares", lambda scores, *_: sizes.append(len(scores)) or scores + 1.0)
    taught(of, steps=12, **changes)
    assert (len(sizes), set(sizes)) == (steps, {size})


def test_the_model_scores_what_was_taught(clicks, monkeypatch):
    """Own terms are those of the bits, outfits that training did not see have none, and items lie at their outfits."""
    learned: list[Bits] = []
    monkeypatch.setattr(distilled, "distil", lambda *of: learned.append(distil(*of)) or learned[0])
    config = make_config(values())
    torch.manual_seed(0)
    inputs = ItemInputs(config, clicks)
    model = make_model(config, clicks, inputs)
    start_from_teacher(model, config, clicks, inputs)
    positives, own = clicks.split("train").positives, inputs.own
    terms = ModelScorer(model, inputs, None).own_terms(positives).sum(axis=1)
    assert terms == pytest.approx(scores(learned[0])[positives.users, own.of_positives], abs=1e-4)
    name, item = clicks.slots[0], int(own.items[0, 0])
    placed = model.hashing["id"].embeddings[name].weight[int(inputs.known_items[name][:item].sum())]
    together = model.own.codes.weight[np.flatnonzero(own.items[:, 0] == item)].sum(dim=0)
    assert torch.cosine_similarity(placed, together, dim=0).item() == pytest.approx(1, abs=1e-5)


def test_rates_of_zero_measure_the_start_without_a_step(clicks, tmp_path):
    run = fit(make_config(values()), clicks, tmp_path / "run")
    assert [epoch["loss"] for epoch in run.history] == [0, 0, 0]
    assert run.best_epoch == 1
    assert len({epoch["valid_recall@20"] for epoch in run.history}) == 1
    assert run.history[0]["valid_recall@20"] > 20 / len(clicks.outfits)


def test_it_needs_codes_of_outfits(clicks, tmp_path):
    for sections in ({"outfit": None}, {"outfit": {"bias": False}}):
        with pytest.raises(ConfigError, match="teaches own codes and biases of outfits: add a section outfit"):
            fit(make_config(values(**sections)), clicks, tmp_path / "run")
    assert not (tmp_path / "run").exists()
