"""Data without the users who were removed from a bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Pool
from fashion_hash.data.events import Log
from fashion_hash.data.requests.table import NOBODY, REMOVED, RequestData
from fashion_hash.data.shop.likes import set_id
from fashion_hash.data.splits.cold_users import split_of_users
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.errors import DataError


def without_users(dataset: Dataset, removed: RemovedUsers) -> tuple[Dataset, int]:
    """The data set as if removed users had never been in it, and how many they are.

    Their outfits leave every split. Outfits of the pool that have ids of a shop's own stay; those that were formed from
    the interactions of removed users alone go.

    Raises:
        DataError: nobody is left, or nobody has a training outfit.
    """
    kept = removed.stay(dataset.users)
    if kept.all():
        return dataset, 0
    stay, total = np.flatnonzero(kept), len(dataset.users)
    splits = {name: split_of_users(split, stay, total) for name, split in dataset.splits.items()}
    splits = {name: split for name, split in splits.items() if name == "train" or len(split.positives)}
    if "train" in splits and not len(splits["train"].positives):
        raise DataError(f"{dataset.name}: all users with training outfits were removed: nothing is left to train on")
    users = Vocabulary([dataset.users.ids[row] for row in stay.tolist()], "user")
    return replace(dataset, users=users, splits=splits, pool=_pool(dataset, ~kept)), int((~kept).sum())


def _pool(dataset: Dataset, gone: np.ndarray) -> Pool | None:
    """The pool without the outfits that were formed for removed users (U,) alone."""
    if dataset.pool is None:
        return None
    known, pool = dataset.known, dataset.pool
    theirs = set(map(tuple, known.items[gone[known.users]].tolist()))
    theirs -= set(map(tuple, known.items[~gone[known.users]].tolist()))
    rows = [
        row
        for row, (name, items) in enumerate(zip(pool.ids, pool.outfits.items.tolist()))
        if not (tuple(items) in theirs and name == _formed_id(dataset, items))
    ]
    return Pool(tuple(pool.ids[row] for row in rows), pool.outfits[np.array(rows, dtype=np.int64)])


def _formed_id(dataset: Dataset, items: list[int]) -> str:
    return set_id([dataset.items[kind].ids[item] for kind, item in zip(dataset.slots, items) if item != EMPTY])


def requests_without_users(data: RequestData, removed: RemovedUsers) -> RequestData:
    """Requests without those of removed users; `counts` says how many users they are."""
    kept = removed.stay(data.users)
    if kept.all():
        return data
    rows = np.append(np.where(kept, np.cumsum(kept) - 1, EMPTY), NOBODY)  # NOBODY is the last
    splits = {}
    for name, requests in data.splits.items():
        left = requests[(requests.users == NOBODY) | kept[requests.users]]
        splits[name] = replace(left, users=rows[left.users].astype(np.int32))
    users = Vocabulary([user_id for user_id, stays in zip(data.users, kept.tolist()) if stays], "user")
    counts = {**data.counts, REMOVED: int((~kept).sum())}
    return replace(data, users=users, splits=splits, counts=counts)


def log_without_users(log: Log, removed: RemovedUsers) -> tuple[Log, int]:
    """A log of requests without the events of removed users, and how many users they are."""
    kept = removed.stay(log.user_ids)
    if kept.all():
        return log, 0
    renumbered = np.where(kept, np.cumsum(kept) - 1, EMPTY)
    rows = np.flatnonzero((log.users == NOBODY) | kept[log.users])
    users = log.users[rows]
    users = np.where(users == NOBODY, NOBODY, renumbered[users]).astype(np.int32)
    left = replace(
        log,
        users=users,
        items=log.items[rows],
        times=log.times[rows],
        texts=tuple(log.texts[row] for row in rows.tolist()),
        variants=tuple(log.variants[row] for row in rows.tolist()),
        splits=tuple(log.splits[row] for row in rows.tolist()),
        user_ids=tuple(user_id for user_id, stays in zip(log.user_ids, kept.tolist()) if stays),
    )
    return left, int((~kept).sum())
