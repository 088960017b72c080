"""The discrete start: bits and numbers that lower one loss in turns, and what they know before any training."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fashion_hash.config.experiment import make_config
from fashion_hash.errors import ConfigError
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.starts.discrete import factorise, loss_of, start_from_bits, users_of
from fashion_hash.training.starts.kernels import flip_bits
from tests.worlds.tiny import tiny_dataset, tiny_values

STILL = {"kind": "adam", "rates": dict.fromkeys(("user", "id", "bit_weights"), 0)}


def values(**sections):
    usual = {"user": {"code": "bytes"}, "optimiser": STILL, "model": {"terms": "preference", "variant": "T0"}}
    return tiny_values(**{**usual, "train": {"epochs": 2, "start": "discrete"}, **sections})


@pytest.fixture
def drawn():
    """Who has worn what, bits and the weight of what nobody has worn."""
    rng = np.random.default_rng(0)
    worn = csr_matrix((rng.random((9, 14)) < 0.3).astype(np.float64))
    return worn, np.where(rng.normal(size=(14, 8)) >= 0, 1.0, -1.0), 0.1


def plainly_flipped(worn, users, bits, unworn):
    """Every bit of every item in order, tried both ways in the whole loss."""
    bits = bits.copy()
    for row in range(len(bits)):
        for bit in range(bits.shape[1]):
            before = loss_of(worn, users, bits, unworn)
            bits[row, bit] *= -1
            if loss_of(worn, users, bits, unworn) >= before:
                bits[row, bit] *= -1
    return bits


def test_bits_are_flipped_as_by_trying_each(drawn):
    worn, bits, unworn = drawn
    users = users_of(worn, bits, unworn)
    wanted = plainly_flipped(worn, users, bits, unworn)
    by_item, flipped = worn.T.tocsr(), bits.copy()
    count = flip_bits(flipped, users, unworn * (users.T @ users), by_item.indptr, by_item.indices, 1)
    np.testing.assert_array_equal(flipped, wanted)
    assert count == (flipped != bits).sum() > 0


def test_users_are_least_squares(drawn):
    worn, bits, unworn = drawn
    users = users_of(worn, bits, unworn)
    lowest = loss_of(worn, users, bits, unworn)
    for step in np.random.default_rng(1).normal(size=(20, *users.shape)):
        assert loss_of(worn, users + 1e-3 * step, bits, unworn) > lowest
    without = worn.toarray()
    without[0] = 0
    assert not users_of(csr_matrix(without), bits, unworn)[0].any()


def test_every_round_lowers_the_loss(drawn):
    worn, bits, unworn = drawn
    losses = []
    for rounds in (0, 1, 3):
        improved = bits.copy()
        losses.append(loss_of(worn, factorise(worn, improved, unworn, rounds), improved, unworn))
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
