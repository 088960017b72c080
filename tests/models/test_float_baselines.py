"""The float models to compare with: several anchors a user (LPAE-u), and linear factors."""

import math

import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError, ConfigError
from fashion_hash.models.linear import LinearFactors
from fashion_hash.models.network import Sizes
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.teacher import Teacher
from tests.models.test_outfit_encoder import KNOWN, SLOTS, random_model, tokens_of
from tests.worlds.tiny import tiny_dataset, tiny_values

POSITIONS = torch.tensor([[[0, 3, 1, 2, EMPTY], [1, EMPTY, EMPTY, 0, 5]], [[3, EMPTY, 2, 2, 1], [4, 1, 0, EMPTY, 4]]])


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@torch.no_grad()
def test_an_outfit_is_matched_with_every_anchor(distance):
    model = random_model(anchors=3, distance=distance)
    items = tokens_of(model)
    user = model.user_codes(torch.tensor([1, 2]), None)
    assert user.shape == (2, 48)
    vectors = model.outfit_vectors(items, POSITIONS)
    found = model.score(user, items, POSITIONS)
    for row in range(2):
        for place in range(2):
            alone = [
                -model.distances(anchor, vectors[row, place]).item() for anchor in user[row].reshape(3, 16).unbind()
            ]
            expected = math.log(sum(math.exp(one) for one in alone) / 3)
            assert found.preference[row, place].item() == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(model.preference(user, vectors), found.preference)
    of_all = model.scores_of_all(user, items, POSITIONS[0])
    assert torch.allclose(of_all, model.score(user, items, POSITIONS[:1].repeat(2, 1, 1)).score, atol=1e-4)


@torch.no_grad()
def test_equal_anchors_are_one_anchor():
    one, three = random_model(), random_model(anchors=3)
    three.load_state_dict({**one.state_dict(), "users.weight": one.users.weight.repeat(1, 3)})
    scores = [
        model.score(model.user_codes(torch.tensor([0, 2]), None), tokens_of(model), POSITIONS).score
        for model in (one, three)
    ]
    assert torch.allclose(*scores, rtol=1e-4)


@torch.no_grad()
def test_completions_with_anchors_are_outfits_written_out():
    model = random_model(anchors=3, blocks=0, pooling="mean")
    items, user = tokens_of(model), model.user_codes(torch.arange(2), None)
    found = model.completions(user, items, POSITIONS[:, 0], 2, torch.tensor([4, 0]))
    outfits = POSITIONS[:, :1].repeat(1, 2, 1)
    outfits[:, :, 2] = torch.tensor([4, 0])
    assert torch.allclose(found, model.score(user, items, outfits).score, atol=1e-4)


def test_anchors_need_floats_and_leave_other_configurations_as_they_were():
    with pytest.raises(ConfigError, match="need output float, got 4 anchors and output bits"):
        make_config(tiny_values(encoder={"anchors": 4, "output": "bits"}))
    assert "anchors" not in make_config(tiny_values(encoder={})).to_yaml()
    assert "anchors: 4" in make_config(tiny_values(encoder={"anchors": 4})).to_yaml()


def test_anchors_train_are_measured_and_teach_but_are_not_exported(tmp_path):
    dataset = tiny_dataset()
    encoder = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16, "anchors": 4}
    values = {"encoder": encoder, "model": {"num_bits": 16, "user_init_std": 0.3}, "train": {"epochs": 6}}
    run = fit(make_config(tiny_values(**values)), dataset, tmp_path / "run")
    ranked = evaluate(run, "test", dataset)["protocols"]["rank_random"]
    assert ranked["relaxed"] == ranked["binary"]  # floats have one form
    assert ranked["relaxed"]["auc"] > 0.8
    test = dataset.split("test").positives
    teacher = Teacher(make_config(tiny_values(teacher={"run": str(run.path)})).teacher, dataset)
    assert teacher.distances(test.users, test.items[:, None], keep=False).shape == (len(test), 1)
    with pytest.raises(BundleError, match="outfit encoder with 4 anchors a user cannot be exported"):
        export_bundle(run, dataset=dataset)


def linear(seed=0):
    torch.manual_seed(seed)
    config = make_config(tiny_values(model={"num_bits": 16, "kind": "linear", "item_bias": True}))
    model = LinearFactors(config, Sizes(SLOTS, 3, KNOWN, KNOWN, {}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


@torch.no_grad()
def test_linear_factors_are_the_mean_over_items_of_a_dot_product_and_a_bias():
    model = linear()
    items, user = tokens_of(model), model.user_codes(torch.tensor([1, 2]), None)
    found = model.score(user, items, POSITIONS).score
    for row in range(2):
        for place in range(2):
            terms = [
                (user[row] @ items.codes[kind][item, 0] + items.bias[kind][item]).item()
                for kind, item in zip(SLOTS, POSITIONS[row, place].tolist())
                if item != EMPTY
            ]
            assert found[row, place].item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)
    of_all = model.scores_of_all(user, items, POSITIONS[0])
    assert torch.allclose(of_all, model.score(user, items, POSITIONS[:1].repeat(2, 1, 1)).score, atol=1e-5)
    for slot in (0, 1):  # filled in one of the outfits, empty in the other
        completed = model.completions(user, items, POSITIONS[:, 1], slot, torch.tensor([4, 0]))
        outfits = POSITIONS[:, 1:].repeat(1, 2, 1)
        outfits[:, :, slot] = torch.tensor([4, 0])
        assert torch.allclose(completed, model.score(user, items, outfits).score, atol=1e-5)


def test_linear_factors_train_on_features_and_ids(tmp_path):
    dataset = tiny_dataset()
    values = {"cooccurrence": {"dim": 4}, "model": {"num_bits": 16, "kind": "linear", "item_bias": True}}
    rates = {"kind": "adam", "rates": {"user": 0.05, "id": 0.05, "cooccurrence_head": 0.05, "item_bias": 0.01}}
    config = make_config(tiny_values(optimiser=rates, train={"epochs": 4, "calibrate": True}, **values))
    ranked = evaluate(fit(config, dataset, tmp_path / "run"), "test", dataset)["protocols"]["rank_random"]
    assert ranked["relaxed"]["auc"] > 0.8


def test_linear_factors_refuse_what_is_not_linear(tmp_path):
    values = tiny_values(model={"kind": "linear"}, cooccurrence={"head": "fhn"})
    with pytest.raises(ConfigError, match=r"needs linear heads: set cooccurrence\.head to linear"):
        fit(make_config(values), tiny_dataset(), tmp_path / "run")
