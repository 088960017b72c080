"""Each click model against its formula written out densely, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.errors import QueryError
from fashion_hash.evaluation.baselines import ease as ease_module
from fashion_hash.evaluation.baselines.clicks import Clicks, ItemColumns, ScoreColumns, item_clicks, outfit_clicks
from fashion_hash.evaluation.baselines.ease import ease
from fashion_hash.evaluation.baselines.factors import bpr, ials
from fashion_hash.evaluation.baselines.neighbours import item_knn, user_knn
from fashion_hash.evaluation.baselines.plain import IdDistance, popular
from fashion_hash.evaluation.baselines.scorers import co_occurrence, outfit_scores, pool_scores, slot_scores
from fashion_hash.evaluation.baselines.spectral import gf_cf
from tests.worlds.tiny import tiny_dataset


def clicks(users: int, columns: int, events: int = 150, seed: int = 0) -> Clicks:
    """Random events, some twice; one user and one column without any."""
    rng = np.random.default_rng(seed)
    return Clicks(rng.integers(users - 1, size=events), rng.integers(columns - 1, size=events), (users, columns))


def everyone(made: Clicks, score: ScoreColumns) -> np.ndarray:
    """The scores of all users, which must not depend on how they are asked for."""
    whole = score(np.arange(made.shape[0]))
    parts = np.concatenate([score(np.array([user])) for user in range(made.shape[0])])
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert whole.shape == made.shape
    assert whole.dtype == np.float32
    return whole


def cosine(rows: np.ndarray, shrinkage: float, k: int) -> np.ndarray:
    size = np.sqrt(rows.sum(axis=1))
    similar = (rows @ rows.T) / (np.outer(size, size) + shrinkage)
    np.fill_diagonal(similar, 0.0)
    for row in similar:
        row[np.argsort(-row, kind="stable")[k:]] = 0.0
    return similar


@pytest.mark.parametrize("k", [3, 100])
def test_neighbours_are_the_most_similar_by_shrunk_cosine(k: int) -> None:
    made = clicks(20, 15)
    x = made.matrix.toarray()
    np.testing.assert_allclose(everyone(made, user_knn(made, k, 2.0)), cosine(x, 2.0, k) @ x, atol=1e-5)
    np.testing.assert_allclose(everyone(made, item_knn(made, k, 2.0)), x @ cosine(x.T, 2.0, k), atol=1e-5)


@pytest.mark.parametrize(("users", "columns"), [(30, 12), (12, 30)])
def test_ease_is_its_closed_form_from_either_side(users: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "COLUMNS_AT_ONCE", 5)  # the last block is smaller
    made = clicks(users, columns)
    x = made.matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + 5.0 * np.eye(columns))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    np.testing.assert_allclose(everyone(made, ease(made, 5.0)), x @ weights, atol=1e-5)


def test_ease_names_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "LARGEST", 10)
    with pytest.raises(QueryError, match=r"both are more than 10 here \(12 users, 30 columns\)"):
        ease(clicks(12, 30))


def test_gf_cf_is_a_linear_filter_and_a_low_pass_filter() -> None:
    made = clicks(20, 15)
    x = made.matrix.toarray().astype(np.float64)
    with np.errstate(divide="ignore"):
        of_users, of_columns = (np.where(d > 0, d**-0.5, 0.0) for d in (x.sum(axis=1), x.sum(axis=0)))
    normed = of_users[:, None] * x * of_columns
    right = np.linalg.svd(normed)[2][:4].T
    low = np.diag(of_columns) @ right @ right.T @ np.diag(np.sqrt(x.sum(axis=0)))
    np.testing.assert_allclose(everyone(made, gf_cf(made, 4, 0.3)), x @ (normed.T @ normed + 0.3 * low), atol=1e-5)
    np.testing.assert_allclose(everyone(made, gf_cf(made, 4, 0.0)), x @ normed.T @ normed, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_products_with_the_scores_of_gf_cf_do_not_need_the_scores(alpha: float) -> None:
    made, rng = clicks(20, 15), np.random.default_rng(1)
    graph = gf_cf(made, 4, alpha)
    scores, columns, users = everyone(made, graph), rng.normal(size=(15, 3)), rng.normal(size=(20, 3))
    np.testing.assert_allclose(graph.times(columns), scores @ columns, atol=1e-4)
    np.testing.assert_allclose(graph.back(users), scores.T @ users, atol=1e-4)


@pytest.mark.parametrize("fit", [ials, bpr])
def test_factorisations_learn_and_repeat(fit: Callable[..., ScoreColumns]) -> None:
    pytest.importorskip("implicit")
    rng = np.random.default_rng(0)
    users = rng.integers(40, size=600)
    made = Clicks(users, 2 * rng.integers(10, size=600) + users % 2, (40, 20))  # each likes what has their parity
    scores = everyone(made, fit(made, factors=8, seed=3))
    np.testing.assert_array_equal(scores, fit(made, factors=8, seed=3)(np.arange(40)))
    assert (scores != fit(made, factors=8, seed=4)(np.arange(40))).any()
    own = (np.arange(40)[:, None] + np.arange(20)) % 2 == 0
    assert scores[own].mean() > scores[~own].mean() + 0.3


def test_recent_events_count_more() -> None:
    made = Clicks(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), (2, 3), np.array([0, 0, 100, 100]))
    np.testing.assert_allclose(popular(made)(np.array([1]))[0], np.log1p([2, 2, 0]))
    np.testing.assert_allclose(popular(made, 0.5)(np.array([1]))[0], np.log1p([0.5, 2, 0]), rtol=1e-6)
    with pytest.raises(QueryError, match="needs a time of every training outfit"):
        popular(replace(made, times=None), 0.5)


def test_clicks_are_those_of_training_with_their_times() -> None:
    dataset = tiny_dataset(("top", "top", "bottom"))
    train = dataset.split("train").positives
    times = np.arange(len(train))
    timed = replace(dataset.split("train"), facts=OutfitFacts.of(times=times))
    dataset = replace(dataset, splits={**dataset.splits, "train": timed})
    of_outfits, of_items = outfit_clicks(dataset), item_clicks(dataset)
    np.testing.assert_array_equal(of_outfits.times, times)
    assert of_outfits.shape == (6, len(dataset.outfits))
    assert of_items.shape == (6, 24)
    for row, (user, items) in enumerate(train):
        same = dataset.outfits.items[of_outfits.columns[row]]
        assert sorted(same[:2]) == sorted(items[:2])
        assert of_outfits.users[row] == user
    expected = np.zeros((6, 24))
    for user, items in train:
        expected[user, [item + (12 if slot == 2 else 0) for slot, item in enumerate(items) if item != EMPTY]] = 1
    np.testing.assert_array_equal(of_items.matrix.toarray(), expected)
    assert (of_items.times == np.repeat(times, (train.items != EMPTY).sum(axis=1))).all()


def test_outfits_are_scored_by_the_mean_of_their_items() -> None:
    dataset = tiny_dataset(("top", "top", "bottom"))
    table = np.random.default_rng(0).random((6, 24), np.float32)
    by_item: ScoreColumns = lambda users: table[users]  # noqa: E731
    test = dataset.split("test").positives
    expected = [
        np.mean([table[user, item + (12 if slot == 2 else 0)] for slot, item in enumerate(items) if item != EMPTY])
        for user, items in test
    ]
    np.testing.assert_allclose(outfit_scores(by_item, dataset)(test), expected, rtol=1e-6)
    scores = pool_scores(by_item, dataset)(np.array([4, 2]))
    for place, user in enumerate((4, 2)):
        own = Outfits(dataset.slots, np.full(len(dataset.outfits), user, np.int32), dataset.outfits.items)
        np.testing.assert_allclose(scores[place], outfit_scores(by_item, dataset)(own), rtol=1e-5)


def test_an_open_slot_is_scored_by_the_user_and_by_what_goes_with_the_chosen_items() -> None:
    dataset = tiny_dataset(("top", "bottom"))
    train = dataset.split("train").positives
    together = co_occurrence(dataset)
    columns = ItemColumns.of(dataset)
    worn = np.zeros((24, len(train.distinct())))
    for outfit, (_, items) in enumerate(train.distinct()):
        worn[[items[0], 12 + items[1]], outfit] = 1
    np.testing.assert_allclose(together.toarray(), cosine(worn, 10.0, 24), atol=1e-6)
    table = np.random.default_rng(0).normal(size=(6, 24)).astype(np.float32)
    score = slot_scores(lambda users: table[users], dataset, together, 0.5)
    asked = Outfits.of(dataset.slots, [3, 1], [[5, 7], [EMPTY, 2]])
    of_user = table[[3, 1], 12:] / np.abs(table[[3, 1], 12:]).max(axis=1, keepdims=True)
    pair = cosine(worn, 10.0, 24)[5, columns.slice("bottom")]
    expected = of_user + 0.5 * np.stack([pair / pair.max(), np.zeros(12)])
    np.testing.assert_allclose(score(asked, 1), expected, rtol=1e-5)
    refilled = Outfits.of(dataset.slots, [3, 1], [[5, EMPTY], [EMPTY, 9]])
    np.testing.assert_array_equal(score(refilled, 1), score(asked, 1))  # what stands in the slot does not matter


def test_id_distance_needs_numbers_and_knows_nothing_else() -> None:
    dataset = tiny_dataset(("top", "bottom"))
    with pytest.raises(QueryError, match=r"must be numbers, but the top 'top0\.jpg' is not"):
        IdDistance(dataset)
    numbered = {
        kind: type(words)([str(10 * row + add) for row in range(12)], kind)
        for add, (kind, words) in enumerate(dataset.items.items())
    }
    dataset = replace(dataset, items=numbered)
    distance = IdDistance(dataset)
    asked = Outfits.of(dataset.slots, [0, 1, 2], [[1, 4], [3, 3], [EMPTY, 2]])
    np.testing.assert_array_equal(distance.score(asked), [-31, -1, 0])
    np.testing.assert_array_equal(distance.items(asked, 1)[0], -np.abs(10 - (10 * np.arange(12) + 1)))
    np.testing.assert_array_equal(distance.pool(np.array([0, 5])), np.stack([distance.score(dataset.outfits)] * 2))
