"""The vectors of outfits from a bundle's outfit encoder, as stored: float32 or packed bits.

Shapes: R outfits, S slots, D num_bits.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import pack, unpack
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.inference.outfit_encoder import OutfitEncoderArrays

AT_ONCE = 1 << 12


def encoder_of(bundle: Bundle) -> OutfitEncoderArrays:
    """The encoder of a bundle that scores outfits by vectors."""
    assert bundle.encoder, f"{bundle.path} scores outfits by {bundle.scoring}"
    return bundle.encoder


def outfit_vectors(bundle: Bundle, items: np.ndarray, rough: bool = False) -> np.ndarray:
    """The vectors of outfits, (R, S) rows of items, as stored: (R, D) float32 or (R, D / 8) uint8.

    See OutfitEncoderArrays.vectors for `rough`.
    """
    encoder = encoder_of(bundle)
    items = canonical_items(bundle.slots, np.asarray(items))
    parts = [_kept(encoder, np.zeros((0, bundle.num_bits), dtype=np.float32))]
    for start in range(0, len(items), AT_ONCE):
        chunk = items[start : start + AT_ONCE]
        tokens = np.zeros((*chunk.shape, encoder.width), dtype=np.float32)
        for slot, item_type in enumerate(bundle.slots):
            filled = chunk[:, slot] != EMPTY
            tokens[filled, slot] = bundle.encoded_items[item_type][chunk[filled, slot], : encoder.width]
        parts.append(_kept(encoder, encoder.vectors(tokens, chunk != EMPTY, rough)))
    return np.concatenate(parts)


def _kept(encoder: OutfitEncoderArrays, vectors: np.ndarray) -> np.ndarray:
    return pack(vectors) if encoder.output == "bits" else vectors


def real_vectors(bundle: Bundle, kept: np.ndarray) -> np.ndarray:
    """Stored vectors as numbers: (..., D) float32."""
    return unpack(kept).astype(np.float32) if encoder_of(bundle).output == "bits" else kept
