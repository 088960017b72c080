"""The data of a training step: outfits, their negatives, the distances of a teacher, and views.

Shapes: B positives of a batch, K negatives for each, C candidates of a step, S slots, D bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config.data import DataConfig
from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, fill_empty
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.facts import training_weights
from fashion_hash.errors import ConfigError
from fashion_hash.features.table import usable_outfits
from fashion_hash.training.outfits.batches import Batch, Candidates, Drawn, Judged, OutfitCandidates, make_share
from fashion_hash.training.outfits.negatives import EpochNegatives
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.views import make_views
from fashion_hash.training.processes.group import part
from fashion_hash.training.runs.item_inputs import ItemInputs

DAY = 24 * 3600


class TrainingData:
    """Batches of the training outfits of an experiment, with their negatives and views.

    Outfits with an item that is unknown in every modality are left out.

    Attributes:
        left_out: how many outfits were left out.
        views_line: a line of text about the views; None without views.
        steps: the number of batches in an epoch.
        pairs: the number of positive-negative pairs in an epoch.
    """

    def __init__(self, config: Config, dataset: Dataset, inputs: ItemInputs, teacher: Teacher | None = None) -> None:
        positives = dataset.split("train").positives
        usable = usable_outfits(positives, list(inputs.known.values()))
        self.left_out = int((~usable).sum())
        self._config = config
        self._slots = dataset.slots
        self._num_items = inputs.num_items
        self._rows = np.flatnonzero(usable)
        self._weights = outfit_weights(config.data, dataset, self._rows)
        self._positives = positives
        self._repeat_empty = config.model.repeat_empty
        self._hide = _hide_shares(config, dataset)
        self._own = inputs.own
        beside = 0 if config.teacher is None else config.teacher.per_positive or 0
        self._negatives = EpochNegatives(config.negatives, dataset, config.train.epochs, beside)
        self._teacher = teacher
        self._distance = self._reference = np.empty(0, dtype=np.float32)
        if teacher is not None:
            self._distance = teacher.distances(positives.users, positives.items[:, None])[:, 0]
            self._reference = teacher.reference(positives, self._distance)
        self._views = make_views(config, dataset, inputs, teacher)
        self._viewed = 0 if config.contrastive is None else config.contrastive.outfits
        self.views_line = None if self._views is None else self._views.check(positives.items[usable])
        self.steps = math.ceil(len(self._rows) / config.train.batch_size)
        self.pairs = len(self._rows) * (config.negatives.per_positive + beside)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; they depend only on the seed and the number of the epoch.

        Of several processes that train together, each draws the same batches and gets its share of them.
        """
        rng = generator(self._config.seed, "epoch", epoch)
        of_views = generator(
            self._config.seed, "views", epoch
        )  # separate: the negatives are the same with and without views
        order = self._rows[rng.permutation(len(self._rows))]
        self._negatives.start_epoch(epoch, rng)
        known = self._known_distances()
        size = self._config.train.batch_size
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            positives = self._positives.items[rows]
            against = self._negatives.of_batch(rows, rng)  # (B, K, S)
            items = np.concatenate([positives[:, None], against], axis=1)  # (B, 1 + K, S)
            users = self._positives.users[rows]
            if self._repeat_empty:
                items = fill_empty(self._slots, items)
            hide = None
            if self._hide.any():
                hide = rng.random((len(rows), len(self._slots))) < self._hide
            shared = self._negatives.candidates(users, items[:, 0], rng)
            outfits, own = self._outfits(rows, rng)
            views = None if self._views is None else self._views(positives[: self._viewed], of_views)
            if views is not None and self._repeat_empty:
                views = fill_empty(self._slots, views)
            drawn, once = Drawn(users, items, hide, shared, views, outfits), self._config.loss.cross_modal > 0
            batch = make_share(self._slots, self._num_items, drawn, once=once)
            own = None if own is None else own[part(len(rows))]
            weights = None if self._weights is None else torch.from_numpy(self._weights[rows])
            yield batch._replace(judged=self._judged(rows, against, shared, known), weights=weights, own=own)

    def _outfits(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[OutfitCandidates | None, Tensor | None]:
        """Real outfits that a batch is compared with, and the rows of the positives' own codes, (B,).

        As many of their items are hidden as of positives. An outfit that is hidden in a step is so everywhere in it.
        """
        outfits = self._negatives.outfits(rows, rng)
        if outfits is None:
            return None, None
        if self._repeat_empty:
            outfits = outfits._replace(items=fill_empty(self._slots, outfits.items))
        if self._hide.any():
            outfits = outfits._replace(hide=rng.random(outfits.items.shape) < self._hide)
        if self._own is None or self._config.outfit is None:
            return outfits, None
        shown = np.arange(len(self._own.items))
        shown[rng.random(len(shown)) < self._config.outfit.hide] = EMPTY
        return outfits._replace(own=shown[outfits.numbers]), torch.from_numpy(shown[self._own.of_positives[rows]])

    def _known_distances(self) -> np.ndarray | None:
        """(N, K) the teacher's distances of an epoch's negatives; None if they are drawn batch by batch."""
        drawn = self._negatives.drawn
        if self._teacher is None or drawn is None:
            return None
        return self._teacher.distances(self._positives.users, drawn)

    def _judged(
        self, rows: np.ndarray, against: np.ndarray, shared: Candidates | None, known: np.ndarray | None
    ) -> Judged | None:
        if self._teacher is None:
            return None
        users = self._positives.users[rows]
        negative = self._teacher.distances(users, against, keep=False) if known is None else known[rows]
        of_shared = None
        if shared is not None and self._teacher.config.per_positive is None:
            of_shared = self._teacher.completions(users, self._positives.items[rows], shared.slot, shared.items)
        reference, positive = torch.from_numpy(self._reference[rows]), torch.from_numpy(self._distance[rows])
        return Judged(reference, positive, torch.from_numpy(negative), of_shared)


def outfit_weights(config: DataConfig, dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """How much each training outfit counts: (N,) float32 of mean 1 over `rows`, or None when all count the same.

    Args:
        config: how kinds and ages are weighed.
        dataset: its training split is used, N outfits.
        rows: of the outfits that are trained on; the others have weight 0.

    Raises:
        DataError: the weights do not allow it (`training_weights`).
    """
    train = dataset.split("train")
    facts = None if train.facts is None else train.facts[rows]
    if facts is not None and not config.weighted:
        facts = replace(facts, weights=None, kinds=None)
    half_life = None if config.half_life is None else config.half_life * DAY
    used = training_weights(facts, config.kind_weights, half_life)
    if config.user_power < 1:
        used = _by_user(train.positives.users[rows], config.user_power, used)
    if used is None:
        return None
    weights = np.zeros(len(train.positives), dtype=np.float32)
    weights[rows] = used
    return weights


def _by_user(users: np.ndarray, power: float, weights: np.ndarray | None) -> np.ndarray:
    """Weights (N,) of mean 1, so that those of a user of n outfits add up to n ** power where all were the same."""
    counts = np.bincount(users)[users].astype(np.float64)
    scaled = counts ** (power - 1) * (1.0 if weights is None else weights)
    return np.asarray(scaled / scaled.mean())


def _hide_shares(config: Config, dataset: Dataset) -> np.ndarray:
    """(S,) the share of outfits in which the item of each slot is hidden."""
    if config.id is None:
        return np.zeros(len(dataset.slots))
    shares = config.id.hide
    if isinstance(shares, dict):
        if unknown := [item_type for item_type in shares if item_type not in dataset.types]:
            raise ConfigError(f"id.hide: unknown item type {unknown[0]!r}: use one of {list(dataset.types)}")
        return np.array([shares.get(item_type, 0.0) for item_type in dataset.slots])
    return np.full(len(dataset.slots), shares)
