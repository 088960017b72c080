"""Takes what a live catalogue was told into a data set, so that the next model learns from it.

Items are added to the vocabularies, with their titles, details and raw features; likes become outfits of the training
split; what a user dislikes by now leaves it. Removed items stay in the training: what users liked of them says what
they like. The new bundle does not offer them, because `build-index` removes them from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, canonical_columns, concatenate, slot_names
from fashion_hash.core.seeds import generator
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content, Dataset, Groups, Split
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.negatives import NegativeSampler, as_groups
from fashion_hash.data.told.told import ItemsBySlot, Told
from fashion_hash.errors import counted


def with_told(dataset: Dataset, told: Told) -> Dataset:
    """The data set with everything in it that a model can learn from; `content.notes` says what was taken and what not.

    Args:
        dataset: its splits are made already; the training split is extended.
        told: what the live catalogue was told.
    """
    items, content, notes = _items(dataset, told)
    users = Vocabulary([*dataset.users, *_new_users(dataset, told, items)], "user")
    joined = replace(dataset, users=users, items=items, content=content)
    liked, unknown = _outfits(joined, {user_id: user.liked for user_id, user in told.users.items()})
    disliked, _ = _outfits(joined, {user_id: user.disliked for user_id, user in told.users.items()})
    train = dataset.split("train")
    new = liked[~_among(liked, dataset.known)]
    kept = ~_among(train.positives, disliked)
    notes += [
        f"{counted(len(new), 'liked outfit')} of {counted(len(np.unique(new.users)), 'user')} for training "
        f"({counted(len(users) - len(dataset.users), 'user is new', 'users are new')})",
        *_note(len(liked) - len(new), "liked outfit", "already in the data"),
        *_note(unknown, "liked outfit", "left out with an item that the data set does not have"),
        *_note(int((~kept).sum()), "training outfit", "left out after a dislike that came later"),
        *_note(
            sum(len(user.disliked) for user in told.users.values()), "dislike", "not trained on but kept by build-index"
        ),
        *_note(len(told.outfits), "outfit", "of no user, not trained on but kept in the pool by build-index"),
        *_note(len(told.removed_items), "removed item", "kept in the training, and out of the bundle by build-index"),
    ]
    splits = {**dataset.splits, "train": _extended(train, kept, new)}
    lines = tuple(f"from the live catalogue: {note}" for note in notes)
    return replace(joined, splits=splits, content=replace(content, notes=lines))


def _items(dataset: Dataset, told: Told) -> tuple[dict[str, Vocabulary], Content, list[str]]:
    """Vocabularies and content with the items that were told."""
    details: dict[str, dict[str, Mapping[str, Any]]] = {name: dict(of) for name, of in dataset.content.details.items()}
    features: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    pictures: dict[str, bytes] = {}
    new: dict[str, list[str]] = {item_type: [] for item_type in dataset.types}
    known, with_features, bare, foreign = 0, 0, [], []
    for (item_type, item_id), item in {**told.updates, **told.items}.items():
        if item_type not in new:
            foreign.append(item_id)
            continue
        if item_id in dataset.items[item_type]:
            known += 1
        elif not item.features and not item.title and item.picture is None:
            bare.append(item_id)
            continue
        else:
            new[item_type].append(item_id)
        title = {} if item.title is None else {"title": item.title}
        of_type = details.setdefault(item_type, {})
        of_type[item_id] = {**of_type.get(item_id, {}), **item.details, **title}
        with_features += bool(item.features)
        if item.picture is not None:
            pictures[item_id] = item.picture
        for modality, feature in item.features.items():
            features.setdefault(modality, {}).setdefault(item_type, {})[item_id] = feature
    items = {name: Vocabulary([*dataset.items[name], *new[name]], name) for name in dataset.types}
    notes = [
        f"{counted(sum(map(len, new.values())), 'item')} ({with_features:,} with features)",
        *_note(len(pictures), "item", "with a new picture"),
        *_note(known, "item", "already in the data, with title, details and features replaced"),
        *_note(len(bare), "item", f"left out without features, title or picture, such as {bare[:1]}"),
        *_note(
            len(foreign), "item", f"left out of another type than {', '.join(dataset.types)}, such as {foreign[:1]}"
        ),
    ]
    return items, replace(dataset.content, details=details, features=features, newer_pictures=pictures), notes


def _new_users(dataset: Dataset, told: Told, items: Mapping[str, Vocabulary]) -> list[str]:
    """New users that a model can learn from: they like an outfit whose items are known."""
    names = dict(zip(slot_names(dataset.slots), dataset.slots))
    return [
        user_id
        for user_id, user in told.users.items()
        if user_id not in dataset.users
        and any(all(item in items[names[slot]] for slot, item in outfit.items()) for outfit in user.liked)
    ]


def _outfits(dataset: Dataset, by_user: Mapping[str, Sequence[ItemsBySlot]]) -> tuple[Outfits, int]:
    """Outfits as rows, and the number of those that hold an unknown item."""
    names, users, rows, unknown = slot_names(dataset.slots), [], [], 0
    for user_id, outfits in by_user.items():
        for outfit in outfits:
            row = [
                dataset.items[item_type].find(outfit[name]) if name in outfit else EMPTY
                for name, item_type in zip(names, dataset.slots)
            ]
            if sum(item != EMPTY for item in row) < len(outfit) or user_id not in dataset.users:
                unknown += 1
            else:
                users.append(dataset.users.find(user_id))
                rows.append(row)
    return Outfits.of(dataset.slots, users, rows), unknown


def _among(outfits: Outfits, others: Outfits) -> np.ndarray:
    """(N,) bool: the outfits that the same users have among others."""
    known = set(map(tuple, canonical_columns(others).T.tolist()))
    return np.array([tuple(row) in known for row in canonical_columns(outfits).T.tolist()], dtype=bool)


def _extended(split: Split, kept: np.ndarray, new: Outfits) -> Split:
    """A split without some outfits and with others; fixed negatives of new outfits are drawn by a fixed seed."""
    rows = np.flatnonzero(kept)
    positives = concatenate([split.positives[rows], new])
    negatives, sampler = {}, NegativeSampler(positives)
    for kind, groups in split.negatives.items():
        draw = sampler.hard if kind == "hard" else sampler.random
        drawn = draw(generator(0, "told", kind), groups.size)[len(rows) :]
        of_rows = (rows[:, None] * groups.size + np.arange(groups.size)).reshape(-1)
        outfits = concatenate([groups.outfits[of_rows], as_groups(new, drawn).outfits])
        negatives[kind] = Groups(outfits, groups.size)
    facts = _facts(split.facts, rows, len(new))
    return Split(positives, negatives, split.questions, facts, split.labelled, split.retrieval)


def _facts(facts: OutfitFacts | None, rows: np.ndarray, count: int) -> OutfitFacts | None:
    """Facts about what is left, and about new outfits: they are likes, and as new as the newest outfit."""
    if facts is None:
        return None
    old = facts[rows]
    newest = NO_TIME if facts.times is None else int(facts.times.max(initial=NO_TIME))
    ids = np.array([f"told {number}" for number in range(1, count + 1)], dtype=object)
    return OutfitFacts(
        None if old.ids is None else np.concatenate([old.ids, ids]),
        None if old.times is None else np.concatenate([old.times, np.full(count, newest)]),
        None if old.weights is None else np.concatenate([old.weights, np.full(count, np.nan)]),
        None if old.kinds is None else np.concatenate([old.kinds, np.full(count, "liked", dtype=object)]),
    )


def _note(count: int, noun: str, what: str) -> list[str]:
    return [f"{counted(count, noun)} {what}"] if count else []
