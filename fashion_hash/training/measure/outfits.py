"""Evaluates a trained run on every protocol of a split, with baselines, for known and for new users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np

from fashion_hash.config.experiment import with_user_code
from fashion_hash.core.codes import UserForm, bits_a_user
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.splits.cold_users import COLD_TOLD, told_outfits
from fashion_hash.errors import DataError, QueryError, counted, expect
from fashion_hash.evaluation import baselines
from fashion_hash.evaluation.baselines.measure import Measures
from fashion_hash.evaluation.matched import Clock
from fashion_hash.evaluation.protocols import Metrics, Score, evaluate_split
from fashion_hash.evaluation.report import report
from fashion_hash.training.baselines.kept import FOLDER, Baselines, check_names, measure_baselines
from fashion_hash.training.export.bundle import exportable
from fashion_hash.training.measure.cold_users import cold_scorer, fold_ins, mean_user
from fashion_hash.training.measure.full import measure_full
from fashion_hash.training.measure.tasks import Negatives, Task, negatives_of
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users
from fashion_hash.training.user_numbers import asymmetric_code, takes_user_numbers

COLD = (1, COLD_TOLD)


class _Forms(NamedTuple):
    """The scorers of a run: relaxed with its slope, binary, and asymmetric where users can be more than bits."""

    relaxed: ModelScorer
    binary: ModelScorer
    asymmetric: ModelScorer | None
    slope: float

    @classmethod
    def of(cls, run: Run, dataset: Dataset, calibrate: bool | None) -> _Forms:
        """Those of the best epoch."""
        model, inputs, slope = run.model(dataset)

        def scorer(slope: float | None, users: UserForm = "bits") -> ModelScorer:
            return make_scorer(with_user_code(run.config, users), model, inputs, slope, dataset, calibrate)

        asymmetric = scorer(None, asymmetric_code(run.config)) if takes_user_numbers(model) else None
        return cls(scorer(slope), scorer(None), asymmetric, slope)

    def answering(self, run: Run) -> ModelScorer:
        """The scorer in the form of the bundle of the run."""
        return self.asymmetric if self.asymmetric is not None and run.form == "asymmetric" else self.binary

    def by_name(self) -> dict[str, ModelScorer]:
        """The scorers by their names in a report."""
        named = {"relaxed": self.relaxed, "binary": self.binary}
        return named if self.asymmetric is None else {**named, "asymmetric": self.asymmetric}

    def user_bits(self) -> dict[str, int] | None:
        """How many bits a user takes in each form that has them; None where users have one length."""
        if self.asymmetric is None or self.asymmetric.users is None:
            return None
        bits = self.asymmetric.model.num_bits
        return {"binary": bits, "asymmetric": bits_a_user(self.asymmetric.users.form, bits)}


class Beside(TypedDict, total=False):
    """What `evaluate` measures beside the rows and negatives that the data set has.

    Attributes:
        drawn: whether to rank against drawn negatives as well, ten random and ten hard ones for each positive,
            unless the split has several of that kind itself.
        full: whether to rank all outfits for each user ("full_outfits"), and all items of each type for each user and
            outfit without it ("full_TYPE"); by default where that takes at most a billion scores (a million where
            every completed outfit has to be encoded). Hidden users are not ranked fully.
        matched: also against negatives of the same time and popularity (`fashion_hash.evaluation.matched`), by the
            "times" of the outfits, or by "ids", where the ids of items are numbers that grow with time. Not for
            hidden users.
        baselines: True or names of them: also popularity, neighbours, EASE and the others of
            `fashion_hash.training.baselines.kept.ALL`. They are kept in RUN/baselines. Not for hidden users.
    """

    drawn: bool
    full: bool | None
    matched: Clock | None
    baselines: bool | Sequence[str]


def evaluate(
    run: Run,
    split: str = "test",
    dataset: Dataset | None = None,
    *,
    cold: Sequence[int] | None = None,
    calibrate: bool | None = None,
    **beside: Unpack[Beside],
) -> dict[str, Any]:
    """Measures the best epoch of a run.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        dataset: the data of the run; read again by default.
        cold: how many outfits each hidden user tells, 1 and 5 by default; the code of the user is fitted to
            them, everything else is frozen. Only for runs with data.cold_users.
        calibrate: whether to weight the terms of the score on the validation split; by default as the configuration
            of the run says (train.calibrate).
        beside: drawn, full, matched, baselines: see `Beside`.

    Returns:
        {"run", "dataset", "split", "num_bits", "user_bits", "protocols": {name: {"statement", "relaxed", "binary",
        "asymmetric", "baselines"}}, "left_out": {name of a protocol or baseline: why it was not measured}}: see
        `fashion_hash.evaluation.report.report`. "asymmetric" are binary codes of items with users in the form that
        user.code says, or in bytes if that is bits; only FHN has it. Baselines: chance, popularity, and
        the binary model without its users (no_user) and without its pairs (no_item_pairs). Protocols of
        hidden users begin with "cold_1_" or "cold_5_"; their baselines use nothing about the user:
        chance, popularity, no_user and no_user_relaxed, and the mean of the known users (mean_user, relaxed).
        They also have fold_in, the code that `Recommender.add_user` gives (as the bundle keeps it). With baselines
        also "settings": {baseline: {use: what was chosen on validation}}.

    Raises:
        DataError: the data has no such split.
        QueryError: `cold` is set for a run without hidden users, or has a number below 1; there is no baseline of a
            name, or matched negatives cannot be had from this data.
        TrainingError: the data has changed since the training.
    """
    expect(run, Run, "evaluate", "open a finished run with Run.open(path)")
    names = _names(beside.get("baselines"))
    dataset = load_data(run.config, dataset, run.path)
    task = _task(run, dataset, split, beside)
    forms, counts = _Forms.of(run, dataset, calibrate), _cold_counts(dataset, split, cold)
    negatives = negatives_of(task)
    results = _measured(_model_scorers(forms, dataset) | _baselines(task), negatives)
    ranked = measure_full(dataset, split, forms.by_name(), beside.get("full"), run.config.seed)
    results, lines = merged(results, ranked.results), {**negatives.statements, **ranked.statements}
    found = Baselines({}, {}, {})
    if names:
        lists = {name: protocol.lists for name, protocol in ranked.protocols.items()}
        measures = Measures(negatives.part, negatives.drawn, lists, lines)
        found = measure_baselines(run.config, dataset, measures, run.path / FOLDER / f"{split}.json", names)
    by_cold, lines_of_cold = _hidden_users(run, task, forms, counts, calibrate)
    results, lines = merged(found.results, results, by_cold), lines | lines_of_cold
    num_bits, user_bits = run.config.model.num_bits, forms.user_bits()
    table = report(results, lines, dataset=dataset.name, split=split, num_bits=num_bits, user_bits=user_bits)
    settings = {"settings": found.settings} if names else {}
    return {"run": str(run.path), **table, **settings, "left_out": {**ranked.left_out, **found.left_out}}


def _task(run: Run, dataset: Dataset, split: str, beside: Beside) -> Task:
    known = dataset.known if beside.get("drawn") else None
    swap = run.config.negatives.swap
    return Task(dataset, split, dataset.split(split), run.config.seed, known, beside.get("matched"), swap)


def _model_scorers(forms: _Forms, dataset: Dataset) -> dict[str, Score]:
    """The model as a bundle answers, in every form, and with one of its terms alone."""
    trained = trained_users(dataset)
    return {
        **{name: as_answered(scorer, trained) for name, scorer in forms.by_name().items()},
        "no_user": forms.binary.no_user,
        "no_item_pairs": forms.binary.no_item_pairs,
    }


def _baselines(task: Task) -> dict[str, Score]:
    positives = task.dataset.split("train").positives
    return {"popularity": baselines.popularity(positives), "chance": baselines.chance(task.seed)}


def _names(baselines: bool | Sequence[str] | None) -> tuple[str, ...]:
    """The names of the baselines that are asked for, in order."""
    return () if not baselines else check_names(None if baselines is True else baselines)


def merged(*results: Mapping[str, Mapping[str, Metrics]]) -> dict[str, dict[str, Metrics]]:
    """The metrics of several measurements, by scorer and protocol; later ones count."""
    together: dict[str, dict[str, Metrics]] = {}
    for measured in results:
        for name, by_protocol in measured.items():
            together[name] = together.get(name, {}) | dict(by_protocol)
    return together


def _measured(scorers: Mapping[str, Score], negatives: Negatives) -> dict[str, dict[str, Metrics]]:
    return {name: evaluate_split(score, negatives.part, negatives.drawn) for name, score in scorers.items()}


def _hidden_users(
    run: Run, task: Task, forms: _Forms, counts: Sequence[int], calibrate: bool | None
) -> tuple[dict[str, dict[str, Metrics]], dict[str, str]]:
    """The metrics of hidden users by scorer and protocol, and statements, for each number of told outfits."""
    results: dict[str, dict[str, Metrics]] = {}
    lines: dict[str, str] = {}
    model = forms.binary.model
    folded = fold_ins(run, task.dataset, forms.answering(run), counts, calibrate) if exportable(model) else {}
    for told in counts:
        negatives = negatives_of(_cold_task(task))
        measured = _measured(_cold_scorers(task, told, forms, folded.get(told)), negatives)
        for name, by_protocol in measured.items():
            renamed = {f"cold_{told}_{key}": metrics for key, metrics in by_protocol.items()}
            results = merged(results, {name: renamed})
        note = _cold_note(task.dataset, told)
        lines |= {f"cold_{told}_{key}": line + note for key, line in negatives.statements.items()}
    return results, lines


def _cold_scorers(task: Task, told: int, forms: _Forms, folded: ModelScorer | None) -> dict[str, Score]:
    """Scorers of the hidden users for a number of told outfits, and their baselines."""
    dataset, seed = task.dataset, task.seed
    assert dataset.cold is not None
    outfits, count = told_outfits(dataset.cold, told), len(dataset.cold.ids)
    trained = trained_users(dataset)
    mean = mean_user(forms.relaxed, trained, count)
    scorers: dict[str, Score] = {
        **{name: cold_scorer(scorer, dataset, outfits, forms.slope, seed) for name, scorer in forms.by_name().items()},
        **({} if folded is None else {"fold_in": folded}),
        "no_user": mean_user(forms.binary, trained, count).no_user,
        "no_user_relaxed": mean.no_user,
        "mean_user": mean,
    }
    return scorers | _baselines(task)


def _cold_task(task: Task) -> Task:
    cold = task.dataset.cold
    assert cold is not None
    known = None if task.known is None else cold.known
    return task._replace(part=cold.splits[task.split], known=known, matched=None)


def _cold_note(dataset: Dataset, told: int) -> str:
    assert dataset.cold is not None
    return (
        f"; {counted(len(dataset.cold.ids), 'user')} hidden from training altogether, the code of each fitted to "
        f"{counted(told, 'outfit')} of theirs, everything else frozen"
    )


def _cold_counts(dataset: Dataset, split: str, cold: Sequence[int] | None) -> tuple[int, ...]:
    if dataset.cold is None:
        if cold:
            raise QueryError("cold: this run has no hidden users; train a run with data.cold_users=N")
        return ()
    if any(told < 1 for told in cold or ()):
        raise QueryError(f"cold must be at least 1 outfit, got {min(cold or ())}")
    fewest = int(np.bincount(dataset.cold.told.users).min())
    if cold and max(cold) > fewest:
        raise QueryError(f"cold must be at most {fewest}, the fewest outfits of a hidden user, got {max(cold)}")
    if split == "train":
        if cold:
            raise DataError("cold: hidden users tell their training outfits, so measure the split valid or test")
        return ()
    return tuple(dict.fromkeys(COLD if cold is None else cold))
