"""What people engaged with, and when: from it their taste is made.

Shapes: B requests, E events, H events of a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.data.requests.table import NOBODY, Requests


class Histories:
    """The events of every user in the order of time.

    Args:
        splits: whose events are known: training, and when a test is answered, validation as well.
        num_users: rows of the user vocabulary.
        at_most: H, of one person: the latest.
    """

    def __init__(self, splits: Sequence[Requests], num_users: int, at_most: int) -> None:
        users = np.concatenate([one.users for one in splits]).astype(np.int64)
        times = np.concatenate([one.times for one in splits])
        order = np.lexsort((np.arange(len(users)), times, users))
        order = order[users[order] != NOBODY]
        self._items = np.concatenate([one.items for one in splits])[order].astype(np.int64)
        self._times = times[order]
        self._starts = np.searchsorted(users[order], np.arange(num_users + 1))
        self._at_most = at_most
        # where each event of the first split stands; -1 for those of nobody
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
        at, there = self._window(low, high, self._at_most)
        return self._items_at(at, there), there

    def of_events(self, users: np.ndarray, events: np.ndarray, before: bool) -> tuple[np.ndarray, np.ndarray]:
        """The same for events of the first split, (B,) rows: never the event itself, nor copies of its review.

        Args:
            users: (B,) whose events they are.
            events: rows of the first split; rows beyond it are no events, such as made requests.
            before: only what happened earlier than the event; nothing of the same moment.
        """
        known = users != NOBODY
        rows = np.where(known, users, 0)
        low, high = self._starts[rows], np.where(known, self._starts[rows + 1], self._starts[rows])
        place = np.where(events < len(self._place), self._place[np.minimum(events, len(self._place) - 1)], -1)
        at, there = self._window(low, high, self._at_most + 1)
        if len(self._items):
            there &= (self._groups[at] != self._groups[place][:, None]) | (place < 0)[:, None]
            if before:
                there &= self._times[at] < self._times[place][:, None]
        return self._items_at(at, there), there

    def _window(self, low: np.ndarray, high: np.ndarray, at_most: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the latest events of each, (B, H), 0 for padding, and (B, H) bool, False there."""
        low = np.maximum(low, high - at_most)
        at = low[:, None] + np.arange(int((high - low).max(initial=0)))
        there = at < high[:, None]
        return np.where(there, at, 0), there

    def _items_at(self, at: np.ndarray, there: np.ndarray) -> np.ndarray:
        return np.where(there, self._items[at], 0) if len(self._items) else np.zeros_like(at)


def reviews(requests: Requests) -> np.ndarray:
    """(N,) int64: which events are one review that stands on several items: same person, moment and words."""
    numbers: dict[str, int] = {}
    texts = np.array([numbers.setdefault(text, len(numbers)) for text in requests.texts], dtype=np.int64)
    # without a time or without words nothing tells two events to be one
    alone = (requests.users == NOBODY) | (requests.times == 0)
    apart = np.where(alone, np.arange(len(requests)), -1)
    keys = np.stack([requests.users.astype(np.int64), requests.times, texts, apart], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)
