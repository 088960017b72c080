"""Trains the runs of a study: finished ones are kept, interrupted ones go on, changed ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from fashion_hash.config.experiment import Config, load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.dataset import SPLITS
from fashion_hash.errors import ConfigError, FashionHashError, TrainingError, suggest
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from fashion_hash.training.requests.run import RequestRun, open_run
from fashion_hash.training.runs.run import Run
from fashion_hash.training.runs.run_folder import changed_keys
from fashion_hash.training.studies.plan import Study, Variant

AnyRun = Run | RequestRun
FORMS = ("binary", "asymmetric", "relaxed")
"""In which a run on outfits is measured."""


def check(study: Study, anew: Collection[str] = ()) -> None:
    """Reads all configurations, and refuses those that differ from the runs that are there, before anything is trained.

    Args:
        study: the study.
        anew: the names of variants that are trained again.

    Raises:
        ConfigError: a configuration is wrong, a name is unknown, a split or a form does not exist, or a run was trained
            with another configuration.
    """
    if study.split not in (*SPLITS, "val"):  # hours of training would end in nothing
        raise ConfigError(f"split must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}, got {study.split!r}")
    names = [variant.name for variant in study.order()]
    if unknown := [name for name in anew if name not in names]:
        raise ConfigError(
            f"--anew {unknown[0]!r}: no variant trains runs under this name; there are {', '.join(names)}"
        )
    for variant in study.variants:
        form, config = variant.form, study.config(variant, study.seeds[0])
        if form is not None and form not in FORMS and not isinstance(config, RequestConfig):
            forms = f"{suggest(form, FORMS)}: choose {', '.join(FORMS[:-1])} or {FORMS[-1]}"
            raise ConfigError(f"variant {variant.name!r}: no form {form!r}{forms}")
    for variant in study.order():
        for seed in study.seeds:
            config, folder = study.config(variant, seed), study.folder(variant, seed)
            if variant.name in anew or not (folder / "config.yaml").is_file():
                continue
            if changed := changed_keys(config, load_experiment(folder / "config.yaml")):
                raise ConfigError(
                    f"{folder} was trained with other values of {', '.join(changed)}: restore them, choose another "
                    f"folder with --out, or train this variant again with --anew '{variant.name}'"
                )


def finished(folder: Path, config: Config | RequestConfig) -> AnyRun | None:
    """The run in a folder if it has this configuration and all of its epochs; else None."""
    try:
        run = open_run(folder)
    except FashionHashError:
        return None
    whole = len(run.history) >= config.train.epochs or run.stop_reason() is not None
    return run if whole and run.config == config else None


def train(study: Study, variant: Variant, seed: int, anew: bool, tell: Callable[[str], None]) -> AnyRun:
    """The finished run of a variant and a seed: the one that is there, gone on with, or a new one.

    Args:
        study: the study.
        variant: one that trains.
        seed: of the run.
        anew: whether a run that is there is moved aside.
        tell: gets lines of text.
    """
    config, folder = study.config(variant, seed), study.folder(variant, seed)
    if not anew and (run := finished(folder, config)) is not None:
        return run
    for key, of in variant.run_of.items():
        needed = study.trained(study.variant(of))
        if finished(study.folder(needed, seed), study.config(needed, seed)) is None:
            raise TrainingError(
                f"{key}: the run of variant {needed.name!r} with this seed is not there, because it failed"
            )
    resume = not anew and (folder / "config.yaml").is_file()
    tell(f"{'going on with' if resume else 'training'} {folder}")
    if isinstance(config, RequestConfig):
        return fit_requests(config, out=folder, resume=resume)
    return fit(config, out=folder, resume=resume)
