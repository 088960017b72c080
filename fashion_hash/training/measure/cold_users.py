"""New users of a trained model: their code is fitted to a few outfits, everything else is frozen.

The row of a new user is the most probable one: the likelihood is BPR of each told outfit against random outfits
(Rendle et al., UAI 2009), the prior is a normal distribution for each dimension, fitted to the rows of the known
users. The signs of an uncertain row would be overconfident, so the bits are chosen to give the preferences that are
nearest to those of the relaxed code.
Protocol: Kim et al., 2021, new users with 1 and 5 outfits.
Shapes: H users, L outfits told, K negatives, N outfits, S slots, D bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fashion_hash.core.codes import UserForm
from fashion_hash.core.outfits import EMPTY, Outfits, fill_empty
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.negatives import ItemPool
from fashion_hash.data.splits.cold_users import told_outfits
from fashion_hash.foldin.fold_in import fold_in_codes
from fashion_hash.training.determinism import same_bits
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.runs.run import Run
from fashion_hash.training.runs.scoring import ModelScorer, size_of_users, trained_users

NEGATIVES = 64
STEPS = 200
RATE = 0.1  # of Adam, in standard deviations of the known users' rows
# Weight of the prior, chosen from 0.1 to 300 on validation rows of hidden users of the sample and of IQON3000.
PRIOR = 0.3
SAMPLE = 4096  # random outfits for the covariance of the bits


def fit_rows(
    scorer: ModelScorer, dataset: Dataset, told: Outfits, slope: float | None, seed: int, prior: float = PRIOR
) -> Tensor:
    """(H, D) rows of new users, like the rows of `model.users` (neither relaxed nor binary).

    Args:
        scorer: the trained model, with the item codes in the form that will be used.
        dataset: negatives are mixed from the items of its training split.
        told: L outfits; users 0 .. H - 1, each with at least one outfit.
        slope: of the relaxed user codes during the fit; numbers of users need none.
        seed: of the random outfits.
        prior: weight of the prior relative to one told outfit; half of it multiplies the mean squared deviation
            from the known users, in units of their variance.
    """
    model, device = scorer.model, scorer.device
    activate = partial(model.activate, slope=slope) if scorer.users is None else scorer.users.unrounded
    items = np.concatenate([told.items[:, None], _random_negatives(dataset, told, seed)], axis=1)  # (L, 1 + K, S)
    if model.repeat_empty:
        items = fill_empty(told.slots, items)
    owners = torch.from_numpy(told.users.astype(np.int64)).to(device)
    positions = torch.from_numpy(items.astype(np.int64)).to(device)
    known = model.users.weight.detach()[torch.from_numpy(trained_users(dataset)).to(device)]
    mean, std = known.mean(dim=0), known.std(dim=0).nan_to_num(0.0).clamp(min=1e-6)
    with torch.no_grad():
        vectors = model.outfit_vectors(scorer.items, positions)  # (L, 1 + K, ...)
        terms = model.score(activate(mean[None]).expand(len(told), -1), scorer.items, positions)
        rest = terms.compatibility + terms.bias  # the terms without the user
    offset = torch.zeros(int(owners.max()) + 1, known.shape[1], device=device, requires_grad=True)
    optimiser = torch.optim.Adam([offset], lr=RATE)
    for _ in range(STEPS):
        user = activate(mean + std * offset)[owners]
        score = model.preference(user, vectors) + rest
        loss = (
            F.softplus(score[:, 1:] - score[:, :1]).mean(dim=1).sum()
            + 0.5 * prior / known.shape[1] * offset.square().sum()
        )
        optimiser.zero_grad()
        with same_bits(device):
            torch.autograd.backward(loss)
        optimiser.step()
    return (mean + std * offset).detach()


def cold_scorer(
    scorer: ModelScorer, dataset: Dataset, told: Outfits, slope: float, seed: int, prior: float = PRIOR
) -> ModelScorer:
    """A scorer whose users 0 .. H - 1 are new, each fitted to their told outfits.

    Their codes have the form of the scorer's codes: relaxed, binary, numbers, or float vectors. Args: see `fit_rows`.
    """
    rows = fit_rows(scorer, dataset, told, slope, seed, prior)
    other = copy(scorer)
    if scorer.users is not None:
        other.user_codes = scorer.users.codes(rows)
        return other
    other.user_codes = scorer.model.activate(rows, slope)
    if scorer.items.slope is None and not scorer.model.is_float:
        outfits = _random_outfits(dataset, seed)
        other.user_codes = nearest_bits(other.user_codes, _spread(scorer, outfits))
    return other


def fold_ins(
    run: Run, dataset: Dataset, scorer: ModelScorer, counts: Sequence[int], calibrate: bool | None = None
) -> dict[int, ModelScorer]:
    """For each number of told outfits, a scorer of the hidden users with the codes that fold-in gives them.

    Args:
        run: exported to a temporary bundle, which fold-in needs.
        dataset: the data with its hidden users.
        scorer: of the run, in the form of a bundle: binary codes, with users in any form, or the vectors of an outfit
            encoder.
        counts: numbers of told outfits.
        calibrate: see `export_bundle`.
    """
    scorers: dict[int, ModelScorer] = {}
    if not counts:
        return scorers
    assert dataset.cold is not None
    user_code: UserForm = "bits" if scorer.users is None else scorer.users.form
    with TemporaryDirectory() as folder:
        bundle = export_bundle(
            run, Path(folder) / "bundle", dataset, calibrate=calibrate, onnx=False, user_code=user_code
        )
        for count in counts:
            told = told_outfits(dataset.cold, count)
            liked = [told.items[told.users == user] for user in range(len(dataset.cold.ids))]
            codes = fold_in_codes(bundle, liked)
            scorers[count] = copy(scorer)
            scorers[count].user_codes = size_of_users(scorer) * torch.from_numpy(codes).to(scorer.user_codes)
    return scorers


def nearest_bits(codes: Tensor, spread: Tensor) -> Tensor:
    """The bits (H, D) with the preferences nearest to those of relaxed codes (H, D).

    Starts at the signs and flips the most helpful bit, one at a time, until none helps.

    Args:
        codes: u in (-1, 1).
        spread: (D, D) G; (b - u)' G (b - u) is the variance of the error of b over outfits.
    """
    exact, spread = codes.double(), spread.double()
    bits = torch.where(exact >= 0, 1.0, -1.0).double()
    for _ in range(4 * codes.shape[1]):
        slope = (bits - exact) @ spread
        change = -4 * bits * slope + 4 * spread.diagonal()  # by flipping each bit: (H, D)
        best, which = change.min(dim=1)
        gains = best < -1e-9
        if not gains.any():
            break
        bits[gains, which[gains]] *= -1
    return bits.to(codes.dtype)


@torch.no_grad()
def _spread(scorer: ModelScorer, items: np.ndarray) -> Tensor:
    """(D, D) covariance, over outfits (N, S), of the contributions of a user's bits to the preference."""
    model = scorer.model
    vectors = model.outfit_vectors(scorer.items, torch.from_numpy(items.astype(np.int64)).to(scorer.device))
    return torch.cov(model.user_directions(vectors).T.double())


def mean_user(scorer: ModelScorer, trained: np.ndarray, count: int) -> ModelScorer:
    """A scorer that treats every user as the mean of the known users: not personal.

    Args:
        scorer: of a trained model.
        trained: (U,) bool, the known users: those with a training outfit.
        count: how many users there are.
    """
    other, known = copy(scorer), torch.from_numpy(trained).to(scorer.device)
    other.user_codes = scorer.user_codes[known].mean(dim=0, keepdim=True).expand(count, -1)
    return other


def _random_negatives(dataset: Dataset, told: Outfits, seed: int) -> np.ndarray:
    """(L, K, S): random negatives; each item of a told outfit is replaced by a training item of its type."""
    return _mixed(
        dataset, np.repeat(told.items[:, None], NEGATIVES, axis=1), generator(seed, "negatives of cold users")
    )


def _random_outfits(dataset: Dataset, seed: int) -> np.ndarray:
    """(N, S) random mixes with as many items as the training outfits."""
    rng = generator(seed, "mixes for cold users")
    train = dataset.split("train").positives.items
    return _mixed(dataset, train[rng.integers(len(train), size=SAMPLE)], rng)


def _mixed(dataset: Dataset, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replaces each item of (..., S) by a random training item of its type."""
    drawn = items.copy()
    for item_type in dataset.types:
        pool = ItemPool.of(dataset.split("train").positives, item_type)
        for slot in (position for position, slot_type in enumerate(dataset.slots) if slot_type == item_type):
            column = drawn[..., slot]
            drawn[..., slot] = np.where(column == EMPTY, EMPTY, pool.draw(rng, column.size).reshape(column.shape))
    return drawn
