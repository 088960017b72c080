"""Bundles that answer words, made without training: garments with titles, and towers of random projections.

The signs of random projections of a vector agree for near vectors, so that a request finds the items whose
titles share its words. A taste is the mean of what was liked, and pulls a request towards it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits, item_types
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.encoders import TextEncoder, WordsEncoder
from fashion_hash.index.build import build_index
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.request_sum import RequestSum, SumWeights, rounded
from fashion_hash.inference.request_weights import RequestContents, TowerWeights
from fashion_hash.understanding.facts import RequestFacts
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import read_words
from tests.worlds.copies import write_or_copy
from tests.worlds.random_bundles import random_contents, random_pool

COLOURS = ("red", "blue", "green", "black", "white")
FABRICS = ("linen", "cotton", "silk", "denim", "wool")
NOUNS = {
    "top": ("shirt", "blouse"),
    "bottom": ("trousers", "skirt"),
    "shoe": ("sandals", "boots"),
    "item": ("shirt", "trousers", "sandals"),
}
PULL = 0.7  # of the taste, against the words


def titles(kind: str) -> list[str]:
    """The titles of all items of a type, in row order."""
    return [" ".join(words) for words in product(COLOURS, FABRICS, NOUNS[kind])]


def towers(encoder: WordsEncoder, num_bits: int, pull: float = PULL, seed: int = 0) -> TowerWeights:
    """All towers project by the same random matrix; the request adds `pull` times the taste."""
    project = np.random.default_rng(seed).normal(size=(num_bits, encoder.dim)).astype(np.float32)
    zeros = np.zeros(num_bits, dtype=np.float32)

    def nothing(inputs: int) -> tuple[Layer, ...]:
        return (
            Layer(np.zeros((1, inputs), dtype=np.float32)),
            Layer(np.zeros((num_bits, 1), dtype=np.float32)),
        )

    return TowerWeights(
        request_project=project,
        request_mlp=nothing(2 * num_bits),
        gates=np.array([1, pull], dtype=np.float32),
        item_project=project,
        item_mlp=nothing(num_bits),
        taste_project=project,
        no_text=zeros,
        no_taste=zeros,
        nobody=zeros,
        no_description=zeros,
        unknown_item=zeros,
        unknown_taste_item=zeros,
        slope=1.0,
        output="bits",
    )


def _columns(title: str) -> dict[str, Any]:
    colour, fabric, noun = title.split()
    return {"colour": colour, "material": fabric, "kind": noun}


def request_facts(
    details: Mapping[str, Mapping[str, Mapping[str, Any]]], lexical: float, soft: float, longest: int | None = None
) -> RequestFacts:
    """What a bundle of these items understands of requests."""
    words = read_words()
    texts = {
        kind: [readable(catalogue_words(item), item) for item in items.values()] for kind, items in details.items()
    }
    return RequestFacts(words, Terms.of(texts, words), lexical, soft, longest)


def request_sum(weights: SumWeights, vectors: Mapping[str, np.ndarray]) -> RequestSum:
    """What counts beside the bits: the vectors of items, by type, and that row r was taken r times."""
    popular = {kind: np.log1p(np.arange(len(of_type), dtype=np.float32)) for kind, of_type in vectors.items()}
    return RequestSum(weights, {kind: rounded(of_type) for kind, of_type in vectors.items()}, popular)


def words_bundle(
    path: Path,
    slots: Sequence[str] = ("top", "bottom", "shoe"),
    num_bits: int = 256,
    pull: float = PULL,
    pool: int = 40,
    seed: int = 0,
    named: TextEncoder | None = None,
    further: Callable[[int], dict[str, Any]] | None = None,
    facts: tuple[float, float] | tuple[float, float, int] | None = None,
    beside: SumWeights | None = None,
    contents_of: Callable[..., BundleContents] = random_contents,
    **options: Any,
) -> Bundle:
    """A bundle with index and request model; `user-0` likes what is red, the last user nobody knows.

    `named`: an encoder of the same length that the bundle says it was made with; `further`: more columns, by row;
    `facts`: weights of words and of soft facts, and the longest request with hard ones, for a bundle that reads colour,
    material and kind in requests;
    `beside`: weights of what counts beside the bits: row r of each type was taken r times.
    `contents_of`: makes the part that scores outfits, `encoder_contents` for an outfit encoder.
    """

    def write(to: Path) -> None:
        kinds = item_types(slots)
        names = {kind: titles(kind) for kind in kinds}
        ids = {kind: tuple(f"{kind}-{row:03d}" for row in range(len(names[kind]))) for kind in kinds}
        encoder = WordsEncoder.fit([one for some in names.values() for one in some], 32)
        weights = towers(encoder, num_bits, pull, seed)
        vectors = {kind: encoder.encode_texts(some) for kind, some in names.items()}
        rng = np.random.default_rng(seed)
        codes = {kind: np.where(rng.random((len(some), 1, 16)) < 0.5, -1, 1) for kind, some in names.items()}
        # outfits of the history: user-0 in red, user-1 in blue and so on; red garments come first
        rows = np.array([[2 * user + one for _ in slots] for user in range(4) for one in (0, 1)])
        rows = rows % 2 + (rows // 2) * len(FABRICS) * np.array([len(NOUNS[kind]) for kind in slots])
        history = Outfits.of(slots, np.repeat(np.arange(4), 2), rows)
        outputs = {kind: some @ weights.item_project.T for kind, some in vectors.items()}
        tastes = np.zeros((5, num_bits), dtype=np.float32)
        for user in range(4):
            mine = history.items[history.users == user]
            tastes[user] = np.mean([outputs[kind][row] for line in mine for kind, row in zip(slots, line)], axis=0)
        details = {
            kind: {
                one: {
                    "title": title,
                    "price": float(row),
                    **(further(row) if further else {}),
                    **(_columns(title) if facts else {}),
                }
                for row, (one, title) in enumerate(zip(ids[kind], some))
            }
            for kind, some in names.items()
        }
        contents = contents_of(
            seed,
            slots,
            items=ids,
            item_codes=codes,
            item_bias={kind: np.zeros(len(some)) for kind, some in names.items()},
            history=history,
            details=details,
            **options,
        )
        requests = RequestContents(
            kinds,
            named or encoder,
            weights,
            outputs,
            outputs,
            tastes,
            np.arange(5) < 4,
            None if facts is None else request_facts(details, *facts),
            None if beside is None else request_sum(beside, vectors),
        )
        bundle = write_bundle(to, replace(contents, requests=requests))
        build_index(bundle, random_pool(bundle, pool))

    # what an encoder and further columns are cannot be said in JSON: these are written
    counted = None if beside is None else asdict(beside)
    asked = named or further or [slots, num_bits, pull, pool, seed, facts, counted, contents_of.__name__, options]
    return write_or_copy(path, ["words", asked], write)
