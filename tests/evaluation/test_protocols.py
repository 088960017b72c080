from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits, concatenate
from fashion_hash.data.dataset import Groups, Split
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.metrics import ranking_metrics
from fashion_hash.evaluation.protocols import (
    evaluate_split,
    fitb,
    pairs,
    rank,
    retrieval,
    statements,
)

SLOTS = ("top", "top", "bottom", "shoe")


def outfits(users: np.ndarray, rng: np.random.Generator) -> Outfits:
    items = rng.integers(0, 30, (len(users), 4))
    items[rng.random(len(users)) < 0.5, 1] = EMPTY
    return Outfits.of(SLOTS, users, items)


@pytest.fixture
def split() -> Split:
    """Five users of different numbers of positives; 10 random, 4 hard and, of one kind, 1 negative each."""
    rng = np.random.default_rng(1)
    users = rng.permutation(np.repeat(np.arange(5), [1, 2, 3, 4, 5]))
    return Split(
        outfits(users, rng),
        {kind: Groups(outfits(np.repeat(users, n), rng), n) for kind, n in (("random", 10), ("hard", 4), ("one", 1))},
        Groups(outfits(np.repeat(users[:7], 4), rng), 4),
    )


class Scorer:
    """A score that depends on user and items, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, table: Outfits) -> np.ndarray:
        self.calls.append(len(table))
        return ((table.items.sum(axis=1) * 7 + table.users * 3) % 13).astype(np.float64)


def test_rank_puts_all_rows_of_a_user_into_one_list(split: Split) -> None:
    negatives = split.negatives["random"]
    score = Scorer()
    got = rank(score, split.positives, negatives)
    assert score.calls == [15 + 150]
    both = concatenate([split.positives, negatives.outfits])
    expected = ranking_metrics(score(both), np.arange(165) < 15, both.users)
    assert got == expected | {"rows": 15, "negatives_per_positive": 10}
    assert (got["users"], got["users_left_out"]) == (5, 0)


def test_pairs_compare_each_row_with_its_own_negative(split: Split) -> None:
    negatives = split.negatives["one"]
    score = Scorer()
    a, b = score(split.positives), score(negatives.outfits)
    got = pairs(score, split.positives, negatives)
    expected = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in zip(a, b)) / 15
    assert got == {
        "auc": pytest.approx(expected),
        "accuracy": pytest.approx(expected),
        "users": 5,
        "rows": 15,
        "negatives_per_positive": 1,
    }


def test_fitb_takes_the_first_candidate_for_the_truth(split: Split) -> None:
    assert split.questions is not None
    scores = Scorer()(split.questions.outfits).reshape(7, 4)
    expected = np.mean([(row[0] == max(row)) / list(row).count(max(row)) for row in scores])
    got = fitb(Scorer(), split.questions)
    assert got["accuracy"] == pytest.approx(expected)
    assert (got["rows"], got["candidates"]) == (7, 4)
    truth_first = np.tile([1.0, 0, 0, 0], 7)
    assert fitb(lambda _: truth_first, split.questions)["accuracy"] == 1.0
    assert fitb(lambda _: np.zeros(28), split.questions)["accuracy"] == 0.25


def test_evaluate_split_is_every_protocol_from_one_call(split: Split) -> None:
    score = Scorer()
    got = evaluate_split(score, split)
    assert score.calls == [15 + 150 + 60 + 15 + 28]  # the positives once, for all three kinds
    assert split.questions is not None
    assert got == {
        "rank_random": rank(score, split.positives, split.negatives["random"]),
        "rank_hard": rank(score, split.positives, split.negatives["hard"]),
        "pairs_one": pairs(score, split.positives, split.negatives["one"]),
        "fitb": fitb(score, split.questions),
    }
    assert list(got) == list(statements("shop", "test", split))


def test_drawn_negatives_are_used_only_where_there_are_none(split: Split) -> None:
    bare = replace(split, negatives={}, questions=None)
    drawn = split.negatives["hard"]
    got = evaluate_split(Scorer(), bare, drawn)
    assert got == {"rank_random": rank(Scorer(), split.positives, drawn)}
    said = statements("d", "test", bare, drawn, seed=3)["rank_random"]
    assert "4 random negatives a positive, drawn with seed 3;" in said
    assert evaluate_split(Scorer(), split, split.negatives["one"]) == evaluate_split(Scorer(), split)


def test_a_split_with_questions_only_scores_no_positives(split: Split) -> None:
    score = Scorer()
    assert list(evaluate_split(score, replace(split, negatives={}))) == ["fitb"]
    assert score.calls == [28]


def test_statements_say_all_that_a_figure_needs(split: Split) -> None:
    lines = statements("polyvore_u/tuples_519", "test", split)
    assert lines["rank_hard"] == (
        "polyvore_u/tuples_519, test: 4 hard negatives a positive, fixed by the data set; all of a user's "
        "positives and negatives in one list; ties as the mean over their orders; mean over users "
        "(auc_rows: over positives)"
    )
    assert lines["pairs_one"].endswith(
        ": 1 one negative a positive, fixed by the data set; each positive against its own; "
        "ties count 1/2; mean over rows"
    )
    assert "among 4" in lines["fitb"]
    assert "1/(number tied)" in lines["fitb"]
    assert all("\n" not in line for line in lines.values())


def test_broken_input_is_refused(split: Split) -> None:
    random = split.negatives["random"]
    with pytest.raises(DataError, match="neither negatives nor questions: draw negatives"):
        evaluate_split(Scorer(), replace(split, negatives={}, questions=None))
    with pytest.raises(DataError, match="15 groups of negatives for 14 positives"):
        rank(Scorer(), split.positives[:14], random)
    users = random.outfits.users.copy()
    users[23] = 99
    strange = Groups(replace(random.outfits, users=users), 10)
    with pytest.raises(DataError, match="negative row 23 belongs to user 99, but its positive, row 2,"):
        evaluate_split(Scorer(), replace(split, negatives={"random": strange}))
    with pytest.raises(QueryError, match="one negative per positive, got 10"):
        pairs(Scorer(), split.positives, random)
    with pytest.raises(QueryError, match=r"shape \(165,\), one for each row; got \(3,\)"):
        rank(lambda _: np.zeros(3), split.positives, random)
    with pytest.raises(QueryError, match="165 of 165 scores are NaN"):
        rank(lambda table: np.full(len(table), np.nan), split.positives, random)
    with pytest.raises(QueryError, match=r"no user \(of 0\)"):
        rank(Scorer(), split.positives[:0], Groups(random.outfits[:0], 10))


def test_retrieval_ranks_the_truth_among_the_candidates() -> None:
    questions = Groups(Outfits.of(SLOTS, [0] * 9, [[row, EMPTY, 1, 1] for row in range(9)]), 3)

    def score(table: Outfits) -> np.ndarray:  # the truth is first, tied for the first two places, and last
        assert len(table) == 9
        return np.array([5.0, 1, 2, 3, 3, 1, 0, 1, 1])

    assert retrieval(score, questions) == {
        "mrr": pytest.approx((1 + (1 + 1 / 2) / 2 + 1 / 3) / 3),
        "mean_rank": pytest.approx((1 + 1.5 + 3) / 3),
        "recall_at_1": pytest.approx((1 + 0.5 + 0) / 3),
        "recall_at_10": 1.0,
        "auc": pytest.approx((1 + 0.75 + 0) / 3),
        "users": 1,
        "rows": 3,
        "candidates": 3,
    }
    with pytest.raises(QueryError, match="at least 2 candidates, got 9 of 1"):
        retrieval(lambda table: np.zeros(len(table)), Groups(questions.outfits, 1))


def test_retrieval_is_one_of_the_protocols_of_a_split(split: Split) -> None:
    rng = np.random.default_rng(2)
    by_slot = {
        slot: Groups(outfits(np.zeros(size * 6, dtype=int), rng), size) for slot, size in (("top", 3), ("shoe", 5))
    }
    for asked in (split, Split(split.positives), replace(split, questions=None)):
        both, score = replace(asked, retrieval=by_slot), Scorer()
        measured = evaluate_split(score, both)
        assert len(score.calls) == 1
        for slot, groups in by_slot.items():
            assert measured[f"retrieval_{slot}"] == retrieval(Scorer(), groups)
            assert (
                f"rank of the {slot} that was worn among {groups.size} candidates"
                in (statements("data", "test", both)[f"retrieval_{slot}"])
            )
        if asked.questions is not None:
            assert measured["fitb"] == fitb(Scorer(), asked.questions)
        assert set(measured) == set(statements("data", "test", both))
