"""A start from spectra instead of random numbers: `train.start: spectral`.

Ids: the truncated SVD of who wears what places users and items in one space. Content: the principal components of the
features place the items, and users lie where their items do. One rotation (iterative quantisation, ITQ: Gong and
Lazebnik, CVPR 2011) then turns the space so that signs lose as little as possible, and what comes out is where training
starts. Nothing depends on the validation or test split.
Shapes: U users, N items, F feature, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.sparse import coo_matrix, diags
from torch import Tensor, nn

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.models.hashing import SHARED
from fashion_hash.models.network import Network
from fashion_hash.training.own_rows import OwnRows
from fashion_hash.training.runs.item_inputs import ItemInputs

SPECTRAL = "spectral"
SPREAD = 0.5  # root mean square of the numbers before tanh: signs are clear, and gradients still pass
ITQ_STEPS, ITQ_ROWS = 50, 20_000
RIDGE = 1e-2  # of the regression, relative to the mean square of the features


def start_from_spectrum(model: Network, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
    """Writes the users, item embeddings, linear heads and item biases that training starts from, in place.

    Where outfits have codes of their own, users and outfits come from the clicks, and an item lies at the mean of its
    outfits; an own bias starts at the logarithm of how often its outfit occurs, and item biases stay at 0 beside it.
    Otherwise, with ids, users and items come from the clicks. Content heads learn to reproduce the codes of the items
    (ridge regression). Without ids, the first content modality comes from its principal components, the others
    reproduce its codes, and a user starts at the mean of the items of their training outfits. An item bias starts at
    the logarithm of how often the item occurs.

    Args:
        model: the network; its item codes must be as long as those of its users.
        config: the experiment.
        dataset: its training split is used.
        inputs: the features.

    Raises:
        ConfigError: a content head is not linear, a backbone is trained, or item and user codes differ in length.
    """
    check_start(model, config, inputs)
    seed, positives = config.seed, dataset.split("train").positives
    seen = inputs.known_items
    if model.own is not None and model.own.codes is not None:
        assert inputs.own is not None
        users, outfits = _outfit_factors(positives, inputs.own, len(dataset.users), model.num_bits, seed)
        placed = turned(np.concatenate([users, outfits]), model.num_bits, seed)
        users, outfits = placed[: len(users)], placed[len(users) :]
        targets = means_of_items(inputs.own, outfits, seen)
        place(model.own.codes.weight, outfits)
    elif "id" in model.modalities:
        users, targets = turned_factors(dataset, seen, model.num_bits, seed)
    else:
        targets = _principal(inputs.tables[model.modalities[0]].features, seen, model.num_bits, seed)
        users = _means_of_users(positives, targets, seen, len(dataset.users))
    place(model.users.weight, scaled(users))
    place_items(model, inputs, targets)
    if model.own is not None and model.own.bias is not None:
        assert inputs.own is not None
        _set(model.own.bias.weight, np.log1p(inputs.own.counts)[:, None])
    elif model.item_bias is not None:
        for item_type, counts in _counts(positives, inputs.num_items).items():
            numbers = np.log1p(counts)
            bias: nn.Embedding = model.item_bias[item_type]  # type: ignore[assignment]
            _set(bias.weight, (numbers - numbers.mean())[:, None])


def place_items(model: Network, inputs: ItemInputs, targets: Mapping[str, np.ndarray], content: bool = True) -> None:
    """Writes the codes of training items, (N, D) by type, into the embeddings of ids and, if told, heads of content."""
    if "id" in model.modalities:
        for item_type, values in targets.items():
            embedding: nn.Embedding = model.hashing["id"].embeddings[item_type]  # type: ignore[index, assignment]
            place(embedding.weight[:-1], values)  # the last is the unknown item
    for modality in inputs.tables if content else ():
        set_heads(model, modality, inputs.tables[modality].features, targets, inputs.known_items)


def turned_factors(
    dataset: Dataset, seen: Mapping[str, np.ndarray], num_bits: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Users (U, D) and training items (N, D) by type by who wears what, turned so that signs lose little."""
    users, items = _click_factors(dataset.split("train").positives, dataset, seen, num_bits, seed)
    placed = turned(np.concatenate([users, *items.values()]), num_bits, seed)
    users, *of_types = np.split(placed, np.cumsum([len(part) for part in (users, *items.values())])[:-1])
    return users, dict(zip(items, of_types))


def outfit_directions(positives: Outfits, own: OwnRows, num_users: int, num_bits: int, seed: int) -> np.ndarray:
    """(K, D) the known outfits in the space of their factors, turned so that their own signs lose little."""
    return turned(_outfit_factors(positives, own, num_users, num_bits, seed)[1], num_bits, seed)


def itq(points: np.ndarray, seed: int, steps: int = ITQ_STEPS) -> np.ndarray:
    """The rotation (D, D) after which signs are nearest to points (N, D): alternates signs and Procrustes.

    Paper: Iterative Quantization, Gong and Lazebnik, CVPR 2011.
    """
    rng = generator(seed, "itq")
    rotation = np.linalg.qr(rng.normal(size=(points.shape[1], points.shape[1])))[0]
    for _ in range(steps):
        turned = points @ rotation
        left, _, right = np.linalg.svd(points.T @ np.where(turned >= 0, 1.0, -1.0))
        rotation = left @ right
    return np.asarray(rotation)


def check_start(model: Network, config: Config, inputs: ItemInputs) -> None:
    """Raises ConfigError where a network cannot start so."""
    if inputs.backbone is not None:
        raise ConfigError(f"train.start {config.train.start} needs frozen features: set image.mode to frozen")
    for modality in inputs.tables:
        if config.head(modality) != "linear":
            raise ConfigError(f"train.start {config.train.start} needs linear heads: set {modality}.head to linear")
    width = model.num_bits if config.encoder is None else config.encoder.width
    if width != model.num_bits:
        raise ConfigError(
            f"train.start {config.train.start} places users and items in one space: encoder.width must be "
            f"model.num_bits ({model.num_bits}), got {width}"
        )


def _click_factors(
    positives: Outfits, dataset: Dataset, seen: Mapping[str, np.ndarray], num_bits: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Users (U, R) and training items (N, R) by type: factors of the degree-normalised matrix of users and items.

    The first factor is left out: it says how popular an item is, which is the bias.
    """
    starts, total = {}, 0
    for item_type, mask in seen.items():
        starts[item_type] = total
        total += int(mask.sum())
    rows, columns = [], []
    for slot, item_type in enumerate(positives.slots):
        column = positives.items[:, slot]
        worn = np.flatnonzero(column != EMPTY)
        rows.append(positives.users[worn])
        columns.append(starts[item_type] + (np.cumsum(seen[item_type]) - 1)[column[worn]])
    pairs = np.concatenate(rows), np.concatenate(columns)
    users, items = _factors(pairs, (len(dataset.users), total), num_bits, seed)
    bounds = [*starts.values(), total]
    return users, {name: items[bounds[place] : bounds[place + 1]] for place, name in enumerate(starts)}


def _outfit_factors(
    positives: Outfits, own: OwnRows, num_users: int, num_bits: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Users (U, R) and known outfits (K, R): as `_click_factors`, of users and outfits."""
    return _factors((positives.users, own.of_positives), (num_users, len(own.items)), num_bits, seed)


def means_of_items(own: OwnRows, placed: np.ndarray, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(N, D) by type: the training items, each at the mean of the known outfits that hold it, of the usual length."""
    targets = {}
    for item_type, mask in seen.items():
        total, place = np.zeros((int(mask.sum()), placed.shape[1])), np.cumsum(mask) - 1
        for slot in (slot for slot, name in enumerate(own.slots) if name == item_type):
            worn = np.flatnonzero(own.items[:, slot] != EMPTY)
            np.add.at(total, place[own.items[worn, slot]], placed[worn])
        targets[item_type] = scaled(total)
    return targets


def _factors(
    pairs: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], num_bits: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (., R) each: factors of the degree-normalised matrix of how often each pair occurs."""
    from sklearn.utils.extmath import randomized_svd

    counts = coo_matrix((np.ones(len(pairs[0])), pairs), shape).tocsr().log1p()
    by_user, by_item = (np.maximum(np.asarray(counts.sum(axis=axis)).ravel(), 1e-9) for axis in (1, 0))
    normalised = diags(by_user**-0.5) @ counts @ diags(by_item**-0.5)
    rank = min(num_bits + 1, min(counts.shape))
    users, values, items = randomized_svd(normalised, rank, random_state=derive(seed, SPECTRAL) % 2**32)
    return users[:, 1:] * np.sqrt(values[1:]), items.T[:, 1:] * np.sqrt(values[1:])


def _principal(
    features: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], num_bits: int, seed: int
) -> dict[str, np.ndarray]:
    """(N, D) by type: the training items in the space of the principal components of their features."""
    centred = [features[name][seen[name]].astype(np.float64) for name in seen]
    centred = [part - part.mean(axis=0) for part in centred]
    together = np.concatenate(centred)
    components = np.linalg.eigh(together.T @ together)[1][:, ::-1][:, :num_bits]  # (F, at most D)
    placed = turned(together @ components, num_bits, seed)
    return dict(zip(seen, np.split(placed, np.cumsum([len(part) for part in centred])[:-1])))


def turned(points: np.ndarray, num_bits: int, seed: int) -> np.ndarray:
    """Points (N, R), R at most D, as directions in D dimensions, turned by ITQ and scaled."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    directions = np.zeros((len(points), num_bits))
    directions[:, : points.shape[1]] = points / np.where(length > 0, length, 1)
    sample = directions
    if len(sample) > ITQ_ROWS:
        sample = sample[generator(seed, "itq rows").permutation(len(sample))[:ITQ_ROWS]]
    return scaled(directions @ itq(sample, seed))


def scaled(points: np.ndarray) -> np.ndarray:
    """Points whose numbers have the root mean square SPREAD, point by point; zeros stay zeros."""
    size = np.sqrt((points**2).mean(axis=1, keepdims=True))
    return np.asarray(points * (SPREAD / np.where(size > 0, size, 1)))


def _means_of_users(
    positives: Outfits, targets: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], num_users: int
) -> np.ndarray:
    """(U, D) the mean of the items of each user's training outfits, less that of all users."""
    first = next(iter(targets.values()))
    total = np.zeros((num_users, first.shape[1]))
    count = np.zeros(num_users)
    for slot, item_type in enumerate(positives.slots):
        column = positives.items[:, slot]
        worn = np.flatnonzero(column != EMPTY)
        place = (np.cumsum(seen[item_type]) - 1)[column[worn]]
        np.add.at(total, positives.users[worn], targets[item_type][place])
        np.add.at(count, positives.users[worn], 1)
    means = total / np.maximum(count, 1)[:, None]
    return np.where(count[:, None] > 0, means - means[count > 0].mean(axis=0), 0.0)


def set_heads(
    model: Network,
    modality: str,
    features: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    seen: Mapping[str, np.ndarray],
) -> None:
    """Sets the linear heads of a modality by ridge regression from features to targets."""
    heads: nn.ModuleDict = model.hashing[modality].heads  # type: ignore[assignment]
    shared = SHARED in heads
    groups = [list(targets)] if shared else [[name] for name in targets]
    for group in groups:
        inputs = np.concatenate([features[name][seen[name]] for name in group]).astype(np.float64)
        outputs = np.concatenate([targets[name] for name in group])
        gram = inputs.T @ inputs
        ridge = RIDGE * np.trace(gram) / len(gram) + 1e-12
        weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), inputs.T @ outputs)  # (F, D)
        linear: nn.Linear = heads[SHARED if shared else group[0]][-1]  # type: ignore[index]
        _set(linear.weight, weights.T)


def _counts(positives: Outfits, num_items: Mapping[str, int]) -> dict[str, np.ndarray]:
    """By type, (N,) how often each item occurs in the training outfits."""
    counts = {item_type: np.zeros(number, dtype=np.int64) for item_type, number in num_items.items()}
    for slot, item_type in enumerate(positives.slots):
        column = positives.items[:, slot]
        counts[item_type] += np.bincount(column[column != EMPTY], minlength=num_items[item_type])
    return counts


@torch.no_grad()
def place(parameter: Tensor, values: np.ndarray) -> None:
    """Sets the rows that are not zero; the others, of which nothing is known, stay random."""
    known = values.any(axis=1)
    parameter[torch.from_numpy(known).to(parameter.device)] = torch.from_numpy(values[known]).to(parameter)


@torch.no_grad()
def _set(parameter: Tensor, values: np.ndarray) -> None:
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)).to(parameter))
