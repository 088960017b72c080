"""Opening a saved encoder of any kind."""

from __future__ import annotations

from pathlib import Path

from fashion_hash.core.manifest import check_fields
from fashion_hash.encoders.contract import MANIFEST, TextEncoder, read_manifest
from fashion_hash.errors import FeatureError, shown

FIELDS = {"sentence_transformers": {"model": str}, "open_clip": {"model": str, "weights": str}}  # by kind


def open_encoder(folder: str | Path, weights: str | None = None) -> TextEncoder:
    """Opens a saved encoder. Pretrained encoders load their weights on first use.

    Args:
        folder: the folder that `save` wrote.
        weights: the current path of the weights, if they have moved.

    Raises:
        FeatureError: the folder does not hold a readable encoder of this version.
        MissingExtraError, FeatureError: the package or the weights of a pretrained encoder are missing, or the
            weights are not those that made the vectors (raised on first use).
    """
    folder = Path(folder)
    about = read_manifest(folder)
    kind, fingerprint, dim = about["kind"], about["fingerprint"], about["dim"]
    check_fields(folder / MANIFEST, about, FIELDS.get(kind, {}), FeatureError)
    if kind == "words":
        from fashion_hash.encoders.words import WordsEncoder

        return WordsEncoder.open(folder, fingerprint, dim)
    if kind == "sentence_transformers":
        from fashion_hash.encoders.sentences import SentenceEncoder

        return SentenceEncoder(weights or about["model"], expected=(fingerprint, dim))
    if kind == "open_clip":
        from fashion_hash.encoders.clip import ClipEncoder

        return ClipEncoder(about["model"], weights or about["weights"], expected=(fingerprint, dim))
    raise FeatureError(f"{folder / MANIFEST} names the encoder {shown(kind)}, which this release does not have")
