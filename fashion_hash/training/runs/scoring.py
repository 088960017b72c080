"""Scoring tables of outfits with a trained model, for validation, evaluation and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from fashion_hash.core.codes import UserForm
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.progress import progress
from fashion_hash.errors import counted, item_noun
from fashion_hash.models.fhn import FHN
from fashion_hash.models.network import ItemCodes, Network
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.user_numbers import UserNumbers
from fashion_hash.training.vectors import Vectors

ITEMS_AT_ONCE = 1024
OUTFITS_AT_ONCE = 8192


class ModelScorer:
    """Computes the codes of all users and items once, and scores outfits with them.

    Args:
        model: a trained network; it is put into evaluation mode.
        inputs: the inputs of its hashing modules.
        slope: of the relaxed codes tanh(slope * x); None for binary codes.
        users: in which form users are kept beside binary codes of items.

    Attributes:
        model, inputs: as given.
        user_codes: (U, D) of all users.
        items: the codes of all items.
        users: how users become numbers; None where they are codes like items.
    """

    @torch.no_grad()
    def __init__(self, model: Network, inputs: ItemInputs, slope: float | None, users: UserForm = "bits") -> None:
        model.eval()
        self.model = model
        self.inputs = inputs
        self.device = inputs.device
        self.users: UserNumbers | None = None
        if users == "bits":
            self.user_codes = model.user_codes(torch.arange(model.users.num_embeddings, device=self.device), slope)
        else:
            self.users = UserNumbers.of(model, users, trained_users(inputs.dataset))
            self.user_codes = self.users.codes(model.users.weight)
        self.items = _all_items(model, inputs, slope)
        self.own = inputs.own

    def of(self, model: Network) -> ModelScorer:
        """The scorer of another model in the same form, such as a copy with other weights."""
        return ModelScorer(model, self.inputs, self.items.slope, "bits" if self.users is None else self.users.form)

    @torch.no_grad()
    def terms(self, outfits: Outfits) -> np.ndarray:
        """(N, 4) float64: score, preference, compatibility and bias of each outfit for its user.

        An outfit that training knew has what its own code adds in preference and bias.
        """
        terms = self._of_items(outfits)
        if self.own is not None:
            own = self.own_terms(outfits)
            terms[:, [1, 3]] += own
            terms[:, 0] += own.sum(axis=1)
        return terms

    @torch.no_grad()
    def own_terms(self, outfits: Outfits) -> np.ndarray:
        """(N, 2) float64: what their own codes add to preference and bias; 0 for outfits without."""
        terms = np.zeros((len(outfits), 2))
        if self.own is None:
            return terms
        rows = torch.from_numpy(self.own.rows_of(outfits.items)).to(self.device)
        users = torch.from_numpy(outfits.users.astype(np.int64)).to(self.device)
        for start in range(0, len(outfits), OUTFITS_AT_ONCE):
            part = slice(start, start + OUTFITS_AT_ONCE)
            own = self.model.own_terms(self.user_codes[users[part]], rows[part], self.items.slope)
            terms[part] = torch.stack(own, dim=1).cpu().double().numpy()
        return terms

    def _of_items(self, outfits: Outfits) -> np.ndarray:
        table = outfits.with_empty_filled() if self.model.repeat_empty else outfits
        terms = np.empty((len(table), 4))
        for start in range(0, len(table), OUTFITS_AT_ONCE):
            part = table[start : start + OUTFITS_AT_ONCE]
            user = self.user_codes[torch.from_numpy(part.users.astype(np.int64)).to(self.device)]
            positions = torch.from_numpy(part.items.astype(np.int64)).to(self.device)[:, None, :]
            terms[start : start + len(part)] = (
                torch.cat(self.model.score(user, self.items, positions), dim=1).cpu().double().numpy()
            )
        return terms

    def __call__(self, outfits: Outfits) -> np.ndarray:
        """(N,) float64: the score of each outfit for its user."""
        return self.terms(outfits)[:, 0]

    def no_user(self, outfits: Outfits) -> np.ndarray:
        """(N,): the score without the preference, as for an anonymous user."""
        terms = self.terms(outfits)
        return np.asarray(terms[:, 2] + terms[:, 3])

    def no_item_pairs(self, outfits: Outfits) -> np.ndarray:
        """(N,): the score without the compatibility."""
        terms = self.terms(outfits)
        return np.asarray(terms[:, 1] + terms[:, 3])


@torch.no_grad()
def own_arrays(scorer: ModelScorer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Own codes of outfits (K, D), their biases (K,) and the bit weights (D,), as numpy: float32 and float64.

    The weights belong to users as `code_arrays` gives them.
    """
    own, model = scorer.model.own, scorer.model
    assert own is not None
    assert scorer.own is not None
    count = len(scorer.own.items)
    codes, bias, weights = np.ones((count, model.num_bits), dtype=np.float32), np.zeros(count), np.zeros(model.num_bits)
    if own.codes is not None:
        codes = model.activate(own.codes.weight, scorer.items.slope).cpu().numpy()
        weights = size_of_users(scorer) * own.weights.cpu().double().numpy()
    if own.bias is not None:
        bias = own.bias.weight.squeeze(-1).cpu().double().numpy()
    return codes, bias, weights


def trained_users(dataset: Dataset) -> np.ndarray:
    """(U,) bool: the users with a training outfit; the codes of the others are those of the initialisation."""
    return np.bincount(dataset.split("train").positives.users, minlength=len(dataset.users)) > 0


def as_answered(scorer: ModelScorer, trained: np.ndarray) -> Callable[[Outfits], np.ndarray]:
    """The scores (N,) that a bundle answers with: users without a training outfit are anonymous.

    Args:
        scorer: of a trained model.
        trained: see `trained_users`.
    """
    if trained.all():
        return scorer

    def scores(outfits: Outfits) -> np.ndarray:
        return np.where(trained[outfits.users], scorer(outfits), scorer.no_user(outfits))

    return scores


def _all_items(model: Network, inputs: ItemInputs, slope: float | None) -> ItemCodes:
    codes: dict[str, Tensor] = {}
    bias: dict[str, Tensor] = {}
    for item_type in model.types:
        count = inputs.num_items[item_type]
        parts = []
        starts = range(0, count, ITEMS_AT_ONCE)
        for start in progress(starts, f"codes of {item_noun(item_type)}s", f"x {counted(ITEMS_AT_ONCE, 'item')}"):
            rows = {item_type: torch.arange(start, min(count, start + ITEMS_AT_ONCE))}
            parts.append(model.item_codes(inputs(rows), {item_type: rows[item_type].to(inputs.device)}, slope))
        zero_code = parts[0].codes[item_type][-1:]
        codes[item_type] = torch.cat([*(part.codes[item_type][:-1] for part in parts), zero_code])
        bias[item_type] = torch.cat([*(part.bias[item_type][:-1] for part in parts), parts[0].bias[item_type][-1:]])
    return ItemCodes(codes, bias, slope)


def code_arrays(scorer: ModelScorer) -> tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """User codes (U, D), item codes by type (N, M, D) and item biases by type (N,), as numpy.

    Users in another form than bits are numbers from -1 to +1; bit weights then count `size_of_users` times.
    """
    items = {item_type: codes[:EMPTY].cpu().numpy() for item_type, codes in scorer.items.codes.items()}
    bias = {item_type: numbers[:EMPTY].cpu().numpy() for item_type, numbers in scorer.items.bias.items()}
    users = scorer.user_codes if scorer.users is None else scorer.users.numbers(scorer.model.users.weight)
    return users.cpu().numpy(), items, bias


def size_of_users(scorer: ModelScorer) -> float:
    """What the bit weights of the preference are multiplied by for users as `code_arrays` gives them."""
    return 1.0 if scorer.users is None else scorer.users.size


def vectors(scorer: ModelScorer, dataset: Dataset) -> Vectors:
    """Codes of all users and items if the scorer is binary, else their embeddings.

    Args:
        scorer: of a trained model.
        dataset: the data of its run.
    """
    users, items, _ = code_arrays(scorer)
    modalities = scorer.model.modalities
    if isinstance(scorer.model, OutfitEncoder) and scorer.model.anchors > 1:
        users = users.reshape(len(users), scorer.model.anchors, scorer.model.num_bits)
    if not isinstance(scorer.model, FHN):
        items, modalities = _single_items(scorer), ("outfit",)
    return Vectors.of(
        (dataset.users, users),
        {item_type: (dataset.items[item_type], rows) for item_type, rows in items.items()},
        modalities,
        np.int8 if scorer.items.slope is None else np.float32,
    )


@torch.no_grad()
def _single_items(scorer: ModelScorer) -> dict[str, np.ndarray]:
    """By type, (N, 1, D): the vectors of outfits of one item each."""
    made = {}
    for item_type, codes in scorer.items.codes.items():
        positions = torch.full((len(codes) - 1, len(scorer.model.slots)), EMPTY, device=scorer.device)
        positions[:, scorer.model.slots.index(item_type)] = torch.arange(len(codes) - 1, device=scorer.device)
        made[item_type] = scorer.model.outfit_vectors(scorer.items, positions)[:, None].cpu().numpy()
    return made
