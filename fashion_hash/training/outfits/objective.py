"""The loss of a training step on outfits.

Shapes: B positives of a batch, K negatives for each, C candidates of a step, S slots, D bits.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.models.network import ItemCodes, Network
from fashion_hash.training.losses import (
    LOSS_COUNTS,
    RANKING_LOSSES,
    Taught,
    cross_modal_loss,
    fnd_loss,
    nt_xent_loss,
    soft_pairs_loss,
)
from fashion_hash.training.outfits.batches import Batch
from fashion_hash.training.processes.exchange import gathered, mean_of_all
from fashion_hash.training.runs.item_inputs import ItemInputs

EVERY_PAIR, REACH = 16, 2  # soft pairs: all pairs of up to 16 outfits; above this, each with the next two


class Objective:
    """The loss of a batch: a ranking loss on relaxed codes, plus the cross-modal and the contrastive loss.

    If no part of the items is trained (new users on a trained model), their codes are binary from the start, as in
    use.

    Args:
        config: the losses and their weights.
        model: the network to train.
        inputs: the inputs of its hashing modules.
        items_trained: whether any part of the items is trained.

    Raises:
        ConfigError: `loss.kind` is not in the table of losses, or contrastive learning is set but no item is trained.
    """

    def __init__(self, config: Config, model: Network, inputs: ItemInputs, *, items_trained: bool = True) -> None:
        """Looks up the losses of the configuration."""
        if config.contrastive is not None and not items_trained:
            raise ConfigError(
                "contrastive: train.parts trains no part of the items, so there is nothing to learn from views"
            )
        kind = config.loss.kind
        if kind not in RANKING_LOSSES:
            known = list(RANKING_LOSSES)
            raise ConfigError(f"loss.kind: unknown loss {kind!r}{suggest(kind, known)}: use one of {known}")
        self._ranking_loss = RANKING_LOSSES[kind]
        # what processes that train together need to compute the loss of their own rows; None: they exchange all scores
        self._counts = LOSS_COUNTS.get(kind) if config.teacher is None else None
        self._items_trained = items_trained
        self._model = model
        self._inputs = inputs
        self._loss = config.loss
        self._teacher = config.teacher
        self._contrastive = config.contrastive
        self._augment = config.image is not None and config.image.augment
        self._autocast = config.train.precision == "bf16"

    def __call__(self, batch: Batch, slope: float, rng: np.random.Generator) -> Tensor:
        """The loss of a batch with relaxed codes of this slope; `rng` augments pictures."""
        device = self._inputs.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._autocast):
            inputs = self._inputs(batch.rows, batch.hidden, rng if self._augment else None)
            rows = {item_type: of_type.to(device) for item_type, of_type in batch.rows.items()}
            codes = self._model.item_codes(inputs, rows, slope if self._items_trained else None)
            user = self._model.user_codes(batch.users.to(device), slope)
            positions = batch.positions.to(device)
            score = self._joined(self._model.score(user, codes, positions).score)  # (B, 1 + K)
            positive, negative = score[:, 0], score[:, 1:]
            if batch.shared is not None:
                slot, candidates, liked = batch.shared
                against = self._model.completions(user, codes, positions[:, 0], slot, candidates.to(device))
                negative = torch.cat(
                    [negative, _without(self._joined(against), self._of_rows(liked, batch))], dim=1
                )  # (B, K + C)
            if batch.outfits is not None:
                of_outfits, liked, log_weight, own = batch.outfits
                against = self._model.scores_of_all(user, codes, of_outfits.to(device))
                if own is not None and batch.own is not None:
                    of_positive = sum(self._model.own_terms(user, batch.own.to(device), slope), torch.zeros(()))
                    positive = positive + self._joined(of_positive)
                    against = against + sum(self._model.own_terms(user, own[None].to(device), slope))
                if self._loss.kind == "softmax":  # a pairwise loss takes the negatives as they are drawn
                    against = against + log_weight.to(device)
                negative = torch.cat([negative, _without(self._joined(against), self._of_rows(liked, batch))], dim=1)
            return (
                self._ranking(positive, negative, batch)
                + self._cross_modal(codes, batch)
                + self._contrast(codes, batch)
            )

    def _joined(self, scores: Tensor) -> Tensor:
        """Scores of the rows of this process, or of all, if the loss needs all."""
        return gathered(scores) if self._counts is None else scores

    def _of_rows(self, liked: tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """The pairs of the rows that `_joined` returns."""
        if self._counts is None or batch.share is None:
            return liked
        rows, candidates = liked
        here = (rows >= batch.share.start) & (rows < batch.share.stop)
        return rows[here] - batch.share.start, candidates[here]

    def _ranking(self, positive: Tensor, negative: Tensor, batch: Batch) -> Tensor:
        ranking_loss = self._ranking_loss
        if batch.weights is not None:
            weights = batch.weights if self._counts is None or batch.share is None else batch.weights[batch.share]
            ranking_loss = partial(ranking_loss, weight=weights.to(positive.device))
        if batch.judged is None or self._teacher is None:
            loss = ranking_loss(positive, negative)
            return loss if self._counts is None else mean_of_all(loss, self._counts(negative))
        judged, settings = batch.judged, self._teacher
        reference, distances = judged.reference.to(positive.device), judged.negative.to(positive.device)
        if batch.shared is not None:
            shared = judged.shared
            if shared is None:  # not judged: the distance r' leaves a score unchanged
                shared = reference[:, None].expand(-1, len(batch.shared.positions))
            distances = torch.cat([distances, shared.to(positive.device)], dim=1)
        if batch.outfits is not None:  # never judged
            distances = torch.cat([distances, reference[:, None].expand(-1, len(batch.outfits.positions))], dim=1)
        taught = Taught(distances, reference, settings.alpha, settings.sigma, settings.clip)
        loss = fnd_loss(positive, negative, taught, ranking_loss)
        if settings.pairs:
            score = torch.cat([positive[:, None], negative], dim=1)  # in random order
            by_teacher = torch.cat([judged.positive.to(positive.device)[:, None], distances], dim=1).neg_()
            reach = None if score.shape[1] <= EVERY_PAIR else REACH
            loss = loss + settings.pairs * _soft_pairs(score, by_teacher, settings.temperature, reach)
        return loss

    def _contrast(self, codes: ItemCodes, batch: Batch) -> Tensor | float:
        if self._contrastive is None or batch.views is None:
            return 0.0
        vectors = gathered(self._model.outfit_vectors(codes, batch.views.to(self._inputs.device)))  # (V, 2, ...)
        if self._model.projection is not None:
            vectors = self._model.projection(vectors)
        return self._contrastive.weight * nt_xent_loss(vectors[:, 0], vectors[:, 1], self._contrastive.temperature)

    def _cross_modal(self, codes: ItemCodes, batch: Batch) -> Tensor | float:
        names = self._model.modalities
        if not self._loss.cross_modal or not {"image", "text"} <= set(names):
            return 0.0
        # the last row of each type is the zero code of an empty slot
        by_type = {item_type: of_type[:EMPTY] for item_type, of_type in codes.codes.items()}
        if batch.mine is not None:  # each item once, whatever the number of processes that have it
            by_type = {
                item_type: of_type[batch.mine[item_type].to(of_type.device)] for item_type, of_type in by_type.items()
            }
        every = gathered(torch.cat(list(by_type.values())))
        image, text = every[:, names.index("image")], every[:, names.index("text")]
        return self._loss.cross_modal * cross_modal_loss(image, text, self._loss.margin)


def _soft_pairs(score: Tensor, teacher: Tensor, temperature: float, reach: int | None) -> Tensor:
    """`soft_pairs_loss`; on the CPU in one compiled pass."""
    if score.device.type != "cpu" or {score.dtype, teacher.dtype} != {torch.float32}:
        return soft_pairs_loss(score, teacher, temperature, reach)
    from fashion_hash.training.soft_pairs import soft_pairs  # numba is only loaded where it is needed

    most = score.shape[1] // 2
    return soft_pairs(score, teacher, temperature, most if reach is None else min(reach, most))


def _without(scores: Tensor, liked: tuple[Tensor, Tensor]) -> Tensor:
    """Scores (B, C) with -inf for the pairs that are no negatives."""
    rows, columns = (indices.to(scores.device) for indices in liked)
    return scores.index_put((rows, columns), scores.new_tensor(-torch.inf))
