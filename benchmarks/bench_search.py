"""One request over a million items: encoder, tower and search, each by itself, beside faiss over the same bits.

    python benchmarks/bench_search.py [--items 1000000] [--types 4] [--bits 128] [--json]

A bundle of so many items is written to a temporary folder and asked through `Recommender.search`, one request
after the other, by different people in different words. Printed are medians of the processor time of the one
thread that answers: of the text encoder, of the request tower, and of all that is left (filter, scan, ids). The
target, 30 ms, counts tower and search. faiss (IndexBinaryFlat, one thread) takes turns over the same codes, and
its answer, sorted by distance and id, is compared with ours. Recall is that of float over all items.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from bench_pool import take_turns
from machine import machine

import results
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.codes import pack
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.encoders import WordsEncoder
from fashion_hash.encoders.contract import TextEncoder
from fashion_hash.index.build import build_index
from fashion_hash.index.nearest import nearest
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.request_tower import RequestTower
from fashion_hash.inference.request_weights import RequestContents, TowerWeights
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.facts import RequestFacts
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import read_words

TARGET = 30.0  # milliseconds beyond the encoder
COLOURS = [
    "red",
    "blue",
    "green",
    "black",
    "white",
    "beige",
    "navy",
    "olive",
    "rust",
    "teal",
    "pink",
    "grey",
    "mustard",
    "coral",
    "plum",
]
CLOTHS = [
    "linen",
    "cotton",
    "silk",
    "denim",
    "wool",
    "suede",
    "leather",
    "viscose",
    "corduroy",
    "jersey",
    "satin",
    "canvas",
    "tweed",
    "velvet",
    "lace",
]
CUTS = ["striped", "plain", "dotted", "checked", "floral", "pleated", "cropped", "oversized", "fitted", "quilted"]
GARMENTS = [
    "shirt",
    "blouse",
    "trousers",
    "skirt",
    "sandals",
    "boots",
    "coat",
    "dress",
    "jumper",
    "blazer",
    "loafers",
    "jeans",
]
USERS = 100


class Timed:
    """An encoder that keeps the time it took, in seconds."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.seconds = 0.0

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        begin = time.thread_time()
        vectors = self._encoder.encode_texts(texts)
        self.seconds += time.thread_time() - begin
        return vectors

    def words(self, text: str) -> Any:
        begin = time.thread_time()
        words = self._encoder.words(text)
        self.seconds += time.thread_time() - begin
        return words

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=4, help="item types that share them")
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=60)
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.items, options.types, options.k, options.repeats) < 1 or options.types > 8 or options.bits % 8:
        parser.error("--items, --types (to 8), -k and --repeats are whole numbers from 1 on, --bits a multiple of 8")
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        encoder = make_bundle(Path(folder) / "bundle", options)
        built = time.perf_counter() - begin
        result = {"machine": machine(), "options": vars(options), "seconds_build": built}
        result |= measure(Path(folder) / "bundle", encoder, options)
    if not results.hand_over(options, result):
        show(result, options)


def make_bundle(
    path: Path, options: argparse.Namespace, columns: Callable[[str, int], dict[str, Any]] | None = None
) -> WordsEncoder:
    """Items whose code is that of a title with noise; towers of random projections.

    `columns` gives further columns of an item, by its title and number; the bundle reads facts then.
    """
    rng = generator(0, "bench_search")
    titles = [" ".join(words) for words in product(COLOURS, CLOTHS, CUTS, GARMENTS)]
    encoder = WordsEncoder.fit(titles, 256)
    vectors = encoder.encode_texts(titles)
    project = rng.normal(size=(options.bits, encoder.dim)).astype(np.float32)
    outputs_of = vectors @ project.T
    kinds = tuple(f"type-{number}" for number in range(options.types))
    items, details, outputs = {}, {}, {}
    for number, kind in enumerate(kinds):
        count = options.items // options.types + (number < options.items % options.types)
        which = rng.integers(0, len(titles), count)
        items[kind] = tuple(f"{kind}-{row:07d}" for row in range(count))
        details[kind] = {
            one: {"title": titles[title], **(columns(titles[title], row) if columns else {})}
            for row, (one, title) in enumerate(zip(items[kind], which.tolist()))
        }
        outputs[kind] = outputs_of[which] + rng.normal(0, 0.5, (count, options.bits)).astype(np.float32)
    hidden, zeros = 256, np.zeros(options.bits, dtype=np.float32)

    def layers(inputs: int) -> tuple[Layer, ...]:
        shapes = ((hidden, inputs), (options.bits, hidden))
        return tuple(Layer((rng.normal(size=one) / 100).astype(np.float32), np.zeros(one[0], "f4")) for one in shapes)

    weights = TowerWeights(
        request_project=project,
        request_mlp=layers(2 * options.bits),
        gates=np.array([1, 0.5], dtype=np.float32),
        item_project=project,
        item_mlp=layers(options.bits),
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
    tastes = outputs_of[rng.integers(0, len(titles), USERS)]
    facts = None
    if columns:
        words = read_words()
        texts = {kind: [readable("", item) for item in of_type.values()] for kind, of_type in details.items()}
        facts = RequestFacts(words, Terms.of(texts, words), 0.3, 0.1)
    requests = RequestContents(kinds, encoder, weights, outputs, outputs, tastes, np.ones(USERS, dtype=bool), facts)
    contents = BundleContents(
        name="bench_search",
        slots=kinds,
        modalities=("text",),
        users=tuple(f"user-{row}" for row in range(USERS)),
        items=items,
        user_codes=np.ones((USERS, 8), dtype=np.int8),
        item_codes={kind: np.ones((len(ids), 1, 8), dtype=np.int8) for kind, ids in items.items()},
        item_bias={kind: np.zeros(len(ids)) for kind, ids in items.items()},
        preference_weights=np.ones(8),
        compatibility_weights=np.ones(8),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=Outfits.of(kinds, [], np.zeros((0, len(kinds)))),
        details=details,
        pictures={},
        model={},
        requests=requests,
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, Outfits.of(kinds, [0], np.zeros((1, len(kinds)))))
    return encoder


def measure(path: Path, encoder: WordsEncoder, options: argparse.Namespace) -> dict[str, Any]:
    """Times in milliseconds, shares and counts."""
    rng = generator(0, "bench_search requests")
    texts = [
        f"a {rng.choice(CUTS)} {rng.choice(COLOURS)} {rng.choice(GARMENTS)} in {rng.choice(CLOTHS)} for the summer"
        for _ in range(options.repeats)
    ]
    users = [f"user-{row}" for row in rng.integers(0, USERS, options.repeats)]
    timed = Timed(encoder)
    begin = time.perf_counter()
    recommender = Recommender.load(path, verify=False, encoder=timed)
    opened = time.perf_counter() - begin
    tower = RequestTower.open(path / "requests", encoder=timed)
    codes = np.concatenate([tower.item_codes[kind] for kind in tower.types])
    plain = faiss.IndexBinaryFlat(options.bits)
    plain.add(codes)
    asked = [tower.request([text], [tower.taste_of_user(int(user[5:]))]) for text, user in zip(texts, users)]
    packed = [pack(one.bits) for one in asked]
    parts: dict[str, list[float]] = {"encoder": [], "tower": [], "search": [], "rerank": []}

    def timed_call(name: str, call: Any) -> None:
        timed.seconds, begin = 0.0, time.thread_time()
        call()
        taken = time.thread_time() - begin
        parts[name].append((taken - timed.seconds) * 1e3)
        if name == "search":
            parts["encoder"].append(timed.seconds * 1e3)

    def through(turn: int, rerank: bool = False) -> None:
        text, user = texts[turn], users[turn]
        call = lambda: recommender.search(text, user, options.k, rerank=rerank)  # noqa: E731
        timed_call("rerank" if rerank else "search", call)

    def of_tower(turn: int) -> None:
        timed_call("tower", lambda: tower.request([texts[turn]], [tower.taste_of_user(0)]))

    for turn in range(min(3, options.repeats)):  # compile, and read the files once
        check(recommender, plain, codes, texts[turn], users[turn], packed[turn], options.k)
        through(turn, rerank=True)
    for values in parts.values():
        values.clear()
    turns = take_turns(
        {
            "search": through,
            "rerank": lambda turn: through(turn, rerank=True),
            "tower": of_tower,
            "scan": lambda turn: nearest(codes, packed[turn][0], options.k),
            "faiss": lambda turn: plain.search(packed[turn], options.k),
        },
        options.repeats,
        time.thread_time,
    )
    own = {name: statistics.median(values) for name, values in parts.items()}
    return {
        "encoder_milliseconds": own["encoder"],
        "tower_milliseconds": own["tower"],
        "search_milliseconds": own["search"] - own["tower"],
        "beyond_encoder_milliseconds": own["search"],
        "beyond_encoder_slowest": max(parts["search"]),
        "rerank_beyond_encoder_milliseconds": own["rerank"],
        "scan_milliseconds": turns["scan"],
        "faiss_milliseconds": turns["faiss"],
        "ratio": turns["scan"] / turns["faiss"],
        "target_milliseconds": TARGET,
        "seconds_open": opened,
        **recalls(recommender, tower, [one.floats[0] for one in asked], texts, users, options.k),
    }


def check(
    recommender: Recommender, plain: Any, codes: np.ndarray, text: str, user: str, code: np.ndarray, k: int
) -> None:
    """The distances of the answer are faiss's. Raises AssertionError otherwise."""
    distances, _ = plain.search(code, min(k, len(codes)))
    bits = 8 * codes.shape[1]
    ours = np.rint((1 - recommender.search(text, user, k).scores) * bits).astype(int)
    if ours.tolist() != distances[0].tolist():
        raise AssertionError(f"{text!r}: we find distances {ours}, faiss {distances[0]}")


def recalls(
    recommender: Recommender,
    tower: RequestTower,
    floats: Sequence[np.ndarray],
    texts: Sequence[str],
    users: Sequence[str],
    k: int,
    most: int = 20,
) -> dict[str, float]:
    """The share of the k best in float, over all items, that bits alone and the re-ranked shortlist find."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(min(most, len(texts))):
        best = []
        for kind in tower.types:
            scores = tower.item_vectors[kind] @ floats[turn].astype(np.float16)
            rows = np.argpartition(-scores, min(4 * k, len(scores)) - 1)[: 4 * k]
            exact = tower.item_vectors[kind][rows].astype(np.float64) @ floats[turn].astype(np.float64)
            best += [(-score, f"{kind}-{row:07d}") for score, row in zip(exact.tolist(), rows.tolist())]
        wanted = {one for _, one in sorted(best)[:k]}
        for rerank, shares in found.items():
            ids, _ = recommender.search(texts[turn], users[turn], k, rerank=rerank)
            shares.append(len(wanted & set(ids.tolist())) / len(wanted))
    return {
        "recall_of_float_bits": statistics.mean(found[False]),
        "recall_of_float_reranked": statistics.mean(found[True]),
    }


def show(row: dict[str, Any], options: argparse.Namespace) -> None:
    print(f"{row['machine']}; numpy {np.__version__}, faiss {faiss.__version__}")
    print(
        f"{options.items:,} items of {options.types} types, {options.bits} bits, k = {options.k}; medians, one thread"
    )
    print(f"text encoder (words)           {row['encoder_milliseconds']:8.2f} ms, counted apart")
    print(f"request tower                  {row['tower_milliseconds']:8.2f} ms")
    print(f"search (filter, scan, ids)     {row['search_milliseconds']:8.2f} ms")
    beyond, slowest = row["beyond_encoder_milliseconds"], row["beyond_encoder_slowest"]
    within = "within" if beyond < TARGET else "NOT within"
    print(f"beyond the encoder             {beyond:8.2f} ms, slowest {slowest:.2f}: {within} {TARGET:g} ms")
    print(f"the same, re-ranked in float   {row['rerank_beyond_encoder_milliseconds']:8.2f} ms")
    scan, plain = row["scan_milliseconds"], row["faiss_milliseconds"]
    print(f"scan alone {scan:.2f} ms, faiss IndexBinaryFlat {plain:.2f} ms: ratio {row['ratio']:.2f}")
    bits, floats = row["recall_of_float_bits"], row["recall_of_float_reranked"]
    print(f"recall@{options.k} of float over all items: bits {bits:.3f}, re-ranked shortlist {floats:.3f}")
    print(f"built in {row['seconds_build']:.0f} s, opened in {row['seconds_open']:.2f} s")


if __name__ == "__main__":
    main()
