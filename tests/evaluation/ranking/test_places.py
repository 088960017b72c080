"""Full rankings against a referee that sorts, and enumerates every order of tied candidates."""

from fractions import Fraction
from itertools import permutations
from math import comb, log2

import numpy as np
import pytest

from fashion_hash.errors import QueryError
from fashion_hash.evaluation.ranking import rank as ranking
from fashion_hash.evaluation.ranking.lists import Lists, Rows
from fashion_hash.evaluation.ranking.places import Places
from fashion_hash.evaluation.ranking.rank import rank_outfits


def made(seed, lists=5, size=6, levels=3):
    """Random lists with many ties; every list has a positive, some have several, and some rows are known."""
    rng = np.random.default_rng(seed)
    positives, known = [], []
    for number in range(lists):
        order = rng.permutation(size)
        count = rng.integers(1, 4)
        positives += [(number, row) for row in order[:count]]
        known += [(number, row) for row in order[count : count + rng.integers(0, 3)]]
    scores = rng.integers(0, levels, (lists, size)).astype(np.float32)
    rows = [Rows.of(*np.array(pairs, dtype=int).reshape(-1, 2).T, lists) for pairs in (positives, known)]
    return scores, Lists(np.arange(lists), *rows, size)


def orders(scores, known):
    """Every order of the candidates that their scores allow."""
    candidates = [row for row in range(len(scores)) if row not in known]
    best = sorted(scores[candidates], reverse=True)
    return [order for order in permutations(candidates) if [scores[row] for row in order] == best]


def referee(scores, lists, k):
    """The means of recall@k, NDCG@k and MRR, and the coverage of the first k, over all orders of what is tied."""
    totals, missed = [], np.ones(lists.size)
    for number in range(len(lists)):
        positives = set(lists.positives.of_lists(np.array([number])).rows.tolist())
        known = set(lists.known.of_lists(np.array([number])).rows.tolist())
        possible = orders(scores[number], known)
        values, shown = [], np.zeros(lists.size)
        for order in possible:
            places = [place for place, row in enumerate(order, 1) if row in positives]
            hits = [place for place in places if place <= k]
            ideal = sum(1 / log2(place + 1) for place in range(1, min(k, len(positives)) + 1))
            gain = sum(1 / log2(place + 1) for place in hits)
            values.append((len(hits) / len(positives), gain / ideal, 1 / places[0]))
            shown[list(order[:k])] += 1 / len(possible)
        totals.append(np.mean(values, axis=0))
        missed *= 1 - shown
    return *np.mean(totals, axis=0), float((1 - missed).mean())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [1, 2, 20])
def test_every_metric_equals_the_mean_over_all_orders_of_tied_candidates(seed, k, monkeypatch):
    monkeypatch.setattr(ranking, "SHOWN", k)
    monkeypatch.setattr(ranking, "BLOCK", 12)  # several blocks
    scores, lists = made(seed, levels=1 + seed % 4)
    measured = rank_outfits(lambda users: scores[users], lists).metrics((k,))
    names = (f"recall@{k}", f"ndcg@{k}", "mrr", f"coverage@{k}")
    assert [measured[name] for name in names] == pytest.approx(referee(scores, lists, k), abs=1e-9)
    assert (measured["users"], measured["rows"], measured["candidates"]) == (5, len(lists.positives.rows), 6)


def test_without_ties_it_equals_a_full_sort():
    rng = np.random.default_rng(3)
    scores = rng.permutation(40 * 500).reshape(40, 500).astype(np.float64)
    positives = Rows.of(np.repeat(np.arange(40), 3), rng.integers(0, 500, 120), 40)
    lists = Lists(np.arange(40), positives, Rows.of([], [], 40), 500)
    measured = rank_outfits(lambda users: scores[users], lists).metrics()
    order = np.argsort(-scores, axis=1)
    recall = []
    for number, top in enumerate(order[:, :20]):
        mine = positives.of_lists(np.array([number])).rows
        recall.append(np.isin(mine, top).mean())
    assert measured["recall@20"] == pytest.approx(np.mean(recall))
    assert measured["coverage@20"] == pytest.approx(len(np.unique(order[:, :20])) / 500)


def test_a_constant_scorer_gets_what_chance_gets():
    _, lists = made(0, lists=40, size=50)
    measured = rank_outfits(lambda users: np.zeros((len(users), 50), dtype=np.float32), lists).metrics()
    candidates = 50 - np.diff(lists.known.starts)
    assert measured["recall@20"] == pytest.approx((20 / candidates).mean())
    assert measured["coverage@20"] > 0.99


def first_of_tied(above, size, positives):
    """The expected reciprocal place of the first of some positives that are tied with others, in exact fractions."""
    chances = (Fraction(comb(size - place, positives - 1), comb(size, positives)) for place in range(1, size + 1))
    return float(sum(chance / (above + place) for place, chance in enumerate(chances, 1)))


def test_reciprocal_ranks_of_ties_are_those_of_exact_fractions():
    cases = [(above, size, r) for above in (0, 1, 700) for size in (1, 2, 9, 400) for r in (1, 2, 9, 399) if r <= size]
    starts = np.cumsum([0] + [r for _, _, r in cases])
    above, tied = (np.repeat(column, np.diff(starts)) for column in np.array(cases).T[:2])
    measured = Places(starts, above, tied).reciprocal_rank()
    assert measured == pytest.approx([first_of_tied(*case) for case in cases], rel=1e-13)


@pytest.mark.parametrize("positives", [1, 40])
def test_reciprocal_ranks_of_long_ties_are_those_of_sums_of_logs(positives):
    size = 200_000
    lists = Lists(np.arange(1), Rows.of(np.zeros(positives), np.arange(positives), 1), Rows.of([], [], 1), size)
    measured = rank_outfits(lambda users: np.zeros((1, size), dtype=np.float32), lists).metrics()
    places = np.arange(1, size - positives + 2)
    logs = np.cumsum(
        np.log1p(-(positives - 1) / (size - places[:-1]))
    )  # what makes the chance of place 1 that of others
    chances = positives / size * np.exp(np.concatenate([[0], logs]))
    assert measured["mrr"] == pytest.approx((chances / places).sum(), rel=1e-10)
    assert measured["recall@20"] == pytest.approx(20 / size)


def test_scores_of_any_layout_are_left_as_they_are():
    scores, lists = made(1)
    expected = rank_outfits(lambda users: scores[users], lists).metrics()
    whole = np.asfortranarray(scores)
    whole.flags.writeable = False
    assert rank_outfits(lambda users: whole[users], lists).metrics() == expected
    assert rank_outfits(lambda users: scores[users].astype(np.int64), lists).metrics() == expected
    cached = scores.copy()
    rank_outfits(lambda users: cached, lists)
    assert (cached == scores).all()


def test_faults_are_named():
    scores, lists = made(2)
    broken = scores.copy()
    broken[3, 2] = np.nan
    with pytest.raises(QueryError, match="user 3 hold NaN"):
        rank_outfits(lambda users: broken[users], lists)
    with pytest.raises(QueryError, match=r"shape \(5, 4\) for 5 lists of 6 candidates"):
        rank_outfits(lambda users: scores[users, :4], lists)
    with pytest.raises(QueryError, match="k must be at least 1, got 0"):
        rank_outfits(lambda users: scores[users], lists).metrics((0,))
    with pytest.raises(QueryError, match="nothing to rank"):
        rank_outfits(lambda users: scores[users], Lists(np.zeros(0, int), Rows.of([], [], 0), Rows.of([], [], 0), 6))
