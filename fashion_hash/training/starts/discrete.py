"""Bits of items by discrete collaborative filtering: `train.start: discrete`.

Users are factors of numbers, items are bits, and both say as well as they can who wears what:

    sum over worn pairs of (WORN - q_u.b_i)^2 + unworn * sum over all pairs of (t_ui - q_u.b_i)^2
        + RIDGE * sum of |q_u|^2

Targets t are the scores of GF-CF (Shen et al., CIKM 2021), for each user divided by the mean of their TOP largest: what
has not been worn is not all alike, but goes more or less well with what has. Their matrix is a product of sparse and
narrow ones, and is never made whole.
Users are found by least squares, as in implicit matrix factorisation (Hu et al., ICDM 2008), items by flipping single
bits while that lowers the loss (DCF: Zhang et al., SIGIR 2016), in turns. So the codes of items are bits all the time,
and no rounding is left to lose anything. Users stay numbers, of which `user.code` says what is kept. It begins at the
signs of the spectral start. Nothing depends on the validation or test split.
Content beside ids says what goes together (`canonical`): its bits agree where items are worn together, and b is the sum
of the codes of an item, of which those of its content stay as they are.
Shapes: U users, N items of all types, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix

from fashion_hash.config.experiment import Config
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.evaluation.baselines.clicks import Clicks, ItemColumns, item_clicks
from fashion_hash.evaluation.baselines.spectral import GraphFilter, gf_cf
from fashion_hash.models.hashing import binarise
from fashion_hash.models.network import Network
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.starts.canonical import worn_together
from fashion_hash.training.starts.spectral import SPREAD, check_start, place, place_items, set_heads, turned_factors

DISCRETE = "discrete"
RIDGE = 1.0
WORN = 0.15  # chosen on validation of IQON3000, as was unworn
TOP = 50
ROUNDS, SWEEPS = 4, 2
USERS_AT_ONCE, PAIRS_AT_ONCE = 128, 1 << 15

Numbers = npt.NDArray[np.float64]


def start_from_bits(model: Network, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
    """Writes the users and items that training starts from, in place; biases stay at 0.

    The embeddings of ids are SPREAD times the bits; heads of content learn to reproduce them (ridge regression). The
    unknown item, which nobody has worn, gets bits like any other: users say as little of it as they can.

    Args:
        model: the network.
        config: the experiment; `train.unworn` is the weight of all pairs.
        dataset: its training split is used.
        inputs: the features.

    Raises:
        ConfigError: outfits have codes of their own, or what `check_start` refuses.
    """
    check_start(model, config, inputs)
    if model.own is not None and model.own.codes is not None:
        raise ConfigError("train.start discrete places users and items: leave the section outfit out, or its code")
    users, items = turned_factors(dataset, inputs.known_items, model.num_bits, config.seed)
    unknown = generator(config.seed, "discrete").normal(size=(1, model.num_bits))
    bits = np.where(np.concatenate([*items.values(), unknown]) >= 0, 1.0, -1.0)
    worn = _worn(dataset, inputs.known_items, len(users))
    together = "id" in model.modalities and config.model.terms != "preference"
    content = _place_content(model, dataset, inputs, config.seed) if together else None
    beside = None if content is None else np.concatenate([*(content[name] for name in items), np.zeros_like(unknown)])
    numbers = factorise(Wanted.of(worn, config.train.unworn, config.seed), bits, beside)
    size = np.sqrt((numbers**2).mean())
    place(model.users.weight, numbers * (SPREAD / size))
    *of_types, unknown = np.split(SPREAD * bits, np.cumsum([len(of_type) for of_type in items.values()]))
    place_items(model, inputs, dict(zip(items, of_types)), content=not together)
    if "id" in model.modalities:
        for item_type in items:
            place(model.hashing["id"].embeddings[item_type].weight[-1:], unknown)  # type: ignore[index, union-attr]


@torch.no_grad()
def _place_content(model: Network, dataset: Dataset, inputs: ItemInputs, seed: int) -> dict[str, Numbers]:
    """Heads of content learn what is worn together; by type, (N, D) the sum of the bits that training items get."""
    positives, seen = dataset.split("train").positives, inputs.known_items
    totals = {name: np.zeros((int(mask.sum()), model.num_bits)) for name, mask in seen.items()}
    for modality, table in inputs.tables.items():
        targets = worn_together(positives, table.features, seen, model.num_bits, seed)
        set_heads(model, modality, table.features, targets, seen)
        for name, total in totals.items():
            features = torch.from_numpy(table.features[name][seen[name]]).to(inputs.device)
            total += binarise(model.hashing[modality].eval()(name, features)).cpu().numpy()
    return totals


def _worn(dataset: Dataset, seen: Mapping[str, np.ndarray], num_users: int) -> csr_matrix:
    """(U, N + 1) 1 where a user has worn a training item; the last column, the unknown item, is empty."""
    columns, known = ItemColumns.of(dataset), item_clicks(dataset).matrix
    trained = np.flatnonzero(np.concatenate([seen[name] for name in columns.first]))
    found = known[:, trained].astype(np.float64)
    return csr_matrix((found.data, found.indices, found.indptr), shape=(num_users, len(trained) + 1))


@dataclass(frozen=True)
class Wanted:
    """What users and bits of items should say.

    Attributes:
        worn: (U, N) 1 where a user has worn an item.
        graph: the scores t, up to a factor for each user.
        shares: (U,) that factor.
        unworn: the weight of all pairs.
        goal: what is wanted of worn pairs.
    """

    worn: csr_matrix
    graph: GraphFilter
    shares: Numbers
    unworn: float
    goal: float = WORN

    @classmethod
    def of(cls, worn: csr_matrix, unworn: float, seed: int) -> Wanted:
        """With the scores of GF-CF fitted to who has worn what."""
        users, items = worn.nonzero()
        graph = gf_cf(Clicks(users, items, worn.shape), seed=seed)
        shares, best = np.zeros(worn.shape[0]), min(TOP, worn.shape[1])
        for start in range(0, len(shares), USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(shares)))
            sizes = np.partition(graph(rows), -best, axis=1)[:, -best:].mean(axis=1, dtype=np.float64)
            shares[rows] = np.divide(1.0, sizes, out=np.zeros(len(rows)), where=sizes > 0)
        return cls(worn, graph, shares, unworn)

    def times(self, bits: Numbers) -> Numbers:
        """(U, D) the targets times the bits."""
        return self.shares[:, None] * self.graph.times(bits)

    def back(self, users: Numbers) -> Numbers:
        """(N, D) the transposed targets times the users."""
        return self.graph.back(self.shares[:, None] * users)


def factorise(wanted: Wanted, bits: Numbers, beside: Numbers | None = None, rounds: int = ROUNDS) -> Numbers:
    """The numbers of users, (U, D), while the bits of items are improved in place.

    Args:
        wanted: what both should say.
        bits: (N, D) of -1 and +1.
        beside: (N, D) what else is known of the items: the sum of their codes of content; 0 if left out.
        rounds: how often items are improved; users are found once more after the last time.
    """
    beside = np.zeros_like(bits) if beside is None else beside
    users = users_of(wanted, bits + beside)
    for _ in range(rounds):
        if not improve(wanted, users, bits, beside, SWEEPS):
            break
        users = users_of(wanted, bits + beside)
    return users


def improve(wanted: Wanted, users: Numbers, bits: Numbers, beside: Numbers, sweeps: int) -> int:
    """Flips bits of items in place, each only if that lowers the loss; returns how many."""
    from fashion_hash.training.starts.kernels import flip_bits  # imported here, since numba takes its time

    by_item, unworn = wanted.worn.T.tocsr(), wanted.unworn
    gram = unworn * (users.T @ users)
    aims = unworn * wanted.back(users) - beside @ gram
    goals, items = np.empty(by_item.nnz), np.repeat(np.arange(len(bits)), np.diff(by_item.indptr))
    for part in np.array_split(np.arange(by_item.nnz), by_item.nnz // PAIRS_AT_ONCE + 1):
        goals[part] = wanted.goal - (users[by_item.indices[part]] * beside[items[part]]).sum(axis=1)
    return int(flip_bits(bits, users, gram, aims, goals, by_item.indptr, by_item.indices, sweeps))


def users_of(wanted: Wanted, bits: Numbers) -> Numbers:
    """(U, D) the least squares of users, given the codes of items; 0 for users who have worn nothing."""
    worn = wanted.worn
    every = wanted.unworn * (bits.T @ bits) + RIDGE * np.eye(bits.shape[1])
    right = wanted.goal * (worn @ bits) + wanted.unworn * wanted.times(bits)
    users = np.empty((worn.shape[0], bits.shape[1]))
    for start in range(0, len(users), USERS_AT_ONCE):
        rows = range(start, min(start + USERS_AT_ONCE, len(users)))
        grams = np.empty((len(rows), *every.shape))
        for number, row in enumerate(rows):
            mine = bits[worn.indices[worn.indptr[row] : worn.indptr[row + 1]]]
            grams[number] = every + mine.T @ mine
        users[rows.start : rows.stop] = np.linalg.solve(grams, right[rows.start : rows.stop, :, None])[..., 0]
    return users


def loss_of(wanted: Wanted, users: Numbers, bits: Numbers) -> float:
    """What `factorise` lowers, over all pairs at once: slow, for tests."""
    said = users @ bits.T
    targets = wanted.shares[:, None] * wanted.graph(np.arange(len(users)))
    errors = wanted.worn.toarray() * (wanted.goal - said) ** 2 + wanted.unworn * (targets - said) ** 2
    return float(errors.sum() + RIDGE * (users**2).sum())
