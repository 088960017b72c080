"""What a scorer is measured by on a split: ranking, pairs, fill in the blank, and a statement of each.

Figures of different protocols are not comparable: every result is printed with its statement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import Outfits, concatenate
from fashion_hash.data.dataset import Groups, Labelled, Split
from fashion_hash.errors import DataError, QueryError, counted
from fashion_hash.evaluation.metrics import (
    auc,
    check_scores,
    fitb_accuracy,
    pair_accuracy,
    ranked_lists,
    ranking_metrics,
    recall_at,
    reciprocal_rank,
)

Score = Callable[[Outfits], npt.NDArray[np.float64]]
"""Outfits of N rows to (N,) scores, higher is better; a row's score does not depend on the others."""

Metrics = dict[str, float]


def rank(score: Score, positives: Outfits, negatives: Groups) -> Metrics:
    """Ranks all positives of a user together with all negatives of that user.

    Args:
        score: the scorer; called once.
        positives: N outfits.
        negatives: N groups; group g holds the negatives of positive g, of the same user.

    Returns:
        The metrics of `metrics.ranking_metrics`, as means over users; rows (the number of positives) and
        negatives_per_positive.

    Raises:
        DataError: the number or the users of the negatives do not fit the positives.
        QueryError: no positives, scores that are NaN, or the wrong number of scores.
    """
    _check_negatives(positives, negatives)
    scores, against = _score_all(score, positives, negatives.outfits)
    return _rank(scores, against, positives, negatives)


def pairs(score: Score, positives: Outfits, negatives: Groups) -> Metrics:
    """Each positive against its one negative.

    Args:
        score: the scorer; called once.
        positives: N outfits.
        negatives: N groups of size 1.

    Returns:
        auc and accuracy (here the same: the share of rows won, a tie counting 1/2), users and rows.

    Raises:
        DataError: as for `rank`.
        QueryError: as for `rank`; or several negatives a positive.
    """
    _check_negatives(positives, negatives)
    if negatives.size != 1:
        raise QueryError(f"pairs need one negative per positive, got {negatives.size}: use rank")
    scores, against = _score_all(score, positives, negatives.outfits)
    return _pairs(scores, against, positives)


def fitb(score: Score, questions: Groups) -> Metrics:
    """Fill in the blank.

    Args:
        score: the scorer; called once.
        questions: the candidates of each question, the truth first.

    Returns:
        accuracy (over questions, a tie counting 1 / number tied), users, rows and candidates.

    Raises:
        QueryError: no questions, fewer than two candidates, scores that are NaN, or the wrong number of scores.
    """
    (scores,) = _score_all(score, questions.outfits)
    return _fitb(scores, questions)


def compatibility(score: Score, labelled: Labelled) -> Metrics:
    """Compatible outfits against incompatible ones, all in one list (Han et al., ACM MM 2017).

    Args:
        score: the scorer; called once.
        labelled: outfits and their labels.

    Returns:
        auc, rows (outfits) and compatible (how many of them are).

    Raises:
        QueryError: no outfit of one label, scores that are NaN, or the wrong number of scores.
    """
    (scores,) = _score_all(score, labelled.outfits)
    return _compatibility(scores, labelled)


def retrieval(score: Score, questions: Groups) -> Metrics:
    """The rank of the truth among the candidates for one slot.

    Args:
        score: the scorer; called once.
        questions: the candidates of each question, the truth first.

    Returns:
        mrr (mean of 1 / rank), mean_rank (from 1), recall_at_1 and recall_at_10 (the share of truths among the first)
        and auc (the share of wrong candidates below the truth), as means over questions with ties as the mean over
        their orders; users, rows and candidates.

    Raises:
        QueryError: as for `fitb`.
    """
    (scores,) = _score_all(score, questions.outfits)
    return _retrieval(scores, questions)


def evaluate_split(score: Score, split: Split, drawn: Groups | None = None) -> dict[str, Metrics]:
    """Every protocol that a split supports, with one call of the scorer.

    Args:
        score: the scorer; positives are scored once, however many protocols there are.
        split: may have fixed negatives by kind, questions, both or neither.
        drawn: negatives to use, under the name "random", when the split has none of its own.

    Returns:
        Metrics by name of the protocol. Several negatives a positive make a ranking ("rank_random",
        "rank_hard"), a single one makes pairs ("pairs_random"), questions make "fitb", labelled outfits make
        "compatibility", questions for one slot "retrieval_SLOT": see `rank`, `pairs`, `fitb`, `compatibility` and
        `retrieval`.

    Raises:
        DataError: the split supports no protocol, or its negatives do not fit its positives.
        QueryError: scores that are NaN, or the wrong number of scores.
    """
    split = _with_drawn(split, drawn)
    for groups in split.negatives.values():
        _check_negatives(split.positives, groups)
    tables = [groups.outfits for groups in split.negatives.values()]
    if tables:  # positives matter only where there are negatives to compare them with
        tables.insert(0, split.positives)
    if split.questions is not None:
        tables.append(split.questions.outfits)
    if split.labelled is not None:
        tables.append(split.labelled.outfits)
    tables += [groups.outfits for groups in split.retrieval.values()]
    scores = _score_all(score, *tables)
    results = {}
    for (kind, groups), against in zip(split.negatives.items(), scores[1:]):
        if groups.size == 1:
            results[_name(kind, groups)] = _pairs(scores[0], against, split.positives)
        else:
            results[_name(kind, groups)] = _rank(scores[0], against, split.positives, groups)
    rest = iter(scores[1 + len(split.negatives) :] if split.negatives else scores)
    if split.questions is not None:
        results["fitb"] = _fitb(next(rest), split.questions)
    if split.labelled is not None:
        results["compatibility"] = _compatibility(next(rest), split.labelled)
    for slot, groups in split.retrieval.items():
        results[f"retrieval_{slot}"] = _retrieval(next(rest), groups)
    return results


def statements(
    dataset: str,
    split_name: str,
    split: Split,
    drawn: Groups | None = None,
    seed: int | None = None,
    drawn_kinds: Collection[str] = (),
) -> dict[str, str]:
    """One line for each protocol of `evaluate_split`, saying what its figures were measured on.

    Args:
        dataset: the name of the data set, as a reader should see it.
        split_name: the name of the split, as a reader should see it.
        split: as given to `evaluate_split`.
        drawn: as given to `evaluate_split`.
        seed: the seed that `drawn` came from.
        drawn_kinds: kinds of the split's own negatives that were drawn from the seed as well.
    """
    by_seed = "drawn" if seed is None else f"drawn with seed {seed}"
    all_drawn = not split.negatives
    split = _with_drawn(split, drawn)
    lines = {}
    for kind, groups in split.negatives.items():
        if groups.size == 1:
            rule = "each positive against its own; ties count 1/2; mean over rows"
        else:
            rule = (
                "all of a user's positives and negatives in one list; ties as the mean over their "
                "orders; mean over users (auc_rows: over positives)"
            )
        plural = "s" if groups.size > 1 else ""
        source = by_seed if all_drawn or kind in drawn_kinds else "fixed by the data set"
        name = kind.removesuffix("_drawn")
        lines[_name(kind, groups)] = f"{groups.size} {name} negative{plural} a positive, {source}; {rule}"
    if split.questions is not None:
        lines["fitb"] = (
            f"fill in the blank among {split.questions.size}, fixed by the data set; "
            "ties count 1/(number tied); mean over questions"
        )
    if split.labelled is not None:
        lines["compatibility"] = (
            f"{counted(len(split.labelled.outfits), 'outfit')} labelled as compatible or not, fixed by the data set; "
            "all in one list; ties count 1/2"
        )
    for slot, groups in split.retrieval.items():
        lines[f"retrieval_{slot}"] = (
            f"rank of the {slot} that was worn among {groups.size} candidates, fixed by the data set; "
            "ties as the mean over their orders; mean over questions"
        )
    return {name: f"{dataset}, {split_name}: {line}" for name, line in lines.items()}


def _name(kind: str, groups: Groups) -> str:
    return f"{'pairs' if groups.size == 1 else 'rank'}_{kind}"


def _with_drawn(split: Split, drawn: Groups | None) -> Split:
    if not split.negatives and drawn is not None:
        split = replace(split, negatives={"random": drawn})
    asked = split.questions is not None or split.labelled is not None or split.retrieval
    if not split.negatives and not asked:
        raise DataError("the split has neither negatives nor questions: draw negatives for its positives first")
    return split


def _check_negatives(positives: Outfits, negatives: Groups) -> None:
    if len(negatives) != len(positives):
        raise DataError(f"{counted(len(negatives), 'group')} of negatives for {counted(len(positives), 'positive')}")
    owners = np.repeat(positives.users, negatives.size)
    if (wrong := np.flatnonzero(owners != negatives.outfits.users)).size:
        row = int(wrong[0])
        raise DataError(
            f"negative row {row} belongs to user {negatives.outfits.users[row]}, but its positive, row "
            f"{row // negatives.size}, belongs to user {owners[row]}: are groups of {negatives.size} right?"
        )


def _score_all(score: Score, *tables: Outfits) -> list[npt.NDArray[np.float64]]:
    """The scores of each table, from one call."""
    together = concatenate(tables)
    scores = check_scores(score(together), (len(together),))
    return np.split(scores, np.cumsum([len(table) for table in tables])[:-1])


def _rank(
    scores: npt.NDArray[np.float64], against: npt.NDArray[np.float64], positives: Outfits, negatives: Groups
) -> Metrics:
    relevant = np.arange(len(scores) + len(against)) < len(scores)
    users = np.concatenate([positives.users, negatives.outfits.users])
    metrics = ranking_metrics(np.concatenate([scores, against]), relevant, users)
    return metrics | {"rows": len(positives), "negatives_per_positive": negatives.size}


def _pairs(scores: npt.NDArray[np.float64], against: npt.NDArray[np.float64], positives: Outfits) -> Metrics:
    accuracy = pair_accuracy(scores, against)
    # against one negative a row the share of rows won is the AUC, as GP-BPR's papers call it
    return {"auc": accuracy, "accuracy": accuracy, **_counts(positives), "negatives_per_positive": 1}


def _fitb(scores: npt.NDArray[np.float64], questions: Groups) -> Metrics:
    accuracy = fitb_accuracy(scores.reshape(-1, questions.size))
    truths = questions.outfits[:: questions.size]
    return {"accuracy": accuracy, **_counts(truths), "candidates": questions.size}


def _compatibility(scores: npt.NDArray[np.float64], labelled: Labelled) -> Metrics:
    lists = ranked_lists(scores, labelled.compatible, np.zeros(len(scores), dtype=np.int64))
    if not len(lists):
        raise QueryError("labelled outfits: all of them have the same label, so that there is nothing to compare")
    count = int(labelled.compatible.sum())
    return {"auc": float(auc(lists)[0]), "rows": len(scores), "compatible": count}


def _retrieval(scores: npt.NDArray[np.float64], questions: Groups) -> Metrics:
    if not len(questions) or questions.size < 2:
        raise QueryError(
            f"retrieval needs questions of at least 2 candidates, got {len(questions)} of {questions.size}"
        )
    means = {name: float(values.mean()) for name, values in retrieval_values(scores, questions.size).items()}
    return {**means, **_counts(questions.outfits[:: questions.size]), "candidates": questions.size}


def retrieval_values(scores: npt.NDArray[np.float64], size: int) -> dict[str, npt.NDArray[np.float64]]:
    """The metrics of `retrieval` for each question, from the scores of candidates, `size` of them a question."""
    row = np.arange(len(scores))
    lists = ranked_lists(scores, row % size == 0, row // size)
    below = auc(lists)
    return {
        "mrr": reciprocal_rank(lists),
        "mean_rank": 1 + (size - 1) * (1 - below),
        "recall_at_1": recall_at(lists, 1),
        "recall_at_10": recall_at(lists, 10),
        "auc": below,
    }


def _counts(outfits: Outfits) -> Metrics:
    return {"users": len(np.unique(outfits.users)), "rows": len(outfits)}
