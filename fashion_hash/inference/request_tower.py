"""Requests without torch: words and taste become bits in the code space of the items.

What lies in the folder and what is computed stands in `fashion_hash.inference.request_weights`.
Shapes: Q requests, U users, N items of a type, F feature, D bits, T what an item adds to a taste (D or 0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.arrays import open_array
from fashion_hash.encoders.contract import TextEncoder, Words, check_same_encoder
from fashion_hash.encoders.open import open_encoder
from fashion_hash.errors import BundleError, FeatureError, QueryError, suggest
from fashion_hash.inference.layers import apply_layers
from fashion_hash.inference.request_weights import TowerWeights, file_name, finish, read_requests


class RequestCodes(NamedTuple):
    """Requests in the code space of the items, and what each was made from.

    Attributes:
        bits: (Q, D) int8 of -1 / +1.
        floats: (Q, D) float32, to be multiplied with `RequestTower.item_vectors`.
        by_text: (Q,) bool, False where there were no words, or none that is known.
        by_taste: (Q,) bool, False where no taste was given.
    """

    bits: np.ndarray
    floats: np.ndarray
    by_text: np.ndarray
    by_taste: np.ndarray


class ItemCodes(NamedTuple):
    """Items that arrive later: (N, D) int8 bits, (N, D) float32 floats, (N, T) float32 tastes."""

    bits: np.ndarray
    floats: np.ndarray
    tastes: np.ndarray


class RequestTower:
    """The request model of a bundle.

    Attributes:
        encoder: what turns texts into vectors; a pretrained one loads when it first encodes.
        num_bits: D.
        types: the item types.
        item_codes: by type, (N, D/8) uint8, packed; mapped.
        item_vectors: by type, (N, D) float16, mapped.
        item_tastes: by type, (N, T) float32, mapped.
        user_tastes: (U, D) float32, mapped; use `taste_of_user`.

    >>> tower = RequestTower.open("runs/requests/bundle/requests")                    # doctest: +SKIP
    >>> asked = tower.request(["a linen shirt"], [tower.taste_of_user(3)])            # doctest: +SKIP
    >>> asked.floats @ tower.item_vectors["top"].T.astype("float32")                  # doctest: +SKIP
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], weights: TowerWeights, encoder: TextEncoder) -> None:
        self.path = path
        self.types = tuple(manifest["types"])
        self.num_bits = int(manifest["num_bits"])
        self.weights = weights
        self.encoder = encoder
        self.item_codes = {item_type: self._array("items.*.codes.npy", item_type) for item_type in self.types}
        sizes = {item_type: len(codes) for item_type, codes in self.item_codes.items()}
        self.item_vectors = {
            item_type: self._array("items.*.vectors.npy", item_type, N=size) for item_type, size in sizes.items()
        }
        self.item_tastes = {
            item_type: self._array("items.*.tastes.npy", item_type, N=size) for item_type, size in sizes.items()
        }
        self.user_tastes = self._array("users.tastes.npy")
        self._user_known = self._array("users.known.npy", U=len(self.user_tastes))

    def _array(self, name: str, item_type: str = "", **sizes: int) -> np.ndarray:
        path = self.path / name.replace("*", file_name(item_type))
        sizes |= {"D": self.num_bits, "W": self.num_bits // 8, "T": len(self.weights.taste_project)}
        return open_array(path, f"requests/{name}", **sizes)

    @classmethod
    def open(
        cls, folder: str | Path, *, encoder: TextEncoder | None = None, encoder_weights: str | None = None
    ) -> RequestTower:
        """Reads the folder requests/ of a bundle.

        Args:
            folder: the folder.
            encoder: one that is loaded already; by default the one that the folder names.
            encoder_weights: where the weights of a pretrained encoder lie now, if elsewhere than at the time.

        Raises:
            BundleError: no request model there, of another version, broken, or made with another encoder.
        """
        folder = Path(folder)
        manifest, weights = read_requests(folder)
        try:
            own = open_encoder(folder / "encoder", encoder_weights)
        except FeatureError as error:
            raise BundleError(str(error)) from None
        if encoder is not None:
            check_same_encoder(str(folder.parent), own, encoder)
        if own.dim != weights.request_project.shape[1]:
            raise BundleError(
                f"{folder}: the encoder gives {own.dim} floats, the tower takes {weights.request_project.shape[1]}: "
                "export it again"
            )
        return cls(folder, manifest, weights, encoder or own)

    @property
    def taste_dim(self) -> int:
        """D, the length of a taste."""
        return int(self.weights.no_taste.shape[0])

    def words(self, text: str) -> Words:
        """The words of a request that the encoder knows, and those that it does not."""
        return self.encoder.words(text)

    def taste_of_user(self, row: int) -> np.ndarray | None:
        """(D,) float32, the taste of a user of the bundle by row; None when nothing is known of it."""
        return np.asarray(self.user_tastes[row], dtype=np.float32) if self._user_known[row] else None

    def taste_of(self, rows: Mapping[str, Sequence[int] | np.ndarray]) -> np.ndarray | None:
        """(D,) float32, the taste of a new user, from the items they engaged with: rows by item type.

        None when there are none. Raises QueryError for an item type that the bundle does not have.
        """
        for kind in rows:
            self._check_kind(kind)
        found = [self.item_tastes[kind][np.asarray(one, dtype=np.int64)] for kind, one in rows.items() if len(one)]
        return self.taste_of_items(np.concatenate(found)) if found else None

    def taste_of_items(self, tastes: np.ndarray) -> np.ndarray | None:
        """The same from what the items add, (N, T), such as `ItemCodes.tastes`.

        None without items, and in a model whose tastes are learned rows alone.
        """
        if not tastes.size:
            return None
        # a new user lacks what is learned for each user
        return np.asarray((tastes.mean(axis=0, dtype=np.float64) + self.weights.nobody).astype(np.float32))

    def request(
        self, texts: Sequence[str | None], tastes: Sequence[np.ndarray | None] | np.ndarray | None = None
    ) -> RequestCodes:
        """Requests as bits and floats.

        Args:
            texts: Q texts; None, "" and words of which none is known count alike: the answer is by taste.
            tastes: Q tastes (D,) or None each, or None for all: the answer is by the words alone. With
                neither it is what people ask for most.

        Raises:
            QueryError: texts and tastes of different numbers, or a taste of another length.
        """
        tastes = [None] * len(texts) if tastes is None else tastes
        if len(tastes) != len(texts):
            raise QueryError(f"{len(tastes)} tastes for {len(texts)} texts: give one each, None where there is none")
        weights = self.weights
        taste = np.tile(weights.no_taste, (len(texts), 1))
        for row, one in enumerate(tastes):
            if one is not None:
                if np.shape(one) != weights.no_taste.shape:
                    raise QueryError(f"taste {row} has shape {np.shape(one)}, this model takes ({self.taste_dim},)")
                taste[row] = one
        vectors = self.encoder.encode_texts([text or "" for text in texts])
        by_text = np.asarray(vectors.any(axis=1))
        # each row by itself, (1, F): a batch then gives the very floats that each request gives alone
        projected = (vectors[:, None] @ weights.request_project.T)[:, 0]
        asked = np.where(by_text[:, None], projected, weights.no_text)
        inputs = np.concatenate([asked, taste], axis=1)[:, None]
        outputs = weights.gates[0] * asked + weights.gates[1] * taste + apply_layers(weights.request_mlp, inputs)[:, 0]
        by_taste = np.array([one is not None for one in tastes], dtype=bool)
        return RequestCodes(*finish(outputs, weights), by_text, by_taste)

    def items(self, descriptions: Sequence[str | None], pictures: Sequence[bytes | None] | None = None) -> ItemCodes:
        """Bits, floats and tastes of items that arrive later, from their words (title and description).

        Args:
            descriptions: N texts; an item of which no word is known counts as one that nothing describes.
            pictures: N encoded pictures or None each, for an encoder that takes them.
        """
        weights = self.weights
        vectors = item_features(self.encoder, [one or "" for one in descriptions], pictures)
        known = np.asarray(vectors.any(axis=1))[:, None]
        shown = np.where(known, (vectors[:, None] @ weights.item_project.T)[:, 0], weights.no_description)
        outputs = shown + apply_layers(weights.item_mlp, shown[:, None])[:, 0] + weights.unknown_item
        tastes = vectors @ weights.taste_project.T + weights.unknown_taste_item
        return ItemCodes(*finish(outputs, weights), tastes.astype(np.float32))

    def _check_kind(self, kind: str) -> None:
        if kind not in self.types:
            raise QueryError(f"no item type {kind!r}{suggest(kind, self.types)}: this bundle has {list(self.types)}")


def item_features(
    encoder: TextEncoder, descriptions: Sequence[str], pictures: Sequence[bytes | None] | None = None
) -> np.ndarray:
    """(N, F) float32 unit vectors of items: of their words, and of their picture where the encoder takes them."""
    vectors = encoder.encode_texts(descriptions)
    if encoder.takes_pictures and pictures is not None:
        vectors = vectors + encoder.encode_pictures(pictures)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return vectors
