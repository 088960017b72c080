"""What a bundle of an outfit encoder costs and how well it composes: benchmarks/bench_encoder.py BUNDLE.

Recall of composition is measured against brute force over all outfits of a random part of the items: the
share of the ten best that were found. Prints a table, with the machine named.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from machine import machine

import results
from fashion_hash.foldin.vectors import FoldInVectors
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.outfit_vectors import outfit_vectors
from fashion_hash.retrieval.composition.encoded.by_vectors import compose_encoded
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.recommender import Recommender

K = 10


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", help="a bundle folder of an outfit encoder, with its index")
    parser.add_argument("--items", type=int, default=60, help="of each type for the brute force (default 60)")
    parser.add_argument("--users", type=int, default=40, help="who ask (default 40)")
    results.add_options(parser)
    options = parser.parse_args()
    recommender = Recommender.load(options.bundle)
    bundle = recommender.bundle
    if bundle.scoring != "vectors":
        parser.error(f"{options.bundle} is a bundle without an outfit encoder: its composition is exact")
    users = np.linspace(0, len(bundle.users) - 1, options.users).astype(int)
    names = [bundle.users.id(row) for row in users.tolist()]

    rng = np.random.default_rng(0)
    part = {
        kind: np.sort(rng.permutation(len(ids))[: options.items]).astype(np.int64) for kind, ids in bundle.items.items()
    }
    first = [name for name, kind in zip(bundle.slot_names, bundle.slots) if name == kind]
    every = np.full((int(np.prod([len(part[name]) for name in first])), len(bundle.slots)), -1, dtype=np.int64)
    every[:, [bundle.slot_names.index(name) for name in first]] = list(itertools.product(*(part[n] for n in first)))
    started = time.perf_counter()
    vectors = outfit_vectors(bundle, every)
    each = (time.perf_counter() - started) / len(every)
    bias = np.sum([bundle.item_bias[name][every[:, bundle.slot_names.index(name)]] for name in first], axis=0)
    bias = encoded.bias_part(bias, np.full(len(every), len(first)))
    recalls, scored = [], []
    for row in users.tolist():
        taste = bundle.user_keys[row]
        best = np.sort(encoded.nearness(bundle, taste, vectors) + bias)[-K]
        found = compose_encoded(CompositionTask(bundle, taste, first, {name: part[name] for name in first}), K)
        recalls.append((found.scores >= best).mean())
        scored.append(found.scored)
    fold, liked = FoldInVectors(bundle), bundle.history.items[:5]
    figures = {
        "machine": machine(),
        "output": bundle.encoder.output,
        "outfits": len(recommender),
        "outfits_by_brute_force": len(every),
        "recall": float(np.mean(recalls)),
        "least_recall": float(min(recalls)),
        "outfits_encoded": float(np.mean(scored)),
        "microseconds_an_outfit": 1e6 * each,
        "milliseconds_recommend": timed(names, lambda user: recommender.recommend(user, K)),
        "milliseconds_compose": timed(names, lambda user: recommender.compose(user, K, types=first)),
        "milliseconds_fold_in": timed(names, lambda _: fold.fit(liked)),
    }
    if results.hand_over(options, figures):
        return
    print(f"{figures['machine']}\n{bundle.name}: {figures['output']}, {figures['outfits']} outfits in the pool")
    print(
        f"recall@{K} of composition, {figures['outfits_by_brute_force']:,} outfits: {figures['recall']:.3f} "
        f"(least {figures['least_recall']:.1f})"
    )
    print(f"outfits encoded for it, mean: {figures['outfits_encoded']:,.0f}")
    print(f"encoding an outfit: {figures['microseconds_an_outfit']:.0f} us")
    print(f"recommend {K}: {figures['milliseconds_recommend']:.1f} ms")
    print(f"compose {K} of all items: {figures['milliseconds_compose']:.1f} ms")
    print(f"fold-in of {len(liked)} outfits: {figures['milliseconds_fold_in']:.1f} ms")


def timed(names: list[str], ask: Callable[[str], object]) -> float:
    """Median milliseconds of an answer."""
    ask(names[0])
    found = []
    for name in names:
        started = time.perf_counter()
        ask(name)
        found.append(time.perf_counter() - started)
    return 1e3 * median(found)


if __name__ == "__main__":
    main()
