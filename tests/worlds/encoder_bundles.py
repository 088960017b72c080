"""Small random bundles of an outfit encoder, for tests of the answering half: no training, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.inference.layers import Layer, apply_layers
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.inference.outfit_encoder import EncoderContents, OutfitEncoderArrays
from tests.worlds.copies import write_or_copy
from tests.worlds.random_bundles import random_contents

FEATURE = 6


def random_encoder(
    rng: np.random.Generator,
    types: Sequence[str],
    width: int = 8,
    num_bits: int = 16,
    blocks: int = 2,
    distance: str = "euclidean",
    output: str = "float",
    spread: float = 0.3,
) -> OutfitEncoderArrays:
    """Random weights everywhere; `spread` says how far outfits are from the mean of their items."""

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, spread, shape).astype(np.float32)

    weights = {"seed": draw(1, 1, width), "pool_norm.weight": 1 + draw(width), "pool_norm.bias": draw(width)}
    for name in ["pool", *(f"blocks.{number}.attention" for number in range(blocks))]:
        for part in ("query", "key", "value", "out"):
            weights[f"{name}.{part}.weight"] = draw(width, width)
            if part != "key":
                weights[f"{name}.{part}.bias"] = draw(width)
    for number in range(blocks):
        for norm in ("attention_norm", "forward_norm"):
            weights[f"blocks.{number}.{norm}.weight"] = 1 + draw(width)
            weights[f"blocks.{number}.{norm}.bias"] = draw(width)
        for part, shape in (("first", (2 * width, width)), ("second", (width, 2 * width))):
            weights[f"blocks.{number}.{part}.weight"] = draw(*shape)
            weights[f"blocks.{number}.{part}.bias"] = draw(shape[0])
    weights["out.weight"] = rng.normal(0, 1, (num_bits, width)).astype(np.float32)
    tokens = {kind: draw(width) for kind in types}
    return OutfitEncoderArrays(weights, 2, distance, output, 3.0, tokens, np.zeros(num_bits, dtype=np.float32))


def encoder_contents(seed: int = 0, slots: Sequence[str] = ("top", "bottom", "shoe"), **options: Any) -> BundleContents:
    """A bundle's contents; options are those of random_encoder and of random_contents."""
    own = {key: options.pop(key) for key in ("width", "blocks", "distance", "output", "spread") if key in options}
    num_bits = options.pop("num_bits", 16)
    plain = random_contents(seed, slots, num_modalities=1, num_bits=num_bits, **options)
    rng = np.random.default_rng([seed, 1])
    encoder = random_encoder(rng, tuple(plain.items), num_bits=num_bits, **own)
    layers = (Layer(rng.normal(0, 0.7, (encoder.width, FEATURE)).astype(np.float32)),)
    nothing = Normaliser("none", np.zeros(FEATURE, dtype=np.float32), np.ones(FEATURE, dtype=np.float32))
    unknown = {kind: np.zeros(FEATURE, dtype=np.float32) for kind in plain.items}
    heads = {"text": ContentHeads(dict.fromkeys(plain.items, layers), nothing, unknown, FEATURES, "random")}
    tokens = {
        kind: apply_layers(layers, rng.normal(0, 1, (len(ids), FEATURE)).astype(np.float32)) + encoder.type_tokens[kind]
        for kind, ids in plain.items.items()
    }
    users = encoder.place(rng.normal(0, 1, (len(plain.users), num_bits)))
    encoder = replace(encoder, nobody=encoder.place(users.astype(np.float64).mean(axis=0)))
    contents = EncoderContents(encoder, tokens, users)
    return replace(
        plain,
        modalities=("outfit",),
        user_codes=contents.user_codes,
        item_codes=contents.item_codes,
        preference_weights=np.ones(num_bits),
        compatibility_weights=np.zeros(num_bits),
        preference_scale=1,
        compatibility_scale=0,
        heads=heads,
        encoder=contents,
    )


def encoder_bundle(path: Path, **options: Any) -> Bundle:
    """`encoder_contents`, written to a folder and opened."""
    return write_or_copy(path, ["encoder", options], lambda to: write_bundle(to, encoder_contents(**options)))
