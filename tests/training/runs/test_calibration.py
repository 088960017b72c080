"""Terms weighed on the validation split: the fit itself, the networks it changes, and all that answers from them."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.item_rates import leave_one_out_rates
from fashion_hash.errors import ConfigError
from fashion_hash.index import exact
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.runs import calibration
from fashion_hash.training.runs.calibration import TermWeights, calibrate, fit_weights, fit_weights_of_lists
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values

ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
MODELS = [
    *({"model": {"variant": variant, "item_bias": True}} for variant in ("T0", "T1", "T2", "T3")),
    {"model": {"repeat_empty": True, "item_bias": True}},
    {"model": {"item_bias": False}},
    {"encoder": ENCODER, "model": {"item_bias": True}},
    {"encoder": {**ENCODER, "output": "bits", "learn_scale": False}, "model": {"item_bias": True}},
]


def trained(folder, sections, **train):
    dataset = tiny_dataset(("top", "top", "bottom", "shoe"), users=12, outfits=200)
    values = {**sections, "train": {"epochs": 4, **train}}
    return fit(make_config(tiny_values(**values)), dataset, folder), dataset


def test_weights_are_those_of_logistic_regression(monkeypatch):
    monkeypatch.setattr(calibration, "PULL", 0.0)
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(4000, 4)) * [0.3, 2.0, 1.0, 0.5]
    chance = 1 / (1 + np.exp(-differences @ [3.0, 0.4, 0.8, 1.5]))
    differences *= np.where(rng.random(4000) < chance, 1, -1)[:, None]
    both, label = np.concatenate([differences, -differences]), np.repeat([1, 0], 4000)
    peer = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9).fit(both, label)
    assert np.allclose(fit_weights(differences), peer.coef_[0], rtol=1e-3)


@pytest.mark.parametrize("pull", [0.02, 0.5, 1e6])
def test_weights_are_pulled_towards_those_of_the_training(monkeypatch, pull):
    """In units of each term's spread; without end they would not move at all."""
    monkeypatch.setattr(calibration, "PULL", pull)
    rng = np.random.default_rng(3)
    differences = rng.normal([0.5, 0.3, 0.1, 0.2], [1.0, 2.0, 0.5, 1.0], size=(400, 4))
    spread, start = differences.std(axis=0), np.array(TermWeights())

    def loss(weights):
        return np.log1p(np.exp(-differences @ weights)).mean() + pull * (((weights - start) * spread) ** 2).sum()

    found, least = np.array(fit_weights(differences)), loss(np.array(fit_weights(differences)))
    for moved in 0.05 * np.vstack([np.eye(4), -np.eye(4)]):
        assert loss(found + moved) > least
    if pull == 1e6:
        assert np.allclose(found, start, atol=1e-5)


def test_weights_stay_finite_positive_and_what_never_differs_keeps_its_own():
    rng = np.random.default_rng(1)
    ahead = np.abs(rng.normal(size=(300, 1)))  # a term that is always right
    wrong = -np.abs(rng.normal(size=(300, 1)))  # and one that is always wrong
    found = fit_weights(np.hstack([ahead, wrong, np.zeros((300, 2))]))
    assert 1 < found.preference < 100
    assert found.compatibility == pytest.approx(0.01)
    assert found[2:] == (1.0, 0.0)


@pytest.mark.parametrize(
    "sections",
    [pytest.param(model, marks=pytest.mark.slow if place in (1, 2, 5) else ()) for place, model in enumerate(MODELS)],
)
def test_a_calibrated_model_weighs_its_terms(tmp_path, sections):
    run, dataset = trained(tmp_path / "run", sections)
    model, inputs, slope = run.model(dataset)
    outfits = dataset.split("test").positives
    before = {name: one.clone() for name, one in model.state_dict().items()}
    for form in (None, slope):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calibration, "fit_weights", lambda differences: TermWeights(2.0, 3.0, 0.5, 0.25))
            other = calibrate(ModelScorer(model, inputs, form), dataset, 0)
        plain, weighed = ModelScorer(model, inputs, form).terms(outfits), other.terms(outfits)
        counted = outfits.with_empty_filled() if model.repeat_empty else outfits
        rates = leave_one_out_rates(dataset.split("train").positives, inputs.num_items)
        rate = np.zeros(len(outfits))
        if model.item_bias is not None:
            for row, items in enumerate(counted.items):
                real = [(kind, item) for kind, item in zip(counted.slots, items) if item != EMPTY]
                rate[row] = np.mean([rates[kind][item] for kind, item in real])
        assert np.allclose(weighed[:, 1], 2 * plain[:, 1], rtol=1e-4, atol=1e-5)
        assert np.allclose(weighed[:, 2], 3 * plain[:, 2], rtol=1e-4, atol=1e-5)
        assert np.allclose(weighed[:, 3], 0.5 * plain[:, 3] + 0.25 * rate, rtol=1e-4, atol=1e-5)
        assert model.item_bias is None or np.abs(rate).max() > 0.1
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())


def test_training_is_as_without_and_everything_that_answers_is_calibrated(tmp_path):
    plain, dataset = trained(tmp_path / "plain", {"model": {"item_bias": True}})
    run, _ = trained(tmp_path / "run", {"model": {"item_bias": True}}, calibrate=True)
    untouched = [{name: value for name, value in one.items() if name != "seconds"} for one in run.history]
    assert untouched == [{name: value for name, value in one.items() if name != "seconds"} for one in plain.history]
    model, inputs, slope = run.model(dataset)
    positives, negatives = dataset.split("test").positives, dataset.split("test").negatives["random"].outfits
    wanted = {form: calibrate(ModelScorer(model, inputs, form), dataset, 0) for form in (None, slope)}
    assert not np.allclose(wanted[None](positives), ModelScorer(model, inputs, None)(positives), atol=1e-2)

    found = evaluate(run, "test", dataset)["protocols"]["rank_random"]
    assert found["binary"] != evaluate(plain, "test", dataset)["protocols"]["rank_random"]["binary"]
    bundle = export_bundle(run, dataset=dataset)
    for user in np.unique(negatives.users):
        mine = negatives[negatives.users == user]
        answers = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], mine.items))
        assert np.allclose(answers, wanted[None](mine), atol=1e-3)
    config = make_config(tiny_values(teacher={"run": str(run.path), "cache": False})).teacher
    distances = Teacher(config, dataset).distances(positives.users, positives.items[:, None])[:, 0]
    assert np.allclose(distances, -wanted[slope](positives), atol=1e-4)


def test_calibration_without_a_validation_split_is_refused_before_anything_is_written(tmp_path):
    config = make_config(tiny_values(train={"epochs": 1, "calibrate": True}))
    with pytest.raises(ConfigError, match=r"train\.calibrate: tiny has no validation split"):
        fit(config, tiny_dataset(valid=False), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def choices(weights, lists=3000, outfits=40, seed=0):
    """Terms of positives less those of the others, where the positive is drawn by its score among all outfits."""
    rng = np.random.default_rng(seed)
    terms = rng.normal(size=(lists, outfits, 4)) * [0.5, 1.0, 2.0, 0.3]
    chosen = (terms @ weights + rng.gumbel(size=(lists, outfits))).argmax(axis=1)
    positive = terms[np.arange(lists), chosen]
    counts = np.ones((lists, outfits))
    counts[np.arange(lists), chosen] = 0
    return positive[:, None] - terms, counts


def test_weights_of_lists_are_those_that_the_choices_were_made_by(monkeypatch):
    monkeypatch.setattr(calibration, "PULL", 0.0)
    planted = [2.0, 0.5, 0.25, 1.5]
    assert fit_weights_of_lists(*choices(planted)) == pytest.approx(planted, rel=0.2)


def test_an_outfit_that_stands_for_three_counts_as_three_outfits():
    differences, counts = choices([1.5, 0.5, 1.0, 0.0], lists=200, outfits=5)
    three = np.concatenate([differences, differences[:, :1], differences[:, :1]], axis=1)
    ones = np.concatenate([counts, counts[:, :1], counts[:, :1]], axis=1)
    counts[:, 0] *= 3
    spread = differences.reshape(-1, 4).std(axis=0), three.reshape(-1, 4).std(axis=0)
    assert spread[0] == pytest.approx(spread[1], rel=0.2)  # the pull is in units of the spread
    assert fit_weights_of_lists(differences, counts) == pytest.approx(fit_weights_of_lists(three, ones), rel=0.02)


def test_calibration_against_the_pool_undoes_a_preference_that_is_too_loud(tmp_path, monkeypatch):
    """Ten times the preference, calibrated, is the preference, calibrated."""
    monkeypatch.setattr(calibration, "PULL", 0.0)
    run, dataset = trained(tmp_path / "run", {"model": {"item_bias": True}}, calibrate="outfits")
    model, inputs, _ = run.model(dataset)
    quiet = calibrate(ModelScorer(model, inputs, None), dataset, 0, "outfits").model
    model.scale_terms(10.0, 1.0)
    loud = calibrate(ModelScorer(model, inputs, None), dataset, 0, "outfits").model
    assert loud.matching.preference_weights().detach().numpy() == pytest.approx(
        quiet.matching.preference_weights().detach().numpy(), rel=0.1
    )
    report = evaluate(run, "valid", dataset)
    again = evaluate(run, "valid", dataset, calibrate=True)
    assert report == again  # true means: as the run does
    assert report != evaluate(run, "valid", dataset, calibrate=False)
