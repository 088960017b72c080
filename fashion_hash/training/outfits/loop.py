"""Training: the loop on one screen.

One seed gives one result on the CPU, bit for bit, resumed or not: every epoch derives its own
random streams from the seed and its number, and a checkpoint is written after each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from fashion_hash.config.experiment import Config
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError, TrainingError
from fashion_hash.models.outfit_encoder import Network, OutfitEncoder
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.outfits.batches import Batch
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import Run, fingerprints, load_data, make_model, start_from
from fashion_hash.training.runs.run_folder import run_folder
from fashion_hash.training.runs.validation import Validation
from fashion_hash.training.schedules import rate_factor, slope_of


def fit(
    config: Config,
    dataset: Dataset | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
) -> Run:
    """Trains one experiment.

    Args:
        config: the experiment.
        dataset: its data; read from config.data when it is not given.
        out: the run folder; runs/NAME by default. An older run there is moved aside.
        resume: go on after the last finished epoch of the run in that folder.
        report: is told, in a line of text, what is trained on and how each epoch went.

    Returns:
        The finished run: its best epoch, by validation AUC of the binary codes, answers for it.

    Raises:
        ConfigError, DataError, FeatureError: what cannot be trained on, before anything is written.
        TrainingError: the loss is no longer finite, or there is nothing to resume.
    """
    dataset = load_data(config, dataset)
    if config.train.calibrate and "valid" not in dataset.splits:
        raise ConfigError(f"train.calibrate: {dataset.name} has no validation split to weigh the terms of a score on")
    if config.teacher is not None and run_folder(config, out).resolve() in [
        Path(one).resolve() for one in config.teacher.run
    ]:
        raise ConfigError(f"{run_folder(config, out)} is the teacher's run: give the student another name, or --out")
    inputs = ItemInputs(config, dataset)
    teacher = None if config.teacher is None else Teacher(config.teacher, dataset)
    torch.manual_seed(derive(config.seed, "model"))
    model = make_model(config, dataset, inputs).to(inputs.device)
    trained = _trained(model.parts(), config)
    optimiser = PartOptimiser(trained, model.sparse_parameters(), config.optimiser)
    data = TrainingData(config, dataset, inputs, teacher)
    objective = Objective(config, model, inputs, items_trained=bool(set(trained) - {"user", "bit_weights"}))
    validation = Validation(config, dataset, inputs)
    tell = report or (lambda line: None)
    trained_on = fingerprints(inputs) | ({} if teacher is None else {"teacher": teacher.fingerprint})
    if config.train.start and not resume:
        start_from(model, Path(config.train.start), dataset)
    if resume:
        run = Run.resume(config, trained_on, out, model, optimiser)
        if config.train.start and not run.history:  # it was killed before its first epoch ended
            start_from(model, Path(config.train.start), dataset)
    else:
        run = Run.start(config, trained_on, out, tell)
    for line in _summary(config, dataset, inputs, data, model, teacher):
        tell(line)
    epochs = config.train.epochs
    for epoch in range(len(run.history), epochs):
        started = time.perf_counter()
        slope = slope_of(epoch, config.train.continuation)
        factor = rate_factor(config.optimiser.schedule, epochs, [one["valid_auc"] for one in run.history])
        optimiser.set_factor(factor)
        torch.manual_seed(derive(config.seed, "dropout", epoch))
        train_mode(model, trained)
        total, steps = 0.0, 0
        for step, batch in enumerate(_progress(data.epoch(epoch), f"epoch {epoch + 1}/{epochs}", data.steps)):
            loss = objective(batch, slope, generator(config.seed, "step", epoch, step))
            value = float(loss.detach())
            if not math.isfinite(value):
                kept = f"; epoch {len(run.history)} is kept in {run.path}" if run.history else ""
                raise TrainingError(
                    f"the loss is {value} in step {step + 1} of epoch {epoch + 1}: lower the learning rates "
                    f"(optimiser.rates){kept}"
                )
            optimiser.step(loss)
            total, steps = total + value, steps + 1
        seconds = time.perf_counter() - started
        if epoch >= epochs - (config.train.average or 0):
            optimiser.average()
        with optimiser.mean_weights():
            measured = validation(model, slope)
        metrics = {
            "epoch": epoch + 1,
            "loss": total / steps,
            "slope": slope,
            "rate_factor": factor,
            **measured,
            "pairs": data.pairs,
            "seconds": round(seconds, 3),
        }
        run.finish_epoch(model, optimiser, metrics)
        tell(_line(metrics, epochs))
    run.draw_curve()
    if config.train.calibrate:
        tell(_calibrated(run, dataset, validation))
    return run


def _trained(parts: Mapping[str, Any], config: Config) -> dict[str, Any]:
    wanted = config.train.parts
    return {name: named for name, named in parts.items() if wanted is None or name in wanted}


def train_mode(model: Network, trained: Mapping[str, Any]) -> None:
    """Training mode for what is trained; the rest neither drops out nor moves its running means."""
    model.train()
    for name, part in (("backbone", "backbone"), ("heads", "{}_head")):
        for modality, hashing in model.hashing.items():
            module = getattr(hashing, name, None)
            if module is not None and part.format(modality) not in trained:
                module.eval()
    if isinstance(model, OutfitEncoder) and "encoder" not in trained:
        model.outfits.eval()


def _progress(batches: Iterator[Batch], title: str, steps: int) -> Iterator[Batch]:
    yield from tqdm(batches, desc=title, total=steps, leave=False, disable=None)


def _summary(
    config: Config, dataset: Dataset, inputs: ItemInputs, data: TrainingData, model: Network, teacher: Teacher | None
) -> Iterator[str]:
    items = ", ".join(f"{count} {kind} items" for kind, count in inputs.num_items.items())
    size = sum(parameter.numel() for parameter in model.parameters())
    left_out = f" ({data.left_out} left out: nothing is known of an item)" if data.left_out else ""
    yield (
        f"{config.name}: {dataset.name}, {len(dataset.users)} users, {items}, "
        f"{len(dataset.split('train').positives) - data.left_out} training outfits{left_out}; "
        f"{' + '.join(config.modalities)}, {_form(config)}, {size:,} parameters on {inputs.device}"
    )
    if teacher is not None:
        runs = ", ".join(f"{run.path} (epoch {run.best_epoch} of {run.config.train.epochs})" for run in teacher.runs)
        given = teacher.config
        yield f"teacher {runs}: alpha {given.alpha}, sigma {given.sigma:+d}, soft pairs {given.pairs}"
    if data.views_line is not None:
        yield f"contrastive: {data.views_line}"


def _calibrated(run: Run, dataset: Dataset, validation: Validation) -> str:
    model, inputs, slope = run.model(dataset)
    binary, relaxed = (validation.auc(make_scorer(run.config, model, inputs, form, dataset)) for form in (None, slope))
    return f"calibrated on the validation split: AUC there {binary:.4f} binary, {relaxed:.4f} relaxed"


def _form(config: Config) -> str:
    if config.encoder is None:
        return f"{config.model.num_bits} bits"
    return f"outfit encoder of {config.model.num_bits} {'bits' if config.encoder.output == 'bits' else 'dimensions'}"


def _line(metrics: Mapping[str, Any], epochs: int) -> str:
    line = f"epoch {metrics['epoch']:3d}/{epochs}  loss {metrics['loss']:.4f}"
    if metrics["valid_auc"] is not None:
        line += f"  validation AUC {metrics['valid_auc']:.4f} binary, {metrics['valid_auc_relaxed']:.4f} relaxed"
    return f"{line}  {metrics['seconds']:.1f} s"
