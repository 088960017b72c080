"""Opening a saved encoder of any kind."""

from __future__ import annotations

import json
from pathlib import Path

from fashion_hash.encoders.contract import FORMAT, FORMAT_VERSION, MANIFEST, TextEncoder
from fashion_hash.errors import FeatureError


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
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = about["format"], about["format_version"]
        kind, fingerprint, dim = about["kind"], str(about["fingerprint"]), int(about["dim"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeatureError(f"{folder} does not hold a readable encoder ({error}): export it again") from None
    if version != (FORMAT, FORMAT_VERSION):
        raise FeatureError(f"{folder / MANIFEST} is not {FORMAT!r} of version {FORMAT_VERSION}: export it again")
    if kind == "words":
        from fashion_hash.encoders.words import WordsEncoder

        return WordsEncoder.open(folder, fingerprint, dim)
    if kind == "sentence_transformers":
        from fashion_hash.encoders.sentences import SentenceEncoder

        return SentenceEncoder(weights or about["model"], expected=(fingerprint, dim))
    if kind == "open_clip":
        from fashion_hash.encoders.clip import ClipEncoder

        return ClipEncoder(about["model"], weights or about["weights"], expected=(fingerprint, dim))
    raise FeatureError(f"{folder / MANIFEST} names the encoder {kind!r}, which this release does not have")
