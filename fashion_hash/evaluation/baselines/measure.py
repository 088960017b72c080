"""Measuring fitted baselines by the protocols that a model is measured by, and choosing settings on validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.evaluation.baselines.fit import Fitted, Uses, Validate
from fashion_hash.evaluation.protocols import Metrics, Score, evaluate_split
from fashion_hash.evaluation.ranking.lists import Lists, item_lists, known_parts, outfit_lists
from fashion_hash.evaluation.ranking.rank import rank_items, rank_outfits
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits

VALIDATED_BY = "recall@20"
MOST_SCORES = 1 << 26
"""Of a full ranking on validation, for each setting that is tried; where there are more, users or rows are drawn."""


class Measures(NamedTuple):
    """What is measured.

    Attributes:
        part: the positives, with the negatives and questions that they have.
        drawn: negatives where the part has none of its own, see `protocols.evaluate_split`.
        lists: of full rankings, by the name of the protocol.
        statements: what is said of each protocol.
    """

    part: Split
    drawn: Groups | None = None
    lists: Mapping[str, Lists] = {}
    statements: Mapping[str, str] = {}

    @property
    def uses(self) -> Uses:
        """What has to be fitted for it."""
        part = self.part
        ranked = part.negatives or part.questions or part.labelled or part.retrieval or self.drawn
        slots = tuple(lists.slot for lists in self.lists.values() if lists.partial is not None)
        return Uses(bool(ranked), any(lists.partial is None for lists in self.lists.values()), slots)

    def fingerprint(self, dataset: Dataset) -> str:
        """Twelve hexadecimal digits of all that figures depend on beside the settings of a baseline.

        That is more than `Dataset.fingerprint`, which is of what a model is trained on: the negatives and questions of
        the files, and the outfits of the pool, may change under the same training data.
        """
        digest = hashlib.sha256(dataset.fingerprint.encode())
        valid = dataset.splits.get("valid")
        chosen_by = None if valid is None else valid.negatives.get("random")
        for name, part in (*_parts(self), ("settings are chosen by", chosen_by)):
            if part is not None:
                outfits = part.outfits if isinstance(part, Groups) else part
                digest.update(f"{name} {part.size if isinstance(part, Groups) else 1} {outfits.slots}".encode())
                digest.update(outfits.users.tobytes() + outfits.items.tobytes())
        if self.part.labelled is not None:
            digest.update(self.part.labelled.compatible.tobytes())
        for name, lists in self.lists.items():
            digest.update(f"{name} {lists.size}".encode() + lists.users.tobytes())
            for rows in (lists.positives, lists.known):
                digest.update(rows.starts.tobytes() + rows.rows.tobytes())
            candidates = dataset.outfits if lists.partial is None else lists.partial
            digest.update(np.ascontiguousarray(candidates.items).tobytes())
        return digest.hexdigest()[:12]


def _parts(measures: Measures) -> Iterator[tuple[str, Groups | Outfits | None]]:
    """What outfits are scored, with a name for each part."""
    part = measures.part
    yield "positives", part.positives
    yield from sorted(part.negatives.items())
    yield "drawn", measures.drawn
    yield "questions", part.questions
    yield "labelled", None if part.labelled is None else part.labelled.outfits
    yield from sorted(part.retrieval.items())


def measured(fitted: Fitted, measures: Measures) -> dict[str, Metrics]:
    """The metrics of a baseline by protocol; a protocol that it says nothing of is absent."""
    results: dict[str, Metrics] = {}
    if fitted.score is not None and measures.uses.negatives:
        results |= evaluate_split(fitted.score, measures.part, measures.drawn)
    for name, lists in measures.lists.items():
        if lists.partial is None and fitted.outfits is not None:
            results[name] = rank_outfits(fitted.outfits, lists).metrics()
        elif lists.partial is not None and lists.slot in fitted.items:
            results[name] = rank_items(fitted.items[lists.slot], lists).metrics()
    return results


def validation(dataset: Dataset, part: Split | None, slots: tuple[int, ...], seed: int) -> Validate:
    """How settings are chosen on the validation split.

    Args:
        dataset: the data.
        part: its validation split with negatives of one kind; None where there is no such split.
        slots: the slots that are ranked fully.
        seed: of the sample of users or rows.
    """
    if part is None:
        return Validate()
    known, split = known_parts(dataset, "valid"), dataset.split("valid")
    whole = outfit_lists(dataset, split, known).sample(MOST_SCORES, seed)
    by_slot = {
        slot: item_lists(dataset, split, known, dataset.slots[slot]).sample(MOST_SCORES, seed) for slot in set(slots)
    }

    def score(scorer: Score) -> float:
        (metrics,) = evaluate_split(scorer, part).values()
        return metrics["auc"]

    def outfits(scorer: ScoreOutfits) -> float:
        return rank_outfits(scorer, whole).metrics()[VALIDATED_BY]

    def items(slot: int, scorer: ScoreItems) -> float:
        return rank_items(scorer, by_slot[slot]).metrics()[VALIDATED_BY]

    return Validate(
        score if len(split.positives) else None,
        outfits if len(whole) else None,
        items if all(len(lists) for lists in by_slot.values()) else None,
    )
