"""Matched negatives: as old and as popular as what they replace, never known, the same for a seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.formats.iqon import read_iqon3000
from fashion_hash.data.negatives import NegativeSampler, as_groups
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.baselines.plain import IdDistance
from fashion_hash.evaluation.matched import Neighbourhoods, matched_negatives
from fashion_hash.evaluation.protocols import pairs
from tests.worlds.tiny import tiny_dataset


def timed(items: int = 2000, outfits: int = 1500, users: int = 30) -> Dataset:
    """Outfits whose items are of one time, ids in the order of time, some items far more popular than others."""
    rng = np.random.default_rng(0)
    splits = {}
    for name in ("train", "valid", "test"):
        times = rng.integers(items, size=outfits)
        rows = np.clip(times[:, None] + rng.integers(-40, 41, (outfits, 2)), 0, items - 1)
        rows = np.where(rng.random(rows.shape) < 0.3, rows // 40 * 40, rows)  # every 40th is worn often
        positives = Outfits.of(("top", "bottom"), rng.integers(users, size=outfits), rows)
        splits[name] = Split(positives, facts=OutfitFacts.of(times=times * 1000))
    vocabularies = {kind: Vocabulary([str(10 * row) for row in range(items)], kind) for kind in ("top", "bottom")}
    return Dataset("timed", ("top", "bottom"), Vocabulary(map(str, range(users)), "user"), vocabularies, splits)


def test_what_is_drawn_is_near_in_time_and_as_popular() -> None:
    times = np.random.default_rng(1).permutation(500).astype(np.float64)
    counts = np.where(np.arange(500) % 5 == 0, 40, 2)
    times[7] = np.nan
    near = Neighbourhoods.of(times, counts, nearest=10)
    rng = np.random.default_rng(0)
    items = np.repeat(np.delete(np.arange(500), 7), 20)
    drawn = near.draw(rng, items, nearest=10)
    assert (drawn != items).all()
    assert not (drawn == 7).any()
    np.testing.assert_array_equal(counts[drawn], counts[items])
    order = {band: np.sort(times[(counts == band) & ~np.isnan(times)]) for band in (2, 40)}
    apart = [
        abs(np.searchsorted(order[counts[a]], times[a]) - np.searchsorted(order[counts[b]], times[b]))
        for a, b in zip(items, drawn)
    ]
    assert max(apart) <= 10  # at the ends of a band all ten stand on one side
    assert len({(a, b) for a, b in zip(items, drawn)}) > 4000


def test_small_bands_are_joined_to_the_next_one() -> None:
    near = Neighbourhoods.of(np.arange(30.0), np.array([0] * 20 + [1] * 8 + [1000] * 2), nearest=5)
    drawn = near.draw(np.random.default_rng(0), np.repeat([28, 29], 200), nearest=5)
    assert set(drawn) == {22, 23, 24, 25, 26, 27, 28, 29} - {22, 23}  # with those of one outfit, nearest in time
    rare = Neighbourhoods.of(np.arange(20.0), np.array([0] * 2 + [1] * 18), nearest=5)
    assert set(rare.draw(np.random.default_rng(0), np.zeros(200, np.int64), nearest=5)) == {1, 2, 3, 4, 5}
    alone = Neighbourhoods.of(np.arange(3.0), np.array([1, 1, 1]), nearest=5)
    assert set(alone.draw(np.random.default_rng(0), np.zeros(100, np.int64), nearest=5)) == {1, 2}


@pytest.mark.parametrize("clock", ["times", "ids"])
def test_negatives_are_never_known_and_repeat_for_a_seed(clock: str) -> None:
    dataset = timed()
    part = dataset.split("test")
    drawn = matched_negatives(dataset, part, clock, ["bottom"], 4, 0)
    assert len(drawn) == len(part.positives)
    np.testing.assert_array_equal(drawn.outfits.items[:, 0], np.repeat(part.positives.items[:, 0], 4))
    assert (drawn.outfits.items[:, 1] != np.repeat(part.positives.items[:, 1], 4)).all()
    known = {(user, *items) for user, items in zip(dataset.known.users, map(tuple, dataset.known.items))}
    assert not known & {(user, *items) for user, items in zip(drawn.outfits.users, map(tuple, drawn.outfits.items))}
    again = matched_negatives(dataset, part, clock, ["bottom"], 4, 0).outfits.items
    np.testing.assert_array_equal(drawn.outfits.items, again)
    other = matched_negatives(dataset, part, clock, ["bottom"], 4, 1).outfits.items
    assert (drawn.outfits.items != other).any()


def test_the_distance_of_ids_no_longer_tells_them_apart() -> None:
    dataset = timed()
    part, score = dataset.split("test"), IdDistance(dataset).score
    random = NegativeSampler(part.positives, swap=["bottom"]).random(np.random.default_rng(0))
    assert pairs(score, part.positives, as_groups(part.positives, random))["auc"] > 0.95
    matched = matched_negatives(dataset, part, "ids", ["bottom"], 1, 0)
    assert pairs(score, part.positives, matched)["auc"] < 0.8


def test_empty_slots_stay_empty() -> None:
    dataset = tiny_dataset(("top", "top", "bottom"))
    numbered = {kind: Vocabulary([str(row) for row in range(12)], kind) for kind in dataset.types}
    part = dataset.split("test")
    drawn = matched_negatives(replace(dataset, items=numbered), part, "ids", None, 2, 0)
    np.testing.assert_array_equal(drawn.outfits.mask, np.repeat(part.positives.mask, 2, axis=0))
    assert (drawn.outfits.items != np.repeat(part.positives.items, 2, axis=0))[drawn.outfits.mask].all()
    assert EMPTY in drawn.outfits.items


def test_what_cannot_be_matched_is_said() -> None:
    dataset = tiny_dataset()
    part = dataset.split("test")
    with pytest.raises(DataError, match="matching in time needs times, but the outfits have none"):
        matched_negatives(dataset, part, "times", None, 1, 0)
    with pytest.raises(QueryError, match=r"must be numbers, but the top 'top0\.jpg' is not"):
        matched_negatives(dataset, part, "ids", None, 1, 0)
    with pytest.raises(QueryError, match="matched must be one of times, ids, got 'age'"):
        matched_negatives(dataset, part, "age", None, 1, 0)
    with pytest.raises(DataError, match=r"none of \['hat'\] is an item type of timed"):
        matched_negatives(timed(), timed().split("test"), "ids", ["hat"], 1, 0)


@pytest.mark.slow
@pytest.mark.data
def test_the_published_pairs_of_iqon3000_are_told_apart_by_their_ids(iqon_root: Path) -> None:
    """|number of top - number of bottom| alone: .8496 of the published test pairs, half of the matched ones."""
    dataset = read_iqon3000(iqon_root)
    part, score = dataset.split("test"), IdDistance(dataset).score
    published = pairs(score, part.positives, part.negatives["random"])["auc"]
    assert published == pytest.approx(0.8496, abs=0.0001)
    matched = pairs(score, part.positives, matched_negatives(dataset, part, "ids", ["bottom"], 1, 0))["auc"]
    assert matched < 0.65
