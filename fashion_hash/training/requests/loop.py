"""Training on requests: one seed gives one result on the CPU, bit for bit, resumed or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import DataError, TrainingError
from fashion_hash.evaluation.requests import request_metrics, request_values
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.requests.batches import RequestBatches
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.objective import request_loss
from fashion_hash.training.requests.run import RequestRun, make_request_model
from fashion_hash.training.requests.scoring import RequestScorer
from fashion_hash.training.schedules import rate_factor, slope_of

VALIDATE_AT_MOST = 2_000
"""Validation requests that are looked at after each epoch; of more, so many are drawn."""


def fit_requests(
    config: RequestConfig,
    data: RequestData | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
) -> RequestRun:
    """Trains one experiment on requests; arguments, result and errors as of `fashion_hash.fit`."""
    data = data or load_request_data(config)
    if not len(data.split("train")):
        raise DataError(f"{data.name} has no training requests")
    tell = report or (lambda line: None)
    folder = Path(out) if out is not None else Path("runs") / config.name
    kept = folder if resume and (folder / "encoder" / "encoder.json").is_file() else None
    inputs = RequestInputs(config, data, kept)
    torch.manual_seed(derive(config.seed, "model"))
    model = make_request_model(config, inputs).to(inputs.device)
    optimiser = PartOptimiser(model.parts(), model.sparse_parameters(), config.optimiser)
    if resume:
        run = RequestRun.resume(config, inputs.fingerprints, out, model, optimiser)
    else:
        run = RequestRun.start(config, inputs.fingerprints, out, tell)
    if kept is None:
        with atomic_folder(run.path / "encoder") as temporary:
            inputs.encoder.save(temporary)
    batches = RequestBatches(inputs)
    tell(_summary(config, inputs, batches, model))
    if config.outfits is not None and not (Path(config.outfits) / "config.yaml").is_file():
        tell(f"{config.outfits} holds no run yet: the bundle will need that run on outfits (key outfits)")
    epochs = config.train.epochs
    for epoch in range(len(run.history), epochs):
        if config.train.patience is not None and run.waited >= config.train.patience:
            tell(f"no better epoch than {run.best_epoch} in {run.waited}: training ends here (train.patience)")
            break
        started = time.perf_counter()
        slope = slope_of(epoch, config.train.continuation)
        signs = epoch >= config.train.signs_from * epochs
        factor = rate_factor(config.optimiser.schedule, epochs, [one[run.measure] or 0.0 for one in run.history])
        optimiser.set_factor(factor)
        torch.manual_seed(derive(config.seed, "dropout", epoch))
        model.train()
        total, steps = 0.0, 0
        progress = tqdm(
            batches.epoch(epoch), desc=f"epoch {epoch + 1}/{epochs}", total=batches.steps, leave=False, disable=None
        )
        for step, batch in enumerate(progress):
            loss = request_loss(config, model, batch, slope, signs)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss is {value} in step {step + 1} of epoch {epoch + 1}: lower the learning rates "
                    "(optimiser.rates)"
                )
            optimiser.step(loss)
            total, steps = total + value, steps + 1
        seconds = time.perf_counter() - started
        metrics = {
            "epoch": epoch + 1,
            "loss": total / steps,
            "slope": slope,
            "rate_factor": factor,
            "scale": float(model.log_scale.detach().exp()),
            **validate(model, inputs, slope),
            "requests": batches.size,
            "seconds": round(seconds, 3),
        }
        run.finish_epoch(model, optimiser, metrics)
        tell(_line(metrics, epochs))
    run.draw_curve()
    return run


def validate(model: WhisperLite, inputs: RequestInputs, slope: float) -> dict[str, Any]:
    """MRR and recall@10 of the validation requests in binary and in relaxed codes; None without validation."""
    data = inputs.data
    if "valid" not in data.splits or not len(data.split("valid")):
        return {"valid_requests": 0, "valid_mrr": None, "valid_mrr_relaxed": None, "valid_recall@10": None}
    requests = _some(data.split("valid"), inputs.config.seed)
    score = make_scorer(model.eval(), inputs, "valid", requests, slope)
    binary = request_metrics(request_values(score, requests))
    relaxed = request_metrics(request_values(lambda one: score(one, "relaxed"), requests))
    return {
        "valid_requests": len(requests),
        "valid_mrr": binary["mrr"],
        "valid_mrr_relaxed": relaxed["mrr"],
        "valid_recall@10": binary["recall@10"],
    }


def make_scorer(
    model: WhisperLite, inputs: RequestInputs, split: str, requests: Requests, slope: float
) -> RequestScorer:
    """The scorer of a split's requests."""
    vectors, rows = inputs.vectors(requests.texts)
    by_text = dict(zip(requests.texts, vectors[rows]))
    return RequestScorer(model, inputs, inputs.histories(split), by_text, slope)


def _some(requests: Requests, seed: int) -> Requests:
    if len(requests) <= VALIDATE_AT_MOST:
        return requests
    return requests[np.sort(generator(seed, "validation").choice(len(requests), VALIDATE_AT_MOST, replace=False))]


def _summary(config: RequestConfig, inputs: RequestInputs, batches: RequestBatches, model: WhisperLite) -> str:
    data = inputs.data
    items = ", ".join(f"{len(data.items[kind])} {kind} items" for kind in data.types)
    size = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"{config.name}: {data.name}, {len(data.users)} users, {items}, "
        f"{len(data.split('train')):,} training requests, {batches.size:,} an epoch; "
        f"{inputs.encoder.name}, {config.requests.num_bits} bits, {size:,} parameters on {inputs.device}"
    )


def _line(metrics: Mapping[str, Any], epochs: int) -> str:
    line = f"epoch {metrics['epoch']:3d}/{epochs}  loss {metrics['loss']:.4f}"
    if metrics["valid_mrr"] is not None:
        line += f"  validation MRR {metrics['valid_mrr']:.4f} binary, {metrics['valid_mrr_relaxed']:.4f} relaxed"
    return f"{line}  {metrics['seconds']:.1f} s"
