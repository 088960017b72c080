"""How much outfits count: weights given, by kind of event, by age; equal weights are none."""

import numpy as np
import pytest

from fashion_hash.data.facts import NO_TIME, OutfitFacts, training_weights
from fashion_hash.errors import DataError

DAY = 86400


def test_nothing_known_means_no_weights():
    assert training_weights(None) is None
    assert training_weights(OutfitFacts.of(ids=["a", "b"])) is None
    assert training_weights(OutfitFacts.of(weights=[3, 3])) is None
    assert training_weights(OutfitFacts.of(kinds=["liked", "liked"])) is None
    assert training_weights(OutfitFacts.of(times=[5, 5]), half_life=DAY) is None
    assert training_weights(OutfitFacts.of(times=[], weights=[]), half_life=DAY) is None


def test_weights_that_are_given_come_before_those_of_kinds():
    facts = OutfitFacts.of(weights=[np.nan, 5, np.nan, np.nan], kinds=["bought", "shown", "shown", ""])
    weights = training_weights(facts)
    assert weights / weights[0] == pytest.approx([1, 5, 0.1, 1])
    assert weights.mean() == pytest.approx(1)
    weights = training_weights(facts, {"shown": 0.5})
    assert weights / weights[0] == pytest.approx([1, 5, 0.5, 1])


def test_bought_counts_more_than_liked_clicked_and_shown():
    weights = training_weights(OutfitFacts.of(kinds=["shown", "clicked", "liked", "bought"]))
    assert (np.diff(weights) > 0).all()


def test_old_outfits_count_less():
    facts = OutfitFacts.of(times=[0, 90 * DAY, 180 * DAY], weights=[1, 1, 2])
    weights = training_weights(facts, half_life=90 * DAY)
    assert weights / weights[2] == pytest.approx([0.125, 0.25, 1])


@pytest.mark.parametrize(
    ("facts", "options", "message"),
    [
        (OutfitFacts.of(kinds=["bought", "lent"]), {}, r"no weight for the kind of event 'lent'.*data\.kind_weights"),
        (OutfitFacts.of(kinds=["bougt"]), {}, r"nearest: 'bought'"),
        (OutfitFacts.of(weights=[0, 0]), {}, "every training outfit has the weight 0"),
        (None, {"half_life": 1}, r"data\.half_life needs times, but the outfits have none"),
        (
            OutfitFacts.of(ids=["a", "b"], times=[1, NO_TIME]),
            {"half_life": 1},
            r"data\.half_life: 1 of 2 outfits without a time, the first is outfit 'b'",
        ),
    ],
)
def test_what_cannot_be_weighed_is_named(facts, options, message):
    with pytest.raises(DataError, match=message):
        training_weights(facts, **options)


@pytest.mark.parametrize("weight", [-1, float("inf"), float("-inf")])
def test_bad_weights(weight):
    with pytest.raises(DataError, match="the weight of outfit 'b' must be at least 0 and finite, got"):
        OutfitFacts.of(ids=["a", "b"], weights=[1, weight])


def test_rows_of_facts():
    facts = OutfitFacts.of(ids=["a", "b"], times=[1, 2])[np.array([1])]
    assert (facts.ids.tolist(), facts.times.tolist(), facts.weights) == (["b"], [2], None)
