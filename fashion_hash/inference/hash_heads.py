"""Hash heads without torch: they code new items from their content.

export_bundle writes them into the folder heads/ of a bundle:

    heads.json              format version, item types, num_bits; for each modality its kind, the source of
                            raw features, the normaliser and the number of layers of each head
    MODALITY.safetensors    the arrays: weights, biases, centre, scale and the features of unknown items
    titles/                 the title encoder, if titles are a modality
    attributes/             the encoder of columns, if attributes are a modality
    pictures/               the encoder of pictures, if pictures are a modality and the features are its own

The heads are those of FHN (Lu et al., CVPR 2019): linear layers with a ReLU between them. Dropout applies in
training only. Shapes: N items, M modalities, F features, D bits.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashion_hash.core.codes import binarise
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import MOST_BITS, Within, check_fields, current_folder, read_part
from fashion_hash.errors import BundleError, FeatureError, QueryError, counted, shown, suggest, unreadable
from fashion_hash.inference.content_heads import (
    ATTRIBUTES,
    FEATURES,
    TITLES,
    TRAINED,
    Content,
    ContentHeads,
    Heads,
    IdHeads,
    content_inputs,
)
from fashion_hash.inference.layers import Layer, apply_layers
from fashion_hash.inference.normaliser import KINDS, Normaliser

if TYPE_CHECKING:
    from fashion_hash.encoders.attributes import AttributeVectors
    from fashion_hash.encoders.pictures.contract import PictureEncoder
    from fashion_hash.encoders.titles import TitleVectors

log = logging.getLogger(__name__)

FORMAT, FORMAT_VERSION = "fashion_hash heads", 1

# of heads.json, of each modality in it, and of each that is computed from content
FIELDS = {"types": (list, str), "num_bits": Within(1, MOST_BITS), "modalities": dict}
KIND = {"kind": frozenset({"id", "content"})}
CONTENT = {
    "takes": frozenset({FEATURES, TITLES, ATTRIBUTES, TRAINED}),
    "source": str,
    "normalise": KINDS,
    "layers": Within(1, 100),
    "shared": bool,
}


def write_heads(folder: Path, types: Sequence[str], num_bits: int, heads: Mapping[str, Heads]) -> None:
    """Writes the heads of each modality into a new folder."""
    folder.mkdir()
    described: dict[str, Any] = {}
    for modality, head in heads.items():
        arrays = {f"unknown/{item_type}": head.unknown[item_type] for item_type in types}
        if isinstance(head, IdHeads):
            described[modality] = {"kind": "id"}
        else:
            arrays |= {"centre": head.normaliser.centre, "scale": head.normaliser.scale}
            # types that share a head share its arrays
            shared = all(head.layers[item_type] is head.layers[types[0]] for item_type in types)
            for name in ("",) if shared else types:
                for number, layer in enumerate(head.layers[name or types[0]]):
                    arrays[f"weight/{number}/{name}"] = layer.weight
                    if layer.bias is not None:
                        arrays[f"bias/{number}/{name}"] = layer.bias
            described[modality] = {
                "kind": "content",
                "takes": head.takes,
                "source": head.source,
                "normalise": head.normaliser.kind,
                "layers": len(head.layers[types[0]]),
                "shared": shared,
            }
            if head.titles is not None:
                head.titles.save(folder / "titles")
            if head.pictures is not None:
                head.pictures.save(folder / "pictures")
            if head.attributes is not None:
                head.attributes.save(folder / "attributes")
        plain = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        (folder / f"{modality}.safetensors").write_bytes(save(plain))
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "types": list(types), "num_bits": num_bits}
    write_json(folder / "heads.json", {**manifest, "modalities": described})


def read_heads(folder: Path) -> tuple[tuple[str, ...], dict[str, Heads]]:
    """The item types and the heads of each modality, in the order of the codes.

    Raises:
        BundleError: the folder has no heads, heads of another version, or a broken file.
    """
    path = folder / "heads.json"
    absent = (
        f"{folder.parent} holds no hash heads ({path.name}), so new items cannot be coded: "
        "export the bundle again from its run"
    )
    manifest = read_part(path, FORMAT, FORMAT_VERSION, absent)
    check_fields(path, manifest, FIELDS)
    for modality, about in manifest["modalities"].items():
        if Path(modality).name != modality:
            raise BundleError(f"{path} names the modality {shown(modality)}: export the bundle again")
        check_fields(path, about, KIND)
        check_fields(path, about, CONTENT if about["kind"] == "content" else {})
    file = path
    heads: dict[str, Heads] = {}
    try:
        types, num_bits = tuple(manifest["types"]), manifest["num_bits"]
        for modality, about in manifest["modalities"].items():
            file = folder / f"{modality}.safetensors"
            arrays = load_file(file)
            unknown = {item_type: arrays[f"unknown/{item_type}"] for item_type in types}
            if about["kind"] == "id":
                heads[modality] = IdHeads(unknown)
                continue
            names = {item_type: "" if about["shared"] else item_type for item_type in types}
            made = {name: _layers(arrays, name, about["layers"]) for name in dict.fromkeys(names.values())}
            for name, layers in made.items():
                if layers[-1].weight.shape[0] != num_bits:
                    raise ValueError(f"the head {name!r} gives {layers[-1].weight.shape[0]} bits, not {num_bits}")
            normaliser = Normaliser(about["normalise"], arrays["centre"], arrays["scale"])
            titles = _titles(folder / "titles") if about["takes"] == TITLES else None
            pictures = _pictures(folder / "pictures") if modality == "image" else None
            apply_layers(next(iter(made.values())), normaliser(np.zeros((1, len(normaliser.centre)), np.float32)))
            by_type = {item_type: made[name] for item_type, name in names.items()}
            takes, source = about["takes"], about["source"]
            attributes = _attributes(folder / "attributes") if takes == ATTRIBUTES else None
            heads[modality] = ContentHeads(by_type, normaliser, unknown, takes, source, titles, pictures, attributes)
    except (OSError, LookupError, TypeError, ValueError, SafetensorError) as error:
        message = f"{file} holds no readable hash heads ({error}): export the bundle again"
        raise unreadable(file, error, message) from None
    return types, heads


def _layers(arrays: Mapping[str, np.ndarray], name: str, count: int) -> tuple[Layer, ...]:
    return tuple(
        Layer(arrays[f"weight/{number}/{name}"], arrays.get(f"bias/{number}/{name}")) for number in range(count)
    )


def _titles(folder: Path) -> TitleVectors:
    from fashion_hash.encoders.titles import TitleVectors

    return TitleVectors.load(folder)


def _attributes(folder: Path) -> AttributeVectors:
    from fashion_hash.encoders.attributes import AttributeVectors

    return AttributeVectors.load(folder)


def _pictures(folder: Path) -> PictureEncoder | None:
    if not folder.is_dir():  # features of unknown origin, or a bundle of an earlier release
        return None
    from fashion_hash.encoders.pictures.open import open_pictures_encoder

    return open_pictures_encoder(folder)


class ItemCoder:
    """Codes new items from their content, exactly as the bundle's model does.

    >>> encoder = ItemCoder.open("runs/demo/bundle")                              # doctest: +SKIP
    >>> encoder.codes("top", {"image": feature}, title="blue denim shirt").shape    # doctest: +SKIP
    (2, 128)
    """

    def __init__(self, types: Sequence[str], heads: Mapping[str, Heads]) -> None:
        self.types = tuple(types)
        self.heads = dict(heads)

    @classmethod
    def open(cls, bundle_folder: str | Path) -> ItemCoder:
        """Reads the heads of a bundle. Raises BundleError when it has none or a file is broken."""
        return cls(*read_heads(current_folder(Path(bundle_folder)) / "heads"))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the M modalities, in the order of the codes."""
        return tuple(self.heads)

    def codes(
        self, item_type: str, features: Mapping[str, np.ndarray | None] | None = None, title: str | None = None
    ) -> np.ndarray:
        """The code of one item: (M, D) int8 of -1 / +1. Errors are those of `outputs_of_many`.

        Args:
            item_type: the item type.
            features: by modality, the raw feature (F,) from the source that the bundle's features come from;
                a modality that is absent or None is unknown.
            title: the title, for bundles that take titles.
        """
        columns = {modality: [feature] for modality, feature in (features or {}).items()}
        return np.asarray(self.codes_of_many(item_type, 1, columns, [title])[0])

    def codes_of_many(
        self,
        item_type: str,
        count: int,
        features: Mapping[str, Sequence[np.ndarray | None]],
        titles: Sequence[str | None] | None = None,
        pictures: Sequence[bytes | None] | None = None,
    ) -> np.ndarray:
        """The codes of N items of one type, (N, M, D) int8 of -1 / +1: the signs of `outputs_of_many`."""
        return binarise(self.outputs_of_many(item_type, count, features, titles, pictures))

    def outputs_of_many(
        self,
        item_type: str,
        count: int,
        features: Mapping[str, Sequence[np.ndarray | None]],
        titles: Sequence[str | None] | None = None,
        pictures: Sequence[bytes | None] | None = None,
        details: Sequence[Mapping[str, object] | None] | None = None,
    ) -> np.ndarray:
        """The outputs of the heads for N items of one type: (N, M, D) float32.

        An item without content in a modality (no feature, no title, or a title without a known word) gets
        the output of the unknown item of its type, as in training.

        Args:
            item_type: the item type.
            count: N.
            features: by modality, N raw features (F,), None where unknown; modalities may be absent.
            titles: N titles, None where unknown; ignored by a bundle that takes no titles.
            pictures: N encoded pictures (the bytes of their files), None where unknown: the encoder of the bundle makes
                the feature where "image" has none. Ignored by a bundle without pictures.
            details: N mappings with the columns of the items and their "item_id", None where unknown; ignored by a
                bundle without attributes.

        Raises:
            QueryError: an unknown item type or modality, or not N features or titles.
            FeatureError: a feature has the wrong length, is not finite, or belongs to a modality that takes
                none: the id, titles, or pictures with a trained backbone; bytes that are not a picture; a
                bundle that does not hold the encoder of its pictures.
            MissingExtraError: a package that the encoder needs is not installed.
        """
        self._check_names(item_type, features)
        titles = [None] * count if titles is None else titles
        pictures = [None] * count if pictures is None else pictures
        details = [None] * count if details is None else details
        given = [("titles", titles), ("pictures", pictures), ("details", details)]
        for name, column in [*features.items(), *given]:
            if len(column) != count:
                raise QueryError(
                    f"got {len(column)} {name} for {counted(count, 'item')}: give one per item, None if unknown"
                )
        outputs = []
        for modality, heads in self.heads.items():
            modality_features = features.get(modality, [None] * count)
            if isinstance(heads, IdHeads):
                if any(feature is not None for feature in modality_features):
                    raise FeatureError(
                        "the modality id takes no features, since every new item gets the unknown code of its type: "
                        "leave them out"
                    )
                outputs.append(np.tile(heads.unknown[item_type], (count, 1)))
            else:
                shown_pictures = pictures if modality == "image" else [None] * count
                content = Content(modality_features, titles, shown_pictures, details)
                inputs = content_inputs(modality, heads, item_type, content)
                outputs.append(apply_layers(heads.layers[item_type], inputs))
        return np.stack(outputs, axis=1)

    def _check_names(self, item_type: str, features: Mapping[str, Sequence[np.ndarray | None]]) -> None:
        """Raises QueryError for an item type or modality that the bundle does not have."""
        if item_type not in self.types:
            raise QueryError(
                f"no item type {item_type!r}{suggest(item_type, self.types)}: "
                f"the item types are {', '.join(self.types)}"
            )
        if unknown := [name for name in features if name not in self.heads]:
            known = list(self.heads)
            raise QueryError(
                f"no modality {unknown[0]!r}{suggest(unknown[0], known)}: the modalities are {', '.join(known)}"
            )

    @property
    def reads_pictures(self) -> bool:
        """Whether a picture alone gives a code."""
        image = self.heads.get("image")
        return isinstance(image, ContentHeads) and image.pictures is not None and image.pictures.takes_pictures

    def outputs_of_picture(self, picture: bytes) -> dict[str, np.ndarray]:
        """The outputs for an item of which a picture is all that is known: by item type (M, D) float32.

        Raises:
            FeatureError: the bundle does not read pictures, or bytes that are not a picture.
            MissingExtraError: a package that the encoder needs is not installed.
        """
        image = self.heads.get("image")
        if not isinstance(image, ContentHeads) or image.pictures is None:
            raise FeatureError("this bundle has no encoder of pictures")
        inputs = image.normaliser(image.pictures.encode_pictures([picture]))  # once for all types
        outputs = {item_type: self.outputs_of_many(item_type, 1, {})[0] for item_type in self.types}
        for item_type, of_type in outputs.items():
            of_type[self.modalities.index("image")] = apply_layers(image.layers[item_type], inputs)[0]
        return outputs
