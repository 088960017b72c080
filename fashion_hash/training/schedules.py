"""Learning-rate and continuation schedules: pure functions of the epoch and the metrics so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fashion_hash.config.training import ScheduleConfig


def slope_of(epoch: int, continuation: float) -> float:
    """The slope beta of tanh(beta * x) in an epoch counted from 0: sqrt(gamma * epoch + 1)."""
    return math.sqrt(continuation * epoch + 1)


def rate_factor(schedule: ScheduleConfig, epochs: int, values: Sequence[float]) -> float:
    """The factor of the learning rates in the next epoch.

    It depends on the history alone, so a resumed run needs no further state.

    Args:
        schedule: the kind of schedule and its settings.
        epochs: of the whole run.
        values: the validation metric of every finished epoch that train.best_by names.
    """
    epoch = len(values)
    if schedule.kind == "step":
        return schedule.factor ** (epoch // schedule.step)
    if schedule.kind == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    if schedule.kind == "plateau":
        best, waited, drops = -math.inf, 0, 0
        for value in values:
            if value > best:
                best, waited = value, 0
                continue
            waited += 1
            if waited >= schedule.patience:
                waited, drops = 0, drops + 1
        return schedule.factor**drops
    return 1.0
