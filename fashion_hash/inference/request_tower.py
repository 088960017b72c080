"""Requests without torch: turns words and taste into bits in the code space of the items.

`fashion_hash.inference.request_weights` describes the folder and the formulas.
Shapes: Q requests, U users, N items of a type, F features, D bits, T what an item adds to a taste (D or 0).
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
    """Requests in the code space of the items.

    Attributes:
        bits: (Q, D) int8 of -1 / +1.
        floats: (Q, D) float32; their products with `RequestTower.item_vectors` are scores.
        by_text: (Q,) bool, True where the request has a known word.
        by_taste: (Q,) bool, True where the request has a taste.
        vectors: (Q, F) float32, the encoder's vectors of the texts; zeros without a known word.
    """

    bits: np.ndarray
    floats: np.ndarray
    by_text: np.ndarray
    by_taste: np.ndarray
    vectors: np.ndarray


class ItemCodes(NamedTuple):
    """New items: (N, D) int8 bits, (N, D) float32 floats, (N, T) float32 tastes, (N, F) float32 encoder's vectors."""

    bits: np.ndarray
    floats: np.ndarray
    tastes: np.ndarray
    encoded: np.ndarray


class RequestTower:
    """The request model of a bundle.

    Attributes:
        encoder: turns texts into vectors; a pretrained one is loaded at its first use.
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
            encoder: an open encoder to share; by default the one that the folder names is opened.
            encoder_weights: where the weights of a pretrained encoder are now, if they were moved.

        Raises:
            BundleError: the folder has no request model, one of another version, a broken one, or one made with
                another encoder.
        """
        folder = Path(folder)
        manifest, weights = read_requests(folder)
        try:
            saved = open_encoder(folder / "encoder", encoder_weights)
        except FeatureError as error:
            raise BundleError(str(error)) from None
        if encoder is not None:
            check_same_encoder(str(folder.parent), saved, encoder)
        if saved.dim != weights.request_project.shape[1]:
            raise BundleError(
                f"{folder}: the encoder gives {saved.dim} floats, but the tower takes "
                f"{weights.request_project.shape[1]}: export the bundle again"
            )
        return cls(folder, manifest, weights, encoder or saved)

    @property
    def taste_dim(self) -> int:
        """D, the length of a taste."""
        return int(self.weights.no_taste.shape[0])

    def words(self, text: str) -> Words:
        """The known and unknown words of a request."""
        return self.encoder.words(text)

    def taste_of_user(self, row: int) -> np.ndarray | None:
        """The taste of a user of the bundle by row, (D,) float32, or None when it is unknown."""
        return np.asarray(self.user_tastes[row], dtype=np.float32) if self._user_known[row] else None

    def taste_of(self, rows: Mapping[str, Sequence[int] | np.ndarray]) -> np.ndarray | None:
        """The taste of a new user from the items that they engaged with.

        Args:
            rows: item rows by item type.

        Returns:
            (D,) float32, or None without items.

        Raises:
            QueryError: an item type that the bundle does not have.
        """
        for item_type in rows:
            self._check_type(item_type)
        tastes = [
            self.item_tastes[item_type][np.asarray(item_rows, dtype=np.int64)]
            for item_type, item_rows in rows.items()
            if len(item_rows)
        ]
        return self.taste_of_items(np.concatenate(tastes)) if tastes else None

    def taste_of_items(self, tastes: np.ndarray) -> np.ndarray | None:
        """The taste of a new user, (D,) float32, from what items add to it, (N, T), such as `ItemCodes.tastes`.

        None without items, and in a model with learned rows alone.
        """
        if not tastes.size:
            return None
        # a new user has no learned row
        return np.asarray((tastes.mean(axis=0, dtype=np.float64) + self.weights.nobody).astype(np.float32))

    def request(
        self, texts: Sequence[str | None], tastes: Sequence[np.ndarray | None] | np.ndarray | None = None
    ) -> RequestCodes:
        """Turns requests into bits and floats.

        A request with neither words nor taste stands for what users request most.

        Args:
            texts: Q texts; None and texts without a known word are answered by taste alone.
            tastes: Q tastes (D,), None to answer by words alone; by default all None.

        Raises:
            QueryError: different numbers of texts and tastes, or a taste of another length.
        """
        tastes = [None] * len(texts) if tastes is None else tastes
        if len(tastes) != len(texts):
            raise QueryError(f"got {len(tastes)} tastes for {len(texts)} texts: give one per text, None for no taste")
        return self.request_of(self.encoder.encode_texts([text or "" for text in texts]), tastes)

    def request_of(self, vectors: np.ndarray, tastes: Sequence[np.ndarray | None] | np.ndarray) -> RequestCodes:
        """`request` for texts that are encoded already.

        Args:
            vectors: (Q, F) float32; zeros to answer by taste alone.
            tastes: Q tastes, as for `request`.
        """
        weights = self.weights
        taste = np.tile(weights.no_taste, (len(vectors), 1))
        for row, user_taste in enumerate(tastes):
            if user_taste is not None:
                if (shape := np.shape(user_taste)) != weights.no_taste.shape:
                    raise QueryError(f"taste {row} has shape {shape}, but this model takes ({self.taste_dim},)")
                taste[row] = user_taste
        by_text = np.asarray(vectors.any(axis=1))
        # each row is multiplied on its own, (1, F), so that a batch gives the same floats as single requests
        projected = (vectors[:, None] @ weights.request_project.T)[:, 0]
        asked = np.where(by_text[:, None], projected, weights.no_text)
        inputs = np.concatenate([asked, taste], axis=1)[:, None]
        outputs = weights.gates[0] * asked + weights.gates[1] * taste + apply_layers(weights.request_mlp, inputs)[:, 0]
        by_taste = np.array([user_taste is not None for user_taste in tastes], dtype=bool)
        return RequestCodes(*finish(outputs, weights), by_text, by_taste, vectors)

    def items(self, descriptions: Sequence[str | None], pictures: Sequence[bytes | None] | None = None) -> ItemCodes:
        """Bits, floats and tastes of new items, from their words (title and description).

        Args:
            descriptions: N texts; an item without a known word counts as undescribed.
            pictures: N encoded pictures (JPEG or PNG), None where there is none, for an encoder that takes pictures.
        """
        weights = self.weights
        vectors = item_features(self.encoder, [description or "" for description in descriptions], pictures)
        known = np.asarray(vectors.any(axis=1))[:, None]
        shown = np.where(known, (vectors[:, None] @ weights.item_project.T)[:, 0], weights.no_description)
        outputs = shown + apply_layers(weights.item_mlp, shown[:, None])[:, 0] + weights.unknown_item
        tastes = vectors @ weights.taste_project.T + weights.unknown_taste_item
        return ItemCodes(*finish(outputs, weights), tastes.astype(np.float32), vectors)

    def _check_type(self, item_type: str) -> None:
        if item_type not in self.types:
            raise QueryError(
                f"no item type {item_type!r}{suggest(item_type, self.types)}: "
                f"the item types are {', '.join(self.types)}"
            )


def item_features(
    encoder: TextEncoder, descriptions: Sequence[str], pictures: Sequence[bytes | None] | None = None
) -> np.ndarray:
    """Unit vectors of items, (N, F) float32: of their words, and of their pictures if the encoder takes them."""
    vectors = encoder.encode_texts(descriptions)
    if encoder.takes_pictures and pictures is not None:
        vectors = vectors + encoder.encode_pictures(pictures)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return vectors
