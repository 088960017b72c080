"""Who likes what: what a user likes is never a negative of that user."""

from __future__ import annotations

import numpy as np


class Likers:
    """The users who like each thing; the things are the items of one type, or distinct outfits.

    Args:
        things: (N,) the thing of each like.
        users: (N,) the user of each like.
        count: how many things there are.
    """

    def __init__(self, things: np.ndarray, users: np.ndarray, count: int) -> None:
        pairs = np.unique(np.stack([things, users], axis=1), axis=0)  # sorted by thing
        self._users = pairs[:, 1]
        self._start = np.searchsorted(pairs[:, 0], np.arange(count + 1))

    def pairs(self, users: np.ndarray, things: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, column) of every pair of a user (B,) and a thing (C,) that the user likes."""
        columns, likers = _expand(self._start[things], self._start[things + 1])
        order = np.argsort(users, kind="stable")
        ordered = users[order]
        likers = self._users[likers]
        pair, row = _expand(np.searchsorted(ordered, likers), np.searchsorted(ordered, likers, side="right"))
        return order[row], columns[pair]


def _expand(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of the ranges [start, stop), and the range of each: (range, number)."""
    length = stop - start
    which = np.repeat(np.arange(len(length)), length)
    within = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
    return which, start[which] + within
