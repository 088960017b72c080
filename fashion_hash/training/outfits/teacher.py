"""A teacher: the mean distances of finished, frozen runs weight the negatives of a student.

Paper: False Negative Distillation, Kim et al., 2021, with a single run. The distance of a run is minus its score.
Shapes: N outfits, K negatives for each, B of a batch, C candidates, S slots.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fashion_hash.config.training import TeacherConfig
from fashion_hash.core.files import atomic_path, sha256
from fashion_hash.core.outfits import EMPTY, Outfits, fill_empty
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError, FeatureError, TrainingError
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, dataset_fingerprints
from fashion_hash.training.runs.scoring import ModelScorer

AT_ONCE = 1 << 16  # outfits


class Teacher:
    """Distances of outfits by the best epoch of a run, or their mean over several runs.

    Args:
        config: the runs, and the cache of distances.
        dataset: the data of the student. The teacher makes its own inputs from it, so it may have other modalities.

    Attributes:
        config: the settings.
        runs: the runs of the teacher.
        fingerprint: identifies their parameters.

    Raises:
        TrainingError: a run does not exist, or was trained on other users, items, outfits or features.
    """

    def __init__(self, config: TeacherConfig, dataset: Dataset) -> None:
        self.config = config
        self.runs = [_open(path, dataset) for path in config.run]
        self._scorers = [_scorer(run, dataset, config.codes) for run in self.runs]
        self._slots = dataset.slots
        digest = hashlib.sha256(config.codes.encode())
        for run in self.runs:
            digest.update(f"{sha256(run.path / 'best.safetensors')} {run.config.to_yaml()}".encode())
        self.fingerprint = digest.hexdigest()[:12]
        self._folder: Path | None = None
        if config.cache:
            self._folder = self.runs[0].path / "distances" if config.cache is True else Path(config.cache)
            self._folder.mkdir(parents=True, exist_ok=True)  # not swept, because other students may be writing to it

    def distances(self, users: np.ndarray, items: np.ndarray, *, keep: bool = True) -> np.ndarray:
        """(N, K) float32 distances of outfits.

        They are cached in a file named after the teacher and the outfits, and read from it for the same outfits.

        Args:
            users: (N,) rows.
            items: (N, K, S) rows.
            keep: whether to use the cache.
        """
        if self._folder is None or not keep:
            return self._distances(users, items)
        digest = hashlib.sha256(self.fingerprint.encode())
        for array in (users.astype(np.int32), items.astype(np.int32)):
            digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        path = self._folder / f"{digest.hexdigest()[:24]}.npy"
        if path.is_file():
            return _read(path, items.shape[:2])
        distances = self._distances(users, items)
        with atomic_path(path) as temporary:
            np.save(temporary, distances, allow_pickle=False)
        return distances

    def reference(self, positives: Outfits, own_distances: np.ndarray) -> np.ndarray:
        """(N,) float32: r', the reference for the distances of a positive's negatives.

        Args:
            positives: N outfits.
            own_distances: (N,) their distances.
        """
        if self.config.reference == "own":
            return own_distances
        count = np.maximum(np.bincount(positives.users), 1)
        mean = np.bincount(positives.users, own_distances) / count
        return np.asarray(mean[positives.users].astype(np.float32))

    @torch.no_grad()
    def completions(self, users: np.ndarray, items: np.ndarray, slot: int, candidates: np.ndarray) -> Tensor:
        """(B, C) distances of outfits with the item of one slot replaced by each candidate.

        Args:
            users: (B,) rows.
            items: (B, S) rows of the outfits.
            slot: the slot.
            candidates: (C,) rows of items of its type.
        """
        distances = []
        for scorer in self._scorers:
            filled = fill_empty(self._slots, items) if scorer.model.repeat_empty else items
            rows, positions, candidate_rows = (
                torch.from_numpy(array.astype(np.int64)).to(scorer.device) for array in (users, filled, candidates)
            )
            user = scorer.user_codes[rows]
            scores = scorer.model.completions(user, scorer.items, positions, slot, candidate_rows)
            distances.append(scores.neg_())
        return distances[0] if len(distances) == 1 else torch.stack(distances).mean(dim=0)

    def item_features(self) -> dict[str, np.ndarray]:
        """By type, (N, F) float32: the teacher's codes of items, concatenated over its runs and their modalities."""
        features: dict[str, list[np.ndarray]] = {}
        for scorer in self._scorers:
            for item_type, codes in scorer.items.codes.items():
                features.setdefault(item_type, []).append(codes[:EMPTY].flatten(1).cpu().numpy())
        return {item_type: np.concatenate(parts, axis=1) for item_type, parts in features.items()}

    def _distances(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        count = items.shape[1]
        if not items[..., 0].size:
            return np.empty(items.shape[:2], dtype=np.float32)
        flat = Outfits(self._slots, np.repeat(users, count), items.reshape(-1, items.shape[2]))
        distances = np.empty(len(flat), dtype=np.float32)
        few = True if len(flat) <= AT_ONCE else None  # no progress bar for a single batch
        progress = tqdm(total=len(flat), desc="the teacher's distances", leave=False, disable=few)
        for start in range(0, len(flat), AT_ONCE):
            part = flat[start : start + AT_ONCE]
            distances[start : start + len(part)] = -np.mean([scorer(part) for scorer in self._scorers], axis=0)
            progress.update(len(part))
        progress.close()
        if not np.isfinite(distances).all():
            raise TrainingError(
                f"teacher.run: {self._named()} gives distances that are not finite; train the teacher again"
            )
        return distances.reshape(items.shape[:2])

    def _named(self) -> str:
        return ", ".join(str(run.path) for run in self.runs)


def _open(path: str, dataset: Dataset) -> Run:
    try:
        run = Run.open(path)
    except (TrainingError, ConfigError) as error:
        raise TrainingError(f"teacher.run: {error}") from None
    _check(run, dataset)
    done, asked = len(run.history), run.config.train.epochs
    if done < asked:
        raise TrainingError(
            f"teacher.run: {run.path} has finished only {done} of {asked} epochs: resume it first "
            f"(or set train.epochs to {done} in its config.yaml to use it as it is)"
        )
    return run


def _scorer(run: Run, dataset: Dataset, codes: str) -> ModelScorer:
    try:
        model, inputs, slope = run.model(dataset)
    except (TrainingError, FeatureError, ConfigError) as error:
        raise TrainingError(f"teacher.run: {run.path} cannot score the data of the student: {error}") from None
    if codes == "binary" and model.is_float:
        raise ConfigError(f"teacher.codes: {run.path} is an outfit encoder with float vectors and has no binary codes")
    return make_scorer(run.config, model.requires_grad_(False), inputs, None if codes == "binary" else slope, dataset)


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        distances = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise TrainingError(
            f"{path} is not a complete file of distances: delete it, and it will be written again"
        ) from None
    if distances.shape != shape or distances.dtype != np.float32:
        raise TrainingError(
            f"{path} holds {distances.shape} {distances.dtype}, not {shape} float32: delete it, "
            "and it will be written again"
        )
    return np.asarray(distances)


def _check(run: Run, dataset: Dataset) -> None:
    """Raises TrainingError, naming the first difference, if a teacher has other users, items or outfits."""
    now = dataset_fingerprints(dataset)
    of_data = [name for name in run.data if name in now or name.endswith(" items")]  # the others are features
    for what in dict.fromkeys([*of_data, *now]):
        then = run.data.get(what)
        if now.get(what) != then:
            hint = " (the splits' outfits, or data.cold_users)" if what == "outfits" else ""
            raise TrainingError(
                f"teacher.run: {run.path} was trained on other {what}{hint}: the fingerprint is {then}, "
                f"but {now.get(what)} in {dataset.name}, the data of the student; train the teacher on this data "
                "(with the same seed if users are hidden)"
            )
