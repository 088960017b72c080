"""Evaluation of a run on requests: where the taken item ranks, and whether the first items satisfy what is said."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.config.experiment import make_request_config
from fashion_hash.data.requests.table import NOBODY
from fashion_hash.data.requests.typed import typed_requests
from fashion_hash.evaluation.judged import ALL, JUDGED_METRICS, adherence_at
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.requests import export_requests, single_items
from fashion_hash.training.measure.requests import (
    ANSWER,
    ANSWER_ANYONE,
    BITS,
    BM25,
    CHANCE,
    TEXT_ONLY,
    USER_ONLY,
    ZERO_SHOT,
    evaluate_requests,
    request_baselines,
    request_table,
)
from fashion_hash.training.requests.answer import answer_scorer
from fashion_hash.training.requests.loop import fit_requests, make_scorer
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests


@pytest.fixture(scope="module")
def data():
    plain = tiny_requests(users=16, events=8, kinds=("item",))
    details = {
        item_type: {
            item_id: {"colour": item_id.split("-")[0], "material": item_id.split("-")[1], "price": 10.0 + at}
            for at, item_id in enumerate(vocabulary.ids)
        }
        for item_type, vocabulary in plain.items.items()
    }
    return replace(plain, details=details)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return fit_requests(
        make_request_config(tiny_request_values(train={"epochs": 2})), data, tmp_path_factory.mktemp("runs") / "run"
    )


@pytest.fixture(scope="module")
def report(run, data):
    return evaluate_requests(run, data=data)


def test_every_row_has_every_kind_of_request(report, data, run):
    judged = typed_requests(data, "test", run.config.seed)
    kinds = {ALL, *judged.kinds}
    assert {"short", "price", "negation"} <= kinds
    for row in (ANSWER, ANSWER_ANYONE, BITS, TEXT_ONLY, USER_ONLY, BM25, ZERO_SHOT, CHANCE):
        of_kinds = report["judged"]["scorers"][row]
        assert set(of_kinds) == kinds
        assert all(set(metrics) == {*JUDGED_METRICS, "queries"} for metrics in of_kinds.values())
        assert row in report["scorers"]


def test_facts_decide_before_bits(report):
    rows = report["judged"]["scorers"]
    for row in (ANSWER, ANSWER_ANYONE):
        assert rows[row]["short"]["adherence@2"] == 1
        assert rows[row]["price"]["adherence@2"] == 1
    assert rows[CHANCE][ALL]["adherence@2"] < 0.5
    assert rows[ANSWER][ALL]["satisfied_ndcg@10"] > rows[BITS][ALL]["satisfied_ndcg@10"]


def test_without_a_user_is_the_same_for_all(run, data):
    judged = typed_requests(data, "test", per_kind=4)
    model, inputs, slope = run.model(data)
    answer = answer_scorer(run, data, "test", make_scorer(model, inputs, "test", judged.requests.texts, slope))
    one_text = judged.requests[np.zeros(2, dtype=int)]
    of_two = replace(one_text, users=np.array([0, 1], dtype=np.int32))  # who like other materials
    first, second = answer(of_two)
    assert (first != second).any()
    np.testing.assert_array_equal(*answer(of_two.anonymous()))


def test_the_table_splits_by_kind(report):
    text = request_table(report)
    headings = [line.split() for line in text.splitlines()]
    assert ["all", "kinds", *JUDGED_METRICS] in headings
    kinds = [kind for kind in report["judged"]["scorers"][ANSWER] if kind != ALL]
    assert ["adherence@2", *kinds] in headings
    assert ["satisfied_ndcg@10", *kinds] in headings
    assert "nan" not in json.dumps(report).casefold()


def test_no_columns_no_judged_requests(run):
    plain = tiny_requests(users=16, events=8, kinds=("item",))
    assert len(typed_requests(plain, "test")) == 0


def test_adherence_is_of_the_catalogue_in_its_order(data):
    """The rows of judged requests are those of the scores."""
    judged = typed_requests(data, "test", per_kind=6)
    perfect = np.zeros((len(judged), data.num_items))
    for at, rows in enumerate(judged.hard):
        perfect[at, rows] = 1
    fits = perfect.astype(bool)
    assert (adherence_at(perfect, fits, 2) == 1).all()


def test_a_bundle_answers_as_the_row_says(run, data, tmp_path):
    """Facts, prices and exclusions included, with a user and without."""
    bundle = export_requests(run, tmp_path / "bundle", data)
    ids, pool = single_items(bundle)
    build_index(bundle, pool, ids)
    recommender, judged = Recommender.load(bundle.path), typed_requests(data, "test", per_kind=4)
    model, inputs, slope = run.model(data)
    score = make_scorer(model, inputs, "test", judged.requests.texts, slope)
    for asked in (judged.requests, judged.requests.anonymous()):
        for user, text, scores in zip(
            asked.users.tolist(), asked.texts, answer_scorer(run, data, "test", score)(asked)
        ):
            hits = recommender.search(text, None if user == NOBODY else data.users.ids[user], k=5)
            rows = data.items["item"].rows(hits.ids.tolist())
            np.testing.assert_allclose(scores[rows], np.sort(scores)[::-1][:5], atol=1e-9, err_msg=text)


def test_baselines_of_requests_are_those_beside_a_run(run, data):
    alone, beside = request_baselines(run.config, "test", data), evaluate_requests(run, "test", data)
    assert list(alone["scorers"]) == ["popularity", "history", "neighbours", BM25, ZERO_SHOT, CHANCE]
    for name in ("popularity", BM25, ZERO_SHOT, CHANCE):
        assert alone["scorers"][name] == beside["scorers"][name]
    assert "bits" not in request_table(alone).splitlines()[0]
