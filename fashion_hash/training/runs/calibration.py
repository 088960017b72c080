"""Calibration: weighting the terms of a trained score on the validation split.

A model memorises its training outfits, above all in the terms that have a number for each item. On new outfits,
preference, compatibility and item bias therefore need other weights than in training, and binary codes need other
weights than relaxed codes. Four weights are fitted by pairwise logistic regression; the fourth belongs to the
leave-one-out rates of the items (`data.item_rates`), which become part of the item bias.
Shapes: L pairs of a positive and a negative of its user, T terms.
"""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.item_rates import leave_one_out_rates
from fashion_hash.errors import ConfigError
from fashion_hash.models.network import Network
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.scoring import ModelScorer, trained_users
from fashion_hash.training.runs.validation import validation_split

LEAST, MOST = 0.01, 100.0  # bounds of a weight
PULL = 1e-3  # penalty on the distance to the weights of training, added to the mean loss of a pair


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
    calibrated: bool | None = None,
) -> ModelScorer:
    """The scorer of a finished run, calibrated if its configuration says so.

    Args:
        config: of the run.
        model: of its best epoch.
        inputs: the inputs of the model.
        slope: of the relaxed codes; None for binary codes.
        dataset: the data of the run.
        calibrated: whether to calibrate; by default as the configuration says.
    """
    if config.train.calibrate if calibrated is None else calibrated:
        model = calibrate(model, inputs, slope, dataset, config.seed)
    return ModelScorer(model, inputs, slope)


def calibrate(model: Network, inputs: ItemInputs, slope: float | None, dataset: Dataset, seed: int) -> Network:
    """Copies a model and weights the terms of its score on the validation split.

    Args:
        model: a trained model; it is not changed.
        inputs: the inputs of the model.
        slope: of the relaxed codes; None for binary codes.
        dataset: weights come from its validation split, rates from its training split.
        seed: of the negatives, if the validation split has none of its own.

    Raises:
        ConfigError: the data has no validation split.
    """
    split = validation_split(dataset, seed)
    if split is None:
        raise ConfigError(f"train.calibrate: {dataset.name} has no validation split to calibrate on; set it to false")
    rates = leave_one_out_rates(dataset.split("train").positives, inputs.num_items)
    scorer, against = ModelScorer(model, inputs, slope), split.negatives["random"]
    trained = trained_users(dataset)
    positive, negative = (
        _terms(scorer, outfits, None if model.item_bias is None else rates, trained)
        for outfits in (split.positives, against.outfits)
    )
    weights = fit_weights(np.repeat(positive, against.size, axis=0) - negative)
    return _weighted(deepcopy(model), weights, rates)


def fit_weights(differences: np.ndarray) -> TermWeights:
    """The weights that rank positives before negatives: they minimise mean log(1 + exp(-differences @ weights)).

    Args:
        differences: (L, 4) the terms of a positive less those of its negative. A term that never differs keeps
            its weight.
    """
    start = np.array(TermWeights())
    scale = differences.std(axis=0)
    fitted = scale > 0
    x, unit = differences[:, fitted] / scale[fitted], start[fitted] * scale[fitted]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin, away = x @ weights, weights - unit
        value = np.logaddexp(0, -margin).mean() + PULL * (away**2).sum()
        slope = -(x / (1 + np.exp(np.minimum(margin, 500)))[:, None]).mean(axis=0) + 2 * PULL * away
        return float(value), slope

    lowest = np.where(start > 0, LEAST, 0.0)
    bounds = [(low * unit_scale, MOST * unit_scale) for low, unit_scale in zip(lowest[fitted], scale[fitted])]
    fitted_weights = start.copy()
    fitted_weights[fitted] = minimize(loss, unit, jac=True, method="L-BFGS-B", bounds=bounds).x / scale[fitted]
    return TermWeights(*fitted_weights.tolist())


def _terms(
    scorer: ModelScorer, outfits: Outfits, rates: dict[str, np.ndarray] | None, trained: np.ndarray
) -> np.ndarray:
    """(N, 4) preference, compatibility, bias and the mean rate of the items.

    Users without a training outfit, False in `trained` (U,), are answered without a preference; so it is 0 here.
    """
    terms = scorer.terms(outfits)[:, 1:]
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


@torch.no_grad()
def _weighted(model: Network, weights: TermWeights, rates: dict[str, np.ndarray]) -> Network:
    model.scale_terms(weights.preference, weights.compatibility)
    if model.item_bias is not None:
        for item_type, table in model.item_bias.named_parameters():
            rate = torch.from_numpy(rates[item_type.removesuffix(".weight")]).to(table)
            table.mul_(weights.bias).add_(weights.rate * rate[:, None])
    return model
