"""Batches of training requests: sampled, masked, and with candidate items.

Shapes: B requests, N candidate items, K sampled negatives, C items of the catalogue, H events, F feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fashion_hash.core.seeds import generator
from fashion_hash.data.requests.table import NOBODY, Requests
from fashion_hash.training.requests.histories import reviews
from fashion_hash.training.requests.inputs import RequestInputs


@dataclass(frozen=True)
class RequestBatch:
    """One step.

    Attributes:
        texts: (B, F) float32.
        by_text, by_items, by_user: (B,) bool, False where the words, the mean of the history, or the learned
            user row is masked or unknown.
        users: (B,) int64 rows.
        history: (B, H) int64, rows of `seen_features`; present: (B, H) bool, False for padding.
        seen_features, seen_rows: (S, F), (S,) the items of the histories; the row of a hidden item is C.
        features, rows: (N, F), (N,) the same for the candidate items.
        target: (B,) int64, the candidate that was engaged with.
        negative: (B, N) bool, the sampled negatives of each request.
        log_seen: (N,) float32, log of the share of batches that hold a candidate.
    """

    texts: Tensor
    by_text: Tensor
    by_items: Tensor
    by_user: Tensor
    users: Tensor
    history: Tensor
    present: Tensor
    seen_features: Tensor
    seen_rows: Tensor
    features: Tensor
    rows: Tensor
    target: Tensor
    negative: Tensor
    log_seen: Tensor


class RequestBatches:
    """The training requests of an experiment, with a new order and new masks in each epoch.

    Args:
        inputs: the data and its vectors.

    Attributes:
        size: the number of logged requests in an epoch.
        steps: the number of batches in an epoch.
    """

    def __init__(self, inputs: RequestInputs) -> None:
        self._inputs, self._config = inputs, inputs.config
        self._num_items = inputs.data.num_items
        self._histories = inputs.histories("train")
        train, made = inputs.data.split("train"), inputs.description_requests()
        self._groups, self._starts = _one_review_on_several_items(train)
        self._made = len(train) + np.arange(len(made))
        texts, rows = inputs.vectors([*train.texts, *made.texts])
        self._texts, self._text_rows, self._told = texts, rows, np.asarray(texts.any(axis=1))
        self._users = np.concatenate([train.users, made.users]).astype(np.int64)
        self._items = np.concatenate([train.items, made.items]).astype(np.int64)
        share = self._config.train.descriptions if len(made) else 0.0
        self.size = len(self._starts) - 1
        logged = max(1, min(round(self._config.train.batch_size / (1 + share)), self.size))
        self._passes = max(1, -(-self._config.train.steps * logged // self.size))
        self.steps = -(-self._passes * self.size // logged)
        self._of_made = round(logged * share)
        self._negatives = min(self._config.loss.negatives, self._num_items)
        self._log_seen = self._log_share(train, logged)

    def epoch(self, number: int) -> Iterator[RequestBatch]:
        """The batches of an epoch; they depend only on the seed and the number of the epoch."""
        rng = generator(self._config.seed, "requests", number)
        passes = [rng.permutation(self.size) for _ in range(self._passes)]
        # parts of nearly equal size, because a small last batch would have few negatives
        for part in np.array_split(np.concatenate(passes), self.steps):
            low, high = self._starts[part], self._starts[part + 1]
            events = self._groups[low + (rng.random(len(part)) * (high - low)).astype(np.int64)]
            made = rng.choice(self._made, self._of_made) if self._of_made else self._made[:0]
            yield self._batch(np.concatenate([events, made]), rng)

    def _batch(self, events: np.ndarray, rng: np.random.Generator) -> RequestBatch:
        config, count = self._config, len(events)
        users, taken = self._users[events], self._items[events]
        draw = np.where(
            users == NOBODY, 0.5, rng.random(count)
        )  # the words of a request without a user are never masked
        masked_text, masked_taste = draw < config.masking.text, draw >= 1 - config.masking.taste
        history, present = self._histories.of_events(users, events, config.requests.taste_before)
        text_rows = self._text_rows[events]
        sampled = rng.choice(self._num_items, self._negatives, replace=False)
        candidates = np.union1d(taken, sampled)
        target = np.searchsorted(candidates, taken)
        negative = np.tile(np.asarray(np.isin(candidates, sampled)), (count, 1))
        # an item that a user engaged with is not a negative for them
        place = np.minimum(np.searchsorted(candidates, history), len(candidates) - 1)
        line, column = np.nonzero(present & (candidates[place] == history))
        negative[line, place[line, column]] = False
        negative[np.arange(count), target] = False
        occurs = np.zeros(
            self._num_items, dtype=bool
        )  # np.unique would sort the padding, which takes as long as a step
        occurs[history] = True
        seen, position = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[history]
        by_user = (users != NOBODY) & ~masked_taste
        if config.requests.taste == "both":  # imitates a new user, who has a history but no learned row
            by_user &= rng.random(count) >= config.masking.taste
        tensors = {
            "texts": self._texts[text_rows],
            "by_text": self._told[text_rows] & ~masked_text,
            "by_items": np.asarray(present.any(axis=1)) & ~masked_taste,
            "by_user": by_user,
            "users": users,
            "history": position,
            "present": present,
            "seen_features": self._inputs.item_features[seen],
            "seen_rows": self._hidden(seen, rng),
            "features": self._inputs.item_features[candidates],
            "rows": self._hidden(candidates, rng),
            "target": target,
            "negative": negative,
            "log_seen": self._log_seen[candidates],
        }
        return RequestBatch(
            **{name: torch.as_tensor(array, device=self._inputs.device) for name, array in tensors.items()}
        )

    def _hidden(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hidden = rng.random(len(rows)) < self._config.requests.hide_items
        return np.where(hidden, self._num_items, rows)

    def _log_share(self, train: Requests, logged: int) -> np.ndarray:
        """(C,) float32: log of the share of batches in which an item is a candidate, less part of its popularity."""
        count = np.diff(self._starts)
        weights = np.repeat(1 / count, count)
        popularity = np.bincount(train.items[self._groups], weights, self._num_items) / self.size
        unseen = (1 - popularity) ** logged * (1 - self._negatives / self._num_items)
        if len(self._made):
            shares = np.bincount(self._items[self._made], minlength=self._num_items) / len(self._made)
            unseen *= (1 - shares) ** self._of_made
        held = self._config.loss.popularity
        prior = np.log(popularity * self._num_items + 1) if held < 1 else 0.0
        return (np.log(np.maximum(1 - unseen, 1e-12)) - (1 - held) * prior).astype(np.float32)


def _one_review_on_several_items(train: Requests) -> tuple[np.ndarray, np.ndarray]:
    """Groups events by user, time and text: the event rows group by group, and the start of each group."""
    group = reviews(train)
    order = np.argsort(group, kind="stable")
    return order, np.searchsorted(group[order], np.arange(int(group.max()) + 2))
