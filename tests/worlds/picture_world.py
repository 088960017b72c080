"""Bundles that read pictures, made without training: random hash heads over the encoder `descriptors`."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from fashion_hash.bundle.write import BundleContents
from fashion_hash.core.codes import binarise
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.inference.outfit_encoder import EncoderContents
from tests.worlds.encoder_bundles import encoder_contents
from tests.worlds.random_bundles import random_contents


@cache
def picture(colour: str, shape: int = 0, form: str = "JPEG") -> bytes:
    """A file with a garment of a colour on white; `shape` from 0 says how wide and long it is."""
    image = Image.new("RGB", (60, 80), "white")
    image.paste(Image.new("RGB", (16 + 7 * (shape % 5), 60 - 9 * (shape % 4)), colour), (9, 8))
    stream = io.BytesIO()
    image.save(stream, format=form)
    return stream.getvalue()


@cache
def vector(encoded: bytes) -> np.ndarray:
    """What the encoder makes of a file, (F,)."""
    return np.asarray(DescriptorEncoder().encode_pictures([encoded])[0])


def _heads(types: tuple[str, ...], width: int) -> ContentHeads:
    """Linear heads, another for each type, around the mean of a few pictures."""
    rng, dim = np.random.default_rng(5), DescriptorEncoder.dim
    colours = ("red", "blue", "green", "black", "white", "orange")
    centre = np.mean([vector(picture(colour, shape)) for colour in colours for shape in range(3)], axis=0)
    layers = {kind: (Layer(rng.normal(0, 1, (width, dim)).astype(np.float32)),) for kind in types}
    unknown = {kind: rng.normal(0, 0.1, dim).astype(np.float32) for kind in types}
    normaliser = Normaliser("standard", centre.astype(np.float32), np.ones(dim, dtype=np.float32))
    return ContentHeads(layers, normaliser, unknown, FEATURES, "descriptors", pictures=DescriptorEncoder())


def pictured_contents(*arguments: Any, pictures: dict[str, dict[str, bytes]], **options: Any) -> BundleContents:
    """Contents of one modality, whose codes are those of the items' pictures."""
    contents = random_contents(*arguments, pictures=pictures, **options)
    heads = {"image": _heads(tuple(contents.items), contents.user_codes.shape[1])}
    coder = ItemCoder(tuple(contents.items), heads)
    codes = {}
    for kind, ids in contents.items.items():
        features = [vector(pictures[kind][one]) if one in pictures[kind] else None for one in ids]
        codes[kind] = binarise(coder.outputs_of_many(kind, len(ids), {"image": features}))
    return replace(contents, item_codes=codes, heads=heads)


def pictured_encoder_contents(*arguments: Any, pictures: dict[str, dict[str, bytes]], **options: Any) -> BundleContents:
    """Contents with an outfit encoder, whose items are known by their pictures."""
    contents = encoder_contents(*arguments, pictures=pictures, **options)
    encoder = contents.encoder.encoder
    heads = {"image": _heads(tuple(contents.items), encoder.width)}
    coder = ItemCoder(tuple(contents.items), heads)
    tokens = {}
    for kind, ids in contents.items.items():
        features = [vector(pictures[kind][one]) if one in pictures[kind] else None for one in ids]
        tokens[kind] = encoder.tokens(kind, coder.outputs_of_many(kind, len(ids), {"image": features}))
    encoded = EncoderContents(encoder, tokens, contents.encoder.user_vectors)
    return replace(contents, heads=heads, encoder=encoded, item_codes=encoded.item_codes)
