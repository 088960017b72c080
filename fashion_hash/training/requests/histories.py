"""What users engaged with, and when: their taste is made from it.

Shapes: B requests, E events, H events of a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.data.requests.table import NOBODY, Requests


class Histories:
    """The events of every user in the order of time.

    Args:
        splits: those with known events: training, and when the test split is answered, validation as well.
        num_users: rows of the user vocabulary.
        at_most: H, how many events of a user count: the latest ones.
    """

    def __init__(self, splits: Sequence[Requests], num_users: int, at_most: int) -> None:
        users = np.concatenate([split.users for split in splits]).astype(np.int64)
        times = np.concatenate([split.times for split in splits])
        order = np.lexsort((np.arange(len(users)), times, users))
        order = order[users[order] != NOBODY]
        self._items = np.concatenate([split.items for split in splits])[order].astype(np.int64)
        self._times = times[order]
        self._starts = np.searchsorted(users[order], np.arange(num_users + 1))
        self._at_most = at_most
        # where each event of the first split stands; -1 for those without a user
        place = np.full(len(users), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        self._place = place[: len(splits[0])]
        groups = np.full(len(users), -1, dtype=np.int64)
        groups[: len(splits[0])] = reviews(splits[0])
        self._groups = groups[order]

    def of_users(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Everything of users, (B,) rows or NOBODY: items (B, H) int64, and (B, H) bool, False for padding."""
        known = users != NOBODY
        rows = np.where(known, users, 0)
        low, high = self._starts[rows], np.where(known, self._starts[rows + 1], self._starts[rows])
        at, present = self._window(low, high, self._at_most)
        return self._items_at(at, present), present

    def of_events(self, users: np.ndarray, events: np.ndarray, before: bool) -> tuple[np.ndarray, np.ndarray]:
        """The same for events of the first split, (B,) rows: never the event itself, nor copies of its review.

        Args:
            users: (B,) whose events they are.
            events: rows of the first split; rows beyond it, such as made requests, are not events.
            before: only what happened earlier than the event; nothing of the same moment.
        """
        known = users != NOBODY
        rows = np.where(known, users, 0)
        low, high = self._starts[rows], np.where(known, self._starts[rows + 1], self._starts[rows])
        place = np.where(events < len(self._place), self._place[np.minimum(events, len(self._place) - 1)], -1)
        at, present = self._window(low, high, self._at_most + 1)
        if len(self._items):
            present &= (self._groups[at] != self._groups[place][:, None]) | (place < 0)[:, None]
            if before:
                present &= self._times[at] < self._times[place][:, None]
        return self._items_at(at, present), present

    def _window(self, low: np.ndarray, high: np.ndarray, at_most: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the latest events of each, (B, H), 0 for padding, and (B, H) bool, False for padding."""
        low = np.maximum(low, high - at_most)
        at = low[:, None] + np.arange(int((high - low).max(initial=0)))
        present = at < high[:, None]
        return np.where(present, at, 0), present

    def _items_at(self, at: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.where(present, self._items[at], 0) if len(self._items) else np.zeros_like(at)


def reviews(requests: Requests) -> np.ndarray:
    """(N,) int64: the number of each event's review, told by user, moment and words; it may be on several items."""
    numbers: dict[str, int] = {}
    texts = np.array([numbers.setdefault(text, len(numbers)) for text in requests.texts], dtype=np.int64)
    # without a time or without words nothing tells that two events are one
    alone = (requests.users == NOBODY) | (requests.times == 0)
    apart = np.where(alone, np.arange(len(requests)), -1)
    keys = np.stack([requests.users.astype(np.int64), requests.times, texts, apart], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)
