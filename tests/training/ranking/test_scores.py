"""Scores of everything at once against the model's scores one by one, and against those of a bundle to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config, with_user_code
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.index import exact
from fashion_hash.models.network import Network
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.ranking.code_scores import CodeScores
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.ranking.vector_scores import VectorScores
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.scoring import as_answered, trained_users
from fashion_hash.training.user_numbers import takes_user_numbers
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "top", "bottom", "shoe")
ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
MODELS = {
    "plain": {},
    "bias": {"model": {"variant": "T2", "item_bias": True}},
    "repeated": {"model": {"repeat_empty": True, "item_bias": True}},
    "two modalities": {"cooccurrence": {}, "model": {"item_bias": True, "variant": "T1"}},
    "preference": {"model": {"terms": "preference"}},
    "encoder": {"encoder": ENCODER, "model": {"item_bias": True}},
    "cosine": {"encoder": {**ENCODER, "distance": "cosine"}},
    "encoder of bits": {"encoder": {**ENCODER, "output": "bits"}, "model": {"item_bias": True}},
    "anchors": {"encoder": {**ENCODER, "anchors": 3}},
    "linear": {"model": {"kind": "linear", "item_bias": True}},
    "sum": {"encoder": {**ENCODER, "blocks": 0, "pooling": "mean"}, "model": {"item_bias": True}},
}


def world():
    """Two users have no training outfit."""
    dataset = tiny_dataset(SLOTS, users=8, outfits=90)
    train = dataset.splits["train"]
    rows = np.flatnonzero(train.positives.users < 6)
    return replace(
        dataset, splits={**dataset.splits, "train": replace(train, positives=train.positives[rows], negatives={})}
    )


@pytest.fixture(scope="module", params=MODELS)
def trained(request, tmp_path_factory):
    dataset = world()
    calibrate = request.param in ("bias", "encoder", "linear")
    values = tiny_values(**MODELS[request.param], train={"epochs": 2, "calibrate": calibrate, "average": 2})
    run = fit(make_config(values), dataset, tmp_path_factory.mktemp("runs") / "run")
    return run, dataset


def partial_outfits(dataset, slot):
    pool = dataset.outfits.items[:20].copy()
    pool[:, slot] = EMPTY if slot else pool[:, slot]  # what stands in the slot is not looked at
    return Outfits.of(SLOTS, np.arange(len(pool)) % 8, pool)


def full_of(full, outfits):
    """The scores of outfits for their own users."""
    return full.outfits(outfits)(outfits.users.astype(np.int64))[np.arange(len(outfits)), np.arange(len(outfits))]


def completed(partial, slot, size):
    items = np.repeat(partial.items, size, axis=0)
    items[:, slot] = np.tile(np.arange(size), len(partial))
    return Outfits(SLOTS, np.repeat(partial.users, size), items)


@pytest.mark.parametrize("form", ["binary", "relaxed"])
def test_scores_are_those_of_the_model(trained, form):
    run, dataset = trained
    model, inputs, slope = run.model(dataset)
    scorer = make_scorer(run.config, model, inputs, None if form == "binary" else slope, dataset)
    known = trained_users(dataset)
    assert not known.all()
    full = full_scores(scorer, known)
    plain = {"": as_answered(scorer, known), "no_user": scorer.no_user, "no_item_pairs": scorer.no_item_pairs}
    at_once = {"": full, "no_user": full.no_user(), "no_item_pairs": full.no_item_pairs()}
    users, pool = np.array([7, 0, 3]), dataset.outfits
    every = Outfits(SLOTS, np.repeat(users, len(pool)).astype(np.int32), np.tile(pool.items, (3, 1)))
    for name, scores in at_once.items():
        block = scores.outfits(pool)(users)
        expected = plain[name](every).reshape(3, -1)
        if name == "no_item_pairs":  # which knows no anonymous users
            block, expected = block[1:], expected[1:]
        np.testing.assert_allclose(block, expected, rtol=1e-4, atol=2e-4)
    for slot in range(len(SLOTS)):
        partial = partial_outfits(dataset, slot)
        for name in ("", "no_user"):
            expected = plain[name](completed(partial, slot, 12)).reshape(len(partial), -1)
            np.testing.assert_allclose(at_once[name].items(partial, slot), expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("user_code", ["bits", "bytes", "floats"])
def test_scores_of_bits_are_those_of_a_bundle_to_the_last_bit(trained, tmp_path, user_code):
    run, dataset = trained
    model, inputs, _ = run.model(dataset)
    if user_code != "bits" and not takes_user_numbers(model):
        return
    config = with_user_code(run.config, user_code)
    scorer = make_scorer(config, model, inputs, None, dataset)
    full = full_scores(scorer, trained_users(dataset))
    if not isinstance(full, CodeScores):
        assert isinstance(full, VectorScores)
        return
    bundle = export_bundle(run, tmp_path / "bundle", dataset, user_code=user_code)
    assert bundle.user_form == user_code
    known = dataset.outfits[np.flatnonzero(trained_users(dataset)[dataset.outfits.users])]
    np.testing.assert_allclose(scorer(known), full_of(full, known), rtol=1e-4, atol=2e-4)
    pool = dataset.outfits
    block = full.outfits(pool)(np.arange(6))
    for user in range(6):
        terms = exact.terms(bundle, bundle.user_codes[user], pool.items)
        assert (block[user] == exact.scores(bundle, terms)).all()
    partial = partial_outfits(dataset, 1)
    for row, scores in enumerate(full.items(partial, 1)):
        user = int(partial.users[row])
        if user < 6:
            terms = exact.terms(bundle, bundle.user_codes[user], completed(partial[row : row + 1], 1, 12).items)
            assert (scores == exact.scores(bundle, terms)).all()


def test_a_network_without_a_matrix_product_is_answered_as_well(trained):
    run, dataset = trained
    model, inputs, slope = run.model(dataset)
    scorer = make_scorer(run.config, model, inputs, slope, dataset)
    scores = VectorScores(scorer, None).outfits(dataset.outfits)(np.arange(3))
    with torch.no_grad():
        vectors = VectorScores(scorer)._vectors(dataset.outfits)
        plain = Network.all_preferences(scorer.model, scorer.user_codes[:3], vectors)
    expected = plain.numpy() + VectorScores(scorer)._rest(dataset.outfits)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=2e-4)
