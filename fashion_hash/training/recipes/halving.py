"""Successive halving: many candidates for few epochs, the best of them for more (Jamieson and Talwalkar, AISTATS 2016).

What a trial scored is kept in a file, so that an interrupted search goes on with the trial that it was at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.core.files import write_json

KEPT = 3
"""One candidate in so many goes on to the next round."""


class Trial(NamedTuple):
    """A candidate that was trained for some epochs.

    Attributes:
        name: of the candidate.
        epochs: for how many it was trained at most.
        score: on the validation split; higher is better. None where training failed.
        figures: what the score was made of, by name.
        seconds: what training and measuring took.
        problem: why it failed; "" if it did not.
    """

    name: str
    epochs: int
    score: float | None
    figures: dict[str, float]
    seconds: float
    problem: str = ""


@dataclass
class Trials:
    """The finished trials of a search, kept in a JSON file in the order in which they ended.

    Attributes:
        path: the file.
        of: what the search is about; a file about something else is not used.
    """

    path: Path
    of: Mapping[str, Any]

    def __post_init__(self) -> None:
        kept = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}
        self._trials = [Trial(**trial) for trial in kept["trials"]] if kept.get("of") == self.of else []

    def __iter__(self) -> Any:
        return iter(self._trials)

    def get(self, name: str, epochs: int) -> Trial | None:
        """The trial of a candidate with so many epochs, if it ended."""
        return next((trial for trial in self._trials if (trial.name, trial.epochs) == (name, epochs)), None)

    def add(self, trial: Trial) -> None:
        """Keeps a trial."""
        self._trials.append(trial)
        write_json(self.path, {"of": self.of, "trials": [trial._asdict() for trial in self._trials]})


def survivors(count: int) -> int:
    """How many of so many candidates go on."""
    return max(1, -(-count // KEPT))


def best_of(trials: Sequence[Trial], count: int) -> list[Trial]:
    """The best trials, best first; of equal ones the earlier. Failed ones never."""
    scored = [trial for trial in trials if trial.score is not None]
    return sorted(scored, key=lambda trial: -(trial.score or 0.0))[:count]


def halve(names: Sequence[str], rounds: Sequence[int], run: Callable[[str, int], Trial]) -> list[Trial]:
    """Trains candidates in rounds and leaves the best ones.

    Args:
        names: the candidates.
        rounds: the epochs of each round.
        run: trains and measures a candidate, or returns what it scored before.

    Returns:
        The trials of the last round that go on, best first; empty when all failed.
    """
    left = list(names)
    best: list[Trial] = []
    for epochs in rounds:
        trials = [run(name, epochs) for name in left]
        best = best_of(trials, survivors(len(left)))
        left = [trial.name for trial in best]
    return best


def epochs_of(count: int, rounds: Sequence[int]) -> int:
    """How many epochs `halve` trains for, with so many candidates."""
    total = 0
    for epochs in rounds:
        total += count * epochs
        count = survivors(count)
    return total
