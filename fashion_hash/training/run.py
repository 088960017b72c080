"""A run: the folder that a training writes and everything later reads.

runs/NAME/
  config.yaml        the resolved configuration
  metrics.jsonl      one line for each finished epoch
  curve.png          the same as a picture
  last.safetensors   model, optimiser and history after the last finished epoch
  best.safetensors   the model of the best epoch by validation AUC of the binary codes
  bundle/            written by build_index
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from fashion_hash.config import Config, load_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.errors import TrainingError
from fashion_hash.files import sweep, write_text
from fashion_hash.models.outfit_encoder import Network, make_network
from fashion_hash.training.checkpoint import Checkpoint, load_checkpoint, load_parameters, save_checkpoint
from fashion_hash.training.curve import draw_curve
from fashion_hash.training.inputs import ItemInputs
from fashion_hash.training.optimisers import PartOptimiser


def load_data(config: Config) -> Dataset:
    """Reads the data set that a configuration names."""
    data = config.data
    return load_dataset(data.format, data.root, subset=data.subset, slots=data.slots)


def make_model(config: Config, dataset: Dataset, inputs: ItemInputs) -> Network:
    """The network of a configuration, freshly initialised from torch's random state."""
    return make_network(
        config,
        dataset.slots,
        len(dataset.users),
        inputs.num_items,
        inputs.num_known,
        inputs.feature_dims,
        inputs.backbone,
    )


class Run:
    """A run folder.

    Attributes:
        path: the folder.
        config: its configuration.
        history: the metrics of every finished epoch.
    """

    def __init__(self, path: Path, config: Config, history: list[dict[str, Any]], data: dict[str, str]) -> None:
        self.path = path
        self.config = config
        self.history = history
        self._data = data  # fingerprints of the data set and of its item vocabularies

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Opens a run that has finished an epoch at least. Raises TrainingError if there is none."""
        path = Path(path)
        if not (path / "config.yaml").is_file():
            raise TrainingError(f"{path} is no run folder: it has no config.yaml; train with tools/train.py first")
        facts = load_checkpoint(path / "last.safetensors").facts
        return cls(path, load_config(path / "config.yaml"), list(facts["history"]), facts["data"])

    @classmethod
    def start(
        cls,
        config: Config,
        data: Mapping[str, str],
        out: str | Path | None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> Run:
        """A new run folder; an older run of that name is moved aside, to NAME.old-1, -2, ..., and told of.

        Args:
            config: the experiment.
            data: fingerprints of what it is trained on, by name.
            out: the folder; runs/NAME by default.
            tell: is told what was moved.
        """
        path = _folder(config, out)
        if path.exists() and any(path.iterdir()):
            if not (path / "config.yaml").is_file():
                raise TrainingError(f"{path} exists and is no run folder: name another with --out")
            number = 1
            while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
                number += 1
            os.replace(path, aside)
            tell(f"an older run was moved to {aside}")
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / "config.yaml", config.to_yaml())
        return cls(path, config, [], dict(data))

    @classmethod
    def resume(
        cls,
        config: Config,
        data: Mapping[str, str],
        out: str | Path | None,
        model: nn.Module,
        optimiser: PartOptimiser,
    ) -> Run:
        """The run in the folder, with model and optimiser as after its last finished epoch.

        A run that was killed before its first epoch ended begins anew.

        Raises:
            TrainingError: there is no run, or it was another configuration or other data.
        """
        path = _folder(config, out)
        if not (path / "config.yaml").is_file():
            raise TrainingError(f"nothing to resume: {path} holds no run; start it without --resume")
        _same_config(config, load_config(path / "config.yaml"), path)
        sweep(path)
        if not (path / "last.safetensors").is_file():
            return cls(path, config, [], dict(data))
        kept = load_checkpoint(path / "last.safetensors")
        same_data(kept.facts["data"], data, path)
        load_parameters(model, kept.model, path / "last.safetensors")
        optimiser.load_state(kept.optimiser)
        run = cls(path, config, list(kept.facts["history"]), dict(data))
        run._write_metrics()
        return run

    def finish_epoch(self, model: nn.Module, optimiser: PartOptimiser, metrics: dict[str, Any]) -> None:
        """Saves everything after an epoch: from here on a killed run goes on with the next one."""
        self.history.append(metrics)
        facts = {"history": self.history, "data": self._data}
        if self.best_epoch == len(self.history):
            save_checkpoint(self.path / "best.safetensors", Checkpoint(model.state_dict(), {}, facts))
        save_checkpoint(self.path / "last.safetensors", Checkpoint(model.state_dict(), optimiser.state(), facts))
        self._write_metrics()

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the highest validation AUC (the last, without validation)."""
        aucs = [one["valid_auc"] for one in self.history]
        if aucs[-1] is None:
            return len(aucs)
        return 1 + max(range(len(aucs)), key=aucs.__getitem__)

    def model(self, dataset: Dataset) -> tuple[Network, ItemInputs, float]:
        """The model of the best epoch, its inputs and the slope of its relaxed codes.

        Raises:
            TrainingError: the data is not that of the training.
        """
        kept = load_checkpoint(self.path / "best.safetensors")
        inputs = ItemInputs(self.config, dataset)
        same_data(kept.facts["data"], fingerprints(inputs), self.path)
        model = make_model(self.config, dataset, inputs).to(inputs.device)
        load_parameters(model, kept.model, self.path / "best.safetensors")
        return model.eval(), inputs, float(kept.facts["history"][-1]["slope"])

    def draw_curve(self) -> None:
        """Draws curve.png."""
        draw_curve(self.path / "curve.png", self.config.name, self.history)

    def _write_metrics(self) -> None:
        lines = [json.dumps(one) + "\n" for one in self.history]
        write_text(self.path / "metrics.jsonl", "".join(lines))


def start_from(model: Network, path: Path, dataset: Dataset) -> None:
    """Takes the parameters of another run's best epoch, all but what belongs to its people and ids.

    User codes are never taken: the users are others. Embeddings and biases of items are taken only
    where both runs have the same items in the same rows.

    Raises:
        TrainingError: the other run's hash heads do not fit this model.
    """
    kept = load_checkpoint(path / "best.safetensors")
    same_items = kept.facts["data"]["items"] == dataset.items_fingerprint
    own = model.state_dict()
    taken = {}
    for name, tensor in own.items():
        personal = name.startswith("users.")
        by_item = name.startswith(("hashing.id.", "item_bias."))
        if personal or (by_item and not same_items):
            taken[name] = tensor
            continue
        if name not in kept.model:
            raise TrainingError(f"train.start: {path} lacks {name}: give it a run with the same modalities and heads")
        taken[name] = kept.model[name]
    load_parameters(model, taken, path / "best.safetensors")


def fingerprints(inputs: ItemInputs) -> dict[str, str]:
    """Of the outfits, the items and the content that a model of outfits is trained on."""
    dataset = inputs.dataset
    return {"outfits": dataset.fingerprint, "items": dataset.items_fingerprint, "content": inputs.fingerprint}


def same_data(then: Mapping[str, str], now: Mapping[str, str], path: Path) -> None:
    """Raises TrainingError when a run was trained on other outfits or content than there are now."""
    for what in ("outfits", "content"):
        if then.get(what) != now.get(what):
            raise TrainingError(
                f"{path} was trained on other data: the {what} had fingerprint {then.get(what)}, "
                f"now {now.get(what)}; restore the data, or train anew"
            )


def _folder(config: Config, out: str | Path | None) -> Path:
    return Path(out) if out is not None else Path("runs") / config.name


def _same_config(now: Config, then: Config, path: Path) -> None:
    if now == then:
        return
    a, b = _flat(now.model_dump(mode="json")), _flat(then.model_dump(mode="json"))
    changed = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    raise TrainingError(
        f"{path} was started with other values of {', '.join(changed)}: resume with the same configuration "
        f"({path / 'config.yaml'}) or start anew without --resume"
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
