"""What is measured on a split: positives against the negatives of the files, and those drawn beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.evaluation.matched import KIND, Clock, matched_negatives, matched_note
from fashion_hash.evaluation.protocols import statements
from fashion_hash.training.runs.validation import DRAWN_RATIO, drawn_beside, drawn_negatives


class Task(NamedTuple):
    """The rows of a split, or those of its cold users, and which negatives are drawn for them.

    Attributes:
        dataset: the data.
        split: the name of the split.
        part: the rows.
        seed: of the draws.
        known: outfits that are no negatives of their user; set to draw random and hard negatives.
        matched: the clock of matched negatives (`fashion_hash.evaluation.matched`); None for none.
        swap: the item types that matched negatives replace; None for all.
    """

    dataset: Dataset
    split: str
    part: Split
    seed: int
    known: Outfits | None = None
    matched: Clock | None = None
    swap: Sequence[str] | None = None


class Negatives(NamedTuple):
    """A task with its negatives.

    Attributes:
        part: the rows with all negatives by kind.
        drawn: those of a part that has none by itself, see `protocols.evaluate_split`.
        statements: by protocol.
    """

    part: Split
    drawn: Groups | None
    statements: dict[str, str]


def negatives_of(task: Task) -> Negatives:
    """Draws the negatives of a task.

    Raises:
        DataError, QueryError: matched negatives cannot be had from this data.
    """
    dataset, part, known = task.dataset, task.part, task.known
    beside = {} if known is None else drawn_beside(known, task.split, part, task.seed)
    alone = None
    if not (part.negatives or part.questions or part.labelled or part.retrieval or known is not None):
        alone = drawn_negatives(dataset, task.split, task.seed, part=part)
    if task.matched is not None:
        if alone is not None:
            beside, alone = {"random": alone}, None
        ratio = max((groups.size for groups in part.negatives.values()), default=DRAWN_RATIO)
        beside[KIND] = matched_negatives(dataset, part, task.matched, task.swap, ratio, task.seed)
    part = replace(part, negatives={**part.negatives, **beside})
    lines = statements(dataset.name, task.split, part, alone, task.seed, drawn_kinds=beside)
    if task.matched is not None:
        note = matched_note(task.matched, task.swap)
        lines |= {name: line + note for name, line in lines.items() if name.endswith(f"_{KIND}")}
    return Negatives(part, alone, lines)
