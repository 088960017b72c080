"""The histories of users: the items they engaged with, from which their taste is computed.

Shapes: B requests, E events, H events of a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.data.requests.table import NOBODY, Requests


class Histories:
    """The events of every user in order of time.

    Args:
        splits: the splits with known events: training, and for the test split also validation.
        num_users: rows of the user vocabulary.
        at_most: H, how many of the latest events of a user count.
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
        # the position of each event of the first split; -1 for events without a user
        place = np.full(len(users), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        self._place = place[: len(splits[0])]
        groups = np.full(len(users), -1, dtype=np.int64)
        groups[: len(splits[0])] = reviews(splits[0])
        self._groups = groups[order]

    def of_users(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The histories of users, (B,) rows or NOBODY: items (B, H) int64, and (B, H) bool, False for padding."""
        known = users != NOBODY
        rows = np.where(known, users, 0)
        low, high = self._starts[rows], np.where(known, self._starts[rows + 1], self._starts[rows])
        at, present = self._window(low, high, self._at_most)
        return self._items_at(at, present), present

    def of_events(self, users: np.ndarray, events: np.ndarray, before: bool) -> tuple[np.ndarray, np.ndarray]:
        """The histories for events of the first split, (B,) rows, without the event itself and copies of its review.

        Args:
            users: (B,) the users of the events.
            events: rows of the first split; larger rows, such as those of generated requests, are not events.
            before: whether to keep only events that are strictly earlier.
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
        """Positions of the latest events of each user, (B, H), 0 for padding, and (B, H) bool, False for padding."""
        low = np.maximum(low, high - at_most)
        at = low[:, None] + np.arange(int((high - low).max(initial=0)))
        present = at < high[:, None]
        return np.where(present, at, 0), present

    def _items_at(self, at: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.where(present, self._items[at], 0) if len(self._items) else np.zeros_like(at)


def reviews(requests: Requests) -> np.ndarray:
    """(N,) int64: the number of each event's review, identified by user, time and text; it may be on several items."""
    numbers: dict[str, int] = {}
    texts = np.array([numbers.setdefault(text, len(numbers)) for text in requests.texts], dtype=np.int64)
    # without a user or a time, events cannot be identified as the same review
    alone = (requests.users == NOBODY) | (requests.times == 0)
    apart = np.where(alone, np.arange(len(requests)), -1)
    keys = np.stack([requests.users.astype(np.int64), requests.times, texts, apart], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)
