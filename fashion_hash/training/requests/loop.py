"""Training on requests, and the metrics of validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.locks import hold
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.requests.judged import JudgedRequests
from fashion_hash.data.requests.table import REMOVED, RequestData, Requests
from fashion_hash.data.requests.typed import typed_requests
from fashion_hash.data.splits.removed_list import RemovedUsers, left_out_line
from fashion_hash.data.splits.removed_users import requests_without_users
from fashion_hash.errors import ConfigError, DataError, TrainingError, counted, item_noun
from fashion_hash.evaluation.judged import ALL, judged_metrics, judged_values
from fashion_hash.evaluation.requests import Score, request_metrics, request_values
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.epochs import Recipe, run_epochs
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.requests.batches import RequestBatches
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.objective import request_loss
from fashion_hash.training.requests.run import RequestRun, make_request_model
from fashion_hash.training.requests.scoring import RequestScorer
from fashion_hash.training.runs.removed import keep_removed, removed_for
from fashion_hash.training.runs.run_folder import run_folder
from fashion_hash.training.tracking.callbacks import Listeners, OnEpoch

JUDGED = ("adherence@2", "satisfied_ndcg@10")
"""The metrics of judged validation requests that every epoch has, for binary and relaxed codes."""

JUDGED_PER_KIND = 40
"""How many validation requests of each kind are judged after each epoch."""

VALIDATE_AT_MOST = 2_000
"""The largest number of validation requests to score after each epoch; a sample of this size replaces more."""


def fit_requests(
    config: RequestConfig,
    data: RequestData | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
    on_epoch: OnEpoch | Sequence[OnEpoch] | None = None,
) -> RequestRun:
    """Trains one experiment on requests; arguments, result and errors are those of `fashion_hash.fit`."""
    folder, listeners = run_folder(config, out), Listeners.of(report, on_epoch)
    with hold(folder, "training into it", TrainingError):
        removed = removed_for(config, folder if resume else None)
        if data is None:
            data = load_request_data(config, folder if resume else None)
        else:
            data = requests_without_users(data, removed)
        return _fit(config, LoadedRequests(data, removed), out, resume, listeners)


class LoadedRequests(NamedTuple):
    """The data of an experiment, and the users whom it leaves out."""

    data: RequestData
    removed: RemovedUsers


def _fit(
    config: RequestConfig, loaded: LoadedRequests, out: str | Path | None, resume: bool, listeners: Listeners
) -> RequestRun:
    data, tell = loaded.data, listeners.tell
    if not len(data.split("train")):
        raise DataError(f"{data.name} has no training requests: add events to its training split")
    folder = run_folder(config, out)
    kept = folder if resume and (folder / "encoder" / "encoder.json").is_file() else None
    inputs = RequestInputs(config, data, kept)
    torch.manual_seed(derive(config.seed, "model"))
    model = make_request_model(config, inputs).to(inputs.device)
    optimiser = PartOptimiser(model.parts(), model.sparse_parameters(), config.optimiser)
    if resume:
        run = RequestRun.resume(config, inputs.fingerprints, out, model, optimiser)
    else:
        run = RequestRun.start(config, inputs.fingerprints, out, tell)
    keep_removed(run.path, config, loaded.removed)
    if kept is None:
        with atomic_folder(run.path / "encoder") as temporary:
            inputs.encoder.save(temporary)
    batches = RequestBatches(inputs)
    tell(_summary(config, inputs, batches, model))
    if data.counts.get(REMOVED):
        tell(left_out_line(data.counts[REMOVED]))
    if inputs.data.table is not None and inputs.data.table.complaint:
        tell(f"warning: {inputs.data.table.complaint}")
    if config.outfits is not None and not (Path(config.outfits) / "config.yaml").is_file():
        tell(f"{config.outfits} is not a run yet: exporting this run will need it (key outfits)")
    signs_from = config.train.signs_from * config.train.epochs

    judged = judged_sample(config, data)

    def measure(slope: float) -> dict[str, Any]:
        scale = float(model.log_scale.detach().exp())
        measured = validate(model, inputs, slope) | validate_judged(model, inputs, slope, judged)
        return {"scale": scale, **measured, "requests": batches.size}

    recipe = Recipe(
        batches=batches.epoch,
        steps=batches.steps,
        loss=lambda batch, step: request_loss(config, model, batch, step.slope, step.epoch >= signs_from),
        measure=measure,
        train_mode=model.train,
    )
    run_epochs(run, model, optimiser, recipe, listeners)
    return run


def validate(model: WhisperLite, inputs: RequestInputs, slope: float) -> dict[str, Any]:
    """MRR and recall@10 of the validation requests, for binary and relaxed codes; None without validation."""
    data = inputs.data
    requests = validation_sample(data, inputs.config.seed)
    if requests is None:
        return {"valid_requests": 0, "valid_mrr": None, "valid_mrr_relaxed": None, "valid_recall@10": None}
    score = make_scorer(model.eval(), inputs, "valid", requests.texts, slope)
    binary = request_metrics(request_values(score, requests))
    relaxed = request_metrics(request_values(lambda asked: score(asked, "relaxed"), requests))
    return {
        "valid_requests": len(requests),
        "valid_mrr": binary["mrr"],
        "valid_mrr_relaxed": relaxed["mrr"],
        "valid_recall@10": binary["recall@10"],
    }


def validate_judged(
    model: WhisperLite, inputs: RequestInputs, slope: float, judged: JudgedRequests | None
) -> dict[str, float | None]:
    """How well the first items satisfy validation requests as users type them; None where there are none."""
    keys = {f"valid_{name}{form}": (name, form) for name in JUDGED for form in ("", "_relaxed")}
    if judged is None:
        return dict.fromkeys(keys)
    score = make_scorer(model.eval(), inputs, "valid", judged.requests.texts, slope)
    scorers: dict[str, Score] = {"": score, "_relaxed": lambda asked: score(asked, "relaxed")}
    of_form = {
        form: judged_metrics(judged_values(scorer, judged), judged.kinds)[ALL] for form, scorer in scorers.items()
    }
    return {key: of_form[form][name] for key, (name, form) in keys.items()}


def judged_sample(config: RequestConfig, data: RequestData) -> JudgedRequests | None:
    """Validation requests as users type them; None without validation, or without columns to make them from.

    Raises:
        ConfigError: the best epoch is chosen by them, and there are none.
    """
    if "valid" not in data.splits or not len(data.split("valid")):
        return None
    judged = typed_requests(data, "valid", config.seed, JUDGED_PER_KIND)
    if not len(judged) and config.train.best_by == "satisfied_ndcg":
        raise ConfigError(
            f"train.best_by satisfied_ndcg needs requests that name columns such as colour and kind, and {data.name} "
            "has none of them: use best_by mrr"
        )
    return judged if len(judged) else None


def make_scorer(
    model: WhisperLite, inputs: RequestInputs, split: str, texts: Sequence[str], slope: float
) -> RequestScorer:
    """The scorer of requests with some texts, by users as they are known before a split."""
    vectors, rows = inputs.vectors(texts)
    return RequestScorer(model, inputs, inputs.histories(split), dict(zip(texts, vectors[rows])), slope)


def validation_sample(data: RequestData, seed: int) -> Requests | None:
    """The validation requests, or a sample of VALIDATE_AT_MOST of them; None without any."""
    if "valid" not in data.splits or not len(data.split("valid")):
        return None
    requests = data.split("valid")
    if len(requests) <= VALIDATE_AT_MOST:
        return requests
    return requests[np.sort(generator(seed, "validation").choice(len(requests), VALIDATE_AT_MOST, replace=False))]


def _summary(config: RequestConfig, inputs: RequestInputs, batches: RequestBatches, model: WhisperLite) -> str:
    data = inputs.data
    items = ", ".join(counted(len(data.items[item_type]), item_noun(item_type)) for item_type in data.types)
    size = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"{config.name}: {data.name}, {counted(len(data.users), 'user')}, {items}, "
        f"{counted(len(data.split('train')), 'training request')}, {batches.size:,} an epoch; "
        f"{inputs.encoder.name}, {config.requests.num_bits} bits, {size:,} parameters on {inputs.device}"
    )
