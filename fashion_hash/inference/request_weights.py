"""The request model without torch: turns words and taste into bits in the code space of the items.

A bundle whose run was trained on requests has a folder requests/:

    requests.json           format version, item types, num_bits, output, slope and numbers of layers
    tower.safetensors       the weights of the request tower and the item tower, and the defaults for unknowns
    encoder/                the text encoder (fashion_hash.encoders)
    facts/                  what it understands of the catalogue (fashion_hash.understanding.facts)
    sum/                    what counts beside the bits (fashion_hash.inference.request_sum)
    items.TYPE.codes.npy    (N, D/8) uint8    packed codes of the items
    items.TYPE.vectors.npy  (N, D) float16    the real vectors before binarisation, for a re-rank in floats
    items.TYPE.tastes.npy   (N, T) float32    what an item adds to the taste of users who engaged with it
    users.tastes.npy        (U, D) float32    taste of every user of the bundle
    users.known.npy         (U,) bool         False where a user's taste is unknown

An item is t = v' + MLP(v') + e, where v' = W v projects its description v and e is a learned embedding. A request
is p = a q' + b taste + MLP([q'; taste]), where q' = W' q projects its words q. A taste is the mean over the items
that a user engaged with, a learned row of the user, or the sum of both. Bits are the signs; floats are
tanh(slope * p), or p / |p| in a model trained in floats. The score is the inner product of request and item, in bits
or in floats. The model follows WhisperLite (Sevegnani et al., 2022), see fashion_hash.models.whisper_lite.

Shapes: U users, N items of a type, F features, H hidden, D bits, T the length of what items add to a taste: D, or 0
in a model with learned rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashion_hash.core.codes import binarise, pack
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import MOST_BITS, Within, check_fields, read_part
from fashion_hash.encoders.contract import TextEncoder
from fashion_hash.errors import BundleError, unreadable
from fashion_hash.inference.layers import Layer, apply_layers

if TYPE_CHECKING:
    from fashion_hash.inference.request_sum import RequestSum
    from fashion_hash.understanding.facts import RequestFacts

FORMAT, FORMAT_VERSION = "fashion_hash requests", 1
Output = Literal["bits", "float"]

FIELDS = {  # of requests.json
    "types": (list, str),
    "num_bits": Within(1, MOST_BITS),
    "output": frozenset({"bits", "float"}),
    "slope": Within(0, 1e6, whole=False),
    "layers": dict,
}
LAYERS = {"request_mlp": Within(0, 100), "item_mlp": Within(0, 100)}


@dataclass(frozen=True)
class TowerWeights:
    """Both towers as plain arrays, named as in the file.

    Attributes:
        request_project: (D, F), q' = W q.
        request_mlp: layers of 2 D -> H -> D.
        gates: (2,), a and b.
        item_project: (D, F), v' = W v.
        item_mlp: layers of D -> H -> D.
        taste_project: (T, F), maps the description of an item to what it adds to a taste.
        no_text: (D,), q' of a request without known words.
        no_taste: (D,), the taste of an anonymous user.
        nobody: (D,), used in place of the learned row of a new user.
        no_description: (D,), v' of an item without description.
        unknown_item: (D,), e of an item that was not in training.
        unknown_taste_item: (T,), what such an item adds to a taste.
        slope: the slope of the tanh.
        output: what the model was trained for, "bits" or "float".
    """

    request_project: np.ndarray
    request_mlp: tuple[Layer, ...]
    gates: np.ndarray
    item_project: np.ndarray
    item_mlp: tuple[Layer, ...]
    taste_project: np.ndarray
    no_text: np.ndarray
    no_taste: np.ndarray
    nobody: np.ndarray
    no_description: np.ndarray
    unknown_item: np.ndarray
    unknown_taste_item: np.ndarray
    slope: float
    output: Output


@dataclass(frozen=True)
class RequestContents:
    """What a trained request model hands over; `write_requests` turns it into a folder.

    Attributes:
        types: the item types, in the order of the bundle.
        encoder: the text encoder.
        weights: the weights of both towers.
        item_outputs: by type, (N, D) float32, the item tower's output before tanh or sign.
        item_tastes: by type, (N, T) float32, what each item adds to a taste.
        user_tastes: (U, D) float32; rows of unknown users are not read.
        user_known: (U,) bool, whether the taste of a user is known.
        facts: what the bundle understands of requests; None for codes alone.
        sum: what counts beside the bits; None for nothing.
    """

    types: tuple[str, ...]
    encoder: TextEncoder
    weights: TowerWeights
    item_outputs: Mapping[str, np.ndarray]
    item_tastes: Mapping[str, np.ndarray]
    user_tastes: np.ndarray
    user_known: np.ndarray
    facts: RequestFacts | None = None
    sum: RequestSum | None = None


def finish(outputs: np.ndarray, weights: TowerWeights) -> tuple[np.ndarray, np.ndarray]:
    """The bits, int8 of -1 / +1, and the floats, float32, for a tower's outputs (N, D)."""
    if weights.output == "bits":
        floats = np.tanh(np.float32(weights.slope) * outputs)
    else:
        floats = outputs / np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), np.float32(1e-12))
    return binarise(outputs), floats.astype(np.float32)


def write_requests(folder: Path, contents: RequestContents) -> None:
    """Writes the request model into a new folder. Raises BundleError when the contents do not fit together."""
    weights = contents.weights
    num_bits = weights.request_project.shape[0]
    _check(contents, num_bits)
    folder.mkdir()
    contents.encoder.save(folder / "encoder")
    if contents.facts is not None:
        from fashion_hash.understanding.facts import write_facts

        write_facts(folder / "facts", contents.facts)
    if contents.sum is not None:
        from fashion_hash.inference.request_sum import write_sum

        write_sum(folder / "sum", contents.sum)
    for item_type in contents.types:
        bits, floats = finish(contents.item_outputs[item_type], weights)
        name = f"items.{file_name(item_type)}"
        np.save(folder / f"{name}.codes.npy", pack(bits))
        np.save(folder / f"{name}.vectors.npy", floats.astype(np.float16))
        np.save(folder / f"{name}.tastes.npy", contents.item_tastes[item_type].astype(np.float32))
    np.save(folder / "users.tastes.npy", contents.user_tastes.astype(np.float32))
    np.save(folder / "users.known.npy", contents.user_known.astype(bool))
    arrays = {name: value for name, value in vars(weights).items() if isinstance(value, np.ndarray)}
    for name in ("request_mlp", "item_mlp"):
        for number, layer in enumerate(getattr(weights, name)):
            arrays[f"{name}/{number}/weight"] = layer.weight
            if layer.bias is not None:
                arrays[f"{name}/{number}/bias"] = layer.bias
    plain = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    (folder / "tower.safetensors").write_bytes(save(plain))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "types": list(contents.types),
        "num_bits": num_bits,
        "output": weights.output,
        "slope": float(weights.slope),
        "layers": {"request_mlp": len(weights.request_mlp), "item_mlp": len(weights.item_mlp)},
    }
    write_json(folder / "requests.json", manifest)


def _check(contents: RequestContents, num_bits: int) -> None:
    shared = contents.weights.taste_project.shape[0]
    shapes: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("user_tastes", contents.user_tastes, (len(contents.user_known), num_bits))
    ]
    for item_type in contents.types:
        size = len(contents.item_outputs[item_type])
        shapes.append((f"item_outputs[{item_type!r}]", contents.item_outputs[item_type], (size, num_bits)))
        shapes.append((f"item_tastes[{item_type!r}]", contents.item_tastes[item_type], (size, shared)))
    for name, array, shape in shapes:
        if array.shape != shape:
            raise BundleError(f"{name} of the requests has shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise BundleError(f"{name} of the requests has a value that is not finite: did the training diverge?")


def read_requests(folder: Path) -> tuple[dict[str, Any], TowerWeights]:
    """Reads the manifest and the weights. Raises BundleError when they are absent or cannot be read."""
    path = folder / "requests.json"
    absent = (
        f"{folder.parent} holds no request model ({folder.name}/{path.name}), so it cannot answer requests in words: "
        "train a request model and export its bundle"
    )
    manifest = read_part(path, FORMAT, FORMAT_VERSION, absent)
    check_fields(path, manifest, FIELDS)
    check_fields(path, manifest["layers"], LAYERS)
    file = folder / "tower.safetensors"
    try:
        arrays = load_file(file)
        layers: dict[str, Any] = {
            name: tuple(
                Layer(arrays[f"{name}/{number}/weight"], arrays.get(f"{name}/{number}/bias")) for number in range(count)
            )
            for name, count in ((name, manifest["layers"][name]) for name in LAYERS)
        }
        plain: dict[str, Any] = {name: array for name, array in arrays.items() if "/" not in name}
        weights = TowerWeights(**plain, **layers, slope=manifest["slope"], output=manifest["output"])
        if weights.request_project.shape[0] != manifest["num_bits"]:
            raise ValueError(f"the tower gives {weights.request_project.shape[0]} bits, not {manifest['num_bits']}")
        _check_weights(weights)
    except (OSError, LookupError, TypeError, ValueError, SafetensorError) as error:
        message = f"{file} holds no readable request model ({error}): export the bundle again"
        raise unreadable(file, error, message) from None
    return manifest, weights


def _check_weights(weights: TowerWeights) -> None:
    """Raises ValueError when the arrays do not fit each other."""
    bits, dim = weights.request_project.shape
    taste = len(weights.taste_project)
    shapes: dict[str, tuple[int, ...]] = {
        **{"gates": (2,), "item_project": (bits, dim), "taste_project": (taste, dim), "unknown_taste_item": (taste,)},
        **dict.fromkeys(("no_text", "no_taste", "nobody", "no_description", "unknown_item"), (bits,)),
    }
    for name, shape in shapes.items():
        if getattr(weights, name).shape != shape:
            raise ValueError(f"{name} has shape {getattr(weights, name).shape}, expected {shape}")
    for name, layers, width in (("request_mlp", weights.request_mlp, 2 * bits), ("item_mlp", weights.item_mlp, bits)):
        if layers and apply_layers(layers, np.zeros((1, width), dtype=np.float32)).shape != (1, bits):
            raise ValueError(f"{name} does not give {bits} numbers")


def file_name(item_type: str) -> str:
    """An item type as part of a file name: "jeans/denim" must not become a folder."""
    return quote(item_type, safe=" ")
