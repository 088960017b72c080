"""Chooses what a configuration leaves out, on the validation split alone, and trains with it.

The search is kept in RUN-recipe: trials.json, table.txt, chosen.yaml. The runs of trials are removed when they have
been measured, except those of teachers. The run itself is an ordinary one: its configuration is chosen.yaml, and
training with that file gives the same run.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fashion_hash.config.experiment import Config
from fashion_hash.core.files import write_text
from fashion_hash.core.locks import hold
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError, FashionHashError, TrainingError, counted
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits import loop
from fashion_hash.training.processes.group import check_alone
from fashion_hash.training.recipes.candidates import (
    Candidate,
    candidates,
    epochs,
    merged,
    taught,
    teacher_epochs,
    teachers_of,
    with_values,
)
from fashion_hash.training.recipes.facts import Facts
from fashion_hash.training.recipes.halving import Trial, Trials, best_of, epochs_of, halve
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.run_folder import run_folder
from fashion_hash.training.tracking.callbacks import OnEpoch

CHOSEN, TABLE = "chosen.yaml", "table.txt"

Tell = Callable[[str], None]


def fit(
    config: Config,
    dataset: Dataset | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    report: Tell | None = None,
    on_epoch: OnEpoch | Sequence[OnEpoch] | None = None,
) -> Run:
    """Trains one experiment; with `recipe: auto`, with the settings that validation chooses.

    Args, returns and errors are those of `fashion_hash.training.outfits.loop.fit`. A search that was interrupted goes
    on where it was, with `resume` or without.
    """
    if isinstance(config, Config) and config.recipe is not None:
        check_alone("recipe: a configuration whose settings are searched (not that of RUN-recipe/chosen.yaml)")
        folder = run_folder(config, out)
        config = choose(config, folder.with_name(f"{folder.name}-recipe"), dataset, report or (lambda line: None))
        resume = resume and (folder / "config.yaml").is_file()
    return loop.fit(config, dataset, out, resume=resume, report=report, on_epoch=on_epoch)


def choose(config: Config, folder: Path, dataset: Dataset | None = None, tell: Tell = lambda line: None) -> Config:
    """The configuration that is best on the validation split.

    Args:
        config: with a recipe.
        folder: the folder of the search; finished trials in it are used again if they were asked for in the same way
            and on the same data.
        dataset: the data; read from config.data by default.
        tell: gets lines of text.

    Returns:
        A configuration without a recipe, also written to chosen.yaml.

    Raises:
        ConfigError, DataError: the configuration is invalid, or the data has no validation split.
        TrainingError: every candidate failed, or another process searches in this folder.
    """
    with hold(folder, "choosing a recipe in it", TrainingError):
        data = load_data(config.model_copy(update={"recipe": None}), dataset)
        if "valid" not in data.splits or not len(data.split("valid").positives):
            raise ConfigError(f"recipe: {data.name} has no validation split to choose by; name one with data.split")
        return _Search(config, folder, data, tell).run()


class _Plan(NamedTuple):
    """What is trained.

    Attributes:
        candidates: most promising first.
        rounds: the epochs of each round.
        epochs: those of the final training.
        spent: the epochs of the search, at most.
    """

    candidates: Sequence[Candidate]
    rounds: tuple[int, int]
    epochs: int
    spent: int


class _Search:
    """One search; see `choose`."""

    def __init__(self, config: Config, folder: Path, dataset: Dataset, tell: Tell) -> None:
        self._config, self._folder, self._dataset, self._tell = config, folder, dataset, tell
        assert config.recipe is not None
        self._recipe, self._facts = config.recipe, Facts.of(dataset)
        self._plan = _plan(config, self._facts)
        self._candidates = {candidate.name: candidate for candidate in self._plan.candidates}
        folder.mkdir(parents=True, exist_ok=True)
        asked = config.model_dump(mode="json", exclude_unset=True)
        self._trials = Trials(folder / "trials.json", {"asked": asked, "data": dataset.fingerprint})

    def run(self) -> Config:
        """Searches, writes the table and chosen.yaml, and returns what was chosen."""
        plan, tell = self._plan, self._tell
        tell(f"recipe: {self._facts.line}")
        tell(f"recipe: {self._facts.judged}")
        tell(
            f"recipe: {counted(len(plan.candidates), 'candidate')} for {plan.rounds[0]} and {plan.rounds[1]} epochs, "
            f"the best for {plan.epochs}: at most {plan.spent / (plan.spent + plan.epochs):.0%} of all epochs"
        )
        started = time.perf_counter()
        left = halve(list(self._candidates), plan.rounds, self._trial)
        if not left:
            problem = next(trial.problem for trial in self._trials if trial.problem)
            raise TrainingError(f"recipe: every candidate failed; the first: {problem}")
        finals = [self._trial(left[0].name, plan.epochs)]
        finals += [self._trial(name, plan.epochs) for name in self._improved(left[0].name)]
        best = best_of(finals, 1)[0]
        chosen = self._configured(best.name, plan.epochs)
        head = (
            f"# chosen on the validation split by recipe {self._config.name}: {best.name} ({_figures(best)}),\n"
            f"# the best of {counted(len(self._candidates), 'candidate')}; see {TABLE}\n"
        )
        write_text(self._folder / CHOSEN, head + chosen.to_yaml())
        write_text(self._folder / TABLE, f"{self._facts.line}\n{self._facts.judged}\n\n{_table(self._trials)}")
        tell(f"recipe: chose {best.name}: {_figures(best)}; {time.perf_counter() - started:.0f} s of search")
        return chosen

    def _improved(self, name: str) -> list[str]:
        """Trains teachers for a candidate, and adds the candidate that they teach; none where that is no use."""
        if not self._recipe.teacher or self._config.teacher is not None:
            return []
        candidate = self._candidates[name]
        configs = teachers_of(self._config, candidate, self._plan.epochs, self._facts)
        if not configs:
            return []
        paths = [self._folder / f"teacher-{number}" for number in range(1, len(configs) + 1)]
        try:
            self._tell(f"recipe: training {counted(len(configs), 'teacher')}")
            for config, path in zip(configs, paths):
                _finished(config, self._dataset, path)
        except FashionHashError as error:
            self._tell(f"recipe: no teacher: {error}")
            return []
        student = Candidate(f"{name}, taught", merged(candidate.values, taught(paths)))
        self._candidates[student.name] = student
        return [student.name]

    def _configured(self, name: str, epochs: int) -> Config:
        config = with_values(self._config, self._candidates[name].values)
        update = {"epochs": self._epochs_of(name, epochs)}
        return config.model_copy(update={"train": config.train.model_copy(update=update)})

    def _epochs_of(self, name: str, epochs: int) -> int:
        """So many, or as few as the candidate itself says: one that trains nothing is measured once."""
        own: int = self._candidates[name].values["train"].get("epochs", epochs)
        return min(epochs, own)

    def _trial(self, name: str, epochs: int) -> Trial:
        """What a candidate scores after so many epochs, from the file of trials or by training it."""
        epochs = self._epochs_of(name, epochs)
        trial = self._trials.get(name, epochs)
        if trial is None:
            trial = self._tried(name, epochs)
            self._trials.add(trial)
        words = f"failed: {trial.problem}" if trial.score is None else f"{_figures(trial)}, {trial.seconds:.0f} s"
        self._tell(f"recipe: {name}, {counted(epochs, 'epoch')}: {words}")
        return trial

    def _tried(self, name: str, epochs: int) -> Trial:
        path, started = self._folder / "trial", time.perf_counter()
        try:
            run = _finished(self._configured(name, epochs), self._dataset, path)
            figures = _measured(run, self._dataset, self._facts)
        except FashionHashError as error:
            return Trial(name, epochs, None, {}, time.perf_counter() - started, str(error))
        shutil.rmtree(path)
        score = sum(figures.values()) / len(figures)
        return Trial(name, epochs, score, figures, time.perf_counter() - started)


def _plan(config: Config, facts: Facts) -> _Plan:
    """As many candidates, most promising first, as the share of the search allows."""
    assert config.recipe is not None
    total, found = epochs(config, facts), candidates(config, facts)
    rounds = (max(1, total // 4), max(1, total // 2))
    share = config.recipe.share
    # the best candidate is trained to the end, and so are two teachers of two thirds of the epochs, and their student
    learns = config.recipe.teacher and config.teacher is None and bool(teachers_of(config, found[0], total, facts))
    fixed = total * 2 + 2 * teacher_epochs(total) if learns else total
    spent = {count: epochs_of(count, rounds) + fixed for count in range(1, len(found) + 1)}
    fitting = [count for count, epochs in spent.items() if epochs <= share * (epochs + total)]
    count = max(fitting, default=min(2, len(found)))
    return _Plan(found[:count], rounds, total, spent[count])


def _finished(config: Config, dataset: Dataset, path: Path) -> Run:
    """The run of a configuration in a folder of the search: trained, or resumed where it was interrupted."""
    begun = path / "config.yaml"
    same = begun.is_file() and begun.read_text(encoding="utf-8") == config.to_yaml()
    if not same and path.exists():
        shutil.rmtree(path)
    return loop.fit(config, dataset, path, resume=same)


def _measured(run: Run, dataset: Dataset, facts: Facts) -> dict[str, float]:
    """The validation figures whose mean is the score of a trial, of the codes that the run answers with."""
    if facts.are_clicks:
        protocols = evaluate(run, "valid", dataset, full=True)["protocols"]
        return {"recall@20": protocols["full_outfits"][run.form]["recall@20"]}
    protocols = evaluate(run, "valid", dataset, drawn=True, full=False)["protocols"]
    figures = {}
    for kind in ("random", "hard"):
        named = [name for name in (f"rank_{kind}_drawn", f"rank_{kind}") if name in protocols]
        if named:
            figures[f"AUC {kind}"] = float(protocols[named[0]][run.form]["auc"])
    return figures


def _figures(trial: Trial) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in trial.figures.items())


def _table(trials: Trials) -> str:
    """The trials as text."""
    rows = [
        (trial.name, trial.epochs, "failed" if trial.score is None else f"{trial.score:.4f}", _figures(trial), trial)
        for trial in trials
    ]
    lines = [f"{'candidate':44} {'epochs':>6} {'score':>7} {'seconds':>8}  figures"]
    lines += [
        f"{name:44} {epochs:6} {score:>7} {trial.seconds:8.1f}  {words}" for name, epochs, score, words, trial in rows
    ]
    return "\n".join(lines) + "\n"
