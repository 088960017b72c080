"""The contract of encoders, and the checks on the folder that an encoder is saved to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from fashion_hash.core.manifest import Within, check_fields, read_json
from fashion_hash.errors import BundleError, FeatureError

FORMAT, FORMAT_VERSION = "fashion_hash encoder", 1
MANIFEST = "encoder.json"
FIELDS = {"kind": str, "fingerprint": str, "dim": Within(1, 1 << 20)}  # of each encoder; some have more


class Words(NamedTuple):
    """The words of a text in lower case and in order: those an encoder knows and those it does not."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]


class Encoder(Protocol):
    """What every encoder says of itself."""

    @property
    def kind(self) -> str:
        """Which variant: "words", "sentence_transformers", "open_clip" or "descriptors"."""

    @property
    def name(self) -> str:
        """The model and its settings, for display."""

    @property
    def dim(self) -> int:
        """F, the length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Identifies what made a vector: kind, weights and settings."""


class TextEncoder(Encoder, Protocol):
    """The contract; see `fashion_hash.encoders`. Shapes: N texts or pictures, F feature."""

    @property
    def takes_pictures(self) -> bool:
        """Whether `encode_pictures` works."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F) float32 unit vectors; a zero row for a text without a known word."""

    def words(self, text: str) -> Words:
        """The words it knows and those it does not."""

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32 unit vectors of encoded pictures; zeros for None."""

    def save(self, folder: Path) -> None:
        """Writes what `open_encoder` needs to open it again."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved encoder, its fields checked.

    Raises:
        FeatureError: the folder holds none, one of another version, or a damaged one.
    """
    path = folder / MANIFEST
    try:
        about = read_json(path)
    except (FileNotFoundError, BundleError) as error:
        raise FeatureError(f"{folder} does not hold a readable encoder ({error}): export it again") from None
    check_fields(path, about, FIELDS, FeatureError)
    if (about["format"], about["format_version"]) != (FORMAT, FORMAT_VERSION):
        raise FeatureError(f"{path} is not {FORMAT!r} of version {FORMAT_VERSION}: export it again")
    return dict(about)


def manifest_of(encoder: Encoder, **settings: object) -> dict[str, Any]:
    """The manifest of an encoder, with further settings of its own."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": encoder.kind,
        "name": encoder.name,
        "dim": encoder.dim,
        "fingerprint": encoder.fingerprint,
        **settings,
    }


def check_expected(name: str, expected: str, fingerprint: str) -> None:
    """Raises FeatureError when the weights of a pretrained encoder are not those that made the vectors."""
    if expected != fingerprint:
        raise FeatureError(
            f"{name} now has the fingerprint {fingerprint}, but the vectors were made with {expected}: use the same "
            "weights, or train and export again with these"
        )


def all_words(text: str) -> tuple[str, ...]:
    """The distinct words of a text, in lower case and in order."""
    return tuple(dict.fromkeys(re.findall(r"(?u)\w+", text.lower())))


def parameters_digest(network: Any, *settings: str) -> str:
    """A digest of a torch module's weights and of settings, twelve hexadecimal digits."""
    digest = hashlib.blake2b("\0".join(settings).encode(), digest_size=6)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_same_encoder(what: str, made_with: TextEncoder, encoder: TextEncoder) -> None:
    """Raises BundleError, naming both encoders, unless they make the same vectors."""
    if made_with.fingerprint != encoder.fingerprint:
        raise BundleError(
            f"{what} was made with the encoder {made_with.name} ({made_with.fingerprint}), not with {encoder.name} "
            f"({encoder.fingerprint}): use the first encoder, or train and export again with the second"
        )
