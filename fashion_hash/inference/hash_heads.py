"""Hash heads without torch: the code of an item that arrives after the training, from its content.

A bundle written by export_bundle holds them in its folder heads/:

    heads.json              format version, item types, num_bits; of each modality its kind, where raw
                            features come from, the normaliser and how many layers each head has
    MODALITY.safetensors    the arrays: weights and biases, centre and scale, what stands for the unknown
    titles/                 the title encoder, where titles are a modality

Heads of FHN (Lu et al., CVPR 2019): layers of weights with ReLU between them; dropout is no part of the
answering half. Shapes: N items, M modalities, F feature, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashion_hash.core.codes import binarise
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import read_part
from fashion_hash.errors import BundleError, FeatureError, QueryError, suggest
from fashion_hash.inference.layers import Layer, apply_layers
from fashion_hash.inference.normaliser import Normaliser

if TYPE_CHECKING:
    from fashion_hash.encoders.titles import TitleVectors

FORMAT, FORMAT_VERSION = "fashion_hash heads", 1
FEATURES, TITLES, TRAINED = "features", "titles", "trained pictures"


@dataclass(frozen=True)
class ContentHeads:
    """How one modality turns what is known of an item into bits.

    Attributes:
        layers: by item type, the layers of its head; types may share one.
        normaliser: what is done to raw features.
        unknown: by type, (F,) float32: the normalised feature that stands for an item of which
            nothing is known.
        takes: "features" (vectors made elsewhere), "titles", or "trained pictures": features of a
            backbone that was trained with the heads and that only torch can run.
        source: what made the features, for messages ("alexnet at 291 px, weights hub").
        titles: the encoder of titles, where it takes titles.
    """

    layers: Mapping[str, tuple[Layer, ...]]
    normaliser: Normaliser
    unknown: Mapping[str, np.ndarray]
    takes: str
    source: str
    titles: TitleVectors | None = None

    @property
    def dim(self) -> int:
        """F, the length of a raw feature."""
        return int(self.normaliser.centre.shape[0])


@dataclass(frozen=True)
class IdHeads:
    """The modality id: an item that training never saw has the code of its type's unknown item.

    Attributes:
        unknown: by type, (D,) float32 whose signs are that code.
    """

    unknown: Mapping[str, np.ndarray]


Heads = ContentHeads | IdHeads


def write_heads(folder: Path, types: Sequence[str], num_bits: int, heads: Mapping[str, Heads]) -> None:
    """Writes the heads of each modality into a new folder."""
    folder.mkdir()
    described: dict[str, Any] = {}
    for modality, one in heads.items():
        arrays = {f"unknown/{kind}": one.unknown[kind] for kind in types}
        if isinstance(one, IdHeads):
            described[modality] = {"kind": "id"}
        else:
            arrays |= {"centre": one.normaliser.centre, "scale": one.normaliser.scale}
            # types that share a head share its arrays
            shared = all(one.layers[kind] is one.layers[types[0]] for kind in types)
            for name in ("",) if shared else types:
                for number, layer in enumerate(one.layers[name or types[0]]):
                    arrays[f"weight/{number}/{name}"] = layer.weight
                    if layer.bias is not None:
                        arrays[f"bias/{number}/{name}"] = layer.bias
            described[modality] = {
                "kind": "content",
                "takes": one.takes,
                "source": one.source,
                "normalise": one.normaliser.kind,
                "layers": len(one.layers[types[0]]),
                "shared": shared,
            }
            if one.titles is not None:
                one.titles.save(folder / "titles")
        plain = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        (folder / f"{modality}.safetensors").write_bytes(save(plain))
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "types": list(types), "num_bits": num_bits}
    write_json(folder / "heads.json", {**manifest, "modalities": described})


def read_heads(folder: Path) -> tuple[tuple[str, ...], dict[str, Heads]]:
    """The item types and the heads of each modality, in the order of the codes.

    Raises BundleError when there are none, of another version, or a file is broken.
    """
    path = folder / "heads.json"
    absent = (
        f"{folder.parent} holds no hash heads ({path.name}), so that new items have no codes: "
        "export the bundle again from its run"
    )
    manifest = read_part(path, FORMAT, FORMAT_VERSION, absent)
    file = path
    heads: dict[str, Heads] = {}
    try:
        types, num_bits = tuple(manifest["types"]), manifest["num_bits"]
        for modality, about in manifest["modalities"].items():
            file = folder / f"{modality}.safetensors"
            arrays = load_file(file)
            unknown = {kind: arrays[f"unknown/{kind}"] for kind in types}
            if about["kind"] == "id":
                heads[modality] = IdHeads(unknown)
                continue
            names = {kind: "" if about["shared"] else kind for kind in types}
            made = {name: _layers(arrays, name, about["layers"]) for name in dict.fromkeys(names.values())}
            for name, layers in made.items():
                if layers[-1].weight.shape[0] != num_bits:
                    raise ValueError(f"the head {name!r} gives {layers[-1].weight.shape[0]} bits, not {num_bits}")
            normaliser = Normaliser(about["normalise"], arrays["centre"], arrays["scale"])
            titles = _titles(folder / "titles") if about["takes"] == TITLES else None
            by_type = {kind: made[name] for kind, name in names.items()}
            heads[modality] = ContentHeads(by_type, normaliser, unknown, about["takes"], about["source"], titles)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise BundleError(f"{file} holds no readable hash heads ({error}): export the bundle again") from None
    return types, heads


def _layers(arrays: Mapping[str, np.ndarray], name: str, count: int) -> tuple[Layer, ...]:
    return tuple(
        Layer(arrays[f"weight/{number}/{name}"], arrays.get(f"bias/{number}/{name}")) for number in range(count)
    )


def _titles(folder: Path) -> TitleVectors:
    from fashion_hash.encoders.titles import TitleVectors

    return TitleVectors.load(folder)


class ItemCoder:
    """Codes of new items from their content, equal to those of the model that the bundle came from.

    >>> encoder = ItemCoder.open("runs/demo/bundle")                              # doctest: +SKIP
    >>> encoder.codes("top", {"image": feature}, title="blue denim shirt").shape    # doctest: +SKIP
    (2, 128)
    """

    def __init__(self, types: Sequence[str], heads: Mapping[str, Heads]) -> None:
        self.types = tuple(types)
        self.heads = dict(heads)

    @classmethod
    def open(cls, bundle_folder: str | Path) -> ItemCoder:
        """Reads the heads of a bundle. Raises BundleError when it has none, or a file is broken."""
        return cls(*read_heads(Path(bundle_folder) / "heads"))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the M modalities, in the order of the codes."""
        return tuple(self.heads)

    def codes(
        self, kind: str, features: Mapping[str, np.ndarray | None] | None = None, title: str | None = None
    ) -> np.ndarray:
        """The code of one item: (M, D) int8 of -1 / +1; arguments and errors as for `codes_of_many`.

        Args:
            kind: its item type.
            features: by modality, its raw feature (F,), as the source of the bundle's features makes
                it; a modality that is absent or None is unknown.
            title: its title, for bundles that take titles.
        """
        one = {modality: [feature] for modality, feature in (features or {}).items()}
        return np.asarray(self.codes_of_many(kind, 1, one, [title])[0])

    def codes_of_many(
        self,
        kind: str,
        count: int,
        features: Mapping[str, Sequence[np.ndarray | None]],
        titles: Sequence[str | None] | None = None,
    ) -> np.ndarray:
        """The codes of N items of one type, (N, M, D) int8 of -1 / +1: the signs of `outputs_of_many`."""
        return binarise(self.outputs_of_many(kind, count, features, titles))

    def outputs_of_many(
        self,
        kind: str,
        count: int,
        features: Mapping[str, Sequence[np.ndarray | None]],
        titles: Sequence[str | None] | None = None,
    ) -> np.ndarray:
        """What the heads say of N items of one type, modality by modality: (N, M, D) float32.

        What is not known of an item, in a modality, has the code of its type's unknown item, as it
        had in training: no feature, no title, or a title of which no word is known.

        Args:
            kind: the item type.
            count: N.
            features: by modality, N raw features (F,) or None each; modalities may be absent.
            titles: N titles or None each; not looked at by a bundle that takes no titles.

        Raises:
            QueryError: an unknown item type or modality, or features and titles not of N items.
            FeatureError: a feature of the wrong length or not finite, one given to the modality id
                or where titles are taken, or one of pictures whose backbone was trained as well.
        """
        if kind not in self.types:
            raise QueryError(f"no item type {kind!r}{suggest(kind, self.types)}: this bundle has {list(self.types)}")
        if unknown := [one for one in features if one not in self.heads]:
            known = list(self.heads)
            raise QueryError(f"no modality {unknown[0]!r}{suggest(unknown[0], known)}: this bundle has {known}")
        titles = [None] * count if titles is None else titles
        for name, column in [*features.items(), ("titles", titles)]:
            if len(column) != count:
                raise QueryError(f"{len(column)} {name} for {count} items: give one each, None where there is none")
        found = []
        for modality, heads in self.heads.items():
            own = features.get(modality, [None] * count)
            if isinstance(heads, IdHeads):
                if any(one is not None for one in own):
                    raise FeatureError("the modality id takes no features: a new item has its type's unknown code")
                found.append(np.tile(heads.unknown[kind], (count, 1)))
            else:
                found.append(apply_layers(heads.layers[kind], _inputs(modality, heads, kind, own, titles)))
        return np.stack(found, axis=1)


def _inputs(
    modality: str,
    heads: ContentHeads,
    kind: str,
    features: Sequence[np.ndarray | None],
    titles: Sequence[str | None],
) -> np.ndarray:
    """(N, F) float32 for the heads: normalised, the unknown filled in."""
    given = np.array([one is not None for one in features], dtype=bool)
    if heads.titles is not None:
        if given.any():
            raise FeatureError(f"the {modality} of this bundle comes from titles: give titles instead of features")
        raw, known = heads.titles.encode([title or "" for title in titles])
    else:
        if given.any() and heads.takes == TRAINED:
            raise FeatureError(
                f"the {modality} features of this bundle come from a backbone that was trained with it "
                f"({heads.source}), and a feature made elsewhere would give a wrong code: leave {modality} out "
                f"(the item counts as unknown there), or train with {modality}.mode frozen"
            )
        raw, known = np.zeros((len(features), heads.dim), dtype=np.float32), given
        for row, feature in enumerate(features):
            if feature is not None:
                raw[row] = _checked(modality, heads, row, feature)
        if modality == "text":  # as in training: a text vector of zeros says nothing
            known = known & (raw != 0).any(axis=1)
    inputs = heads.normaliser(raw)
    return np.where(known[:, None], inputs, heads.unknown[kind])


def _checked(modality: str, heads: ContentHeads, row: int, feature: np.ndarray) -> np.ndarray:
    feature = np.asarray(feature)
    if feature.shape != (heads.dim,):
        raise FeatureError(
            f"the {modality} feature of item {row} has shape {feature.shape}, this bundle takes ({heads.dim},): "
            f"{heads.source}"
        )
    if feature.dtype.kind not in "fiu" or not np.isfinite(feature).all():
        raise FeatureError(f"the {modality} feature of item {row} holds NaN, infinity or no numbers: make it again")
    return feature
