"""Scores of the whole catalogue for requests: in bits or floats, and with words or taste masked.

Shapes: B requests, C items of the catalogue, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.inference.request_sum import cosines, rounded
from fashion_hash.models.hashing import binarise
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.requests.histories import Histories
from fashion_hash.training.requests.inputs import RequestInputs
from fashion_hash.training.vectors import Vectors

Form = Literal["binary", "relaxed", "rerank"]
SHORTLIST = 50
BLOCK = 4096


def seen_in_training(data: RequestData) -> tuple[np.ndarray, np.ndarray]:
    """(U,) and (C,) bool: the users and the items that occur in training."""
    train = data.split("train")
    users = np.bincount(train.users[train.users != NOBODY], minlength=len(data.users)) > 0
    return users, np.bincount(train.items, minlength=data.num_items) > 0


def item_outputs(model: WhisperLite, inputs: RequestInputs) -> tuple[Tensor, Tensor | None]:
    """The outputs (C, D) of the item tower for the whole catalogue, and what items add to tastes, (C, D).

    Items that do not occur in training count as the unknown item.

    Args:
        model: in evaluation mode.
        inputs: the inputs of its training.
    """
    _, known = seen_in_training(inputs.data)
    outputs, tastes = [], []
    with torch.no_grad():
        for start in range(0, len(known), BLOCK):
            block = slice(start, start + BLOCK)
            features = torch.as_tensor(inputs.item_features[block], device=inputs.device)
            rows = np.where(known[block], np.arange(len(known))[block], len(known))
            at = torch.as_tensor(rows, device=inputs.device)
            outputs.append(model.items(features, at))
            if model.taste_project is not None:
                tastes.append(model.item_tastes(features, at))
    return torch.cat(outputs), torch.cat(tastes) if tastes else None


def user_tastes(
    model: WhisperLite, item_tastes: Tensor | None, histories: Histories, users: np.ndarray, trained: np.ndarray
) -> tuple[Tensor, np.ndarray]:
    """Tastes of users, (B, D), and (B,) bool, False for users about whom nothing is known.

    Args:
        model: in evaluation mode.
        item_tastes: (C, D) from `item_outputs`, or None.
        histories: the events of the users.
        users: (B,) rows, or NOBODY.
        trained: (U,) bool, users that occur in training.
    """
    device = model.no_text.device
    items, present = histories.of_users(users)
    by_items = present.any(axis=1) & (item_tastes is not None)
    by_user = (users != NOBODY) & trained[np.where(users == NOBODY, 0, users)] & (model.users is not None)
    with torch.no_grad():
        tastes = model.tastes(
            item_tastes,
            torch.as_tensor(items, device=device),
            torch.as_tensor(present, device=device),
            torch.as_tensor(users, device=device, dtype=torch.int64),
            torch.as_tensor(by_items, device=device),
            torch.as_tensor(by_user, device=device),
        )
    return tastes, by_items | by_user


class RequestScorer:
    """Scores the whole catalogue for the requests of a split; a scorer of `fashion_hash.evaluation.requests`.

    Args:
        model: in evaluation mode.
        inputs: the inputs of its training.
        histories: the known events of users.
        vectors: (F,) vectors by text, for every request of the split.
        slope: of the relaxed codes.
    """

    def __init__(
        self,
        model: WhisperLite,
        inputs: RequestInputs,
        histories: Histories,
        vectors: Mapping[str, np.ndarray],
        slope: float,
    ) -> None:
        self._model, self._inputs, self._histories, self._vectors = model, inputs, histories, dict(vectors)
        self._trained, _ = seen_in_training(inputs.data)
        outputs, self._item_tastes = item_outputs(model, inputs)
        self._relaxed, self._binary = model.finish(outputs, slope).T, binarise(outputs).T
        self._slope = slope
        self.num_bits = len(self._binary)
        self._encoded = rounded(inputs.item_features)

    def encoder(self, text: str) -> np.ndarray:
        """(C,) float64, the cosine of the encoder's vectors of a text and of every item, as a bundle compares them."""
        return cosines(self._encoded, rounded(self._vector(text)))

    def _vector(self, text: str) -> np.ndarray:
        if text not in self._vectors:  # such as the part of a request that is about the item itself
            self._vectors[text] = self._inputs.vectors([text])[0][0]
        return self._vectors[text]

    def taken(self, requests: Requests) -> np.ndarray:
        """(B,) int64, how many different items the users took, as far as the taste knows; 0 without a taste."""
        _, known = user_tastes(self._model, self._item_tastes, self._histories, requests.users, self._trained)
        items, present = self._histories.of_users(requests.users)
        different = [len(set(row[there].tolist())) for row, there in zip(items, present)]
        return np.where(known, np.maximum(np.array(different, dtype=np.int64), 1), 0)

    def __call__(self, requests: Requests, form: Form = "binary", text: bool = True, taste: bool = True) -> np.ndarray:
        """(B, C) float32 scores.

        Args:
            requests: of the split.
            form: "binary" codes, "relaxed" codes (unit vectors of a float model), or "rerank": the best items by
                binary codes, ordered by relaxed codes.
            text: False masks the words.
            taste: False masks the taste.
        """
        model, device = self._model, self._inputs.device
        size = self._inputs.item_features.shape[1]
        vectors = np.stack([self._vector(text) for text in requests.texts]) if len(requests) else np.zeros((0, size))
        users = requests.users if taste else np.full(len(requests), NOBODY)
        with torch.no_grad():
            texts = torch.as_tensor(vectors, device=device, dtype=torch.float32)
            by_text = (texts != 0).any(dim=1) & text
            tastes, _ = user_tastes(model, self._item_tastes, self._histories, users, self._trained)
            outputs = model.requests(texts, by_text, tastes)
            binary = binarise(outputs) @ self._binary if form != "relaxed" else outputs
            if form == "binary":
                return np.asarray(binary.cpu())
            relaxed = model.finish(outputs, self._slope) @ self._relaxed
            if form == "rerank":
                worst = binary.topk(min(SHORTLIST, binary.shape[1]), dim=1).values[:, -1:]
                # other items keep their binary order, below the list
                relaxed = torch.where(binary >= worst, relaxed + 4 * binary.shape[1] + 4 * outputs.shape[1], binary)
            return np.asarray(relaxed.cpu())


def request_vectors(model: WhisperLite, inputs: RequestInputs, slope: float | None) -> Vectors:
    """Codes of all users and items (slope None), else embeddings; a user's are those of a request without words.

    Users are known by their events of training and validation, as in a bundle.

    Args:
        model: in evaluation mode.
        inputs: the inputs of its training.
        slope: of the relaxed codes.
    """
    data = inputs.data
    outputs, item_tastes = item_outputs(model, inputs)
    trained, _ = seen_in_training(data)
    everyone = np.arange(len(data.users))
    tastes, _ = user_tastes(model, item_tastes, inputs.histories("test"), everyone, trained)
    with torch.no_grad():
        no_words = torch.zeros(len(everyone), inputs.item_features.shape[1], device=inputs.device)
        asked = model.requests(no_words, (no_words != 0).any(dim=1), tastes)
        users, items = (
            np.asarray((binarise(rows) if slope is None else model.finish(rows, slope)).cpu())
            for rows in (asked, outputs)
        )
    of_type = zip(data.types, data.offsets, data.offsets[1:])
    return Vectors.of(
        (data.users, users),
        {item_type: (data.items[item_type], items[low:high, None]) for item_type, low, high in of_type},
        ("request",),
        np.int8 if slope is None else np.float32,
    )
