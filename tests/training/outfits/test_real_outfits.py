"""Real outfits as negatives: what is drawn, what is corrected, and that training learns from them."""

import math

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.config.training import NegativesConfig
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.errors import ConfigError, DataError
from fashion_hash.models.make import make_network
from fashion_hash.models.network import Sizes
from fashion_hash.training.losses import RANKING_LOSSES, softmax_loss
from fashion_hash.training.outfits.batches import Drawn, OutfitCandidates, make_batch
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.real_outfits import RealOutfits
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from tests.worlds.tiny import tiny_dataset

SLOTS = ("top", "top", "bottom")


def outfits_of(counts):
    """One positive per like: outfit n = (n, EMPTY, n) liked by users 0, 1, ..."""
    numbers = np.repeat(np.arange(len(counts)), counts)
    users = np.concatenate([np.arange(count) for count in counts])
    items = np.stack([numbers, np.full(len(numbers), EMPTY), numbers], axis=1)
    return Outfits.of(SLOTS, users, items)


def test_the_sum_over_candidates_estimates_the_sum_over_all_outfits():
    """The mean of weight * value over many draws is the sum over all outfits, for every kind of drawing."""
    positives = outfits_of([1, 2, 3, 40])
    values = np.array([5.0, 1.0, 2.0, 3.0])
    for popularity, in_batch in ((0.0, False), (1.0, False), (0.5, True), (0.0, True)):
        config = NegativesConfig(kind="outfits", per_positive=3, popularity=popularity, in_batch=in_batch)
        real, rng = RealOutfits(positives, config), np.random.default_rng(0)
        sums = []
        for _ in range(2000):
            rows = rng.integers(len(positives), size=4)
            drawn = real.candidates(rows, positives.users[rows], rng)
            sums.append((np.exp(drawn.log_weight) * values[drawn.items[:, 0]]).sum())
        assert np.mean(sums) == pytest.approx(values.sum(), rel=0.06), (popularity, in_batch)


def test_popular_outfits_are_drawn_in_proportion_to_the_power():
    positives = outfits_of([1, 4, 16])
    rng, seen = np.random.default_rng(1), np.zeros(3)
    real = RealOutfits(positives, NegativesConfig(kind="outfits", per_positive=1, popularity=0.5))
    for _ in range(3000):
        seen[real.candidates(np.array([0]), np.array([0]), rng).items[0, 0]] += 1
    assert seen / seen.sum() == pytest.approx(np.array([1, 2, 4]) / 7, abs=0.03)


def test_what_a_user_likes_is_no_negative_in_either_order_of_the_tops():
    items = [[0, 1, 0], [1, 0, 0], [2, EMPTY, 1]]  # the first two are the same outfit
    real = RealOutfits(Outfits.of(SLOTS, [0, 1, 2], items), NegativesConfig(kind="outfits", per_positive=2))
    users = np.array([2, 1, 0])
    pairs = set()
    for seed in range(20):
        drawn = real.candidates(np.array([2, 1, 0]), users, np.random.default_rng(seed))
        assert len(drawn.items) == len(np.unique(drawn.items, axis=0)) <= 2
        pairs |= {(int(users[row]), int(drawn.items[column, 2])) for row, column in zip(*drawn.liked)}
    assert pairs == {(0, 0), (1, 0), (2, 1)}


def test_all_outfits_are_candidates_where_there_are_fewer_than_asked_for():
    config = NegativesConfig(kind="outfits", per_positive=4, popularity=0.75)
    for in_batch, weights in ((False, [0, 0, 0]), (True, np.log([1 / 1.25, 2 / 1.25, 1 / 1.5]))):
        real = RealOutfits(outfits_of([1, 1, 2]), config.model_copy(update={"in_batch": in_batch}))
        drawn = real.candidates(np.array([1]), np.array([0]), np.random.default_rng(0))
        assert drawn.items[:, 0].tolist() == [0, 1, 2]
        assert drawn.log_weight == pytest.approx(np.array(weights))


def test_too_few_outfits():
    with pytest.raises(DataError, match="two different training outfits"):
        RealOutfits(outfits_of([5]), NegativesConfig(kind="outfits", per_positive=1))


@pytest.mark.parametrize("hidden", [False, True])
def test_candidates_views_and_negatives_of_a_batch_read_their_own_items(hidden):
    rng = np.random.default_rng(0)
    num_items = {"top": 9, "bottom": 5}

    def some(*shape):
        items = rng.integers([9, 9, 5], size=(*shape, 3))
        items[..., 1] = np.where(rng.random(shape) < 0.5, EMPTY, items[..., 1])
        return items.astype(np.int32)

    positives, views, candidates = some(4, 3), some(2, 2), some(6)
    hide = rng.random((4, 3)) < 0.3 if hidden else None
    of_candidates = rng.random((6, 3)) < 0.3 if hidden else None
    liked, log_weight = (np.array([1]), np.array([5])), np.zeros(6, dtype=np.float32)
    outfits = OutfitCandidates(candidates, liked, log_weight, np.arange(6), of_candidates)
    batch = make_batch(SLOTS, num_items, Drawn(np.arange(4), positives, hide, None, views, outfits))
    for places, items, hides in (
        (batch.positions, positives, None if hide is None else hide[:, None].repeat(3, axis=1)),
        (batch.views, views, None if hide is None else hide[:2, None].repeat(2, axis=1)),
        (batch.outfits.positions, candidates, of_candidates),
    ):
        assert places.shape == items.shape
        for slot, item_type in enumerate(SLOTS):
            at = places[..., slot].numpy()
            assert ((at == EMPTY) == (items[..., slot] == EMPTY)).all()
            filled = at != EMPTY
            assert (batch.rows[item_type].numpy()[at[filled]] == items[..., slot][filled]).all()
            if hides is not None:
                assert (batch.hidden[item_type].numpy()[at[filled]] == hides[..., slot][filled]).all()


@pytest.mark.parametrize(
    "network",
    [
        {"model": {"num_bits": 16, "item_bias": True}},
        {"model": {"num_bits": 16}, "encoder": {"width": 16, "heads": 2}},
        {"model": {"num_bits": 16}, "encoder": {"width": 16, "heads": 2, "output": "bits"}},
        {"model": {"num_bits": 16, "item_bias": True}, "encoder": {"width": 16, "heads": 2, "distance": "cosine"}},
    ],
)
def test_scores_of_all_are_the_scores(network):
    data = {"format": "iqon3000", "root": "x"}
    config = make_config({"name": "x", "data": data, "id": {}, "optimiser": {"kind": "adam"}, **network})
    torch.manual_seed(0)
    sizes = Sizes(SLOTS, 5, {"top": 6, "bottom": 4}, {"top": 6, "bottom": 4}, {})
    model = make_network(config, sizes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) / 3
    rows = {name: torch.arange(count) for name, count in sizes.num_items.items()}
    codes = model.item_codes({"id": rows}, rows, 1.3)
    user = model.user_codes(torch.arange(5), 1.3)
    positions = torch.tensor([[0, 1, 2], [3, EMPTY, 0], [5, 4, 3]])
    plain = model.score(user, codes, positions[None].expand(5, -1, -1)).score
    assert torch.allclose(model.scores_of_all(user, codes, positions), plain, rtol=1e-4, atol=1e-4)


def test_the_loss_of_all_outfits_without_repeats_is_the_full_softmax():
    """With every outfit a candidate once, the corrected loss is cross-entropy over all outfits that are no likes."""
    scores = torch.tensor([[1.0, 0.5, -0.3, 2.0]])
    positive, liked = scores[:, 0], 0
    negative = scores.clone()
    negative[0, liked] = -torch.inf
    plain = -math.log(math.exp(1.0) / sum(math.exp(score) for score in scores[0].tolist()))
    assert softmax_loss(positive, negative).item() == pytest.approx(plain, rel=1e-5)


def test_training_on_real_outfits_learns_and_repeats(tmp_path):
    dataset = tiny_dataset(users=6, items=10, outfits=120)
    values = {
        "name": "real",
        "data": {"format": "iqon3000", "root": "x"},
        "id": {"hide": 0.1},
        "model": {"num_bits": 32, "item_bias": True},
        "loss": {"kind": "softmax"},
        "negatives": {"kind": "outfits", "per_positive": 20, "popularity": 0.5, "in_batch": True},
        "optimiser": {"kind": "adam", "rates": {"user": 0.05, "id": 0.05}},
        "train": {"epochs": 4, "batch_size": 32},
    }
    losses = []
    for name in ("a", "b"):
        run = fit(make_config(values), dataset, tmp_path / name)
        losses.append([epoch["loss"] for epoch in run.history])
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0] - 0.05


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"negatives": {"in_batch": True}}, "in_batch is for negatives.kind outfits, got random"),
        ({"negatives": {"kind": "outfits"}, "teacher": {"run": "runs/t"}}, "give teacher.per_positive"),
    ],
)
def test_settings_that_do_not_go_together(values, message):
    with pytest.raises(ConfigError, match=message):
        make_config({"name": "x", "data": {"format": "iqon3000", "root": "x"}, "id": {}, **values})


@pytest.mark.parametrize("kind", ["softmax", "bpr"])
def test_the_loss_of_a_step_is_corrected_for_the_drawing_with_softmax_alone(kind):
    dataset = tiny_dataset(users=6, items=10, outfits=60)
    values = {
        "name": "step",
        "data": {"format": "iqon3000", "root": "x"},
        "id": {},
        "model": {"num_bits": 16, "item_bias": True},
        "loss": {"kind": kind},
        "negatives": {"kind": "outfits", "per_positive": 30, "popularity": 1.0, "in_batch": True},
        "train": {"batch_size": 8},
    }
    config = make_config(values)
    torch.manual_seed(0)
    inputs = ItemInputs(config, dataset)
    model = make_model(config, dataset, inputs)
    batch = next(iter(TrainingData(config, dataset, inputs).epoch(0)))
    loss = Objective(config, model, inputs)(batch, 1.0, np.random.default_rng(0))
    codes = model.item_codes(inputs(batch.rows, batch.hidden), batch.rows, 1.0)
    user = model.user_codes(batch.users, 1.0)
    positive = model.score(user, codes, batch.positions).score[:, 0]
    against = model.score(user, codes, batch.outfits.positions[None].expand(len(user), -1, -1)).score
    if kind == "softmax":
        against = against + batch.outfits.log_weight
    against[batch.outfits.liked] = -torch.inf
    assert batch.outfits.log_weight.std() > 0.1
    assert loss.item() == pytest.approx(RANKING_LOSSES[kind](positive, against).item(), rel=1e-5)
