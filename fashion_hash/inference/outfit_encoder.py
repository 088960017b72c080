"""The outfit encoder without torch: outfits and users as vectors in one space, and the distances between them.

A bundle with an outfit encoder (models/outfit_encoder.py) has a folder encoder/:

    encoder.json            format version; heads, width, num_bits, distance, output, scale, bounded; item types
    weights.safetensors     the weights of the set transformer, the token of each item type (types/TYPE)
                            and the vector of the anonymous user (nobody: the mean user)
    users.npy               (U, D) float32       user vectors
    items.N.npy             (N, W + D) float32   for type number N: the token of each item, and the vector of
                                                 the outfit that consists of it alone

Vectors are computed in float64 and rounded once, and items of one type are ordered by row. An outfit therefore
has the same bits in every batch, and whichever slot of a type an item is in. Preference is minus

    scale * |u - o|^2               distance "euclidean"
    scale * (1 - u.o)               distance "cosine", vectors of length 1
    scale * (differing bits) / D    output "bits", vectors of -1 / +1

Each is a constant factor times the squared distance. Shapes: O outfits, S slots, N items, W width, D num_bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashion_hash.core.arrays import open_array
from fashion_hash.core.codes import binarise
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import MOST_BITS, Within, check_fields, read_part
from fashion_hash.errors import unreadable

FORMAT, FORMAT_VERSION = "fashion_hash outfit encoder", 1
FIELDS = {  # of encoder.json
    "types": (list, str),
    "heads": Within(1, 1 << 12),
    "width": Within(1, 1 << 16),
    "num_bits": Within(1, MOST_BITS),
    "distance": frozenset({"euclidean", "cosine"}),
    "output": frozenset({"float", "bits"}),
    "bounded": bool,
    "scale": Within(0, 1e12, whole=False),
}
AT_ONCE = 512
LAYER_NORM_EPS, LENGTH_EPS = 1e-5, 1e-12  # those of torch.nn.LayerNorm and of models/outfit_encoder.py


@dataclass(frozen=True)
class OutfitEncoderArrays:
    """The set transformer as plain arrays.

    Attributes:
        weights: by the names of models.outfit_encoder.SetEncoder, float32.
        num_heads: of each attention.
        distance: "euclidean" or "cosine".
        output: "float" or "bits".
        scale: of distances.
        type_tokens: by item type, (W,) float32, added to the features of its items.
        bounded: whether tokens go through tanh.
        nobody: (D,) float32, the vector of an anonymous user: the mean user. Named as in the file.
    """

    weights: Mapping[str, np.ndarray]
    num_heads: int
    distance: str
    output: str
    scale: float
    type_tokens: Mapping[str, np.ndarray]
    nobody: np.ndarray
    bounded: bool = False

    @cached_property
    def _wide(self) -> dict[str, np.ndarray]:
        return {name: array.astype(np.float64) for name, array in self.weights.items()}

    @property
    def num_bits(self) -> int:
        """D, the length of the vectors of outfits and users."""
        return int(self.weights["out.weight"].shape[0])

    @property
    def width(self) -> int:
        """W, the length of the tokens of items."""
        return int(self.weights["out.weight"].shape[1])

    @property
    def num_blocks(self) -> int:
        """The number of self-attention blocks."""
        return sum(name.endswith("attention_norm.weight") for name in self.weights)

    @property
    def factor(self) -> float:
        """The factor of the squared Euclidean distance between two vectors in the score."""
        if self.output == "bits":
            return self.scale / (4 * self.num_bits)
        return self.scale / 2 if self.distance == "cosine" else self.scale

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Maps raw vectors, (..., D), into the space, float32: to signs, to length 1, or unchanged."""
        if self.output == "bits":
            return binarise(vectors).astype(np.float32)
        if self.distance == "cosine":
            lengths = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=-1, keepdims=True)
            vectors = vectors / np.maximum(lengths, LENGTH_EPS)
        return np.asarray(vectors, dtype=np.float32)

    def tokens(self, item_type: str, outputs: np.ndarray) -> np.ndarray:
        """The tokens of items of a type, (N, W) float32, from the outputs of the heads, (N, M, W)."""
        tokens = outputs.sum(axis=1) + self.type_tokens[item_type]
        return np.asarray(np.tanh(tokens) if self.bounded else tokens, dtype=np.float32)

    def vectors(self, tokens: np.ndarray, mask: np.ndarray, rough: bool = False) -> np.ndarray:
        """The vectors of outfits: (O, D) float32.

        Args:
            tokens: (O, S, W) float32, the tokens of the items; ignored in empty slots.
            mask: (O, S) bool, True where an outfit has an item.
            rough: compute in float32, in half the time; then the last bits depend on the batch.
        """
        vectors = np.empty((len(tokens), self.num_bits), dtype=np.float32)
        weights = self.weights if rough else self._wide
        for start in range(0, len(tokens), AT_ONCE):
            chunk = slice(start, start + AT_ONCE)
            x = tokens[chunk].astype(weights["seed"].dtype)
            vectors[chunk] = self.place(_raw(weights, (self.num_heads, self.num_blocks), x, mask[chunk]))
        return vectors

    def singles(self, tokens: np.ndarray) -> np.ndarray:
        """The vectors of outfits with a single item, from tokens (N, W): (N, D) float32."""
        return self.vectors(tokens[:, None], np.ones((len(tokens), 1), dtype=bool))


def _raw(weights: Mapping[str, np.ndarray], counts: tuple[int, int], x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The output of the network, with so many heads and blocks, in the precision of its weights: (O, D)."""
    num_heads, num_blocks = counts
    filled = mask[..., None]
    x = np.where(filled, x, x.dtype.type(0))
    for number in range(num_blocks):
        name = f"blocks.{number}"
        normed = _norm(weights, f"{name}.attention_norm", x)
        x = x + _attend(weights, f"{name}.attention", (normed, normed), mask, num_heads)
        normed = _norm(weights, f"{name}.forward_norm", x)
        x = x + _linear(weights, f"{name}.second", np.maximum(_linear(weights, f"{name}.first", normed), 0))
    mean = (x * filled).sum(axis=1) / np.maximum(filled.sum(axis=1), 1).astype(x.dtype)
    seed = np.broadcast_to(weights["seed"], (len(x), *weights["seed"].shape[1:]))
    pooled = _attend(weights, "pool", (seed, _norm(weights, "pool_norm", x)), mask, num_heads)[:, 0]
    return np.asarray(((mean + pooled) * filled.any(axis=1)) @ weights["out.weight"].T)


def _linear(weights: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    y = x.reshape(-1, x.shape[-1]) @ weights[f"{name}.weight"].T
    if (bias := weights.get(f"{name}.bias")) is not None:
        y += bias
    return np.asarray(y.reshape(*x.shape[:-1], -1))


def _norm(weights: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + x.dtype.type(LAYER_NORM_EPS))
    return np.asarray(centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def _attend(
    weights: Mapping[str, np.ndarray], name: str, inputs: tuple[np.ndarray, np.ndarray], mask: np.ndarray, heads: int
) -> np.ndarray:
    """Attention of queries to items, `inputs`."""
    queries, x = inputs
    q, k, v = (
        _linear(weights, f"{name}.{part}", values).reshape(*values.shape[:2], heads, -1).swapaxes(1, 2)
        for part, values in (("query", queries), ("key", x), ("value", x))
    )
    logits = q @ k.swapaxes(-1, -2) / q.dtype.type(np.sqrt(q.shape[-1]))
    logits = np.where(mask[:, None, None, :], logits, np.finfo(logits.dtype).min)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = (shares @ v).swapaxes(1, 2)
    return _linear(weights, f"{name}.out", mixed.reshape(*mixed.shape[:2], -1))


@dataclass(frozen=True)
class EncoderContents:
    """What a trained outfit encoder hands over to a bundle.

    Attributes:
        encoder: the network.
        item_tokens: by type, (N, W) float32.
        user_vectors: (U, D) float32, as `OutfitEncoderArrays.place` returns them.
    """

    encoder: OutfitEncoderArrays
    item_tokens: Mapping[str, np.ndarray]
    user_vectors: np.ndarray

    @cached_property
    def items(self) -> dict[str, np.ndarray]:
        """By type, (N, W + D) float32: see `encoded_items`."""
        return {item_type: encoded_items(self.encoder, tokens) for item_type, tokens in self.item_tokens.items()}

    @property
    def item_codes(self) -> dict[str, np.ndarray]:
        """By type, (N, 1, D) of -1 / +1: the signs of the vectors of single items."""
        return {item_type: single_codes(self.encoder, items) for item_type, items in self.items.items()}

    @property
    def user_codes(self) -> np.ndarray:
        """(U, D) of -1 / +1: the signs of the user vectors."""
        return binarise(self.user_vectors)


def encoded_items(encoder: OutfitEncoderArrays, tokens: np.ndarray) -> np.ndarray:
    """Tokens, (N, W), followed by the vectors of single items: (N, W + D) float32."""
    tokens = np.asarray(tokens, dtype=np.float32)
    return np.concatenate([tokens, encoder.singles(tokens)], axis=1)


def single_codes(encoder: OutfitEncoderArrays, items: np.ndarray) -> np.ndarray:
    """The codes of items, (N, 1, D) int8 of -1 / +1, from `encoded_items`."""
    return binarise(items[:, None, encoder.width :])


def write_encoder(folder: Path, types: Sequence[str], contents: EncoderContents) -> None:
    """Writes the encoder, the encoded items and the user vectors into a new folder."""
    folder.mkdir()
    encoder = contents.encoder
    arrays = {f"set/{name}": array for name, array in encoder.weights.items()}
    arrays |= {f"types/{item_type}": encoder.type_tokens[item_type] for item_type in types} | {"nobody": encoder.nobody}
    plain = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    (folder / "weights.safetensors").write_bytes(save(plain))
    np.save(folder / "users.npy", contents.user_vectors.astype(np.float32))
    for number, item_type in enumerate(types):
        np.save(folder / f"items.{number}.npy", contents.items[item_type])
    about = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "types": list(types),
        "heads": encoder.num_heads,
        "width": encoder.width,
        "num_bits": encoder.num_bits,
        "distance": encoder.distance,
        "output": encoder.output,
        "bounded": encoder.bounded,
        "scale": encoder.scale,
    }
    write_json(folder / "encoder.json", about)


def read_encoder(folder: Path) -> OutfitEncoderArrays:
    """Reads the network that `write_encoder` wrote. Raises BundleError when it cannot be read."""
    absent = f"{folder} holds no outfit encoder (encoder.json): export the bundle again"
    about = read_part(folder / "encoder.json", FORMAT, FORMAT_VERSION, absent)
    check_fields(folder / "encoder.json", about, FIELDS)
    try:
        arrays = load_file(folder / "weights.safetensors")
        encoder = OutfitEncoderArrays(
            weights={name.removeprefix("set/"): array for name, array in arrays.items() if name.startswith("set/")},
            num_heads=about["heads"],
            distance=about["distance"],
            output=about["output"],
            scale=about["scale"],
            type_tokens={item_type: arrays[f"types/{item_type}"] for item_type in about["types"]},
            nobody=arrays["nobody"],
            bounded=about["bounded"],
        )
        if (encoder.width, encoder.num_bits) != (about["width"], about["num_bits"]):
            raise ValueError(
                f"the weights map {encoder.width} to {encoder.num_bits}, but encoder.json says {about['width']} to "
                f"{about['num_bits']}"
            )
        encoder.singles(np.zeros((1, encoder.width), dtype=np.float32))  # the weights fit each other
    except (OSError, LookupError, TypeError, ValueError, ArithmeticError, SafetensorError) as error:
        message = f"{folder} holds no readable outfit encoder ({error}): export the bundle again"
        raise unreadable(folder / "weights.safetensors", error, message) from None
    return encoder


def read_encoded(
    folder: Path, encoder: OutfitEncoderArrays, num_users: int, num_items: Mapping[str, int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The user vectors and encoded items of a bundle, memory-mapped.

    Args:
        folder: the folder of the encoder.
        encoder: the network from that folder.
        num_users: U of the bundle.
        num_items: N by item type, in the order of the bundle.

    Returns:
        User vectors, (U, D) float32, and by item type the result of `encoded_items`.

    Raises:
        BundleError: a file cannot be read or has another shape.
    """
    users = open_array(folder / "users.npy", "encoder/users.npy", U=num_users, D=encoder.num_bits)
    return users, {
        item_type: open_encoded(folder, number, encoder, num_items[item_type])
        for number, item_type in enumerate(num_items)
    }


def open_encoded(folder: Path, number: int, encoder: OutfitEncoderArrays, num_items: int) -> np.ndarray:
    """The encoded items of a type, given by its number, memory-mapped; see `encoded_items`."""
    width = encoder.width + encoder.num_bits
    return open_array(folder / f"items.{number}.npy", "encoder/items.*.npy", N=num_items, E=width)
