"""What is known of an outfit beside its items: its id, when it was made, how much it counts.

Shapes: N outfits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from fashion_hash.errors import DataError, counted, suggest

NO_TIME = np.iinfo(np.int64).min
"""The time of an outfit of which none is known."""

KIND_WEIGHTS: Mapping[str, float] = {"bought": 1.0, "liked": 0.7, "clicked": 0.3, "shown": 0.1}
"""The weight of an outfit by the kind of event that it comes from, where the data gives no weight."""


@dataclass(frozen=True)
class OutfitFacts:
    """Facts about the outfits of a table, row by row; each is None when the data does not have it.

    Attributes:
        ids: (N,) object array of texts, the outfit ids.
        times: (N,) int64, Unix seconds; NO_TIME where an outfit has none.
        weights: (N,) float64, at least 0: how much an outfit counts in training; NaN where it is not given.
        kinds: (N,) object array of texts, the kind of event ("bought"); "" where it is not given.
    """

    ids: np.ndarray | None = None
    times: np.ndarray | None = None
    weights: np.ndarray | None = None
    kinds: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        ids: Sequence[str] | None = None,
        times: object = None,
        weights: object = None,
        kinds: Sequence[str] | None = None,
    ) -> OutfitFacts:
        """Facts from anything array-like.

        Raises:
            DataError: a weight is negative or infinite.
        """
        facts = cls(
            None if ids is None else _texts(ids),
            None if times is None else np.asarray(times, dtype=np.int64),
            None if weights is None else np.asarray(weights, dtype=np.float64),
            None if kinds is None else _texts(kinds),
        )
        if facts.weights is not None:
            bad = np.flatnonzero((facts.weights < 0) | np.isinf(facts.weights))
            if bad.size:
                named, weight = facts.name(int(bad[0])), facts.weights[bad[0]]
                raise DataError(f"the weight of outfit {named} must be at least 0 and finite, got {weight:g}")
        return facts

    def __getitem__(self, rows: slice | np.ndarray) -> OutfitFacts:
        return OutfitFacts(*(None if column is None else column[rows] for column in self._columns()))

    @property
    def digest(self) -> bytes:
        """A digest of times, weights and kinds, which training may use; empty without any."""
        parts = [
            column.tobytes() if column.dtype != object else "\0".join(column).encode()
            for column in (self.times, self.weights, self.kinds)
            if column is not None
        ]
        return hashlib.sha256(b"\0".join(parts)).digest() if parts else b""

    def check_length(self, count: int) -> None:
        """Raises DataError unless every column has `count` rows."""
        for field, column in zip(fields(self), self._columns()):
            if column is not None and column.shape != (count,):
                raise DataError(
                    f"{field.name} of shape {column.shape} for {counted(count, 'outfit')}: give one per outfit"
                )

    def name(self, row: int) -> str:
        """An outfit as messages name it: its id, or its row."""
        return repr(self.ids[row]) if self.ids is not None else f"in row {row}"

    def _columns(self) -> tuple[np.ndarray | None, ...]:
        return self.ids, self.times, self.weights, self.kinds


def training_weights(
    facts: OutfitFacts | None, kind_weights: Mapping[str, float] | None = None, half_life: float | None = None
) -> np.ndarray | None:
    """How much each training outfit counts: (N,) float64 of mean 1, or None when all count the same.

    weight * 0.5 ** (age / half_life), with the age counted from the newest of these outfits. The weight is the one
    that the data gives, else that of the kind of event, else 1.

    Args:
        facts: of the training outfits.
        kind_weights: by kind of event; KIND_WEIGHTS by default, and for the kinds that are not named.
        half_life: in seconds, after which an outfit counts half; None: age does not matter.

    Raises:
        DataError: a kind has no weight, an outfit has no time although there is a half-life, or every weight is 0.
    """
    weights = None if facts is None else _event_weights(facts, {**KIND_WEIGHTS, **(kind_weights or {})})
    if half_life is not None:
        times = needed_times(facts, "data.half_life")
        age = (times.max(initial=NO_TIME) - times).astype(np.float64)
        faded = 0.5 ** (age / half_life)
        weights = faded if weights is None else weights * faded
    if weights is None or not len(weights):
        return None
    if not weights.any():
        raise DataError("every training outfit has the weight 0: there is nothing to learn from")
    return None if (weights == weights[0]).all() else np.asarray(weights / weights.mean())


def needed_times(facts: OutfitFacts | None, key: str) -> np.ndarray:
    """(N,) int64, the times of outfits. Raises DataError, which names `key`, when one has none."""
    if facts is None or facts.times is None:
        raise DataError(f"{key} needs times, but the outfits have none: add a column timestamp, or leave {key} out")
    absent = np.flatnonzero(facts.times == NO_TIME)
    if absent.size:
        raise DataError(
            f"{key}: {absent.size:,} of {counted(len(facts.times), 'outfit')} without a time, the first is outfit "
            f"{facts.name(int(absent[0]))}: fill them in, or remove these outfits"
        )
    return facts.times


def _event_weights(facts: OutfitFacts, by_kind: Mapping[str, float]) -> np.ndarray | None:
    """(N,) the weights before age; None if neither weights nor kinds are known."""
    if facts.kinds is None:
        return None if facts.weights is None else np.where(np.isnan(facts.weights), 1.0, facts.weights)
    kinds, which = np.unique(facts.kinds.astype(str), return_inverse=True)
    unknown = [str(kind) for kind in kinds if kind and kind not in by_kind]
    if unknown:
        raise DataError(
            f"no weight for the kind of event {unknown[0]!r}{suggest(unknown[0], by_kind)}: name it in "
            f"data.kind_weights; known are {', '.join(by_kind)}"
        )
    of_kind = np.array([by_kind.get(str(kind), 1.0) for kind in kinds])[which]
    return of_kind if facts.weights is None else np.where(np.isnan(facts.weights), of_kind, facts.weights)


def _texts(cells: Sequence[str]) -> np.ndarray:
    texts = np.empty(len(cells), dtype=object)
    texts[:] = cells
    return texts
