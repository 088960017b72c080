"""Calibration: weighting the terms of a trained score on the validation split.

A model memorises its training outfits, above all in the terms that have a number for each item. On new outfits,
preference, compatibility and item bias therefore need other weights than in training, and binary codes need other
weights than relaxed codes. Four weights are fitted, by pairwise logistic regression against the negatives of the split,
or by a conditional logit against real outfits of the pool; the fourth belongs to the leave-one-out rates of the items
(`data.item_rates`), which become part of the item bias. Against the pool, what own codes of outfits add (section
`outfit`) gets two weights more, so that items and outfit are weighed against each other; mixes have no own codes.
Shapes: L pairs of a positive and a negative of its user, or L positives and C outfits, T terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, Outfits, concatenate
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.item_rates import leave_one_out_rates
from fashion_hash.data.negatives import KnownOutfits
from fashion_hash.errors import ConfigError
from fashion_hash.models.network import Network
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.scoring import ModelScorer, trained_users
from fashion_hash.training.runs.validation import validation_split

LEAST, MOST = 0.01, 100.0  # bounds of a weight
POSITIVES, POOL_OUTFITS = 2000, 500  # at most so many are compared for calibration against the pool
PULL = 1e-3  # penalty on the distance to the weights of training, added to the mean loss of a pair

Against = Literal["negatives", "outfits"]


class OwnTermWeights(NamedTuple):
    """The factors of what own codes of outfits add (section `outfit`)."""

    preference: float = 1.0
    bias: float = 1.0


class TermWeights(NamedTuple):
    """The factor of each term of a score; `rate` belongs to the leave-one-out rates of the items."""

    preference: float = 1.0
    compatibility: float = 1.0
    bias: float = 1.0
    rate: float = 0.0


def make_scorer(
    config: Config,
    model: Network,
    inputs: ItemInputs,
    slope: float | None,
    dataset: Dataset,
    calibrated: bool | Against | None = None,
) -> ModelScorer:
    """The scorer of a finished run, calibrated if its configuration says so.

    Args:
        config: of the run.
        model: of its best epoch.
        inputs: the inputs of the model.
        slope: of the relaxed codes; None for binary codes, with users as the configuration keeps them (user.code).
        dataset: the data of the run.
        calibrated: whether to calibrate, and against what; by default as the configuration says.
    """
    if calibrated is None or (calibrated is True and config.train.calibrate):
        calibrated = config.train.calibrate
    scorer = ModelScorer(model, inputs, slope, "bits" if slope is not None else config.user.code)
    if not calibrated:
        return scorer
    return calibrate(scorer, dataset, config.seed, "outfits" if calibrated == "outfits" else "negatives")


def calibrate(scorer: ModelScorer, dataset: Dataset, seed: int, against: Against = "negatives") -> ModelScorer:
    """Copies a scorer and its model, and weights the terms of the score on the validation split.

    Args:
        scorer: of a trained model, in the form that is to be used; neither is changed.
        dataset: weights come from its validation split, rates from its training split.
        seed: of the negatives, if the validation split has none of its own, or of the outfits of the pool.
        against: what the positives are compared with: the "negatives" of the split, or "outfits" of the pool.

    Raises:
        ConfigError: the data has no validation split.
    """
    split = validation_split(dataset, seed)
    if split is None:
        raise ConfigError(f"train.calibrate: {dataset.name} has no validation split to calibrate on; set it to false")
    rates = leave_one_out_rates(dataset.split("train").positives, scorer.inputs.num_items)
    model, trained = scorer.model, trained_users(dataset)

    def terms(outfits: Outfits) -> np.ndarray:
        of_items = _terms(scorer, outfits, None if model.item_bias is None else rates, trained)
        return of_items if scorer.own is None else _with_own(scorer, outfits, of_items, trained)

    own = OwnTermWeights()
    if against == "outfits":
        compared = _compared_with_pool(terms, dataset, seed)
        if scorer.own is None:
            weights = fit_weights_of_lists(*compared)
        else:
            weights, own = fit_weights_with_own(*compared)
    else:
        negatives = split.negatives["random"]
        differences = np.repeat(terms(split.positives), negatives.size, axis=0) - terms(negatives.outfits)
        weights = fit_weights(differences[:, : len(TermWeights._fields)])
    weighted = _weighted(deepcopy(model), weights, rates)
    if weighted.own is not None:
        weighted.own.scale(*own)
    return scorer.of(weighted)


def fit_weights(differences: np.ndarray) -> TermWeights:
    """The weights that rank positives before negatives: they minimise mean log(1 + exp(-differences @ weights)).

    Args:
        differences: (L, 4) the terms of a positive less those of its negative. A term that never differs keeps
            its weight.
    """

    def loss(margin: np.ndarray) -> tuple[float, np.ndarray]:
        by_margin = -1 / (1 + np.exp(np.minimum(margin, 500))) / len(margin)
        return float(np.logaddexp(0, -margin).mean()), by_margin

    return TermWeights(*_fitted(differences, loss, TermWeights()))


def fit_weights_of_lists(differences: np.ndarray, counts: np.ndarray) -> TermWeights:
    """The weights under which positives are likely among all outfits of the pool: a conditional logit.

    They minimise mean log(1 + sum over c of counts * exp(-differences @ weights)).

    Args:
        differences: (L, C, 4) the terms of a positive less those of each outfit that it is compared with.
        counts: (L, C) how many outfits of the pool each of them stands for; 0 for one that the user likes.
    """
    return TermWeights(*_fitted_to_lists(differences, counts, TermWeights()))


def fit_weights_with_own(differences: np.ndarray, counts: np.ndarray) -> tuple[TermWeights, OwnTermWeights]:
    """As `fit_weights_of_lists`, with two terms more for what own codes add to preference and bias: (L, C, 6)."""
    found = _fitted_to_lists(differences, counts, (*TermWeights(), *OwnTermWeights()))
    return TermWeights(*found[:-2]), OwnTermWeights(*found[-2:])


def _fitted_to_lists(differences: np.ndarray, counts: np.ndarray, start: Sequence[float]) -> list[float]:
    def loss(margin: np.ndarray) -> tuple[float, np.ndarray]:
        by_list = margin.reshape(counts.shape)
        with np.errstate(divide="ignore"):
            others = np.log(counts) - by_list
        total = np.logaddexp(0, logsumexp(others, axis=1, keepdims=True))
        return float(total.mean()), -(np.exp(others - total) / len(counts)).ravel()

    return _fitted(differences.reshape(-1, differences.shape[-1]), loss, start)


def _fitted(
    differences: np.ndarray, loss: Callable[[np.ndarray], tuple[float, np.ndarray]], weights_before: Sequence[float]
) -> list[float]:
    """The weights with the least loss and pull; `loss` maps margins (R,) to its value and its gradient (R,)."""
    start = np.array(weights_before)
    scale = differences.std(axis=0)
    fitted = scale > 0
    x, unit = differences[:, fitted] / scale[fitted], start[fitted] * scale[fitted]

    def total(weights: np.ndarray) -> tuple[float, np.ndarray]:
        away = weights - unit
        value, by_margin = loss(x @ weights)
        return value + PULL * (away**2).sum(), by_margin @ x + 2 * PULL * away

    lowest = np.where(start > 0, LEAST, 0.0)
    bounds = [(low * unit_scale, MOST * unit_scale) for low, unit_scale in zip(lowest[fitted], scale[fitted])]
    fitted_weights = start.copy()
    fitted_weights[fitted] = minimize(total, unit, jac=True, method="L-BFGS-B", bounds=bounds).x / scale[fitted]
    found: list[float] = fitted_weights.tolist()
    return found


def _compared_with_pool(
    terms: Callable[[Outfits], np.ndarray], dataset: Dataset, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The arguments of `fit_weights_of_lists`: validation positives and outfits of the pool, drawn by the seed."""
    rng = generator(seed, "calibration against the pool")
    positives, pool = dataset.split("valid").positives, dataset.outfits
    positives = positives[np.sort(rng.permutation(len(positives))[:POSITIVES])]
    drawn = pool[np.sort(rng.permutation(len(pool))[:POOL_OUTFITS])]
    shape = len(positives), len(drawn)
    pairs = Outfits(pool.slots, np.repeat(positives.users, shape[1]), np.tile(drawn.items, (shape[0], 1)))
    known = concatenate([dataset.split(name).positives for name in ("train", "valid")])
    liked = KnownOutfits(known).contains(pairs.users, pairs.items).reshape(shape)
    differences = terms(positives)[:, None] - terms(pairs).reshape(*shape, -1)
    return differences, np.where(liked, 0.0, len(pool) / len(drawn))


def _terms(
    scorer: ModelScorer, outfits: Outfits, rates: dict[str, np.ndarray] | None, trained: np.ndarray
) -> np.ndarray:
    """(N, 4) preference, compatibility, bias and the mean rate of the items.

    Users without a training outfit, False in `trained` (U,), are answered without a preference; so it is 0 here.
    """
    terms = scorer.terms(outfits)[:, 1:]
    terms[:, [0, 2]] -= scorer.own_terms(outfits)
    terms[~trained[outfits.users], 0] = 0.0
    if scorer.model.repeat_empty:
        outfits = outfits.with_empty_filled()
    rate = np.zeros(len(outfits))
    if rates is not None:
        for slot, item_type in enumerate(outfits.slots):
            items = outfits.items[:, slot]
            rate += np.where(items == EMPTY, 0.0, rates[item_type][items])
        rate /= np.maximum((outfits.items != EMPTY).sum(axis=1), 1)
    return np.column_stack([terms, rate])


def _with_own(scorer: ModelScorer, outfits: Outfits, terms: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """(N, 6) the terms of items, (N, 4), and what own codes add to preference and bias."""
    own = scorer.own_terms(outfits)
    own[~trained[outfits.users], 0] = 0.0
    return np.column_stack([terms, own])


@torch.no_grad()
def _weighted(model: Network, weights: TermWeights, rates: dict[str, np.ndarray]) -> Network:
    model.scale_terms(weights.preference, weights.compatibility)
    if model.item_bias is not None:
        for item_type, table in model.item_bias.named_parameters():
            rate = torch.from_numpy(rates[item_type.removesuffix(".weight")]).to(table)
            table.mul_(weights.bias).add_(weights.rate * rate[:, None])
    return model
