"""RUN/train.log: how far a training has come, also within a long epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

FILE = "train.log"
LOG_EVERY = 30.0
"""Seconds between two lines of an epoch."""


class TrainLog:
    """Appends lines to the log of a run, each with the time of day.

    Args:
        stream: the open file; None writes nothing.
        epochs: of the whole training.
        steps: of an epoch.
        batch_size: how many outfits or requests a step takes.
        what: these are, for the lines: "outfits".
    """

    def __init__(self, stream: TextIO | None, epochs: int, steps: int, batch_size: int, what: str) -> None:
        self._stream, self._epochs, self._steps, self._size, self._what = stream, epochs, steps, batch_size, what
        self._epoch, self._began, self._written = 0, 0.0, 0.0

    def line(self, text: str) -> None:
        """Appends a line; a full disk costs the line, not the training."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(f"{datetime.now().astimezone().isoformat(' ', 'seconds')}  {text}\n")
                self._stream.flush()

    def start_epoch(self, epoch: int) -> None:
        """Says that an epoch, counted from 1, begins."""
        self._epoch, self._began = epoch, time.perf_counter()
        self._written = self._began

    def step(self, done: int, mean_loss: float) -> None:
        """Appends a line if the last one of this epoch is LOG_EVERY seconds old.

        Args:
            done: steps of this epoch that were taken.
            mean_loss: of these steps.
        """
        now = time.perf_counter()
        if now - self._written < LOG_EVERY or not done:
            return
        self._written = now
        a_step = (now - self._began) / done
        left = (self._steps - done) * a_step
        later = (self._epochs - self._epoch) * self._steps * a_step
        self.line(
            f"epoch {self._epoch}/{self._epochs}  step {done:,}/{self._steps:,}  loss {mean_loss:.4f}  "
            f"{self._size / a_step:,.0f} {self._what}/s  {duration(left)} left of this epoch, "
            f"{duration(left + later)} of the training"
        )


@contextmanager
def open_log(folder: Path | None, epochs: int, steps: int, batch_size: int, what: str) -> Iterator[TrainLog]:
    """The log of a run folder, to which a resumed run appends; arguments as for `TrainLog`. None writes nothing."""
    try:
        stream = None if folder is None else open(folder / FILE, "a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError:
        yield TrainLog(None, epochs, steps, batch_size, what)
        return
    try:
        yield TrainLog(stream, epochs, steps, batch_size, what)
    finally:
        with suppress(OSError):
            if stream is not None:
                stream.close()


def duration(seconds: float) -> str:
    """Seconds as people say them: "42 s", "7 min", "3 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
