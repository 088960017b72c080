"""The epochs of any training: learning rate, random streams, steps, metrics, checkpoint.

One seed gives one result on the CPU, bit for bit, resumed or not: every epoch derives its random streams from
the seed and its own number, and a checkpoint is written after each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fashion_hash.config.experiment import Config
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.seeds import derive
from fashion_hash.errors import TrainingError
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.processes.group import rank, shared
from fashion_hash.training.runs.run_folder import RunFolder
from fashion_hash.training.schedules import rate_factor, slope_of
from fashion_hash.training.tracking.callbacks import Listeners
from fashion_hash.training.tracking.train_log import TrainLog, open_log

BESIDE = {"valid_auc": "AUC", "valid_recall@20": "recall@20"}
"""Further validation metrics of binary codes that the line of an epoch shows, by key."""

AnyBatch = TypeVar("AnyBatch")
AnyConfig = TypeVar("AnyConfig", Config, RequestConfig)


class Step(NamedTuple):
    """A position in the training: the epoch and the step within it, both from 0, and the slope of the relaxed codes."""

    epoch: int
    number: int
    slope: float


@dataclass(frozen=True)
class Recipe(Generic[AnyBatch]):
    """The parts of training that depend on the kind of model.

    Attributes:
        batches: the batches of an epoch, a function of its number alone.
        steps: how many batches an epoch has; 0 where nothing is trained, and a model is measured as it starts.
        loss: the loss of a batch.
        measure: the current metrics of the model, for the slope of its relaxed codes.
        train_mode: puts the model into training mode.
        average: how many of the last epochs' weights to average; 0 for none.
    """

    batches: Callable[[int], Iterator[AnyBatch]]
    steps: int
    loss: Callable[[AnyBatch, Step], Tensor]
    measure: Callable[[float], dict[str, Any]]
    train_mode: Callable[[], object]
    average: int = 0


def run_epochs(
    run: RunFolder[AnyConfig],
    model: nn.Module,
    optimiser: PartOptimiser,
    recipe: Recipe[AnyBatch],
    listeners: Listeners,
) -> None:
    """Trains a model for the remaining epochs of its run, and draws the curve.

    How far it has come is appended to train.log in the run folder.

    Args:
        run: the run folder; its history says which epoch comes next.
        model: in its state after the last finished epoch.
        optimiser: of the model's parameters.
        recipe: batches, loss and metrics.
        listeners: get one line of text after each epoch, and its metrics.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    train, what = run.config.train, "requests" if isinstance(run.config, RequestConfig) else "outfits"
    with open_log(run.path if run.writes else None, train.epochs, recipe.steps, train.batch_size, what) as log:

        def tell(line: str) -> None:
            log.line(line)
            listeners.tell(line)

        begins = f"goes on after epoch {len(run.history)} of" if run.history else "begins, epochs:"
        log.line(f"{run.config.name}: {begins} {train.epochs}")
        _epochs(run, model, optimiser, recipe, listeners._replace(tell=tell), log)
    if run.writes:
        run.draw_curve()


def _epochs(
    run: RunFolder[AnyConfig],
    model: nn.Module,
    optimiser: PartOptimiser,
    recipe: Recipe[AnyBatch],
    listeners: Listeners,
    log: TrainLog,
) -> None:
    config, tell = run.config, listeners.tell
    epochs = config.train.epochs
    for epoch in range(len(run.history), epochs):
        if reason := run.stop_reason():
            tell(reason)
            break
        started = time.perf_counter()
        slope = slope_of(epoch, config.train.continuation)
        factor = rate_factor(config.optimiser.schedule, epochs, [past[run.measure] or 0.0 for past in run.history])
        optimiser.set_factor(factor)
        # each process drops other units: those of the first are the ones that it would drop alone
        torch.manual_seed(derive(config.seed, "dropout", epoch, *([rank()] if rank() else [])))
        recipe.train_mode()
        loss = _run_steps(run, optimiser, recipe, slope, log)
        seconds = time.perf_counter() - started
        if epoch >= epochs - recipe.average:
            optimiser.average()
        with optimiser.mean_weights():
            measured = shared(None if rank() else recipe.measure(slope))
        metrics = {"epoch": epoch + 1, "loss": loss, "slope": slope, "rate_factor": factor, **measured}
        run.finish_epoch(model, optimiser, metrics | {"seconds": round(seconds, 3)})
        last = run.history[-1]
        tell(_line(run, last))
        criterion = {**last, "epochs": epochs, "criterion": last[run.measure]}
        if reason := shared(None if rank() else listeners.finished(criterion)):
            tell(f"stopped after epoch {epoch + 1}: {reason}")
            break


def _run_steps(
    run: RunFolder[AnyConfig], optimiser: PartOptimiser, recipe: Recipe[AnyBatch], slope: float, log: TrainLog
) -> float:
    """Takes all steps of the next epoch; returns the mean of their losses, 0 without steps."""
    epoch, epochs = len(run.history), run.config.train.epochs
    title = f"epoch {epoch + 1}/{epochs}"
    total, steps = 0.0, 0
    log.start_epoch(epoch + 1)
    for batch in tqdm(recipe.batches(epoch), desc=title, total=recipe.steps, leave=False, disable=rank() > 0 or None):
        loss = recipe.loss(batch, Step(epoch, steps, slope))
        value = float(loss.detach())
        if not math.isfinite(value):
            kept = f"; epoch {epoch} is kept in {run.path}" if epoch else ""
            raise TrainingError(
                f"the loss is {value} in step {steps + 1} of epoch {epoch + 1}: lower the learning rates "
                f"(optimiser.rates){kept}"
            )
        optimiser.step(loss)
        total, steps = total + value, steps + 1
        log.step(steps, total / steps)
    return total / max(1, steps)


def _line(run: RunFolder[AnyConfig], metrics: Mapping[str, Any]) -> str:
    line = f"epoch {metrics['epoch']:3d}/{run.config.train.epochs}  loss {metrics['loss']:.4f}"
    binary, relaxed = metrics[run.measure], metrics[f"{run.measure}_relaxed"]
    if binary is not None:
        line += f"  {run.measured} {binary:.4f} binary, {relaxed:.4f} relaxed"
    for key, name in BESIDE.items():
        if metrics.get(key) is not None and key != run.measure:
            line += f"  {name} {metrics[key]:.4f}"
    return f"{line}  {metrics['seconds']:.1f} s"
