"""Codes and biases of outfits themselves: what training sees of them, and that everything answers with the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import load_config, make_config, with_user_code
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.formats.clicks.kgin import read_ifashion_kgin
from fashion_hash.errors import ConfigError
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.models.make import make_network
from fashion_hash.models.network import Sizes
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.own_rows import OwnRows
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs import calibration
from fashion_hash.training.runs.calibration import (
    OwnTermWeights,
    TermWeights,
    calibrate,
    fit_weights_with_own,
    make_scorer,
)
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users
from fashion_hash.training.starts.spectral import start_from_spectrum
from tests.paths import PROJECT
from tests.worlds.click_world import ClickWorld, write_kgin
from tests.worlds.tiny import tiny_dataset, tiny_values


def values(**sections):
    outfits = {
        "outfit": {"hide": 0.2},
        "negatives": {"kind": "outfits", "per_positive": 20, "popularity": 0.5},
        "loss": {"kind": "softmax"},
        "model": {"num_bits": 16, "item_bias": True},
        "optimiser": {
            "kind": "adam",
            "rates": {
                "user": 0.05,
                "id": 0.05,
                "bit_weights": 0.01,
                "item_bias": 0.01,
                "outfit": 0.05,
                "outfit_bias": 0.05,
            },
        },
    }
    return tiny_values(**{**outfits, **sections})


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Some outfits are clicked in the test split alone."""
    world = ClickWorld(users=120, outfits=90, clicks=3.0)
    return read_ifashion_kgin(write_kgin(world, tmp_path_factory.mktemp("log") / "log"))


@pytest.fixture(scope="module")
def trained(clicks, tmp_path_factory):
    train = {"epochs": 2, "batch_size": 64, "start": "spectral", "best_by": "recall@20", "calibrate": "outfits"}
    return fit(make_config(values(train=train)), clicks, tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize("user_code", ["bits", "bytes"])
def test_every_answer_is_that_of_the_bundle_to_the_last_bit(trained, clicks, tmp_path, user_code):
    model, inputs, slope = trained.model(clicks)
    known, config = trained_users(clicks), with_user_code(trained.config, user_code)
    bundle = export_bundle(trained, tmp_path / "bundle", clicks, user_code=user_code)
    build_index(bundle, clicks.outfits, clicks.pool.ids)
    pool, own = clicks.outfits.items, bundle.own.rows_of(clicks.slots, clicks.outfits.items)
    seen = {tuple(row) for row in clicks.split("train").positives.items.tolist()}
    assert [row != EMPTY for row in own] == [tuple(row) in seen for row in pool.tolist()]
    assert 5 < (own == EMPTY).sum() < len(own) - 5
    binary = make_scorer(config, model, inputs, None, clicks)
    users = np.flatnonzero(known)[:6]
    scores = full_scores(binary, known).outfits(clicks.outfits)(users)
    for user, score in zip(users, scores):
        terms = exact.terms(bundle, bundle.user_codes[user], pool, own)
        assert (score == exact.scores(bundle, terms)).all()
        of_items = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], pool))
        assert ((score == of_items) == (own == EMPTY)).all()
    recommender = Recommender.load(bundle.path)
    ids = np.array(clicks.pool.ids)
    for user, score in zip(users, scores):
        hits = recommender.recommend(clicks.users.ids[user], 7, include_liked=True)
        assert hits.scores.tolist() == sorted(score.tolist())[::-1][:7]
        assert all(score[ids == name] == value for name, value in zip(hits.ids, hits.scores))
    table = replace(clicks.outfits, users=np.full(len(pool), users[0], dtype=np.int32))
    for form in (None, slope):
        scorer = make_scorer(config, model, inputs, form, clicks)
        full = full_scores(scorer, known)
        for at_once, one_by_one in (
            (full, as_answered(scorer, known)),
            (full.no_user(), scorer.no_user),
            (full.no_item_pairs(), scorer.no_item_pairs),
        ):
            assert at_once.outfits(clicks.outfits)(users[:1])[0] == pytest.approx(one_by_one(table), abs=2e-3)


def test_evaluation_and_the_anonymous(trained, clicks):
    protocols = evaluate(trained, "test", clicks, drawn=True)["protocols"]
    assert (
        protocols["full_outfits"]["binary"]["recall@20"] > protocols["full_outfits"]["baselines"]["chance"]["recall@20"]
    )
    assert {"rank_random", "rank_hard"} <= {name.removesuffix("_drawn") for name in protocols}


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"num_bits": 16, "kind": "linear", "item_bias": True}},
        {"outfit": {"bias": False}},
        {"outfit": {"code": False}},
    ],
)
def test_other_networks_and_parts(clicks, tmp_path, sections):
    run = fit(make_config(values(**sections, train={"epochs": 1, "batch_size": 64})), clicks, tmp_path / "run")
    model, inputs, slope = run.model(clicks)
    known = trained_users(clicks)
    user = int(np.flatnonzero(known)[3])
    table = replace(clicks.outfits, users=np.full(len(clicks.outfits), user, dtype=np.int32))
    scorer = ModelScorer(model, inputs, slope)
    at_once = full_scores(scorer, known).outfits(clicks.outfits)(np.array([user]))[0]
    assert at_once == pytest.approx(scorer(table), abs=1e-4)
    own = scorer.own_terms(table)
    assert (own[inputs.own.rows_of(table.items) == EMPTY] == 0).all()
    assert own[:, 0].any() == sections.get("outfit", {}).get("code", True)
    assert own[:, 1].any() == sections.get("outfit", {}).get("bias", True)
    if not model.is_float:
        export_bundle(run, tmp_path / "bundle", clicks)  # compares scores with those of the model


def test_a_step_learns_the_rows_that_it_shows_and_no_others():
    config = make_config(values())
    torch.manual_seed(0)
    slots = ("top", "bottom")
    sizes = Sizes(slots, 3, {"top": 2, "bottom": 2}, {"top": 2, "bottom": 2}, {}, num_outfits=5)
    model = make_network(config, sizes)
    user = model.user_codes(torch.arange(3), 1.0)
    own = model.own_terms(user, torch.tensor([EMPTY, 4, EMPTY]), 1.0)
    assert own.preference[[0, 2]].tolist() == own.bias[[0, 2]].tolist() == [0.0, 0.0]
    of_all = model.own_terms(user, torch.tensor([[2, EMPTY, 4]]), 1.0)
    assert of_all.preference[1, 2].item() == pytest.approx(own.preference[1].item(), rel=1e-5)
    by_hand = 10 * (torch.tanh(model.own.codes.weight[4]) * user[1]).mean()
    assert own.preference[1].item() == pytest.approx(by_hand.item(), rel=1e-5)
    (sum(own).sum() + sum(of_all).sum()).backward()
    for table in (model.own.codes, model.own.bias):
        assert sorted(table.weight.grad.coalesce().indices()[0].tolist()) == [2, 4]


def test_an_outfit_is_hidden_everywhere_in_a_step(clicks):
    config = make_config(values(train={"epochs": 1, "batch_size": 64}))
    data = TrainingData(config, clicks, ItemInputs(config, clicks))
    rows, hidden, shown = OwnRows.of(clicks.split("train").positives), 0, 0
    for batch in data.epoch(1):
        of_batch = {}
        for places, own in ((batch.positions[:, 0], batch.own), (batch.outfits.positions, batch.outfits.own)):
            items = np.stack(
                [
                    np.where(places[:, slot] == EMPTY, EMPTY, batch.rows[name][places[:, slot]])
                    for slot, name in enumerate(clicks.slots)
                ],
                axis=1,
            )
            for row, number in zip(rows.rows_of(items).tolist(), own.tolist()):
                assert number in (row, EMPTY)
                assert of_batch.setdefault(row, number) == number
        hidden += sum(number == EMPTY for number in of_batch.values())
        shown += len(of_batch)
    assert hidden / shown == pytest.approx(0.2, abs=0.07)


def test_without_the_section_batches_have_no_own_rows():
    config = make_config(tiny_values(negatives={"kind": "outfits", "per_positive": 9}))
    dataset = tiny_dataset()
    batch = next(TrainingData(config, dataset, ItemInputs(config, dataset)).epoch(1))
    assert batch.own is None is batch.outfits.own


def test_the_spectral_start_knows_outfits(clicks):
    config = make_config(values(train={"epochs": 1, "start": "spectral"}))
    torch.manual_seed(0)
    inputs = ItemInputs(config, clicks)
    model = make_model(config, clicks, inputs)
    start_from_spectrum(model, config, clicks, inputs)
    positives, own = clicks.split("train").positives, inputs.own
    counts = np.bincount(own.of_positives)
    assert model.own.bias.weight.detach().numpy()[:, 0] == pytest.approx(np.log1p(counts), abs=1e-5)
    assert not any(table.weight.any() for table in model.item_bias.values())
    scorer = ModelScorer(model, inputs, None)
    clicked = scorer.own_terms(positives)[:, 0]
    rng = np.random.default_rng(0)
    other = scorer.own_terms(replace(positives, users=rng.permutation(positives.users)))[:, 0]
    assert clicked.mean() > other.mean() + 1
    # an item lies between its outfits
    name, item = clicks.slots[0], int(own.items[0, 0])
    place = int(inputs.known_items[name][:item].sum())
    placed = model.hashing["id"].embeddings[name].weight[place]
    together = model.own.codes.weight[np.flatnonzero(own.items[:, 0] == item)].sum(dim=0)
    assert torch.cosine_similarity(placed, together, dim=0).item() == pytest.approx(1, abs=1e-5)


def test_calibration_weighs_items_against_outfits(trained, clicks, monkeypatch):
    rng = np.random.default_rng(0)
    weights = np.array([0.5, 1.5, 1.0, 0.8, 3.0, 0.4])
    terms = rng.normal(size=(3000, 40, 6))
    chosen = (terms @ weights + rng.gumbel(size=(3000, 40))).argmax(axis=1)
    differences = terms[np.arange(3000), chosen][:, None] - terms
    counts = np.ones((3000, 40))
    counts[np.arange(3000), chosen] = 0
    with monkeypatch.context() as patch:
        patch.setattr(calibration, "PULL", 0.0)
        items, own = fit_weights_with_own(differences, counts)
    assert [*items, *own] == pytest.approx(weights, abs=0.12)

    # the terms that are weighed are those of the score, each once
    model, inputs, slope = trained.model(clicks)
    outfits, known = clicks.split("valid").positives, trained_users(clicks)
    scorer = ModelScorer(model, inputs, slope)
    six = calibration._with_own(scorer, outfits, calibration._terms(scorer, outfits, None, known), known)
    assert six.sum(axis=1) == pytest.approx(as_answered(scorer, known)(outfits), abs=1e-4)

    fitted = TermWeights(2.0, 3.0, 0.5, 0.0), OwnTermWeights(0.25, 4.0)
    monkeypatch.setattr(calibration, "fit_weights_with_own", lambda *_: fitted)
    outfits = clicks.split("test").positives
    for form in (None, slope):
        plain = ModelScorer(model, inputs, form)
        weighed = calibrate(plain, clicks, 0, "outfits")
        own = plain.own_terms(outfits)
        assert weighed.own_terms(outfits) == pytest.approx(own * [0.25, 4.0], abs=1e-4)
        of_items = plain.terms(outfits)[:, [1, 2, 3]] - own[:, [0, 0, 1]] * [1, 0, 1]
        weighed_items = weighed.terms(outfits)[:, [1, 2, 3]] - weighed.own_terms(outfits)[:, [0, 0, 1]] * [1, 0, 1]
        assert weighed_items == pytest.approx(of_items * [2, 3, 0.5], abs=1e-3)


def test_a_start_from_another_run_keeps_codes_of_the_same_outfits(trained, clicks, tmp_path):
    rates = dict.fromkeys(("user", "id", "bit_weights", "item_bias", "outfit", "outfit_bias"), 0.0)
    sections = {"train": {"epochs": 1, "start": str(trained.path)}, "optimiser": {"kind": "adam", "rates": rates}}
    before, after = (
        run.model(clicks)[0] for run in (trained, fit(make_config(values(**sections)), clicks, tmp_path / "a"))
    )
    assert torch.equal(before.own.codes.weight, after.own.codes.weight)
    train = clicks.split("train")
    fewer = replace(train, positives=train.positives[:-30], facts=train.facts[np.arange(len(train.positives) - 30)])
    other = replace(clicks, splits={**clicks.splits, "train": fewer})
    run = fit(make_config(values(**sections)), other, tmp_path / "b")
    codes = run.model(other)[0].own.codes.weight
    assert codes.shape != before.own.codes.weight.shape or not torch.equal(codes, before.own.codes.weight)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"negatives": {"kind": "random"}}, "outfit needs negatives.kind outfits, got random"),
        ({"outfit": {"code": False, "bias": False}}, "give outfits a code, a bias or both"),
        ({"encoder": {}}, "an outfit encoder has vectors of outfits"),
        ({"data": {"cold_users": 3}}, "outfit: hidden users are fitted to items alone"),
        ({"teacher": {"run": "x", "per_positive": 3}}, "outfit: a teacher weighs mixes of items"),
    ],
)
def test_what_cannot_be_is_refused(sections, message):
    with pytest.raises(ConfigError, match=message):
        make_config(values(**sections))


def test_a_configuration_without_the_section_is_saved_as_before(tmp_path):
    plain = make_config(tiny_values()).to_yaml()
    assert "outfit:" not in plain
    assert "outfit_bias" not in plain
    with_own = make_config(values())
    (tmp_path / "config.yaml").write_text(with_own.to_yaml())
    assert load_config(tmp_path / "config.yaml") == with_own
    assert load_config(PROJECT / "configs/ifashion_kgin.yaml").negatives.kind == "outfits"
