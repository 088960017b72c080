"""FHN's scores of all outfits of a pool, or of all items of an open slot, as one matrix product a block.

With n items, P pairs of items and M modalities of D bits, the score of an outfit is the fraction of index/exact.py

    (ps * P * U + cs * n * I + M D * P * B) / (M D n P),    U = u . (w_u * sum of the items' codes).

Everything but U belongs to the outfit, so that all scores are (queries, 1) @ (sums, constants). An item in an open slot
adds to U a product with the user's code, and to I one with the codes of the items that are there.

A code and a bias of its own (section `outfit`) add n M P ps * O and M D n P * b_o, with O = u . (w_o * z_o).

Binary codes with fixed-point weights make all of these whole numbers below 2^53: the products are exact in float64, and
the scores are those of a bundle to the last bit, ties included. Relaxed codes are multiplied in float32.

Shapes: B users or outfits of a block, N outfits or items, S slots, M modalities, D bits.
"""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.core.codes import WEIGHT_ONE, fixed_point
from fashion_hash.core.outfits import EMPTY, Outfits, fill_empty
from fashion_hash.errors import TrainingError
from fashion_hash.evaluation.ranking.scores import ScoreOutfits, Scores
from fashion_hash.models.fhn import FHN
from fashion_hash.training.own_rows import OwnRows
from fashion_hash.training.runs.scoring import ModelScorer, code_arrays, own_arrays, size_of_users

Numbers = npt.NDArray[np.floating[Any]]

CHUNK = 1 << 14  # outfits
_OPEN = np.iinfo(np.int32).max  # stands for the item of the open slot


class _Weights(NamedTuple):
    """Bit weights, (D,) each, and what they are multiples of."""

    preference: Numbers
    compatibility: Numbers
    unit: float


class _Own(NamedTuple):
    """Own codes of K outfits: which they are, (K, D) codes, (K,) biases, and (U, D) users times bit weights."""

    rows: OwnRows
    codes: Numbers
    bias: np.ndarray
    queries: Numbers


class CodeScores:
    """Scores everything at once by codes.

    Args:
        scorer: of an FHN model, with binary or relaxed codes.
        trained: (U,) bool, the users with a training outfit; the others are answered without a preference. None: all.

    Attributes:
        fast_items: whether `items` needs no more than a matrix product.
    """

    fast_items = True

    def __init__(self, scorer: ModelScorer, trained: np.ndarray | None = None) -> None:
        model = scorer.model
        assert isinstance(model, FHN)
        exact = scorer.items.slope is None
        self._dtype: type[np.floating[Any]] = np.float64 if exact else np.float32
        self._exact, self._repeats = exact, model.repeat_empty
        self._slots, self._pairs = model.slots, model.matching.pairs
        self._modalities, self._bits = len(model.modalities), model.num_bits
        self._scales = model.matching.preference_scale, model.matching.compatibility_scale
        self._weights = self._whole_weights(model, size_of_users(scorer))
        users, codes, bias = code_arrays(scorer)
        queries = self._query(users, self._weights.preference)
        if trained is not None:
            queries[~trained] = 0
        self._queries = queries
        # by type, (N + 1, M D) and (N + 1,); the last row is zero and stands for an empty slot
        self._codes = {
            item_type: _with_zero(rows.reshape(len(rows), -1), self._dtype) for item_type, rows in codes.items()
        }
        self._bias = {
            item_type: _with_zero(_whole(numbers) if exact else numbers, self._dtype)
            for item_type, numbers in bias.items()
        }
        self._own = self._own_numbers(scorer, users, trained)

    def no_user(self) -> CodeScores:
        """The scores without the preference."""
        return self._scaled(0, self._scales[1])

    def no_item_pairs(self) -> CodeScores:
        """The scores without the compatibility."""
        return self._scaled(self._scales[0], 0)

    def outfits(self, pool: Outfits) -> ScoreOutfits:
        """The scores of all outfits of a pool, for blocks of users."""
        right, denominators = self._columns(pool)
        queries = self._queries
        if self._own is not None:
            right = self._with_own(right, denominators, pool.items)
            queries = np.concatenate([queries, self._own.queries], axis=1)

        def score(users: npt.NDArray[np.int64]) -> Scores:
            left = np.ones((len(users), queries.shape[1] + 1), dtype=self._dtype)
            left[:, :-1] = queries[users]
            scores = left @ right
            if self._exact:  # the same fraction of whole numbers that an index rounds once
                scores /= denominators
            return scores

        return score

    def items(self, outfits: Outfits, slot: int) -> Scores:
        """The scores of outfits with each item of a type in an open slot; a `ScoreItems`."""
        opened = outfits.items.copy()
        opened[:, slot] = _OPEN
        if self._repeats:
            opened = fill_empty(self._slots, opened)
        copies = opened == _OPEN  # (B, S): an empty slot of the same type may repeat the item
        rest = np.where(copies, EMPTY, opened)
        filled = opened != EMPTY
        size, pairs = self._sizes(filled)
        codes = [self._codes[item_type][rest[:, place]] for place, item_type in enumerate(self._slots)]
        weights = np.tile(self._weights.compatibility, self._modalities)
        times, fixed, beside = (
            copies.sum(axis=1).astype(self._dtype),
            np.zeros(len(rest), self._dtype),
            np.zeros_like(codes[0]),
        )
        twice = np.zeros(len(rest), dtype=self._dtype)
        for a, b in self._pairs:  # codes of open and of empty slots are zero
            fixed += (codes[a] * codes[b]) @ weights
            beside += codes[a] * copies[:, b, None] + codes[b] * copies[:, a, None]
            twice += copies[:, a] & copies[:, b]
        preference, compatibility = self._scales[0] * pairs, self._scales[1] * size
        query = np.tile(self._queries[outfits.users], self._modalities)
        fixed = preference * (query * sum(codes)).sum(axis=1) + compatibility * fixed
        bias, width = sum(self._bias[name][rest[:, place]] for place, name in enumerate(self._slots)), self._width
        fixed += width * pairs * bias
        item_type = self._slots[slot]
        own = self._codes[item_type][:-1]  # (N, M D)
        left = np.concatenate(
            [
                (preference * times)[:, None] * query + compatibility[:, None] * weights * beside,
                np.stack([width * pairs * times, fixed], axis=1),
            ],
            axis=1,
        )
        right = np.concatenate([own.T, self._bias[item_type][None, :-1], np.ones((1, len(own)), dtype=self._dtype)])
        scores = left.astype(self._dtype) @ right
        if twice.any():
            scores += (compatibility * twice)[:, None] * (own * own @ weights)
        return np.asarray(scores / self._denominators(size, pairs)[:, None])

    @property
    def _width(self) -> int:
        return self._modalities * self._bits

    def _columns(self, pool: Outfits) -> tuple[Numbers, Numbers]:
        """(D + 1, N) what queries are multiplied with, and (N,) or (1,) the denominators of the scores."""
        right = np.empty((self._bits + 1, len(pool)), dtype=self._dtype)
        denominators = np.empty(len(pool), dtype=self._dtype)
        for start in range(0, len(pool), CHUNK):
            part = slice(start, start + CHUNK)
            right[:, part], denominators[part] = self._of_outfits(pool.items[part])
        if not self._exact:
            right /= denominators
        one_length = len(denominators) and (denominators == denominators[0]).all()
        return right, denominators[:1] if one_length else denominators

    def _of_outfits(self, items: np.ndarray) -> tuple[Numbers, Numbers]:
        items = fill_empty(self._slots, items) if self._repeats else items
        size, pairs = self._sizes(items != EMPTY)
        codes = [self._codes[item_type][items[:, slot]] for slot, item_type in enumerate(self._slots)]
        weights = np.tile(self._weights.compatibility, self._modalities)
        together = np.zeros(len(items), dtype=self._dtype)
        for a, b in self._pairs:
            together += (codes[a] * codes[b]) @ weights
        bias = sum(self._bias[item_type][items[:, slot]] for slot, item_type in enumerate(self._slots))
        sums = sum(codes).reshape(len(items), self._modalities, self._bits).sum(axis=1)
        constants = self._scales[1] * size * together + self._width * pairs * bias
        right = np.concatenate([(sums * (self._scales[0] * pairs)[:, None]).T, constants[None]])
        return right, self._denominators(size, pairs)

    def _own_numbers(self, scorer: ModelScorer, users: np.ndarray, trained: np.ndarray | None) -> _Own | None:
        if scorer.own is None:
            return None
        codes, bias, weights = own_arrays(scorer)
        kept = _whole(weights) if self._exact else weights
        queries = self._query(users, kept)
        if trained is not None:
            queries[~trained] = 0
        return _Own(scorer.own, codes.astype(self._dtype), _whole(bias) if self._exact else bias, queries)

    def _query(self, users: np.ndarray, weights: np.ndarray) -> Numbers:
        """(U, D) users times bit weights, as a bundle multiplies them: in whole numbers where scores are exact."""
        products: Numbers = np.multiply(users, weights, dtype=self._dtype)
        return np.asarray(np.rint(products)) if self._exact else products

    def _with_own(self, right: Numbers, denominators: Numbers, items: np.ndarray) -> Numbers:
        """What own codes and biases add to the columns of a pool: (2 D + 1, N)."""
        assert self._own is not None
        rows = self._own.rows.rows_of(items)
        known = rows != EMPTY
        counted = fill_empty(self._slots, items) if self._repeats else items
        size, pairs = (numbers[known] for numbers in self._sizes(counted != EMPTY))
        of_all = self._weights.unit * self._width * size * pairs
        bias, codes = of_all / self._weights.unit * self._own.bias[rows[known]], self._own.codes[rows[known]].T
        codes = codes * (self._scales[0] * self._modalities * size * pairs)
        if not self._exact:  # the columns are divided already
            bias, codes = bias / of_all, codes / of_all
        own = np.zeros((self._bits, len(items)), dtype=self._dtype)
        own[:, known] = codes
        constants = right[-1].copy()
        constants[known] += bias.astype(self._dtype)
        return np.concatenate([right[:-1], own, constants[None]])

    def _sizes(self, filled: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """Items and pairs of outfits, each at least 1: (B,) each, from the filled slots, (B, S)."""
        pairs = np.zeros(len(filled), dtype=self._dtype)
        for a, b in self._pairs:
            pairs += filled[:, a] & filled[:, b]
        return np.maximum(filled.sum(axis=1), 1).astype(self._dtype), np.maximum(pairs, 1)

    def _denominators(self, size: Numbers, pairs: Numbers) -> Numbers:
        return np.asarray(self._weights.unit * self._width * size * pairs, dtype=self._dtype)

    def _scaled(self, preference: int, compatibility: int) -> CodeScores:
        other = copy(self)
        other._scales = preference, compatibility
        return other

    def _whole_weights(self, model: FHN, size: float) -> _Weights:
        real = [
            weights.detach().cpu().numpy().astype(np.float64)
            for weights in (model.matching.preference_weights(), model.matching.compatibility_weights())
        ]
        real[0] *= size
        if self._exact:
            return _Weights(_whole(real[0]).astype(np.float64), _whole(real[1]).astype(np.float64), WEIGHT_ONE)
        return _Weights(real[0].astype(np.float32), real[1].astype(np.float32), 1.0)


def _whole(numbers: np.ndarray) -> np.ndarray:
    """Bit weights or item biases as whole numbers; raises TrainingError where they have run away."""
    try:
        return fixed_point(numbers)
    except ValueError as error:
        raise TrainingError(
            f"a bit weight or an item bias cannot be kept in a bundle ({error}): lower the learning rates "
            "(optimiser.rates)"
        ) from None


def _with_zero(rows: np.ndarray, dtype: type[np.floating[Any]]) -> Numbers:
    return np.concatenate([rows, np.zeros((1, *rows.shape[1:]))]).astype(dtype)
