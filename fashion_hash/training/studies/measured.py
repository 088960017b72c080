"""The figures of a run of a study, measured once and kept beside the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fashion_hash import __version__
from fashion_hash.config.experiment import with_user_code
from fashion_hash.core.files import sha256, write_json
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.requests.table import NOBODY
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.evaluation.judged import ALL
from fashion_hash.evaluation.requests import request_values
from fashion_hash.evaluation.studies.by_user import full_values, mean_of_users, user_values
from fashion_hash.evaluation.studies.comparison import Measured
from fashion_hash.training.measure.full import full_rankings
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.measure.requests import ANSWER, evaluate_requests, request_scorers
from fashion_hash.training.requests.inputs import load_request_data
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import as_answered, trained_users
from fashion_hash.training.runs.validation import drawn_beside, drawn_negatives
from fashion_hash.training.studies.plan import Study, Variant
from fashion_hash.training.user_numbers import asymmetric_code

USUAL = ("auc", "ndcg", "recall@20", "ndcg@20", "ndcg@10", "mrr", "recall@10")
"""The metrics that tables show unless figures are named: the first two that a protocol has, or else its accuracy."""

LAYOUT = 2
"""Of the file beside a run; 2 has the values of users in full rankings and questions for a slot."""

OfUsers = dict[str, dict[str, float]]


def measured(study: Study, variant: Variant, run: Run | RequestRun) -> Measured:
    """The figures of a run, from the file beside it if that is of this very model and form.

    What has changed in the way of measuring within a version the file cannot know: delete it then.
    """
    form = variant.form or own_form(run)
    words = [study.split, form, *(["drawn"] if study.drawn else []), *(["full"] if study.full else [])]
    if variant.calibrate is not None:
        words.append("calibrated" if variant.calibrate else "plain")
    file = run.path / f"measured-{'-'.join(''.join(c if c.isalnum() else '_' for c in word) for word in words)}.json"
    of = {
        "version": __version__,
        "layout": LAYOUT,
        "parameters": sha256(run.path / "best.safetensors"),
        "measured": words,
    }
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept.get("of") == of:
            return Measured(variant.name, run.config.seed, kept["figures"], kept["users"])
    if isinstance(run, RequestRun):
        figures, users = _of_requests(study, run, form)
    else:
        figures, users = _of_outfits(study, variant, run, form)
    write_json(file, {"of": of, "figures": figures, "users": users})
    return Measured(variant.name, run.config.seed, figures, users)


def own_form(run: Run | RequestRun) -> str:
    """The form in which a run answers: bits where it has them."""
    return ANSWER if isinstance(run, RequestRun) else run.form


def chosen(study: Study, runs: list[Measured]) -> list[Measured]:
    """The runs with the figures of the tables alone.

    Raises:
        ConfigError: a figure is named that no run has.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.figures))
    # the metrics against negatives are called ndcg_at_10, and ndcg@10 in the tables of evaluate
    named = [name if name in known else name.replace("@", "_at_") for name in study.figures]
    if unknown := [name for name, key in zip(study.figures, named) if key not in known]:
        raise ConfigError(f"no figure {unknown[0]!r}{suggest(unknown[0], known)}; there are {', '.join(known)}")
    names = named or usual(known)
    return [replace(run, figures={name: run.figures[name] for name in names if name in run.figures}) for run in runs]


def usual(names: list[str]) -> list[str]:
    """The figures that tables show: of each protocol two metrics, or its accuracy."""
    protocols: dict[str, list[str]] = {}
    for name in names:
        protocol, _, metric = name.rpartition(" ")
        protocols.setdefault(protocol, []).append(metric)
    shown = []
    for protocol, metrics in protocols.items():
        best = [metric for metric in USUAL if metric in metrics][:2] or metrics[:1]
        shown += [f"{protocol} {metric}".strip() for metric in best]
    return shown


def _of_outfits(study: Study, variant: Variant, run: Run, form: str) -> tuple[dict[str, float], OfUsers]:
    dataset = load_data(run.config, None, run.path)
    # full rankings are made below, by the scorer that is compared, and not by its baselines
    report = evaluate(run, study.split, dataset, drawn=study.drawn, calibrate=variant.calibrate, full=False)
    figures = {
        f"{protocol} {metric}": float(value)
        for protocol, of in report["protocols"].items()
        for metric, value in of.get(form, {}).items()
        if _is_metric(metric)
    }
    model, inputs, slope = run.model(dataset)
    code = {"binary": "bits", "asymmetric": asymmetric_code(run.config)}.get(form)
    config = with_user_code(run.config, code)
    scorer = make_scorer(config, model, inputs, slope if form == "relaxed" else None, dataset, variant.calibrate)
    part = _part(dataset, study, run.config.seed)
    values = user_values(as_answered(scorer, trained_users(dataset)), part)
    full = full_rankings(dataset, study.split, scorer, study.full or None, run.config.seed)
    for protocol, ranking in full.items():
        figures |= _numbers(protocol, ranking.metrics())
        values |= {f"{protocol} {metric}": of for metric, of in full_values(ranking).items()}
    users = {
        name: dict(zip((dataset.users.ids[row] for row in of.users.tolist()), of.values.tolist()))
        for name, of in values.items()
    }
    return figures, users


def _part(dataset: Dataset, study: Study, seed: int) -> Split:
    """The split with the negatives that `evaluate` ranks against."""
    part = dataset.split(study.split)
    beside = drawn_beside(dataset.known, study.split, part, seed) if study.drawn else {}
    if not (part.negatives or part.questions or part.labelled or part.retrieval or beside):
        beside = {"random": drawn_negatives(dataset, study.split, seed, part=part)}
    return replace(part, negatives={**part.negatives, **beside})


def _of_requests(study: Study, run: RequestRun, form: str) -> tuple[dict[str, float], OfUsers]:
    data = load_request_data(run.config, run.path)
    report = evaluate_requests(run, study.split, data)
    if form not in report["scorers"]:
        raise ConfigError(f"form: no scorer {form!r}{suggest(form, report['scorers'])}")
    figures = _numbers("", report["scorers"][form])
    if report["judged"] is not None:
        figures |= _numbers("judged", report["judged"]["scorers"][form][ALL])
    requests = data.split(study.split)
    scorer = request_scorers(run, study.split, data, requests.texts)[form]
    known = requests.users != NOBODY
    users = {}
    for name, values in request_values(scorer, requests).items():
        of = mean_of_users(requests.users[known], values[known])
        users[name] = dict(zip((data.users.ids[row] for row in of.users.tolist()), of.values.tolist()))
    return figures, users


def _numbers(protocol: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{protocol} {name}".strip(): float(value)
        for name, value in metrics.items()
        if value is not None and _is_metric(name)
    }


def _is_metric(name: str) -> bool:
    """Whether it is a metric, not a count."""
    counts = ("rows", "users", "users_left_out", "negatives_per_positive", "candidates", "partial_outfits", "queries")
    return name not in counts
