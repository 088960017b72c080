"""Codes and embeddings of all users and items of a run, as numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_hash.core.vocabulary import Vocabulary


@dataclass(frozen=True)
class Vectors:
    """Codes (int8) or embeddings (float32) of users and items, in one space.

    Codes are -1 or +1, or with model.codes zero_one 0 or 1.

    Shapes: U users, N items of a type, M modalities, D bits or dimensions.

    Attributes:
        user_ids: (U,) the users of the rows.
        users: (U, D); (U, A, D) under an outfit encoder whose users have A > 1 anchors.
        item_ids: by item type, (N,) the items of the rows.
        items: by item type, (N, M, D). M is the number of modalities under FHN; it is 1 under other networks, where
            an item has the vector of an outfit of it alone, and in runs on requests.
        modalities: (M,) what the second axis of the items stands for, such as ("image", "text").
    """

    user_ids: Sequence[str]
    users: NDArray[Any]
    item_ids: Mapping[str, Sequence[str]]
    items: Mapping[str, NDArray[Any]]
    modalities: tuple[str, ...]

    @classmethod
    def of(
        cls,
        users: tuple[Vocabulary, NDArray[np.float32]],
        items: Mapping[str, tuple[Vocabulary, NDArray[np.float32]]],
        modalities: tuple[str, ...],
        dtype: type[np.int8] | type[np.float32],
    ) -> Vectors:
        """From vocabularies and arrays of the same length.

        Args:
            users: the user vocabulary and (U, D), or (U, A, D).
            items: by type, the item vocabulary and (N, M, D).
            modalities: (M,).
            dtype: int8 for codes, whose numbers are -1 and +1; float32 for embeddings.
        """
        return cls(
            users[0].ids,
            users[1].astype(dtype),
            {item_type: vocabulary.ids for item_type, (vocabulary, _) in items.items()},
            {item_type: rows.astype(dtype) for item_type, (_, rows) in items.items()},
            modalities,
        )
