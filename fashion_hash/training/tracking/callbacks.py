"""Callbacks: functions that get the metrics of every epoch, and may ask the training to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

EpochMetrics = Mapping[str, Any]
"""The metrics of a finished epoch by name: numbers, or None for what was not measured.

Those of metrics.jsonl ("epoch", from 1; "loss"; the validation metrics; "seconds"), and "epochs", how many the run will
have, and "criterion", the number that decides the best epoch (None without validation).
"""

OnEpoch = Callable[[EpochMetrics], object]
"""Is called after each epoch, when its checkpoint has been written.

A text that it returns is the reason to stop the training after this epoch; anything else lets it go on. What it raises
ends the training, which can be resumed.
"""


class Listeners(NamedTuple):
    """Who hears of a training: a function that gets lines of text, and the callbacks."""

    tell: Callable[[str], None]
    callbacks: Sequence[OnEpoch] = ()

    @classmethod
    def of(cls, report: Callable[[str], None] | None, on_epoch: OnEpoch | Sequence[OnEpoch] | None) -> Listeners:
        """The listeners that `fit` was given.

        Raises:
            TypeError: a callback cannot be called.
        """
        callbacks = () if on_epoch is None else (on_epoch,) if callable(on_epoch) else tuple(on_epoch)
        for callback in callbacks:
            if not callable(callback):
                raise TypeError(f"on_epoch needs a function of the metrics of an epoch, or several, got {callback!r}")
        return cls(report or (lambda line: None), callbacks)

    def finished(self, metrics: EpochMetrics) -> str | None:
        """Calls all callbacks with copies of the metrics; returns the first reason to stop that one of them gave."""
        answers = [callback(dict(metrics)) for callback in self.callbacks]
        return next((answer for answer in answers if isinstance(answer, str) and answer), None)
