"""Cold users: users hidden from training altogether, and what a model is asked about them afterwards.

Paper of the protocol: Kim et al., 2021 (new users with 1 and 5 outfits). Shapes: H hidden users, S slots.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import ColdUsers, Dataset, Groups, Labelled, Split
from fashion_hash.errors import ConfigError, counted

COLD_TOLD = 5  # training outfits that a hidden user has at least


def hide_cold_users(dataset: Dataset, count: int, seed: int) -> Dataset:
    """The data set as if some users had never been: no ids, no rows in any split; they lie in `cold`.

    Args:
        dataset: whole.
        count: H, how many users to hide among those with COLD_TOLD training outfits and a test outfit.
        seed: decides which.

    Raises:
        ConfigError: the data set has fewer such users, or none would remain.
    """
    train, test = dataset.split("train").positives, dataset.split("test").positives
    told = np.bincount(train.users, minlength=len(dataset.users))
    asked = np.bincount(test.users, minlength=len(dataset.users))
    able = np.flatnonzero((told >= COLD_TOLD) & (asked > 0))
    if count > len(able) or count >= len(dataset.users):
        raise ConfigError(
            f"data.cold_users: {counted(count, 'user')} to hide, but {dataset.name} has {len(able)} with "
            f"{COLD_TOLD} training "
            f"outfits and a test outfit, of {len(dataset.users)}: hide fewer"
        )
    hidden = np.sort(generator(seed, "cold users").choice(able, count, replace=False))
    stay = np.setdiff1d(np.arange(len(dataset.users)), hidden)
    order = np.concatenate(
        [
            rows[generator(seed, "told", dataset.users.ids[user]).permutation(len(rows))]
            for user in hidden.tolist()
            for rows in [np.flatnonzero(train.users == user)]
        ]
    )
    cold = ColdUsers(
        tuple(dataset.users.ids[user] for user in hidden),
        _of_users(train[order], hidden, len(dataset.users))[0],
        {
            name: split_of_users(dataset.splits[name], hidden, len(dataset.users))
            for name in dataset.splits
            if name != "train"
        },
    )
    return replace(
        dataset,
        name=f"{dataset.name} without {counted(count, 'cold user')}",
        users=Vocabulary([dataset.users.ids[row] for row in stay], "user"),
        splits={name: split_of_users(split, stay, len(dataset.users)) for name, split in dataset.splits.items()},
        cold=cold,
    )


def told_outfits(cold: ColdUsers, count: int) -> Outfits:
    """The first `count` outfits that each cold user tells, in their seeded order."""
    nth = np.arange(len(cold.told)) - np.searchsorted(cold.told.users, cold.told.users)
    return cold.told[nth < count]


def split_of_users(split: Split, users: np.ndarray, total: int) -> Split:
    """The rows of some users of a split, who are numbered anew; `total` is the number of all users."""
    positives, kept = _of_users(split.positives, users, total)
    negatives = {kind: _groups(groups, kept, users, total) for kind, groups in split.negatives.items()}

    def asked_of(questions: Groups) -> Groups:
        truths = questions.outfits.users[:: questions.size]
        return _groups(questions, np.isin(truths, users), users, total)

    questions = None if split.questions is None else asked_of(split.questions)
    retrieval = {slot: asked_of(groups) for slot, groups in split.retrieval.items()}
    labelled = None
    if split.labelled is not None:
        outfits, rows = _of_users(split.labelled.outfits, users, total)
        labelled = Labelled(outfits, split.labelled.compatible[rows])
    facts = None if split.facts is None else split.facts[kept]
    return Split(positives, negatives, questions, facts, labelled, retrieval)


def _groups(groups: Groups, kept: np.ndarray, users: np.ndarray, total: int) -> Groups:
    rows = np.repeat(kept, groups.size)
    return Groups(_of_users(groups.outfits[rows], users, total)[0], groups.size)


def _of_users(outfits: Outfits, users: np.ndarray, total: int) -> tuple[Outfits, np.ndarray]:
    """The outfits of some users, numbered anew in their order, and which rows (N,) these are."""
    renumbered = np.full(total, EMPTY, dtype=np.int32)
    renumbered[users] = np.arange(len(users), dtype=np.int32)
    now = renumbered[outfits.users]
    kept = now != EMPTY
    return Outfits(outfits.slots, now[kept], outfits.items[kept]), kept
