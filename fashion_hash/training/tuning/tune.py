"""Tunes a configuration: trial after trial, each an ordinary run, judged on the validation split alone.

Trials are kept in OUT/tuning.sqlite and their runs in OUT/trials. The sampler of trial n is seeded with the seed and n,
so that a tuning that was interrupted draws what it would have drawn. The trial that was interrupted goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_hash.config.experiment import Config, load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import write_text
from fashion_hash.core.locks import hold
from fashion_hash.core.seeds import derive
from fashion_hash.errors import ConfigError, FashionHashError, TrainingError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from fashion_hash.training.requests.run import RequestRun, open_run
from fashion_hash.training.runs.run import Run
from fashion_hash.training.tracking.callbacks import EpochMetrics
from fashion_hash.training.tuning.history import write_history
from fashion_hash.training.tuning.space import Choice, Space, distributions, overrides

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import TrialState

STORE = "tuning.sqlite"
PRUNED = "pruned: worse than the median of the trials before it"
STARTUP = 5
"""Trials that are drawn evenly and never pruned, before the sampler and the pruner have something to learn from."""


@dataclass(frozen=True)
class Tuning:
    """What is tuned.

    Attributes:
        file: the configuration.
        changes: overrides of every trial.
        space: what is searched.
        out: the folder.
        seed: of the sampler.
        prune: whether trials that are worse than the median stop early.
    """

    file: Path
    changes: tuple[str, ...]
    space: Space
    out: Path
    seed: int = 0
    prune: bool = True

    def config(self, params: dict[str, Any]) -> Config | RequestConfig:
        """The configuration of a trial."""
        return load_experiment(self.file, [*self.changes, *overrides(params)])


def tune(tuning: Tuning, trials: int, tell: Callable[[str], None] = lambda line: None) -> Path | None:
    """Tries settings until there are `trials` of them; returns best.yaml, or None if every trial failed.

    Args:
        tuning: what is tuned.
        trials: how many there will be, those of earlier calls included.
        tell: gets lines of text.

    Raises:
        ConfigError: the configuration or the space does not fit, or the folder holds a tuning of another.
        MissingExtraError: Optuna is not installed.
        TrainingError: another process tunes in this folder.
    """
    require_extra("tune", "tuning", "optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = _check(tuning)
    with hold(tuning.out, "tuning in it", TrainingError):
        tuning.out.mkdir(parents=True, exist_ok=True)
        study = _open(tuning, text)
        best = _write(study, tuning)
        while (number := len(study.get_trials(deepcopy=False, states=_ended()))) < trials:
            _next(study, tuning, f"{number + 1}/{trials}", tell)
            best = _write(study, tuning)
        return best


def _check(tuning: Tuning) -> str:
    """The configuration without what is searched, as text, after every end of the space has been tried on it."""
    first = {key: of.values[0] if isinstance(of, Choice) else of.low for key, of in tuning.space.items()}
    for key, of in tuning.space.items():
        for value in of.values if isinstance(of, Choice) else (of.low, of.high):
            tuning.config({**first, key: value})
    config = tuning.config({})
    return config.to_yaml()


def _open(tuning: Tuning, config: str) -> Study:
    """The study in the folder, or a new one.

    Raises:
        ConfigError: it was begun with another configuration or space.
    """
    import optuna

    study = optuna.create_study(
        storage=f"sqlite:///{tuning.out / STORE}",
        study_name="tuning",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(STARTUP, n_warmup_steps=2) if tuning.prune else optuna.pruners.NopPruner(),
    )
    begun = {"config": config, "space": json.dumps(tuning.space, sort_keys=True), "seed": tuning.seed}
    for key, value in begun.items():
        if key not in study.user_attrs:
            study.set_user_attr(key, value)
        elif study.user_attrs[key] != value:
            raise ConfigError(
                f"{tuning.out} holds a tuning with another {key}: choose another folder with --out, or remove it"
            )
    return study


def _next(study: Study, tuning: Tuning, place: str, tell: Callable[[str], None]) -> None:
    """Runs the trial that was interrupted, or else a new one, and tells how it ended."""
    from optuna.samplers import TPESampler
    from optuna.trial import Trial, TrialState

    study.sampler = TPESampler(
        n_startup_trials=STARTUP, seed=derive(tuning.seed, "trial", len(study.trials)) % 2**32, multivariate=True
    )
    started = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    trial = Trial(study, started[0]._trial_id) if started else study.ask(distributions(tuning.space))
    words = ", ".join(overrides(trial.params))
    if trial.params.keys() != tuning.space.keys():  # it was killed while its settings were drawn
        study.tell(trial, state=TrialState.FAIL)
        return
    tell(f"{place}  {'going on with' if started else 'trying'} {words}")
    try:
        run, pruned = _train(study, trial, tuning)
    except FashionHashError as error:
        study.tell(trial, state=TrialState.FAIL)
        tell(f"{place}  failed: {error}")
        return
    best = run.history[run.best_epoch - 1]
    value = best[run.measure]
    if value is None:
        study.tell(trial, state=TrialState.FAIL)
        raise ConfigError(f"{tuning.file}: tuning needs a validation split, and the data has none")
    study.tell(trial, None if pruned else value, state=TrialState.PRUNED if pruned else TrialState.COMPLETE)
    ended = f", {PRUNED}" if pruned else ""
    tell(f"{place}  {run.measured} {value:.4f} in epoch {best['epoch']} of {len(run.history)}{ended}")


def _train(study: Study, trial: Trial, tuning: Tuning) -> tuple[Run | RequestRun, bool]:
    """The finished run of a trial, and whether it was pruned."""
    config, folder = tuning.config(trial.params), tuning.out / "trials" / str(trial.number)
    known = set(study.trials[trial.number].intermediate_values)
    pruned = False

    def judge(metrics: EpochMetrics) -> str | None:
        nonlocal pruned
        if metrics["criterion"] is not None and metrics["epoch"] not in known:
            known.add(metrics["epoch"])
            trial.report(metrics["criterion"], metrics["epoch"])
        pruned = trial.should_prune() and metrics["epoch"] < metrics["epochs"]
        return PRUNED if pruned else None

    resume = (folder / "config.yaml").is_file()
    if resume and (folder / "last.safetensors").is_file():
        kept = open_run(folder)  # what it had reached when it was interrupted
        for past in kept.history:
            if judge({**past, "epochs": config.train.epochs, "criterion": past[kept.measure]}) is not None:
                return kept, True
    if isinstance(config, RequestConfig):
        return fit_requests(config, out=folder, resume=resume, on_epoch=judge), pruned
    return fit(config, out=folder, resume=resume, on_epoch=judge), pruned


def _write(study: Study, tuning: Tuning) -> Path | None:
    """Writes best.yaml, history.csv and history.png; returns the first, or None without a finished trial."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=_ended())
    if done:
        write_history(tuning.out, done, list(tuning.space))
    finished = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if not finished:
        return None
    best = max(finished, key=lambda trial: (trial.value or 0.0, -trial.number))
    config = tuning.config(best.params)
    tuned = config.model_copy(update={"name": f"{config.name}-tuned"})
    head = f"# trial {best.number}, the best of {len(done)}: {best.value:.6f} on the validation split\n"
    write_text(tuning.out / "best.yaml", head + tuned.to_yaml())
    return tuning.out / "best.yaml"


def _ended() -> tuple[TrialState, ...]:
    from optuna.trial import TrialState

    return (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
