"""The request model without torch: words and taste become bits in the code space of the items.

A bundle whose run was trained on requests holds it in its folder requests/:

    requests.json           format version, item types, num_bits, output, and what each array is
    tower.safetensors       weights of the request tower, of the item tower, and what stands for the unknown
    encoder/                how texts become vectors (fashion_hash.encoders)
    items.TYPE.codes.npy    (N, D/8) uint8    packed codes of the items
    items.TYPE.vectors.npy  (N, D) float16    the same before their signs are taken: for a re-rank in float
    items.TYPE.tastes.npy   (N, T) float32    what an item adds to the taste of those who engaged with it
    users.tastes.npy        (U, D) float32    taste of every user of the bundle
    users.known.npy         (U,) bool         False where nothing is known of a user's taste

Item: t = v' + MLP(v') + e, with v' = W v of its description and e a learned embedding. Request: p =
a q' + b taste + MLP([q'; taste]), with q' = W' q of its words; a taste is the mean of what a user engaged with,
a learned row of theirs, or the sum of both. Bits are the signs; floats are tanh(slope * p), or p / |p| of a model
trained in float. A score is the inner product of request and item, of either. After WhisperLite (Sevegnani et al.,
2022), see fashion_hash.models.whisper_lite. Shapes: U users, N items of a type, F feature, H hidden, D bits, and T the
length of what items add to a taste: D, or 0 in a model of learned rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashion_hash.core.codes import binarise, pack
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import read_part
from fashion_hash.encoders.contract import TextEncoder
from fashion_hash.errors import BundleError
from fashion_hash.inference.layers import Layer

FORMAT, FORMAT_VERSION = "fashion_hash requests", 1
Output = Literal["bits", "float"]


@dataclass(frozen=True)
class TowerWeights:
    """Both towers as plain arrays.

    Attributes:
        request_project: (D, F), q' = W q.
        request_mlp: layers of 2 D -> H -> D.
        gates: (2,), a and b.
        item_project: (D, F), v' = W v.
        item_mlp: layers of D -> H -> D.
        taste_project: (T, F), what the description of an item adds to a taste.
        no_text: (D,), q' of a request without words, or with none that is known.
        no_taste: (D,), the taste of an anonymous user.
        nobody: (D,), what stands for the learned row of a new user.
        no_description: (D,), v' of an item that nothing describes.
        unknown_item: (D,), e of an item that training never saw.
        unknown_taste_item: (T,), the same in tastes.
        slope: of the tanh.
        output: "bits" or "float", what the model was trained for.
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
        types: the item types, in the order of the bundle's.
        encoder: what made the vectors of texts.
        weights: of both towers.
        item_outputs: by type, (N, D) float32, the item tower's output before tanh or sign.
        item_tastes: by type, (N, T) float32.
        user_tastes: (U, D) float32; rows of unknown users are not read.
        user_known: (U,) bool.
    """

    types: tuple[str, ...]
    encoder: TextEncoder
    weights: TowerWeights
    item_outputs: Mapping[str, np.ndarray]
    item_tastes: Mapping[str, np.ndarray]
    user_tastes: np.ndarray
    user_known: np.ndarray


def finish(outputs: np.ndarray, weights: TowerWeights) -> tuple[np.ndarray, np.ndarray]:
    """A tower's outputs (N, D) as bits, int8 of -1 / +1, and as floats, float32."""
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
    for kind in contents.types:
        bits, floats = finish(contents.item_outputs[kind], weights)
        name = f"items.{file_name(kind)}"
        np.save(folder / f"{name}.codes.npy", pack(bits))
        np.save(folder / f"{name}.vectors.npy", floats.astype(np.float16))
        np.save(folder / f"{name}.tastes.npy", contents.item_tastes[kind].astype(np.float32))
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
    for kind in contents.types:
        size = len(contents.item_outputs[kind])
        shapes.append((f"item_outputs[{kind!r}]", contents.item_outputs[kind], (size, num_bits)))
        shapes.append((f"item_tastes[{kind!r}]", contents.item_tastes[kind], (size, shared)))
    for name, array, shape in shapes:
        if array.shape != shape:
            raise BundleError(f"{name} of the requests has shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise BundleError(f"{name} of the requests holds a value that is not finite: has the training diverged?")


def read_requests(folder: Path) -> tuple[dict[str, Any], TowerWeights]:
    """The manifest and the weights of a folder. Raises BundleError when there are none, or they are broken."""
    path = folder / "requests.json"
    absent = (
        f"{folder.parent} holds no request model ({folder.name}/{path.name}), so that it answers no words: "
        "train a configuration of requests and export its bundle"
    )
    manifest = read_part(path, FORMAT, FORMAT_VERSION, absent)
    file = folder / "tower.safetensors"
    try:
        arrays = load_file(file)
        layers: dict[str, Any] = {
            name: tuple(
                Layer(arrays[f"{name}/{number}/weight"], arrays.get(f"{name}/{number}/bias")) for number in range(count)
            )
            for name, count in manifest["layers"].items()
        }
        plain: dict[str, Any] = {name: array for name, array in arrays.items() if "/" not in name}
        weights = TowerWeights(**plain, **layers, slope=manifest["slope"], output=manifest["output"])
        if weights.request_project.shape[0] != manifest["num_bits"]:
            raise ValueError(f"the tower gives {weights.request_project.shape[0]} bits, not {manifest['num_bits']}")
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise BundleError(f"{file} holds no readable request model ({error}): export the bundle again") from None
    return manifest, weights


def file_name(kind: str) -> str:
    """An item type as part of a file name: "jeans/denim" must not become a folder."""
    return quote(kind, safe=" ")
