"""The discrete start: bits and numbers that lower one loss in turns, and what they know before any training."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from fashion_hash.config.experiment import make_config
from fashion_hash.errors import ConfigError
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.starts.discrete import (
    RIDGE,
    WORN,
    Wanted,
    _worn,
    factorise,
    improve,
    loss_of,
    start_from_bits,
    users_of,
)
from tests.worlds.tiny import tiny_dataset, tiny_values

STILL = {"kind": "adam", "rates": dict.fromkeys(("user", "id", "bit_weights"), 0)}


def values(**sections):
    usual = {"user": {"code": "bytes"}, "optimiser": STILL, "model": {"terms": "preference", "variant": "T0"}}
    return tiny_values(**{**usual, "train": {"epochs": 2, "start": "discrete"}, **sections})


@pytest.fixture
def drawn():
    """What is wanted of nine users and fourteen items, of which nobody has worn the last, and bits of the items."""
    rng = np.random.default_rng(0)
    worn = (rng.random((9, 14)) < 0.3).astype(np.float64)
    worn[:, -1] = 0
    return Wanted.of(csr_matrix(worn), 0.1, seed=0), np.where(rng.normal(size=(14, 8)) >= 0, 1.0, -1.0)


def plain_loss(wanted, users, bits):
    """The loss pair by pair, with the targets from the matrices of the paper of GF-CF."""
    worn = wanted.worn.toarray()
    with np.errstate(divide="ignore"):
        of_users, of_items = (np.where(d > 0, d**-0.5, 0.0) for d in (worn.sum(axis=1), worn.sum(axis=0)))
    normed = of_users[:, None] * worn * of_items
    right = np.linalg.svd(normed, full_matrices=False)[2][:8].T  # one less than users
    low = np.diag(of_items) @ right @ right.T @ np.diag(np.sqrt(worn.sum(axis=0)))
    scores = worn @ (normed.T @ normed + 0.3 * low)
    sizes = scores.mean(axis=1, keepdims=True)  # there are fewer items than TOP
    targets = scores / np.where(sizes > 0, sizes, 1)
    total = RIDGE * (users**2).sum()
    for user in range(len(users)):
        for item in range(len(bits)):
            said = users[user] @ bits[item]
            total += worn[user, item] * (WORN - said) ** 2 + wanted.unworn * (targets[user, item] - said) ** 2
    return total


def plainly_flipped(wanted, users, bits, beside):
    """Every bit of every item in order, tried both ways in the whole loss."""
    bits = bits.copy()
    for row in range(len(bits)):
        for bit in range(bits.shape[1]):
            before = loss_of(wanted, users, bits + beside)
            bits[row, bit] *= -1
            if loss_of(wanted, users, bits + beside) >= before:
                bits[row, bit] *= -1
    return bits


def test_the_loss_is_that_of_every_pair(drawn):
    wanted, bits = drawn
    users = np.random.default_rng(1).normal(size=(9, 8))
    assert loss_of(wanted, users, bits) == pytest.approx(plain_loss(wanted, users, bits), rel=1e-5)


@pytest.mark.parametrize("share", [0, 1])
def test_bits_are_flipped_as_by_trying_each(drawn, share):
    wanted, bits = drawn
    beside = share * np.random.default_rng(2).normal(size=bits.shape)
    users, flipped = users_of(wanted, bits + beside), bits.copy()
    count = improve(wanted, users, flipped, beside, 1)
    np.testing.assert_array_equal(flipped, plainly_flipped(wanted, users, bits, beside))
    assert count == (flipped != bits).sum() > 0


def test_users_are_least_squares(drawn):
    wanted, bits = drawn
    users = users_of(wanted, bits)
    lowest = loss_of(wanted, users, bits)
    for step in np.random.default_rng(1).normal(size=(20, *users.shape)):
        assert loss_of(wanted, users + 1e-3 * step, bits) > lowest
    without = wanted.worn.toarray()
    without[0] = 0
    assert not users_of(Wanted.of(csr_matrix(without), 0.1, seed=0), bits)[0].any()


def test_every_round_lowers_the_loss(drawn):
    wanted, bits = drawn
    losses = []
    for rounds in (0, 1, 3):
        improved = bits.copy()
        losses.append(loss_of(wanted, factorise(wanted, improved, rounds=rounds), improved))
    assert losses[0] > losses[1] >= losses[2]


def test_the_start_knows_what_users_wear(tmp_path):
    dataset = tiny_dataset()
    run = fit(make_config(values()), dataset, tmp_path / "run")
    assert run.history[-1]["valid_auc"] > 0.9
    assert run.history[0]["valid_auc"] == run.history[-1]["valid_auc"]  # rates of 0 leave it as it is
    bundle = export_bundle(run, dataset=dataset)
    assert bundle.user_form == "bytes"


def test_the_unknown_item_is_near_to_nobody():
    dataset, config = tiny_dataset(items=40, outfits=30), make_config(values())
    inputs = ItemInputs(config, dataset)
    model = make_model(config, dataset, inputs)
    start_from_bits(model, config, dataset, inputs)
    users = model.users.weight.detach().numpy()
    tables = [table.weight.detach().numpy() for table in model.hashing["id"].embeddings.values()]
    unknown, known = np.stack([table[-1] for table in tables]), np.concatenate([table[:-1] for table in tables])
    assert (np.abs(unknown) == 0.5).all()
    assert np.square(users @ unknown.T).mean() < 0.2 * np.square(users @ known.T).mean()


def test_content_beside_ids_says_what_goes_together():
    """Its bits agree in outfits, and users are least squares of the bits of ids and of content together."""
    dataset = tiny_dataset()
    config = make_config(values(cooccurrence={}, model={"terms": "both", "variant": "T0"}))
    inputs = ItemInputs(config, dataset)
    model = make_model(config, dataset, inputs)
    start_from_bits(model, config, dataset, inputs)
    every = {name: torch.arange(len(ids)) for name, ids in dataset.items.items()}
    found = model.eval().item_codes(inputs(every), every, None).codes
    codes = {name: of.detach().numpy() for name, of in found.items()}
    of_content = [codes[name][:-1, model.modalities.index("cooccurrence")] for name in dataset.items]
    split = dataset.split("test")

    def agreement(outfits):
        top, bottom, _ = (of[outfits.items[:, slot]] for slot, of in enumerate(of_content))
        return (top * bottom).mean()

    assert agreement(split.positives) > agreement(split.negatives["random"].outfits) + 0.2
    wanted = Wanted.of(_worn(dataset, inputs.known_items, len(dataset.users)), config.train.unworn, config.seed)
    together = np.concatenate([codes[name][:-1].sum(axis=1)[inputs.known_items[name]] for name in dataset.items])
    unknown = np.sign(model.hashing["id"].embeddings["top"].weight[-1:].detach().numpy())
    plain = users_of(wanted, np.concatenate([together, unknown]))
    said = model.users.weight.detach().numpy()
    np.testing.assert_allclose(said / np.abs(said).max(), plain / np.abs(plain).max(), atol=1e-4)


def test_what_it_needs(tmp_path):
    dataset = tiny_dataset()
    cases = [
        (
            {"outfit": {}, "negatives": {"kind": "outfits", "per_positive": 4}, "user": {}},
            "leave the section outfit out",
        ),
        ({"id": None, "cooccurrence": {"head": "fhn"}}, "set cooccurrence.head to linear"),
    ]
    for sections, message in cases:
        with pytest.raises(ConfigError, match=message):
            fit(make_config(values(**sections)), dataset, tmp_path / "run")
    with pytest.raises(ConfigError, match="unworn must be greater than 0"):
        make_config(values(train={"unworn": 0}))
    assert "unworn" not in make_config(values()).to_yaml()
