"""Learning-rate schedules, epoch by epoch."""

import pytest

from fashion_hash.config.training import ScheduleConfig
from fashion_hash.training.schedules import rate_factor


def factors(schedule: ScheduleConfig, epochs: int, aucs: list[float]) -> list[float]:
    """The factor of every epoch up to the one after the last of `aucs`."""
    return [rate_factor(schedule, epochs, aucs[:count]) for count in range(len(aucs) + 1)]


def test_a_plateau_lasts_exactly_as_long_as_the_patience() -> None:
    schedule = ScheduleConfig(kind="plateau", patience=2, factor=0.5)
    # best in epoch 1; epochs 2 and 3 do not exceed it (equal is not better), so epoch 4 is slower
    assert factors(schedule, 9, [0.7, 0.7, 0.6]) == [1, 1, 1, 0.5]
    # the wait starts anew after a drop and after a new best
    assert factors(schedule, 9, [0.7, 0.6, 0.6, 0.6, 0.6]) == [1, 1, 1, 0.5, 0.5, 0.25]
    assert factors(schedule, 9, [0.7, 0.6, 0.8, 0.8, 0.7, 0.9]) == [1, 1, 1, 1, 1, 0.5, 0.5]
    impatient = ScheduleConfig(kind="plateau", patience=1, factor=0.5)
    assert factors(impatient, 9, [0.7, 0.6, 0.5]) == [1, 1, 0.5, 0.25]


def test_steps_cosine_and_constant() -> None:
    aucs = [0.5] * 4
    assert factors(ScheduleConfig(kind="step", step=2, factor=0.5), 4, aucs) == [1, 1, 0.5, 0.5, 0.25]
    assert factors(ScheduleConfig(kind="cosine"), 4, aucs) == pytest.approx([1, 0.5 + 2**-1.5, 0.5, 0.5 - 2**-1.5, 0])
    assert factors(ScheduleConfig(), 4, aucs) == [1] * 5
