"""The weights of the sum: fitted where validation says something, held where it does not."""

import numpy as np
import pytest
from scipy.special import log_softmax

from fashion_hash.training.requests.weights import ALONE, Terms, alone, choose, fit, spread_of

TERMS = Terms(("a", "b", "c"), np.array([1.0, 1.0, 0.5]), np.array([0.1, 0.2, 1.0]), np.array([0.02, 0, 0]))


def world(requests: int, truth: tuple[float, float, float], seed: int = 0, items: int = 30) -> np.ndarray:
    """(R, K, 3), the taken item first, drawn by a logit of the terms."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(requests, items, 3)) * [0.1, 5.0, 1.0]
    logits = values @ np.array(truth)
    taken = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    for row, item in zip(values, taken):
        row[[0, item]] = row[[item, 0]]
    return values


def everyone(candidates: np.ndarray) -> np.ndarray:
    return np.ones(candidates.shape[:2], dtype=bool)


def test_many_requests_decide() -> None:
    truth = (20.0, 0.0, 0.7)
    candidates = world(2000, truth)
    weights = fit(TERMS, candidates, everyone(candidates)).weights
    assert weights[0] == pytest.approx(truth[0], rel=0.15)
    assert weights[1] < 0.02  # of 0.2, which the prior gives it
    assert weights[2] == pytest.approx(truth[2], rel=0.15)


def test_few_requests_hardly_move_the_prior() -> None:
    candidates = world(2, (0.0, 0.0, 3.0))
    fitted = fit(TERMS, candidates, everyone(candidates))
    np.testing.assert_allclose(fitted.weights * fitted.spread, TERMS.part, atol=0.6)
    assert fitted.weights[2] * fitted.spread[2] > 0.5  # towards what they say


def test_what_harms_gets_the_least_and_no_less() -> None:
    candidates = world(500, (-10.0, -1.0, 2.0))
    fitted = fit(TERMS, candidates, everyone(candidates))
    np.testing.assert_allclose(fitted.weights * fitted.spread, [0.02, 0, fitted.weights[2] * fitted.spread[2]])


def test_it_is_the_optimum_of_the_plain_loss() -> None:
    candidates = world(40, (10.0, 0.3, 0.5), items=9)
    present = np.random.default_rng(1).random((40, 9)) < 0.7
    present[:, 0] = True
    fitted = fit(TERMS, candidates, present)

    def plain(parts: np.ndarray) -> float:
        total = 4 * ((parts - TERMS.part) ** 2).sum()
        for values, rows in zip(candidates, present):
            total -= log_softmax(values[rows] / fitted.spread @ parts)[0]
        return float(total)

    parts = fitted.weights * fitted.spread
    assert fitted.loss == pytest.approx(plain(parts))
    for term in range(3):
        for step in (-0.01, 0.01):
            moved = parts.copy()
            moved[term] += step
            assert plain(moved) > fitted.loss


def test_terms_that_say_nothing_keep_the_spread_of_before() -> None:
    candidates = world(20, (1.0, 1.0, 1.0))
    candidates[:, :, 2] = 3.0
    candidates[:15, :, 1] = 0.0  # said by five requests alone
    spread = spread_of(TERMS, candidates, everyone(candidates))
    assert spread[2] == TERMS.spread[2]
    assert spread[1] == pytest.approx(5.0, rel=0.1)
    fitted = fit(TERMS, candidates, everyone(candidates))
    assert fitted.weights[2] == pytest.approx(TERMS.part[2] / TERMS.spread[2])


def test_alone_a_term_decides() -> None:
    weights = alone(1, np.array([0.1, 5.0, 1.0]))
    np.testing.assert_allclose(weights, [10, ALONE / 5, 1])


def test_a_single_term_is_taken_where_it_is_better_beyond_chance() -> None:
    rng = np.random.default_rng(0)
    sums = rng.random(100)
    assert choose([sums, sums - 0.1, sums + 0.001 * rng.normal(size=100)]) == 0
    assert choose([sums, sums + 0.1, sums + 0.2 + 0.01 * rng.normal(size=100)]) == 2
    assert choose([sums[:3], sums[:3] + 0.3]) == 0  # three requests say little
    assert choose([sums[:1], sums[:1] + 0.9]) == 0
