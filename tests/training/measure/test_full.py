"""Full ranking in `evaluate`: against plain loops over the model's scores, and when it is measured."""

from dataclasses import replace
from math import log2

import numpy as np
import pytest

from fashion_hash.cli import main
from fashion_hash.config.experiment import make_config, with_user_code
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.evaluation.report import table
from fashion_hash.evaluation.studies.by_user import full_values
from fashion_hash.training.measure import full as measure
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.scoring import as_answered, trained_users
from fashion_hash.training.runs.validation import Validation
from tests.worlds.tiny import tiny_dataset, tiny_values

METRICS = {"recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr", "coverage@20", "users", "rows", "candidates"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    dataset = tiny_dataset(("top", "bottom", "shoe"), users=6, outfits=60)
    config = make_config(tiny_values(model={"item_bias": True}, train={"epochs": 2}))
    return fit(config, dataset, tmp_path_factory.mktemp("runs") / "run"), dataset


def keys(outfits, user):
    return {tuple(items.tolist()) for owner, items in outfits if owner == user}


def best_first(scores):
    """Ties by row: the model's scores of distinct outfits are hardly ever equal in this world."""
    return np.lexsort((np.arange(len(scores)), -scores))


def test_the_figures_are_those_of_sorting_every_list(trained):
    run, dataset = trained
    report = evaluate(run, "test", dataset)
    assert report["left_out"] == {}
    model, inputs, slope = run.model(dataset)
    score = as_answered(make_scorer(run.config, model, inputs, slope, dataset), trained_users(dataset))
    recall, ndcg, mrr, shown = [], [], [], set()
    for user in range(6):
        known = keys(dataset.split("train").positives, user) | keys(dataset.split("valid").positives, user)
        liked = keys(dataset.split("test").positives, user) - known
        pool = dataset.outfits[np.array([tuple(items) not in known for items in dataset.outfits.items.tolist()])]
        order = best_first(score(replace(pool, users=np.full(len(pool), user, dtype=np.int32))))
        ranked = [tuple(items) for items in pool.items[order].tolist()]
        places = [place for place, items in enumerate(ranked, 1) if items in liked]
        assert len(places) == len(liked)
        recall.append(sum(place <= 20 for place in places) / len(liked))
        ideal = sum(1 / log2(place + 1) for place in range(1, min(20, len(liked)) + 1))
        ndcg.append(sum(1 / log2(place + 1) for place in places if place <= 20) / ideal)
        mrr.append(1 / places[0])
        shown |= set(ranked[:20])
    measured = report["protocols"]["full_outfits"]["relaxed"]
    assert set(measured) == METRICS
    assert measured["recall@20"] == pytest.approx(np.mean(recall))
    assert measured["ndcg@20"] == pytest.approx(np.mean(ndcg))
    assert measured["mrr"] == pytest.approx(np.mean(mrr))
    assert measured["coverage@20"] == pytest.approx(len(shown) / len(dataset.outfits))
    assert (measured["users"], measured["candidates"]) == (6, len(dataset.outfits))


def test_items_of_an_open_slot_are_ranked_for_user_and_partial_outfit(trained):
    run, dataset = trained
    report = evaluate(run, "test", dataset)
    model, inputs, slope = run.model(dataset)
    score = as_answered(make_scorer(run.config, model, inputs, slope, dataset), trained_users(dataset))
    asked, known = {}, {}
    for name, into in (("train", known), ("valid", known), ("test", asked)):
        for user, items in dataset.split(name).positives:
            into.setdefault((user, items[0], items[2]), set()).add(int(items[1]))
    recall, rows = [], 0
    for (user, top, shoe), bottoms in asked.items():
        left_out = known.get((user, top, shoe), set())
        positives, candidates = bottoms - left_out, [row for row in range(12) if row not in left_out]
        if positives:
            outfits = Outfits.of(dataset.slots, [user] * len(candidates), [[top, row, shoe] for row in candidates])
            ranked = np.array(candidates)[best_first(score(outfits))][:10].tolist()
            recall.append(len(positives & set(ranked)) / len(positives))
            rows += len(positives)
    measured = report["protocols"]["full_bottom"]["relaxed"]
    assert set(measured) == METRICS | {"partial_outfits"}
    assert measured["recall@10"] == pytest.approx(np.mean(recall))
    assert (measured["partial_outfits"], measured["rows"]) == (len(recall), rows)
    assert set(report["protocols"]) >= {"full_top", "full_bottom", "full_shoe"}
    assert EMPTY not in asked


def test_every_scorer_stands_beside_the_model_on_the_same_rows(trained):
    run, dataset = trained
    full = evaluate(run, "valid", dataset)["protocols"]["full_outfits"]
    assert set(full["baselines"]) == {"no_user", "no_item_pairs", "popularity", "chance"}
    assert "without those known from training;" in full["statement"]
    pool = len(dataset.outfits)
    assert full["baselines"]["chance"]["recall@20"] == pytest.approx(20 / pool, rel=0.3)
    assert full["relaxed"]["recall@20"] > full["baselines"]["chance"]["recall@20"]


def test_what_takes_long_is_measured_on_demand_alone(trained, monkeypatch):
    run, dataset = trained
    monkeypatch.setattr(measure, "MOST", 12 * 50)
    report = evaluate(run, "test", dataset)
    assert "full_outfits" not in report["protocols"]
    assert "ask for it with --full" in report["left_out"]["full_outfits"]
    assert "full_outfits: not measured" in table(report)
    assert "full_outfits" in evaluate(run, "test", dataset, full=True)["protocols"]
    without = evaluate(run, "test", dataset, full=False)
    assert not [name for name in without["protocols"] if name.startswith("full_")]
    assert without["left_out"] == {}


def test_where_outfits_have_to_be_encoded_few_lists_are_drawn(tmp_path, monkeypatch):
    dataset = tiny_dataset(("top", "bottom", "shoe"), outfits=40)
    encoder = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
    run = fit(make_config(tiny_values(encoder=encoder, train={"epochs": 1})), dataset, tmp_path / "run")
    monkeypatch.setattr(measure, "ENCODED", (100, 12 * 9))
    assert "outfits to encode" in evaluate(run, "test", dataset)["left_out"]["full_top"]
    found = evaluate(run, "test", dataset, full=True)["protocols"]["full_top"]
    assert found["binary"]["partial_outfits"] == found["baselines"]["popularity"]["partial_outfits"] == 9
    assert "; 9 of 33 lists, drawn with seed 0" in found["statement"]


def test_the_command_has_the_option(trained, capsys, monkeypatch):
    run, dataset = trained
    monkeypatch.setattr("fashion_hash.training.measure.outfits.load_data", lambda *args: dataset)
    assert main(["evaluate", str(run.path), "--no-full"]) == 0
    assert "full_outfits" not in capsys.readouterr().out
    assert main(["evaluate", str(run.path), "--full"]) == 0
    shown = capsys.readouterr().out
    assert "full_outfits" in shown
    assert "coverage@20" in shown


@pytest.mark.parametrize("form", ["relaxed", "binary", "asymmetric"])
def test_the_values_of_users_have_the_means_that_evaluate_reports(trained, form):
    run, dataset = trained
    reported = evaluate(run, "test", dataset)["protocols"]
    model, inputs, slope = run.model(dataset)
    config = with_user_code(run.config, "bytes" if form == "asymmetric" else "bits")
    scorer = make_scorer(config, model, inputs, slope if form == "relaxed" else None, dataset)
    rankings = measure.full_rankings(dataset, "test", scorer, None, run.config.seed)
    assert set(rankings) == {name for name in reported if name.startswith("full_")}
    for name, ranking in rankings.items():
        assert ranking.metrics() == reported[name][form]
        lists = np.bincount(ranking.lists.users)
        values = full_values(ranking)
        assert set(values) == {"recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr"}
        for metric, of in values.items():
            assert of.users.tolist() == np.flatnonzero(lists).tolist()
            assert np.average(of.values, weights=lists[of.users]) == pytest.approx(reported[name][form][metric])
    assert measure.full_rankings(dataset, "test", scorer, False, run.config.seed) == {}


def test_the_best_epoch_is_chosen_by_the_form_that_answers(trained):
    run, dataset = trained
    model, inputs, slope = run.model(dataset)
    found = Validation(with_user_code(run.config, "bytes"), dataset, inputs)(model, slope)
    reported = evaluate(run, "valid", dataset)["protocols"]
    asymmetric, ranked = reported["rank_random"]["asymmetric"], reported["full_outfits"]["asymmetric"]
    assert found["valid_auc"] == asymmetric["auc"] != reported["rank_random"]["binary"]["auc"]
    assert found["valid_ndcg@20"] == ranked["ndcg@20"] != reported["full_outfits"]["binary"]["ndcg@20"]
    assert (found["valid_auc_relaxed"], run.form) == (reported["rank_random"]["relaxed"]["auc"], "binary")


def test_a_ranking_of_positives_alone_is_left_out_with_the_reason():
    """One user who likes all outfits of the pool, as in data that names nobody: every order would get 1."""
    dataset = tiny_dataset(("top", "bottom"), users=1, outfits=40)
    protocols, left_out = measure.chosen_protocols(dataset, "test", full=True)
    assert "full_top" in protocols
    assert "full_outfits" not in protocols
    assert left_out == {
        "full_outfits": "every candidate that is not known already is a positive, so that any order is the best"
    }
