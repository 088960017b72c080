"""Scores of all outfits of a pool, or of all items of an open slot, by any network: from the vectors of outfits.

`Network.all_preferences` gives the preference of a block of users for all outfits; compatibility and item bias belong
to the outfits. Items of an open slot are scored by `Network.completions`.

Shapes: B users or outfits of a block, N outfits or items, S slots, U users, V vector_size.
"""

from __future__ import annotations

from copy import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.evaluation.ranking.scores import ScoreOutfits, Scores
from fashion_hash.training.runs.scoring import OUTFITS_AT_ONCE, ModelScorer


class VectorScores:
    """Scores everything at once by vectors.

    Args:
        scorer: of a trained model.
        trained: (U,) bool, the users with a training outfit; the others are answered without a preference. None: all.

    Attributes:
        fast_items: whether `items` needs no more than a matrix product; otherwise every outfit is encoded.
    """

    def __init__(self, scorer: ModelScorer, trained: np.ndarray | None = None) -> None:
        self._scorer = scorer
        self._trained = trained
        self._with_user = self._with_pairs = True
        self.fast_items = scorer.model.completes_at_once

    def no_user(self) -> VectorScores:
        """The scores without the preference."""
        other = copy(self)
        other._with_user = False
        return other

    def no_item_pairs(self) -> VectorScores:
        """The scores without the compatibility."""
        other = copy(self)
        other._with_pairs = False
        return other

    def outfits(self, pool: Outfits) -> ScoreOutfits:
        """The scores of all outfits of a pool, for blocks of users."""
        model, device = self._scorer.model, self._scorer.device
        rest = self._rest(pool)
        vectors = self._vectors(pool) if self._with_user else None
        own = None
        if self._scorer.own is not None:
            own = torch.from_numpy(self._scorer.own.rows_of(pool.items)[None]).to(device)

        @torch.no_grad()
        def score(users: npt.NDArray[np.int64]) -> Scores:
            if vectors is None:
                return np.broadcast_to(rest, (len(users), len(rest)))
            asking = self._scorer.user_codes[torch.from_numpy(users).to(device)]
            near = model.all_preferences(asking, vectors).cpu().numpy()
            if own is not None:
                near = near + model.own_terms(asking, own, self._scorer.items.slope).preference.cpu().numpy()
            if self._trained is not None:
                near[~self._trained[users]] = 0
            return np.asarray(near + rest)

        return score

    @torch.no_grad()
    def items(self, outfits: Outfits, slot: int) -> Scores:
        """The scores of outfits with each item of a type in an open slot; a `ScoreItems`."""
        scorer, model = self._scorer, self._scorer.model
        table = outfits.items.copy()
        table[:, slot] = EMPTY
        positions = torch.from_numpy(table.astype(np.int64)).to(scorer.device)
        own_bias = scorer.items.bias[model.slots[slot]][:EMPTY]
        bias = (model.bias_of(scorer.items, positions).sum(dim=1, keepdim=True) + own_bias) / (
            (positions != EMPTY).sum(dim=1, keepdim=True) + 1
        )
        without: npt.NDArray[np.float32] = bias.cpu().numpy()
        if not self._with_user:
            return np.asarray(without)
        users = torch.from_numpy(outfits.users.astype(np.int64)).to(scorer.device)
        every = torch.arange(len(own_bias), device=scorer.device)
        scores = model.completions(scorer.user_codes[users], scorer.items, positions, slot, every).cpu().numpy()
        if self._trained is not None:
            scores = np.where(self._trained[outfits.users][:, None], scores, without)
        return np.asarray(scores)

    def _rest(self, pool: Outfits) -> npt.NDArray[np.float32]:
        """(N,) what does not depend on the user."""
        terms = self._scorer.terms(Outfits(pool.slots, np.zeros_like(pool.users), pool.items))
        return np.asarray(terms[:, 2] * self._with_pairs + terms[:, 3], dtype=np.float32)

    @torch.no_grad()
    def _vectors(self, pool: Outfits) -> Tensor:
        model = self._scorer.model
        pool = pool.with_empty_filled() if model.repeat_empty else pool
        parts = []
        for start in range(0, len(pool), OUTFITS_AT_ONCE):
            items = pool.items[start : start + OUTFITS_AT_ONCE].astype(np.int64)
            parts.append(model.outfit_vectors(self._scorer.items, torch.from_numpy(items).to(self._scorer.device)))
        return torch.cat(parts)
