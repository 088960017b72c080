"""Training on outfits: prepares what `run_epochs` needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fashion_hash.config.experiment import Config, load_config
from fashion_hash.core.locks import hold
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.splits.files import MadeSplit
from fashion_hash.errors import ConfigError, TrainingError, counted, expect, item_noun
from fashion_hash.models.network import Network
from fashion_hash.training.epochs import Recipe, Step, run_epochs
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.outfits.batches import Batch
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.processes.exchange import check_can_share, same_start
from fashion_hash.training.processes.group import mark_started, one_after_another, rank, wait
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.removed import keep_removed
from fashion_hash.training.runs.run import (
    SPLIT_FILE,
    Loaded,
    Run,
    fingerprints,
    load_and_split,
    make_model,
    start_from,
)
from fashion_hash.training.runs.run_folder import run_folder
from fashion_hash.training.runs.validation import Validation
from fashion_hash.training.starts.discrete import DISCRETE, start_from_bits
from fashion_hash.training.starts.distilled import DISTILLED, start_from_teacher
from fashion_hash.training.starts.spectral import SPECTRAL, start_from_spectrum
from fashion_hash.training.tracking.callbacks import Listeners, OnEpoch


def fit(
    config: Config,
    dataset: Dataset | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
    on_epoch: OnEpoch | Sequence[OnEpoch] | None = None,
) -> Run:
    """Trains one experiment.

    Args:
        config: the experiment.
        dataset: its data; read from config.data by default.
        out: the run folder; runs/NAME by default. An existing run is moved aside.
        resume: whether to continue after the last finished epoch of the run in this folder.
        report: receives lines of text about the training data and about each epoch.
        on_epoch: a function, or several, called after each epoch with its metrics as numbers: {"epoch": 3, "epochs":
            12, "loss": .41, "valid_auc": .87, "criterion": .87, ...}, where "criterion" decides the best epoch. A
            text that it returns stops the training and is reported as the reason.

    Returns:
        The finished run; its model is that of the best epoch by train.best_by, of the binary codes.

    Raises:
        ConfigError, DataError, FeatureError: the configuration or data is invalid; nothing has been written.
        TrainingError: another training is writing to the folder, there is nothing to resume, or the loss is not
            finite.
    """
    expect(config, Config, "fit", "read it with load_config(path), or make it with make_config(values)")
    listeners = Listeners.of(report, on_epoch) if not rank() else Listeners.of(None, None)
    with _held(run_folder(config, out)):
        loaded = load_and_split(config, dataset, run_folder(config, out) if resume else None)
        return _fit(config, loaded, out, resume, listeners)


def _held(folder: Path) -> AbstractContextManager[None]:
    """Holds the run folder; of several processes the first does."""
    return nullcontext() if rank() else hold(folder, "training into it", TrainingError)


def _fit(config: Config, loaded: Loaded, out: str | Path | None, resume: bool, listeners: Listeners) -> Run:
    dataset, tell = loaded.dataset, listeners.tell
    _check(config, dataset, out)
    with one_after_another():
        inputs = ItemInputs(config, dataset)
        teacher = None if config.teacher is None else Teacher(config.teacher, dataset)
    torch.manual_seed(derive(config.seed, "model"))
    model = make_model(config, dataset, inputs).to(inputs.device)
    check_can_share(model)
    trained = _trained(model.parts(), config)
    optimiser = PartOptimiser(trained, model.sparse_parameters(), config.optimiser)
    data = TrainingData(config, dataset, inputs, teacher)
    objective = Objective(config, model, inputs, items_trained=bool(set(trained) - {"user", "bit_weights"}))
    validation = Validation(config, dataset, inputs)
    trained_on = fingerprints(inputs) | ({} if teacher is None else {"teacher": teacher.fingerprint})
    if not resume:
        _start(model, config, dataset, inputs)
    wait()  # until all have read the run that they start from, which may be the one that is moved aside now
    with one_after_another():
        if rank():
            run = Run.follow(config, trained_on, out, model, optimiser)
        elif resume:
            run = Run.resume(config, trained_on, out, model, optimiser)
        else:
            run = Run.start(config, trained_on, out, tell)
    if resume and not run.history:  # it was interrupted during its first epoch
        _start(model, config, dataset, inputs)
    same_start(model)
    if run.writes:
        mark_started(run.path)
        keep_removed(run.path, config, loaded.removed)
        _keep_split(run, loaded.split, tell)
    for line in (*_summary(dataset, inputs, data, model, teacher), *validation.lines):
        tell(line)

    def loss(batch: Batch, step: Step) -> Tensor:
        return objective(batch, step.slope, generator(config.seed, "step", step.epoch, step.number))

    still = all(getattr(config.optimiser.rates, part) == 0 for part in trained)  # the start is what is measured
    recipe = Recipe(
        batches=(lambda epoch: iter(())) if still else data.epoch,
        steps=0 if still else data.steps,
        loss=loss,
        measure=lambda slope: {**validation(model, slope), "pairs": data.pairs},
        train_mode=lambda: model.train_parts(trained),
        average=config.train.average or 0,
    )
    run_epochs(run, model, optimiser, recipe, listeners)
    if config.train.calibrate and run.writes:
        tell(_calibrated(run, dataset, validation))
    return run


def _start(model: Network, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
    """Replaces random parameters by those that `train.start` names."""
    if config.train.start == SPECTRAL:
        start_from_spectrum(model, config, dataset, inputs)
    elif config.train.start == DISCRETE:
        start_from_bits(model, config, dataset, inputs)
    elif config.train.start == DISTILLED:
        start_from_teacher(model, config, dataset, inputs)
    elif config.train.start:
        start_from(model, Path(config.train.start), dataset)


def _check(config: Config, dataset: Dataset, out: str | Path | None) -> None:
    """Refuses invalid configurations before anything is read or written."""
    if config.recipe is not None:
        raise ConfigError(
            "recipe: the settings have to be chosen first: train with `fashion-hash train`, and go on with the "
            "chosen.yaml that it writes"
        )
    if config.train.calibrate and "valid" not in dataset.splits:
        raise ConfigError(f"train.calibrate: {dataset.name} has no validation split to calibrate on; set it to false")
    if "valid" not in dataset.splits and (config.train.best_by != "auc" or config.train.patience is not None):
        key = "best_by" if config.train.best_by != "auc" else "patience"
        raise ConfigError(
            f"train.{key}: {dataset.name} has no validation split to measure; leave it out, or make one with data.split"
        )
    if config.train.start is not None:
        _check_start(config, Path(config.train.start))
    path = run_folder(config, out)
    teachers = () if config.teacher is None else config.teacher.run
    if path.resolve() in [Path(teacher).resolve() for teacher in teachers]:
        raise ConfigError(
            f"{path} is the run of the teacher: give the student another name, or choose a folder with --out"
        )


def _check_start(config: Config, path: Path) -> None:
    """Refuses to start from a run whose features or codes mean something else, although their shapes fit."""
    if not (path / "config.yaml").is_file():
        return
    other = load_config(path / "config.yaml")
    values: dict[str, tuple[str, str]] = {"model.codes": (config.model.codes, other.model.codes)}
    if config.image is not None and other.image is not None:
        values["image.pooling"] = (config.image.pooling, other.image.pooling)
    for name in ("image", "text"):
        sections = (getattr(config, name), getattr(other, name))
        if any(section is not None and section.components is not None for section in sections):
            raise ConfigError(
                f"train.start: {name}.components are those of the training items of each run, so that heads mean "
                "something else in another run: leave components out in both"
            )
    for key, (now, then) in values.items():
        if now != then:
            raise ConfigError(f"train.start: {path} was trained with {key} {then}, got {now}: set {key} to {then}")


def _keep_split(run: Run, split: MadeSplit | None, tell: Callable[[str], None]) -> None:
    if split is None:
        return
    if not (run.path / SPLIT_FILE).exists():
        split.write(run.path / SPLIT_FILE)
    for line in split.lines:
        tell(line)


def _trained(parts: Mapping[str, Any], config: Config) -> dict[str, Any]:
    names = config.train.parts
    return {name: named for name, named in parts.items() if names is None or name in names}


def _summary(
    dataset: Dataset, inputs: ItemInputs, data: TrainingData, model: Network, teacher: Teacher | None
) -> Iterator[str]:
    config = inputs.config
    items = ", ".join(counted(count, item_noun(item_type)) for item_type, count in inputs.num_items.items())
    size = sum(parameter.numel() for parameter in model.parameters())
    left_out = f" ({data.left_out:,} left out with unknown items)" if data.left_out else ""
    yield (
        f"{config.name}: {dataset.name}, {counted(len(dataset.users), 'user')}, {items}, "
        f"{counted(len(dataset.split('train').positives) - data.left_out, 'training outfit')}{left_out}; "
        f"{' + '.join(config.modalities)}, {_form(config)}, {size:,} parameters on {inputs.device}"
    )
    yield from dataset.content.notes
    if dataset.content.table is not None and dataset.content.table.complaint:
        yield f"warning: {dataset.content.table.complaint}"
    if teacher is not None:
        runs = ", ".join(f"{run.path} (epoch {run.best_epoch} of {run.config.train.epochs})" for run in teacher.runs)
        settings = teacher.config
        yield f"teacher {runs}: alpha {settings.alpha}, sigma {settings.sigma:+d}, soft pairs {settings.pairs}"
    if data.views_line is not None:
        yield f"contrastive: {data.views_line}"


def _calibrated(run: Run, dataset: Dataset, validation: Validation) -> str:
    model, inputs, slope = run.model(dataset)
    binary, relaxed = (validation.auc(make_scorer(run.config, model, inputs, form, dataset)) for form in (None, slope))
    return f"calibrated on the validation split: validation AUC {binary:.4f} binary, {relaxed:.4f} relaxed"


def _form(config: Config) -> str:
    if config.encoder is None:
        return f"{config.model.num_bits} bits"
    return f"outfit encoder of {config.model.num_bits} {'bits' if config.encoder.output == 'bits' else 'dimensions'}"
