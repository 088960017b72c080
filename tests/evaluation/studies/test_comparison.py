"""Paired tests by their definitions, and the values of users against the means that protocols report."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fashion_hash.data.dataset import Groups
from fashion_hash.evaluation.baselines import popularity
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.evaluation.studies.by_user import user_values
from fashion_hash.evaluation.studies.comparison import Measured, compare, holm, over_seeds, over_users
from tests.worlds.tiny import tiny_dataset


def test_the_means_over_users_are_what_protocols_report():
    dataset = tiny_dataset(users=9)
    split = dataset.split("test")
    rng = np.random.default_rng(3)
    asked = Groups(split.positives[np.repeat(rng.permutation(len(split.positives)), 4)], 4)
    asked.outfits.items[:, 0] = rng.integers(0, 12, len(asked.outfits))
    split = replace(split, retrieval={"top": asked})
    score = popularity(dataset.split("train").positives)
    values, reported = user_values(score, split), evaluate_split(score, split)
    assert {"rank_random auc", "rank_random ndcg", "rank_random mrr", "fitb accuracy"} <= set(values)
    for name, of in values.items():
        protocol, metric = name.split(" ")
        if protocol.startswith("rank"):
            assert of.values.mean() == pytest.approx(reported[protocol][metric], abs=1e-12)
    counts = np.bincount(split.positives.users)
    by_question = [name for name in values if name.startswith(("fitb", "retrieval"))]
    assert len(by_question) == 6
    for name in by_question:
        protocol, metric = name.split(" ")
        of = values[name]
        assert np.average(of.values, weights=counts[of.users]) == pytest.approx(reported[protocol][metric])


def test_the_t_test_is_paired_by_seed():
    a, b = np.array([0.91, 0.93, 0.92]), np.array([0.90, 0.91, 0.915])
    runs = [Measured("base", seed, {"auc": value}) for seed, value in zip((0, 1, 2), b)]
    runs += [Measured("new", seed, {"auc": value}) for seed, value in zip((2, 1, 0), a[::-1])]  # in another order
    base, new = compare(runs, "base")
    assert base.over_seeds is None
    assert new.over_seeds.n == 3
    assert new.over_seeds.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert new.over_seeds.difference == pytest.approx((a - b).mean())
    assert new.deviation == pytest.approx(np.std(a, ddof=1))


def test_only_common_seeds_are_compared():
    runs = [Measured("base", seed, {"auc": 0.9 + seed / 100}) for seed in (0, 1)]
    runs += [Measured("new", seed, {"auc": 0.8}) for seed in (1, 2, 3)]
    _, new = compare(runs, "base")
    assert (new.over_seeds.n, new.over_seeds.p) == (1, None)
    assert new.over_seeds.difference == pytest.approx(0.8 - 0.91)
    assert new.mean == pytest.approx(0.8)


def test_differences_that_do_not_vary_have_no_p():
    assert over_seeds(np.zeros(3)).p is None
    assert over_users(np.zeros(9), 0).p == 1.0


def test_users_are_the_units_and_their_values_are_means_over_seeds():
    rng = np.random.default_rng(0)
    base, new = rng.normal(0.8, 0.1, (2, 50)), rng.normal(0.82, 0.1, (2, 50))
    names = [f"u{row}" for row in range(50)]
    runs = [Measured("base", seed, {"auc": 0.8}, {"auc": dict(zip(names, base[seed]))}) for seed in (0, 1)]
    runs += [Measured("new", seed, {"auc": 0.82}, {"auc": dict(zip(names[::-1], new[seed][::-1]))}) for seed in (0, 1)]
    found = compare(runs, "base")[1].over_users
    differences = new.mean(axis=0) - base.mean(axis=0)
    assert found.n == 50
    assert found.difference == pytest.approx(differences.mean())
    assert found.p == pytest.approx(stats.wilcoxon(differences).pvalue)
    low, high = stats.bootstrap((differences,), np.mean, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert compare(runs, "base") == compare(runs, "base")  # one seed, one interval


def test_users_of_another_data_set_are_not_compared():
    runs = [Measured("base", 0, {"auc": 0.8}, {"auc": {"a": 0.8, "b": 0.7}})]
    runs += [Measured("new", 0, {"auc": 0.9}, {"auc": {"x": 0.8}})]
    assert compare(runs, "base")[1].over_users is None


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.02, 0.01, None, 0.9]) == pytest.approx([0.04, 0.03, None, 0.9])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]


def test_holm_is_over_the_variants_of_one_figure():
    rng = np.random.default_rng(0)
    runs = []
    for variant, shift in (("base", 0), ("a", 0.02), ("b", 0.01)):
        for seed in range(4):
            noise = rng.normal(0, 0.01, 2)
            runs.append(Measured(variant, seed, {"auc": 0.8 + shift + noise[0], "ndcg": 0.5 + shift + noise[1]}))
    rows = {(row.variant, row.figure): row.over_seeds for row in compare(runs, "base") if row.over_seeds}
    for figure in ("auc", "ndcg"):
        p = [rows[variant, figure].p for variant in ("a", "b")]
        assert [rows[variant, figure].holm for variant in ("a", "b")] == pytest.approx(holm(p))
