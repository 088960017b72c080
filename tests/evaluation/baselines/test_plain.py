from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Groups
from fashion_hash.errors import DataError
from fashion_hash.evaluation.baselines import chance, popularity
from fashion_hash.evaluation.protocols import pairs, rank


def random_outfits(count: int) -> Outfits:
    rng = np.random.default_rng(1)
    users = np.sort(rng.integers(0, 200, count))
    return Outfits.of(("top", "bottom"), users, rng.integers(0, 5000, (count, 2)))


def test_chance_is_uniform_and_gets_half() -> None:
    table = random_outfits(20_000)
    scores = chance(0)(table)
    counts, _ = np.histogram(scores, bins=20, range=(0, 1))
    assert counts.sum() == 20_000
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-squared, 19 degrees of freedom: p < .001 above 43.8
    positives = table[:2000]
    negatives = Outfits.of(table.slots, np.repeat(positives.users, 10), random_outfits(20_000).items[::-1])
    assert rank(chance(0), positives, Groups(negatives, 10))["auc"] == pytest.approx(0.5, abs=0.03)


def test_chance_knows_an_outfit_again_and_depends_on_seed_user_and_item() -> None:
    table = random_outfits(500)
    scores = chance(5)(table)
    np.testing.assert_array_equal(chance(5)(table[::-1]), scores[::-1])
    assert not np.isin(chance(6)(table), scores).any()
    other_user = Outfits.of(table.slots, table.users + 1, table.items)
    assert not np.isin(chance(5)(other_user), scores).any()
    swapped = Outfits.of(table.slots, table.users, table.items[:, ::-1])
    assert not np.isin(chance(5)(swapped), scores).any()


def test_popularity_is_the_mean_log_count_of_the_items_there_are() -> None:
    train = Outfits.of(("top", "top", "shoe"), [0, 1, 2], [[4, 1, 0], [4, -1, 0], [1, 4, 2]])
    score = popularity(train)
    asked = Outfits.of(train.slots, [0] * 4, [[4, 1, 0], [1, -1, 2], [9, -1, 3], [-1, -1, -1]])
    log = math.log1p
    # top 4 occurs three times and top 1 twice, in whichever slot; shoe 0 twice, shoe 2 once
    expected = [(log(3) + log(2) + log(2)) / 3, (log(2) + log(1)) / 2, 0.0, 0.0]
    np.testing.assert_allclose(score(asked), expected)


def test_popularity_refuses_item_types_it_never_saw() -> None:
    score = popularity(Outfits.of(("top", "shoe"), [0], [[1, 1]]))
    with pytest.raises(DataError, match=r"item types \['top', 'shoe'\]; it cannot score \['hat'\]"):
        score(Outfits.of(("top", "hat"), [0], [[1, 1]]))


def test_popularity_gets_its_known_figure_on_iqon3000(iqon_root: Path) -> None:
    """Popularity of the bottom: .659 of the published test pairs, ties 1/2."""

    def rows(name: str) -> np.ndarray:
        with open(iqon_root / name, newline="") as stream:
            return np.array(list(csv.reader(stream))[1:], dtype=np.int64)

    train, test = rows("train.csv"), rows("test.csv")
    users, tops = (np.unique(np.concatenate([train[:, c], test[:, c]])) for c in (0, 1))
    bottoms = np.unique(np.concatenate([train[:, 2], test[:, 2], test[:, 3]]))

    def table(user: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> Outfits:
        items = np.stack([np.searchsorted(tops, top), np.searchsorted(bottoms, bottom)], axis=1)
        return Outfits.of(("top", "bottom"), np.searchsorted(users, user), items)

    positives, negatives = table(*test[:, [0, 1, 2]].T), table(*test[:, [0, 1, 3]].T)
    got = pairs(popularity(table(*train.T)), positives, Groups(negatives, 1))
    assert got["rows"] == 23_093
    assert got["accuracy"] == pytest.approx(0.659, abs=0.0006)
    assert pairs(chance(0), positives, Groups(negatives, 1))["accuracy"] == pytest.approx(0.5, abs=0.015)
