"""What a reader returns: vocabularies and splits, whatever the format on disk was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from fashion_hash.core.outfits import Outfits, concatenate, item_types
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.columns import Value
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.errors import DataError, counted

SPLITS = ("train", "valid", "test")


def items_digest(items: Mapping[str, Vocabulary]) -> str:
    """Twelve hexadecimal digits of item types and the ids of their items, in order."""
    digest = hashlib.sha256()
    for item_type, vocabulary in items.items():
        digest.update(json.dumps([item_type, vocabulary.ids]).encode())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Groups:
    """Outfits that come in groups of `size` rows: row k belongs to group k // size.

    Fixed negatives: group g holds the negatives of positive g. Questions (fill in the blank, retrieval):
    group g holds the candidates of question g, the first row is the truth.
    """

    outfits: Outfits
    size: int

    def __post_init__(self) -> None:
        if self.size < 1 or len(self.outfits) % self.size:
            raise DataError(f"{counted(len(self.outfits), 'outfit')} cannot be divided into groups of {self.size}")

    def __len__(self) -> int:
        return len(self.outfits) // self.size


@dataclass(frozen=True)
class Labelled:
    """Outfits that the data set calls compatible or not (Han et al., ACM MM 2017), in no relation to the positives.

    Attributes:
        outfits: N outfits.
        compatible: (N,) bool, the labels.
    """

    outfits: Outfits
    compatible: np.ndarray

    def __post_init__(self) -> None:
        if self.compatible.shape != (len(self.outfits),):
            raise DataError(f"labels of shape {self.compatible.shape} for {counted(len(self.outfits), 'outfit')}")


@dataclass(frozen=True)
class Split:
    """One of train, valid and test.

    Attributes:
        positives: outfits that users made or liked.
        negatives: fixed negatives by kind ("random", "hard"); one group for each positive.
        questions: fill-in-the-blank questions, if the data set has them.
        facts: ids, times and weights of the positives, as far as the data set has them.
        labelled: outfits labelled as compatible or not, if the data set has them.
        retrieval: by slot name, questions whose candidates differ in that slot, if the data set has them.
    """

    positives: Outfits
    negatives: Mapping[str, Groups] = field(default_factory=dict)
    questions: Groups | None = None
    facts: OutfitFacts | None = None
    labelled: Labelled | None = None
    retrieval: Mapping[str, Groups] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.facts is not None:
            self.facts.check_length(len(self.positives))
        for kind, groups in self.negatives.items():
            if len(groups) != len(self.positives):
                raise DataError(
                    f"{kind} negatives: {len(groups)} groups of {groups.size} for {len(self.positives)} positives"
                )


@dataclass(frozen=True)
class ColdUsers:
    """Users hidden from training (`fashion_hash.data.splits.cold_users`); row h of any table here is user h of `ids`.

    Attributes:
        ids: (H,) of the hidden users.
        told: their training outfits, user by user, each user's in a seeded order: the first n are told.
        splits: their rows of the other splits.
    """

    ids: tuple[str, ...]
    told: Outfits
    splits: Mapping[str, Split]

    @property
    def known(self) -> Outfits:
        """All outfits that the hidden users made or liked."""
        return concatenate([self.told, *(split.positives for split in self.splits.values())])


@dataclass(frozen=True)
class Content:
    """Where the pictures and words of the items lie; nothing of it is read until it is asked for.

    Attributes:
        pictures: a folder of image files, or an LMDB environment of encoded images. None when the data set has no
            pictures.
        text_vectors: a file of given text vectors (the pickle of the Polyvore-U release).
        details: what else is known of the items, by item type and id: "title" (words) and any
            further columns (price, colour, ...), kept for display and filters.
        table: the table that `details` were read from, if there is one.
        picture_keys: the keys of the items' pictures, by item id; the key of any other item is its id.
        newer_pictures: encoded pictures by item id, which go before those of `pictures`.
        features: raw features that came with the items, by modality, item type and id; they go before those of stores.
        notes: lines about what was joined with the data, for whoever trains on it.
        names: what the owner of the tables calls columns that have another name here: {"Preis": "price"}.
    """

    pictures: Path | None = None
    text_vectors: Path | None = None
    details: Mapping[str, Mapping[str, Mapping[str, Value]]] = field(default_factory=dict)
    table: ItemTable | None = None
    picture_keys: Mapping[str, str] = field(default_factory=dict)
    newer_pictures: Mapping[str, bytes] = field(default_factory=dict)
    features: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """Something odd in the files, which could be read all the same.

    Attributes:
        what: what it is, and what was done about it.
        count: how often it occurs; 0 for what is not counted.
        examples: the first cases.
    """

    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.examples) else ""
        cases = f": {', '.join(self.examples)}{more}" if self.examples else ""
        return f"{self.what} ({self.count:,}){cases}" if self.count else self.what


@dataclass(frozen=True)
class Pool:
    """Outfits with ids of their own; two of them may consist of the same items.

    Attributes:
        ids: (N,) distinct outfit ids.
        outfits: N outfits, all of user 0.
    """

    ids: tuple[str, ...]
    outfits: Outfits


@dataclass(frozen=True)
class Dataset:
    """A whole data set in memory: integers and ids only; pictures and vectors stay on disk.

    Attributes:
        name: for reports, such as "polyvore_u/tuples_630".
        slots: the item type of each slot of an outfit.
        users: user ids and rows.
        items: for each item type, item ids and rows.
        splits: the splits that exist, by name ("train", "valid", "test").
        content: where pictures and words lie.
        cold: the hidden users, if any; they have no rows in the vocabulary and the splits.
        pool: the outfits of a shop under their own ids, liked or not; None where the outfits that are liked are all.
        notes: what was odd in the files.
    """

    name: str
    slots: tuple[str, ...]
    users: Vocabulary
    items: Mapping[str, Vocabulary]
    splits: Mapping[str, Split]
    content: Content = Content()
    cold: ColdUsers | None = None
    pool: Pool | None = None
    notes: tuple[Note, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The distinct item types."""
        return item_types(self.slots)

    def split(self, name: str) -> Split:
        """A split by name; "val" is understood as "valid". Raises DataError when it is absent."""
        name = "valid" if name == "val" else name
        if name not in self.splits:
            hint = ": divide it with data.split" if set(self.splits) == {"train"} else ""
            raise DataError(f"{self.name} has no split {name!r}; it has {', '.join(sorted(self.splits))}{hint}")
        return self.splits[name]

    @property
    def known(self) -> Outfits:
        """All outfits that users made or liked, split by split."""
        return concatenate([split.positives for split in self.splits.values()])

    @cached_property
    def outfits(self) -> Outfits:
        """The pool that an index is built over: `pool`, or else the distinct outfits of all splits' positives."""
        if self.pool is not None:
            return self.pool.outfits
        return concatenate([self.splits[name].positives for name in SPLITS if name in self.splits]).distinct()

    @cached_property
    def users_fingerprint(self) -> str:
        """Twelve hexadecimal digits of the ids of the users, in order."""
        return hashlib.sha256(json.dumps(self.users.ids).encode()).hexdigest()[:12]

    @cached_property
    def items_fingerprint(self) -> str:
        """Twelve hexadecimal digits of the item types and the ids of their items, in order."""
        return items_digest({item_type: self.items[item_type] for item_type in self.types})

    def type_fingerprint(self, kind: str) -> str:
        """Twelve hexadecimal digits of the ids of one type's items, in order."""
        return items_digest({kind: self.items[kind]})

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of what was read: ids, slots, positives of every split, their times and weights."""
        digest = hashlib.sha256(json.dumps([self.slots, self.users.ids, self.items_fingerprint]).encode())
        for name in sorted(self.splits):
            positives = self.splits[name].positives
            digest.update(name.encode() + positives.users.tobytes() + positives.items.tobytes())
            facts = self.splits[name].facts
            if facts is not None:
                digest.update(facts.digest)
        return digest.hexdigest()[:12]
