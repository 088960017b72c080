"""The folder of any run: created, resumed, and written after every epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from torch import nn

from fashion_hash.config.experiment import Config, load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.files import sweep, write_text
from fashion_hash.errors import TrainingError
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.processes.group import STARTED_BY
from fashion_hash.training.runs.checkpoint import Checkpoint, load_checkpoint, load_parameters, save_checkpoint
from fashion_hash.training.runs.curve import draw_curve
from fashion_hash.training.runs.older_run import set_aside, stays

# what a run writes, beside the bundles that may be built into its folder meanwhile
FILES = (
    *("config.yaml", "last.safetensors", "best.safetensors", "metrics.jsonl", "curve.png", "encoder"),
    *("split.csv", "split.json"),
    STARTED_BY,
)

AnyConfig = TypeVar("AnyConfig", Config, RequestConfig)


class RunFolder(Generic[AnyConfig]):
    """A run folder.

    Attributes:
        path: the folder.
        config: its configuration.
        history: the metrics of every finished epoch.
        data: fingerprints of the training data, by name.
        writes: whether this process writes the folder: the first of those that train together.
    """

    writes = True

    def __init__(self, path: Path, config: AnyConfig, history: list[dict[str, Any]], data: dict[str, str]) -> None:
        self.path = path
        self.config: AnyConfig = config
        self.history = history
        self.data = data

    @classmethod
    def start(
        cls,
        config: AnyConfig,
        data: Mapping[str, str],
        out: str | Path | None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> Self:
        """Creates a run folder; an existing run is moved to NAME.old-1, NAME.old-2, ..., and reported.

        Its bundles stay, so that services answer from them until `build-index` writes their next generation.

        Args:
            config: the experiment.
            data: fingerprints of the training data, by name.
            out: the folder; runs/NAME by default.
            tell: receives a line about the run that was moved.

        Raises:
            TrainingError: the folder exists and is not a run folder.
        """
        path = run_folder(config, out)
        if (path / "config.yaml").is_file():
            sweep(path, *FILES)
            tell(f"an older run was moved to {set_aside(path)}")
        elif path.exists() and not _unwritten(path):
            raise TrainingError(f"{path} exists and is not a run folder: choose another folder with --out")
        path.mkdir(parents=True, exist_ok=True)
        sweep(path, *FILES)
        write_text(path / "config.yaml", config.to_yaml())
        return cls(path, config, [], dict(data))

    @classmethod
    def resume(
        cls,
        config: AnyConfig,
        data: Mapping[str, str],
        out: str | Path | None,
        model: nn.Module,
        optimiser: PartOptimiser,
    ) -> Self:
        """Opens a run to continue it; restores model and optimiser to the last finished epoch.

        A run that was interrupted during its first epoch starts again.

        Raises:
            TrainingError: there is no run in the folder, or its configuration or data is different.
        """
        path = run_folder(config, out)
        if _unwritten(path):
            return cls.start(config, data, out)
        if not (path / "config.yaml").is_file():
            raise TrainingError(f"nothing to resume: {path} is not a run folder; start a run without --resume")
        _same_config(config, load_experiment(path / "config.yaml"), path)
        sweep(path, *FILES)
        if not (path / "last.safetensors").is_file():
            return cls(path, config, [], dict(data))
        kept = load_checkpoint(path / "last.safetensors")
        same_data(kept.facts["data"], data, path)
        load_parameters(model, kept.model, path / "last.safetensors")
        optimiser.load_state(kept.optimiser)
        run = cls(path, config, list(kept.facts["history"]), dict(data))
        run._write_metrics()
        return run

    @classmethod
    def follow(
        cls,
        config: AnyConfig,
        data: Mapping[str, str],
        out: str | Path | None,
        model: nn.Module,
        optimiser: PartOptimiser,
    ) -> Self:
        """A run that another process started or resumed, and writes; model and optimiser become as they are there."""
        run = cls(run_folder(config, out), config, [], dict(data))
        run.writes = False
        if (run.path / "last.safetensors").is_file():
            kept = load_checkpoint(run.path / "last.safetensors")
            load_parameters(model, kept.model, run.path / "last.safetensors")
            optimiser.load_state(kept.optimiser)
            run.history = list(kept.facts["history"])
        return run

    def finish_epoch(self, model: nn.Module, optimiser: PartOptimiser, metrics: dict[str, Any]) -> None:
        """Saves everything after an epoch; an interrupted run resumes with the next one."""
        self.history.append(metrics)
        if not self.writes:
            return
        facts = {"history": self.history, "data": self.data}
        if self.best_epoch == len(self.history):
            with optimiser.mean_weights():
                save_checkpoint(self.path / "best.safetensors", Checkpoint(model.state_dict(), {}, facts))
        save_checkpoint(self.path / "last.safetensors", Checkpoint(model.state_dict(), optimiser.state(), facts))
        self._write_metrics()

    @property
    def measure(self) -> str:
        """The key of the validation metric for binary codes, which decides the best epoch.

        The key for relaxed codes ends in "_relaxed".
        """
        return "valid_auc"

    @property
    def measured(self) -> str:
        """The name of this metric for display."""
        return "validation AUC"

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, that is best by `measure` (the last, without validation)."""
        values = [metrics[self.measure] for metrics in self.history]
        if values[-1] is None:
            return len(values)
        return 1 + max(range(len(values)), key=values.__getitem__)

    def stop_reason(self) -> str | None:
        """Why training stops early; None to continue."""
        return None

    def draw_curve(self) -> None:
        """Draws curve.png."""
        draw_curve(self.path / "curve.png", self.config.name, self.history, self.measure, self.measured)

    def _write_metrics(self) -> None:
        lines = [json.dumps(metrics) + "\n" for metrics in self.history]
        write_text(self.path / "metrics.jsonl", "".join(lines))


def same_data(then: Mapping[str, str], now: Mapping[str, str], path: Path) -> None:
    """Raises TrainingError if the data has changed since a run was trained.

    Users and items are not compared by themselves, because the fingerprint of the outfits includes them.
    """
    for what in now:
        if what != "users" and not what.endswith("items") and then.get(what) != now[what]:
            raise TrainingError(
                f"{path} was trained on other data: the {what} had fingerprint {then.get(what)} "
                f"and now has {now.get(what)}; restore the data, or train again"
            )


def run_folder(config: Config | RequestConfig, out: str | Path | None = None) -> Path:
    """The folder of a run: `out`, or runs/NAME."""
    return Path(out) if out is not None else Path("runs") / config.name


def _unwritten(path: Path) -> bool:
    """Whether a folder holds nothing of a run: it is empty, holds bundles, or training was killed at its first file."""
    return path.is_dir() and all(stays(entry) for entry in path.iterdir())


def changed_keys(now: Config | RequestConfig, then: Config | RequestConfig) -> list[str]:
    """The keys, with dots, whose values differ between two configurations."""
    if now == then:
        return []
    a, b = _flat(now.model_dump(mode="json")), _flat(then.model_dump(mode="json"))
    return sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))


def _same_config(now: Config | RequestConfig, then: Config | RequestConfig, path: Path) -> None:
    if changed := changed_keys(now, then):
        raise TrainingError(
            f"{path} was started with different values of {', '.join(changed)}: resume with the same configuration "
            f"({path / 'config.yaml'}), or start again without --resume"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
