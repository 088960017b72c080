"""Bits that a linear model of the clicks teaches: `train.start: distilled`, for outfits with codes of their own.

EASE (Steck, WWW 2019) knows more of a sparse log than a few clicks of each user say. Its squared scores for a user, as
shares of all outfits, are what the bits learn to predict, before training sees a single click:

    user = signs of (what is said of everybody + the sum of what their clicked outfits say),
    share of an outfit = softmax over all outfits of (weight * mean over bits of user * outfit code + bias).

Gradients pass through the signs as through tanh (straight-through estimator: Bengio et al., 2013), so that what is
learned is the bits themselves, and no rounding is left to lose anything. Users are not free but the sum over their
clicks, so that two clicks suffice. Nothing depends on the validation or test split.
Shapes: U users, K outfits of the training split, E clicks, B users of a batch, D bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fashion_hash.config.experiment import Config
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.evaluation.baselines.clicks import Clicks, ScoreColumns
from fashion_hash.evaluation.baselines.ease import ease
from fashion_hash.models.network import Network
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.starts.spectral import (
    check_start,
    means_of_items,
    outfit_directions,
    place,
    place_items,
    scaled,
)

DISTILLED = "distilled"
REGULARISATION = 8.0  # of EASE, times the mean number of clicks of an outfit

STEPS, RATE = 200, 0.01  # more steps where one pass over the users takes more
SHARPNESS = 2.0  # power of the teacher's scores, which makes little of the many small ones
POPULARITY = 0.3  # share of what is taught that is the same for all users: how popular an outfit is
WEIGHT = 8.0  # of the preference before the first step
BATCH, LEAST_BATCH = 1024, 64  # users
AT_ONCE = 1 << 23  # scores of a batch, at most
NEVER = -1e4  # the score of an outfit that a user has clicked


def start_from_teacher(model: Network, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
    """Writes the users, own codes, biases and weights that EASE teaches, in place; items lie at their outfits' mean.

    Args:
        model: the network; its outfits have codes and biases of their own.
        config: the experiment.
        dataset: its training split is used.
        inputs: the features.

    Raises:
        ConfigError: outfits have no own codes and biases, or what `check_start` refuses.
        QueryError: the log is too large for EASE.
    """
    check_start(model, config, inputs)
    own, table = model.own, inputs.own
    if own is None or table is None or own.codes is None or own.bias is None or model.own_scale is None:
        raise ConfigError("train.start distilled teaches own codes and biases of outfits: add a section outfit")
    positives, seed = dataset.split("train").positives, config.seed
    shape = (len(dataset.users), len(table.items))
    clicks = Clicks(positives.users.astype(np.int64), table.of_positives.astype(np.int64), shape)
    teacher = ease(clicks, REGULARISATION * len(positives) / shape[1])
    start = outfit_directions(positives, table, shape[0], model.num_bits, seed)
    bits = distil(clicks, teacher, start, seed, inputs.device)
    outfits = scaled(bits.outfits)
    place(own.codes.weight, outfits)
    with torch.no_grad():
        own.bias.weight.copy_(torch.from_numpy(bits.bias[:, None]))
        own.weights.fill_(bits.weight / (model.own_scale * model.num_bits))
    place(model.users.weight, scaled(bits.users))
    place_items(model, inputs, means_of_items(table, outfits, inputs.known_items))


class Bits(NamedTuple):
    """What was learned; signs are the bits.

    Attributes:
        users: (U, D) zeros for users without a click.
        outfits: (K, D).
        bias: (K,); that of an outfit without clicks would be 0.
        weight: the preference is this times the mean over bits of the products.
    """

    users: np.ndarray
    outfits: np.ndarray
    bias: np.ndarray
    weight: float


class _Sign(torch.autograd.Function):
    """-1 or +1; gradients pass as through tanh."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return torch.where(values >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return gradient * (1 - torch.tanh(values).square())


class _Student(nn.Module):
    """Outfit codes, what outfits say about whoever clicked them, biases, and the weight of the preference."""

    def __init__(self, start: np.ndarray, counts: np.ndarray) -> None:
        super().__init__()
        numbers = torch.from_numpy(start.astype(np.float32))
        self.outfits, self.says = nn.Parameter(numbers.clone()), nn.Parameter(numbers.clone())
        self.everybody = nn.Parameter(torch.zeros(start.shape[1]))
        self.bias = nn.Parameter(torch.from_numpy(np.log1p(counts).astype(np.float32)))
        self.log_weight = nn.Parameter(torch.tensor(float(np.log(WEIGHT))))

    def sums(self, rows: Tensor, columns: Tensor, count: int) -> Tensor:
        """(B, D) the sums of B users over their clicks, (E,) places in the batch and (E,) outfits."""
        return self.everybody.expand(count, -1).index_add(0, rows, self.says[columns])

    def forward(self, rows: Tensor, columns: Tensor, count: int) -> Tensor:
        """(B, K) scores."""
        users: Tensor = _Sign.apply(self.sums(rows, columns, count))  # type: ignore[no-untyped-call]
        outfits: Tensor = _Sign.apply(self.outfits)  # type: ignore[no-untyped-call]
        scores = users @ outfits.T * (self.log_weight.exp() / outfits.shape[1]) + self.bias
        return scores.index_put((rows, columns), scores.new_tensor(NEVER))


def distil(clicks: Clicks, teacher: ScoreColumns, start: np.ndarray, seed: int, device: torch.device) -> Bits:
    """Learns bits from a teacher.

    Args:
        clicks: of U users on K outfits.
        teacher: its scores are shares of what a user will click, up to a factor; below 0 counts as 0.
        start: (K, D) numbers whose signs are the codes before the first step.
        seed: of the order of users.
        device: to compute on.
    """
    matrix = clicks.matrix
    popularity = (clicks.counts + 1) / (clicks.counts + 1).sum()
    student = _Student(start, clicks.counts).to(device)
    known = np.flatnonzero(np.diff(matrix.indptr))
    size = min(len(known), int(np.clip(AT_ONCE // matrix.shape[1], LEAST_BATCH, BATCH)))
    steps = max(STEPS, round(len(known) / size))
    optimiser = torch.optim.Adam(student.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for users in _batches(known, size, steps, generator(seed, "distilled")):
        rows, columns = matrix[users].nonzero()
        wanted = _shares(teacher(users), (rows, columns), popularity)
        scores = student(*(torch.from_numpy(of.astype(np.int64)).to(device) for of in (rows, columns)), len(users))
        target = torch.from_numpy(wanted).to(device)
        loss = (torch.logsumexp(scores, dim=1) * target.sum(dim=1) - (target * scores).sum(dim=1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        rows, columns = (torch.from_numpy(of.astype(np.int64)).to(device) for of in matrix.nonzero())
        users_at = student.sums(rows, columns, matrix.shape[0])
        users, outfits, bias = (of.cpu().numpy().astype(np.float64) for of in (users_at, student.outfits, student.bias))
        users[np.diff(matrix.indptr) == 0] = 0
        return Bits(users, outfits, bias, float(student.log_weight.exp()))


def _batches(known: np.ndarray, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """So many batches of users, all of them before any comes again."""
    left = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(left) < size:
            left = np.concatenate([left, rng.permutation(known)])
        users, left = left[:size], left[size:]
        yield np.sort(users)


def _shares(scores: np.ndarray, clicked: tuple[np.ndarray, np.ndarray], popularity: np.ndarray) -> np.ndarray:
    """(B, K) float32 what is taught: powers of the scores of outfits not clicked, as shares, and some popularity."""
    positive = np.maximum(scores, 0) ** SHARPNESS
    positive[clicked] = 0
    total = np.maximum(positive.sum(axis=1, keepdims=True), 1e-9)
    wanted = ((1 - POPULARITY) * positive / total + POPULARITY * popularity).astype(np.float32)
    wanted[clicked] = 0
    return np.asarray(wanted)
