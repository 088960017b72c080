"""The requests that the benchmark of adherence asks: each set judged by the columns of the items, read plainly."""

import sys

import numpy as np
import pytest

from fashion_hash.config.experiment import make_request_config
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.sample.write import make_sample
from fashion_hash.training.requests.inputs import RequestInputs
from tests.paths import PROJECT
from tests.worlds.tiny_requests import tiny_request_values

sys.path.append(str(PROJECT / "benchmarks"))

from encoder_signs import sign_adherence
from request_sets import LEAST, NOT, OFFICE, PLAIN, PRICE, SETS, facts_alone, request_sets


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = make_sample(tmp_path_factory.mktemp("sample") / "s", users=12, outfits_per_user=12, pictures=False).root
    return load_requests("polyvore_u", root, subset="630")


def test_each_request_lists_the_items_with_all_hard_facts(data):
    items = [data.details[kind][item_id] for kind in data.types for item_id in data.items[kind].ids]
    sets = request_sets(data)
    assert [sets.kinds.count(name) for name in SETS] == [120] * 4
    for at in range(0, len(sets), 4):
        colour, kind = (items[int(sets.hard[at][0])][name] for name in ("colour", "kind"))
        plain, office, price, negated = range(at, at + 4)
        assert [sets.kinds[row] for row in (plain, office, price, negated)] == [PLAIN, OFFICE, PRICE, NOT]
        texts = sets.requests.texts
        assert texts[plain] == f"{colour} {kind}"
        assert texts[office] == f"a {colour} {kind} for the office"
        both = [row for row, item in enumerate(items) if (item["colour"], item["kind"]) == (colour, kind)]
        assert sets.hard[plain].tolist() == sets.hard[office].tolist() == both
        assert sets.satisfying[office].tolist() == [row for row in both if items[row]["formality"] == "smart"]
        most = float(texts[price].split()[-1])
        assert sets.hard[price].tolist() == [row for row in both if items[row]["price"] <= most]
        assert all(len(rows) >= LEAST for rows in (sets.hard[plain], sets.hard[price], sets.hard[negated]))
        left = [row for row, item in enumerate(items) if item["kind"] == kind and not item["colour"].endswith(colour)]
        assert sets.hard[negated].tolist() == left
    assert (sets.satisfying[0] == sets.hard[0]).all()


def test_the_facts_of_a_pair_alone(data):
    sets = request_sets(data)
    alone = facts_alone(data, sets)
    plain = [rows for rows, kind in zip(sets.hard, sets.kinds) if kind == PLAIN]
    for both, kind, colour in zip(plain, alone["kind"].hard, alone["colour"].hard):
        assert np.intersect1d(kind, colour).tolist() == both.tolist()


def test_the_same_seed_the_same_requests(data):
    assert request_sets(data).requests.texts == request_sets(data).requests.texts
    assert request_sets(data, 1).requests.texts != request_sets(data).requests.texts


def test_signs_of_an_encoder(data):
    """With very many signs the untrained encoder orders as its floats do; with few it loses facts."""
    config = make_request_config(tiny_request_values(encoder={"dim": 64}))
    sets = request_sets(data)
    plain = sets[np.array([at for at, kind in enumerate(sets.kinds) if kind == PLAIN])]
    shares = sign_adherence(RequestInputs(config, data), {"both": plain}, lengths=(8, 4096))
    assert set(shares) == {"floats", "8", "4096"}
    assert shares["8"]["both"] < shares["8"]["both, real request"] < shares["floats"]["both"]
    assert abs(shares["4096"]["both, real request"] - shares["floats"]["both"]) < 0.15
