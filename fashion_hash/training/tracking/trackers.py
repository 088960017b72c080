"""TensorBoard, MLflow and Weights & Biases as callbacks of a training, none of which can stop or slow it.

A tracker lives in a thread of its own: a server that does not answer costs its metrics, never the training. Its first
error becomes one line of warning, and it is not asked again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any, Protocol

from fashion_hash.config.experiment import Config
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.extras import require_extra
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.training.tracking.callbacks import OnEpoch

WAIT = 30.0
"""Seconds that a finished training waits for a tracker that is behind."""

AnyConfig = Config | RequestConfig


class Tracker(Protocol):
    """Where metrics go. What it raises is caught."""

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Takes the finite numbers of an epoch, counted from 1."""

    def close(self) -> None:
        """Writes what is left."""


class TensorBoard:
    """Event files in RUN/tensorboard, for `tensorboard --logdir runs`."""

    def __init__(self, config: AnyConfig, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))
        self._writer.add_text("config", f"```yaml\n{config.to_yaml()}```")

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """One scalar for each number."""
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


class MLflow:
    """A run of the experiment "fashion_hash" (or $MLFLOW_EXPERIMENT_NAME), at $MLFLOW_TRACKING_URI."""

    def __init__(self, config: AnyConfig, folder: Path) -> None:
        import os

        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "fashion_hash")
        known = self._client.get_experiment_by_name(experiment)
        number = self._client.create_experiment(experiment) if known is None else known.experiment_id
        tags = {"mlflow.runName": config.name, "folder": str(folder)}
        self._run = self._client.create_run(number, tags=tags).info.run_id
        for key, value in settings(config).items():
            self._client.log_param(self._run, key, value)

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """One metric for each number; MLflow's names have no "@"."""
        for name, number in numbers.items():
            self._client.log_metric(self._run, name.replace("@", "_at_"), number, step=epoch)

    def close(self) -> None:
        """Marks the run as finished."""
        self._client.set_terminated(self._run)


class WandB:
    """A run of the project "fashion_hash" (or $WANDB_PROJECT); $WANDB_MODE=offline writes files alone."""

    def __init__(self, config: AnyConfig, folder: Path) -> None:
        import os

        import wandb

        project = os.environ.get("WANDB_PROJECT", "fashion_hash")
        self._run = wandb.init(
            project=project, name=config.name, dir=str(folder), config=settings(config), settings={"silent": True}
        )

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """One row of the run's history."""
        self._run.log(dict(numbers), step=epoch)

    def close(self) -> None:
        """Finishes the run."""
        self._run.finish()


TRACKERS: Mapping[str, tuple[Callable[[AnyConfig, Path], Tracker], str]] = {
    "tensorboard": (TensorBoard, "tensorboard"),
    "mlflow": (MLflow, "mlflow"),
    "wandb": (WandB, "wandb"),
}
"""By name: the tracker and the package that it needs, which the extra of the same name brings."""


def check_trackers(names: Sequence[str]) -> None:
    """Refuses unknown trackers, and those whose package is absent, before anything is trained.

    Raises:
        ConfigError: there is no such tracker.
        MissingExtraError: its package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"no tracker {name!r}{suggest(name, TRACKERS)}: choose from {', '.join(TRACKERS)}")
        require_extra(name, f"logging to {name}", TRACKERS[name][1])


@contextmanager
def tracking(
    names: Sequence[str], config: AnyConfig, folder: Path, warn: Callable[[str], None]
) -> Iterator[list[OnEpoch]]:
    """The callbacks of some trackers; at the end of the block they are closed.

    Args:
        names: of TRACKERS.
        config: of the training.
        folder: the run folder. It is not written to before the first epoch has ended.
        warn: gets one line when a tracker fails.

    Raises:
        ConfigError, MissingExtraError: see `check_trackers`.
    """
    check_trackers(names)
    with ExitStack() as stack:
        started = [Background(name, lambda make=TRACKERS[name][0]: make(config, folder), warn) for name in names]  # type: ignore[misc]
        for background in started:
            stack.callback(background.close)
        yield list(started)


class Background:
    """Passes metrics to a tracker in a thread of its own; a callback.

    Args:
        name: of the tracker, for the warning.
        make: opens the tracker; called with the first metrics.
        warn: gets one line when the tracker fails or does not keep up.
    """

    def __init__(self, name: str, make: Callable[[], Tracker], warn: Callable[[str], None]) -> None:
        self._name, self._make, self._warn = name, make, warn
        self._queue: Queue[dict[str, float] | None] = Queue()
        self._error: str | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, metrics: Mapping[str, Any]) -> None:
        """Queues the numbers of an epoch."""
        if self._thread is None:
            # a daemon: a tracker that hangs does not keep the process
            self._thread = threading.Thread(target=self._work, name=f"log to {self._name}", daemon=True)
            self._thread.start()
        self._queue.put(finite_numbers(metrics))
        self._complain()

    def close(self) -> None:
        """Waits at most WAIT seconds for what is left."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(WAIT)
        if self._thread.is_alive():
            self._error = f"it did not answer within {WAIT:.0f} seconds"
        self._complain()

    def _complain(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            self._warn(f"warning: logging to {self._name} failed, and the training goes on without it: {error}")

    def _work(self) -> None:
        try:
            tracker = None
            while (numbers := self._queue.get()) is not None:
                tracker = tracker or self._make()
                tracker.log(int(numbers["epoch"]), numbers)
            if tracker is not None:
                tracker.close()
        except BaseException as error:
            self._error = (f"{type(error).__name__}: {error}".splitlines() or [""])[0][:500]
            while self._queue.get() is not None:  # nothing piles up
                pass


def finite_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are finite numbers."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def settings(config: AnyConfig) -> dict[str, Any]:
    """The configuration as keys with dots and plain values, such as {"model.num_bits": 128}."""
    flat: dict[str, Any] = {}

    def add(values: Mapping[str, Any], prefix: str) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping):
                add(value, f"{prefix}{key}.")
            else:
                flat[prefix + key] = value

    add(config.model_dump(mode="json"), "")
    return flat
