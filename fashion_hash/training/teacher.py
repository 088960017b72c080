"""A teacher: a finished run, frozen, whose distances weigh the negatives of a student.

Paper: False Negative Distillation, Kim et al., 2021. A teacher's distance is minus its score, of relaxed codes
or of float vectors. Shapes: N outfits, K negatives for each, B of a batch, C candidates, S slots.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fashion_hash.config_training import TeacherConfig
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.outfits import EMPTY, Outfits, fill_empty
from fashion_hash.errors import ConfigError, FeatureError, TrainingError
from fashion_hash.files import atomic_path, sha256, sweep
from fashion_hash.training.run import Run, dataset_fingerprints
from fashion_hash.training.scoring import ModelScorer

AT_ONCE = 1 << 16  # outfits


class Teacher:
    """Distances of outfits by the best epoch of a run.

    Args:
        config: which run, and where distances are kept.
        dataset: the student's data. The teacher makes inputs of its own from it: its modalities may be others.

    Attributes:
        config: as given.
        run: the teacher's run.
        fingerprint: of its parameters.

    Raises:
        TrainingError: there is no such run, or it was trained on other users, items, outfits or features.
    """

    def __init__(self, config: TeacherConfig, dataset: Dataset) -> None:
        self.config = config
        try:
            self.run = Run.open(config.run)
        except TrainingError as error:
            raise TrainingError(f"teacher.run: {error}") from None
        _check(self.run, dataset)
        try:
            model, inputs, slope = self.run.model(dataset)
        except (TrainingError, FeatureError, ConfigError) as error:
            raise TrainingError(f"teacher.run: the features that {config.run} was trained on: {error}") from None
        self._scorer = ModelScorer(model.requires_grad_(False), inputs, slope)
        self._slots = dataset.slots
        self.fingerprint = sha256(self.run.path / "best.safetensors")[:12]
        self._folder: Path | None = None
        if config.cache:
            self._folder = self.run.path / "distances" if config.cache is True else Path(config.cache)
            self._folder.mkdir(parents=True, exist_ok=True)
            sweep(self._folder)

    def distances(self, users: np.ndarray, items: np.ndarray, *, keep: bool = True) -> np.ndarray:
        """(N, K) float32 distances of outfits.

        They are kept in a file that is named after the teacher and the outfits themselves, and read again
        when the same ones are asked for.

        Args:
            users: (N,) rows.
            items: (N, K, S) rows.
            keep: whether a file is written and read.
        """
        if self._folder is None or not keep:
            return self._distances(users, items)
        digest = hashlib.sha256(self.fingerprint.encode())
        for array in (users.astype(np.int32), items.astype(np.int32)):
            digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        path = self._folder / f"{digest.hexdigest()[:24]}.npy"
        if path.is_file():
            return _read(path, items.shape[:2])
        found = self._distances(users, items)
        with atomic_path(path) as temporary:
            np.save(temporary, found, allow_pickle=False)
        return found

    def reference(self, positives: Outfits, own: np.ndarray) -> np.ndarray:
        """(N,) float32: r', what the distances of each positive's negatives are compared with.

        Args:
            positives: N outfits.
            own: (N,) their distances.
        """
        if self.config.reference == "own":
            return own
        count = np.maximum(np.bincount(positives.users), 1)
        return (np.bincount(positives.users, own) / count)[positives.users].astype(np.float32)

    @torch.no_grad()
    def completions(self, users: np.ndarray, items: np.ndarray, slot: int, candidates: np.ndarray) -> Tensor:
        """(B, C) distances of outfits with one slot's item replaced by each candidate.

        Args:
            users: (B,) rows.
            items: (B, S) rows of the outfits.
            slot: the slot.
            candidates: (C,) rows of items of its type.
        """
        scorer = self._scorer
        if scorer.model.repeat_empty:
            items = fill_empty(self._slots, items)
        rows, positions, others = (
            torch.from_numpy(one.astype(np.int64)).to(scorer.device) for one in (users, items, candidates)
        )
        user = scorer.user_codes[rows]
        return -scorer.model.completions(user, scorer.items, positions, slot, others)

    def item_features(self) -> dict[str, np.ndarray]:
        """By type, (N, F) float32: what the teacher makes of each item, its modalities end to end."""
        return {kind: codes[:EMPTY].flatten(1).cpu().numpy() for kind, codes in self._scorer.items.codes.items()}

    def _distances(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        count = items.shape[1]
        flat = Outfits(self._slots, np.repeat(users, count), items.reshape(-1, items.shape[2]))
        found = np.empty(len(flat), dtype=np.float32)
        few = True if len(flat) <= AT_ONCE else None  # of one batch: no bar
        progress = tqdm(total=len(flat), desc="the teacher's distances", leave=False, disable=few)
        for start in range(0, len(flat), AT_ONCE):
            part = flat[start : start + AT_ONCE]
            found[start : start + len(part)] = -self._scorer(part)
            progress.update(len(part))
        progress.close()
        return found.reshape(items.shape[:2])


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path} holds no distances ({error}): delete it, it will be made again") from None
    if found.shape != shape or found.dtype != np.float32:
        raise TrainingError(f"{path} holds {found.shape} {found.dtype}, not {shape} float32: delete it")
    return np.asarray(found)


def _check(run: Run, dataset: Dataset) -> None:
    """Refuses a teacher of other people, items or outfits, naming what differs."""
    now = dataset_fingerprints(dataset)
    for what, then in run.data.items():
        if what != "content" and now.get(what) != then:
            hint = " (the splits' outfits, or data.cold_users)" if what == "outfits" else ""
            raise TrainingError(
                f"teacher.run: {run.path} was trained on other {what}{hint}: fingerprint {then}, but "
                f"{now.get(what)} in {dataset.name}, the student's; train the teacher on the student's data "
                "(where users are hidden, with the same seed)"
            )
