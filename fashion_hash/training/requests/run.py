"""Runs on requests: a run folder that also holds the text encoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch

from fashion_hash.config.experiment import load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.requests.table import RequestData
from fashion_hash.errors import TrainingError
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.scoring import request_vectors
from fashion_hash.training.runs.checkpoint import load_checkpoint, load_parameters
from fashion_hash.training.runs.run import Run
from fashion_hash.training.runs.run_folder import RunFolder, same_data
from fashion_hash.training.vectors import Vectors

START_AT_MOST = 10_000
"""The largest number of item vectors that the projections are initialised from."""


class Measure(NamedTuple):
    """A validation metric: its key in the metrics of an epoch, and its name for display."""

    key: str
    name: str


MEASURES = {
    "mrr": Measure("valid_mrr", "validation MRR"),
    "satisfied_ndcg": Measure("valid_satisfied_ndcg@10", "validation satisfied NDCG@10"),
}


class RequestRun(RunFolder[RequestConfig]):
    """A run on requests; see `RunFolder`. It also holds encoder/."""

    @classmethod
    def open(cls, path: str | Path) -> RequestRun:
        """Opens a run with at least one finished epoch. Raises TrainingError if there is none."""
        run = open_run(path)
        if not isinstance(run, RequestRun):
            raise TrainingError(f"{path} is a run on outfits, not on requests")
        return run

    @property
    def measure(self) -> str:
        """The key of the validation metric that decides the best epoch (train.best_by)."""
        return MEASURES[self.config.train.best_by].key

    @property
    def measured(self) -> str:
        """The name of this metric for display."""
        return MEASURES[self.config.train.best_by].name

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, whose model is used."""
        return super().best_epoch if self._chooses else len(self.history)

    def stop_reason(self) -> str | None:
        """Why training stops early (train.patience); None to continue."""
        patience = self.config.train.patience
        if patience is None or self.waited < patience:
            return None
        return f"no epoch was better than epoch {self.best_epoch} in the last {self.waited}: stopping (train.patience)"

    @property
    def waited(self) -> int:
        """Epochs since the best one; only epochs trained on binary codes count, if there are any."""
        signs = math.ceil(self.config.train.signs_from * self.config.train.epochs)
        straight = signs if signs < self.config.train.epochs else 0
        return max(0, len(self.history) - max(self.best_epoch, straight)) if self.history else 0

    @property
    def _chooses(self) -> bool:
        train = self.config.train
        return train.select == "best" and self.history[-1]["valid_requests"] >= train.select_from

    def model(self, data: RequestData) -> tuple[WhisperLite, RequestInputs, float]:
        """The model of the best epoch, its inputs and the slope of its relaxed codes.

        Raises TrainingError when the data has changed since the training.
        """
        kept = load_checkpoint(self.path / "best.safetensors")
        inputs = RequestInputs(self.config, data, self.path)
        same_data(kept.facts["data"], inputs.fingerprints, self.path)
        model = make_request_model(self.config, inputs).to(inputs.device)
        load_parameters(model, kept.model, self.path / "best.safetensors")
        return model.eval(), inputs, float(kept.facts["history"][-1]["slope"])

    def codes(self, data: RequestData | None = None) -> Vectors:
        """The binary codes of all users (U, D) and of the items of each type (N, 1, D), -1 or +1 as int8.

        The code of a user is that of a request without words; what is asked for in words is coded when it is asked.

        Args:
            data: the data of the run; read again by default.
        """
        model, inputs, _ = self.model(data or load_request_data(self.config, self.path))
        return request_vectors(model, inputs, None)

    def embeddings(self, data: RequestData | None = None) -> Vectors:
        """The relaxed codes, or the unit vectors of a float model, as float32; otherwise as `codes`."""
        return request_vectors(*self.model(data or load_request_data(self.config, self.path)))


def make_request_model(config: RequestConfig, inputs: RequestInputs) -> WhisperLite:
    """The network of a configuration, freshly initialised from torch's random state."""
    data, features = inputs.data, inputs.item_features
    model = WhisperLite(config.requests, features.shape[1], len(data.users), data.num_items, config.loss.temperature)
    if (described := features[features.any(axis=1)]).size:
        model.start_from(torch.as_tensor(described[:: 1 + len(described) // START_AT_MOST]))
    return model


def open_run(path: str | Path) -> Run | RequestRun:
    """Opens a run on outfits or on requests. Raises TrainingError if there is none."""
    path = Path(path)
    if not (path / "config.yaml").is_file():
        raise TrainingError(
            f"{path} is not a run folder: it has no config.yaml; train it with `fashion-hash train` first"
        )
    config = load_experiment(path / "config.yaml")
    if not isinstance(config, RequestConfig):
        return Run.open(path)
    facts = load_checkpoint(path / "last.safetensors").facts
    return RequestRun(path, config, list(facts["history"]), facts["data"])
