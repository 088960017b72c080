"""Real outfits as negatives: drawn from the distinct outfits of the training split, for a whole batch at once.

With the softmax loss this is sampled softmax (Bengio and Senecal, 2008): a score loses the log of how often its
outfit is expected among the candidates, so that the sum over the candidates estimates the sum over all outfits.
Shapes: N training outfits, O distinct ones, B positives of a batch, C candidates, S slots.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.config.training import NegativesConfig
from fashion_hash.core.outfits import Outfits
from fashion_hash.errors import DataError
from fashion_hash.training.outfits.batches import OutfitCandidates
from fashion_hash.training.outfits.likers import Likers
from fashion_hash.training.own_rows import OwnRows


class RealOutfits:
    """The distinct outfits of the training split, each with its chance of being drawn.

    Args:
        positives: N training outfits.
        config: how many are drawn (`per_positive`), in proportion to which power of their number of positives
            (`popularity`), and whether the other positives of the batch are candidates as well (`in_batch`). Where
            there are fewer outfits than that, each of them is a candidate in every batch, and nothing is drawn.

    Raises:
        DataError: there are no two different outfits.
    """

    def __init__(self, positives: Outfits, config: NegativesConfig) -> None:
        distinct = OwnRows.of(positives)
        counts, number_of = distinct.counts, len(distinct.items)
        if number_of < 2:
            raise DataError("negatives.kind outfits needs at least two different training outfits")
        self._items, self._number = distinct.items, distinct.of_positives
        self._likers = Likers(self._number, positives.users, number_of)
        chances = counts.astype(np.float64) ** config.popularity
        self._cumulative = np.cumsum(chances / chances.sum())
        self._draws = config.per_positive
        self._all = number_of < config.per_positive
        self._in_batch = config.in_batch
        # (O,) how often each outfit is a candidate
        self._expected = np.ones(number_of) if self._all else self._draws * chances / chances.sum()
        self._share = counts / counts.sum()

    def candidates(self, rows: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> OutfitCandidates:
        """The candidates of a batch: each distinct outfit once.

        Args:
            rows: (B,) rows of the positives.
            users: (B,) their users.
            rng: draws the outfits.
        """
        if self._all:
            drawn = np.arange(len(self._items))
        else:
            drawn = np.searchsorted(self._cumulative, rng.random(self._draws), side="right")
            drawn = drawn.clip(max=len(self._items) - 1)
        expected = self._expected
        if self._in_batch:
            drawn = np.concatenate([drawn, self._number[rows]])
            expected = expected + len(rows) * self._share
        numbers, times = np.unique(drawn, return_counts=True)
        log_weight = np.log(times / expected[numbers]).astype(np.float32)
        return OutfitCandidates(self._items[numbers], self._likers.pairs(users, numbers), log_weight, numbers)
