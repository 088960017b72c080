"""What a training step sees and what it minimises.

Shapes: B positives of a batch, K negatives for each, C candidates of a step, S slots, D bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.outfits import EMPTY, fill_empty
from fashion_hash.errors import ConfigError
from fashion_hash.features.table import usable_outfits
from fashion_hash.losses import bpr_loss, cross_modal_loss
from fashion_hash.models.fhn import ItemCodes
from fashion_hash.models.outfit_encoder import Network
from fashion_hash.seeds import generator
from fashion_hash.training.batches import Batch, make_batch
from fashion_hash.training.inputs import ItemInputs
from fashion_hash.training.negatives import EpochNegatives


class TrainingData:
    """The training outfits of an experiment with their negatives, batch by batch.

    Outfits that hold an item of which no modality knows anything are left out.

    Attributes:
        left_out: how many outfits were left out.
        steps: batches of an epoch.
        pairs: positive-negative pairs of an epoch.
    """

    def __init__(self, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
        positives = dataset.split("train").positives
        usable = usable_outfits(positives, list(inputs.known.values()))
        self.left_out = int((~usable).sum())
        self._config = config
        self._slots = dataset.slots
        self._num_items = inputs.num_items
        self._rows = np.flatnonzero(usable)
        self._negatives = EpochNegatives(config.negatives, dataset, config.train.epochs)
        self._positives = positives
        self._repeat_empty = config.model.repeat_empty
        self._hide = _hide_shares(config, dataset)
        self.steps = math.ceil(len(self._rows) / config.train.batch_size)
        self.pairs = len(self._rows) * config.negatives.per_positive

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; the seed and the number of the epoch decide everything."""
        rng = generator(self._config.seed, "epoch", epoch)
        order = self._rows[rng.permutation(len(self._rows))]
        self._negatives.start_epoch(epoch, rng)
        size = self._config.train.batch_size
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            against = self._negatives.of_batch(rows, rng)  # (B, K, S)
            items = np.concatenate([self._positives.items[rows, None], against], axis=1)  # (B, 1 + K, S)
            users = self._positives.users[rows]
            if self._repeat_empty:
                items = fill_empty(self._slots, items)
            hide = None
            if self._hide.any():
                hide = rng.random((len(rows), len(self._slots))) < self._hide
            shared = self._negatives.candidates(users, items[:, 0], rng)
            yield make_batch(self._slots, self._num_items, users, items, hide, shared)


class Objective:
    """The loss of a batch: BPR on relaxed codes, plus the cross-modal loss.

    Where nothing of the items is trained (new users on a trained model), their codes are binary from
    the start, as they will be in use.
    """

    def __init__(self, config: Config, model: Network, inputs: ItemInputs, *, items_trained: bool = True) -> None:
        self._items_trained = items_trained
        self._model = model
        self._inputs = inputs
        self._loss = config.loss
        self._augment = config.image is not None and config.image.augment
        self._autocast = config.train.precision == "bf16" and inputs.device.type == "cuda"

    def __call__(self, batch: Batch, slope: float, rng: np.random.Generator) -> Tensor:
        """The loss of a batch with relaxed codes of a slope; `rng` augments pictures."""
        device = self._inputs.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._autocast):
            inputs = self._inputs(batch.rows, batch.hidden, rng if self._augment else None)
            rows = {kind: one.to(device) for kind, one in batch.rows.items()}
            codes = self._model.item_codes(inputs, rows, slope if self._items_trained else None)
            user = self._model.user_codes(batch.users.to(device), slope)
            positions = batch.positions.to(device)
            score = self._model.score(user, codes, positions).score  # (B, 1 + K)
            if batch.shared is None:
                loss = bpr_loss(score[:, 0], score[:, 1:])
            else:
                slot, candidates, (rows_of, columns) = batch.shared
                against = self._model.completions(user, codes, positions[:, 0], slot, candidates.to(device))
                against = against.index_put((rows_of.to(device), columns.to(device)), against.new_tensor(-torch.inf))
                loss = bpr_loss(score[:, 0], against)
            return loss + self._cross_modal(codes)

    def _cross_modal(self, codes: ItemCodes) -> Tensor | float:
        names = self._model.modalities
        if not self._loss.cross_modal or not {"image", "text"} <= set(names):
            return 0.0
        # the last row of each type is the zero code of an empty slot
        every = torch.cat([one[:EMPTY] for one in codes.codes.values()])
        image, text = every[:, names.index("image")], every[:, names.index("text")]
        return self._loss.cross_modal * cross_modal_loss(image, text, self._loss.margin)


def _hide_shares(config: Config, dataset: Dataset) -> np.ndarray:
    """(S,): how often the item of each slot is hidden."""
    if config.id is None:
        return np.zeros(len(dataset.slots))
    shares = config.id.hide
    if isinstance(shares, dict):
        if unknown := [kind for kind in shares if kind not in dataset.types]:
            raise ConfigError(f"id.hide names {unknown[0]!r}, the item types are {list(dataset.types)}")
        return np.array([shares.get(kind, 0.0) for kind in dataset.slots])
    return np.full(len(dataset.slots), shares)
