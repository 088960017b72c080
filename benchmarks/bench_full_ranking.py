"""Full ranking of a large click log, in bits and in floats, beside a plain sort of every list.

    python benchmarks/bench_full_ranking.py [--users 100000] [--outfits 6000] [--json] [--save]

Users with three liked outfits each, of which one is known, and outfits of top, bottom and shoe under an FHN model with
random codes: how long it ranks does not depend on what they are. The plain way scores a block of users by the same
matrix product and sorts every list with numpy; it is timed on fewer users and multiplied.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import results
from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.evaluation.ranking.lists import Lists, known_parts, outfit_lists
from fashion_hash.evaluation.ranking.rank import rank_outfits
from fashion_hash.evaluation.ranking.scores import ScoreOutfits
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.runs.scoring import ModelScorer

SLOTS = ("top", "bottom", "shoe")
LIKED = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--outfits", type=int, default=6_000)
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("--sorted", type=int, default=2_000, help="users whose lists are sorted plainly")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.users, options.outfits, options.sorted) < 1:
        parser.error("--users, --outfits and --sorted must be at least 1")
    torch.set_num_threads(1)
    dataset = world(options.users, options.outfits)
    lists = outfit_lists(dataset, dataset.split("test"), known_parts(dataset, "test"))
    figures: dict[str, Any] = {"options": vars(options), "lists": len(lists), "scores": lists.scores}
    few = lists.sample(options.sorted * lists.size, seed=0)
    for form, scorer in scorers(dataset, options.bits).items():
        score = full_scores(scorer).outfits(dataset.outfits)
        rank_outfits(score, few)  # the kernel is compiled
        started = time.perf_counter()
        ranking = rank_outfits(score, lists)
        figures[form] = {
            "seconds": round(time.perf_counter() - started, 2),
            "recall@20": ranking.metrics()["recall@20"],
        }
        started = time.perf_counter()
        plain = sorted_recall(score, few)
        seconds = (time.perf_counter() - started) * len(lists) / len(few)
        figures[form] |= {"seconds_sorted": round(seconds, 1), "recall@20_sorted_few": plain}
    figures["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if results.hand_over(options, figures):
        return
    print(f"{len(lists):,} lists of {lists.size:,} outfits, {options.bits} bits; {figures['megabytes']:,} MB in all")
    for form in ("binary", "relaxed"):
        print(f"{form:8} {figures[form]['seconds']:8.1f} s, sorted plainly {figures[form]['seconds_sorted']:8.1f} s")


def world(users: int, outfits: int) -> Dataset:
    """Random outfits, and users who like three of them: two in training, one in the test split."""
    rng = generator(0, "full ranking")
    sizes = {slot: max(50, outfits // 3) for slot in SLOTS}
    pool = np.stack([rng.integers(0, sizes[slot], outfits) for slot in SLOTS], axis=1)
    liked = rng.integers(0, outfits, (users, LIKED))
    splits = {
        "train": Split(Outfits.of(SLOTS, np.repeat(np.arange(users), 2), pool[liked[:, :2].reshape(-1)])),
        "test": Split(Outfits.of(SLOTS, np.arange(users), pool[liked[:, 2]])),
    }
    items = {slot: Vocabulary(range(size), slot) for slot, size in sizes.items()}
    return Dataset("made", SLOTS, Vocabulary(range(users), "user"), items, splits)


def scorers(dataset: Dataset, bits: int) -> dict[str, ModelScorer]:
    """A model with random codes, in bits and in floats."""
    values = {"name": "full", "data": {"format": "polyvore_u", "root": "made"}, "id": {}}
    config = make_config({**values, "model": {"num_bits": bits, "item_bias": True}, "train": {"device": "cpu"}})
    torch.manual_seed(0)
    inputs = ItemInputs(config, dataset)
    model = make_model(config, dataset, inputs)
    return {form: ModelScorer(model, inputs, slope) for form, slope in (("binary", None), ("relaxed", 1.0))}


def sorted_recall(score: ScoreOutfits, lists: Lists, at_once: int = 200) -> float:
    """recall@20 by sorting every list, ties by row."""
    hits = []
    for start in range(0, len(lists), at_once):
        numbers = np.arange(start, min(len(lists), start + at_once))
        block = np.array(score(lists.users[numbers]))
        for line, number in zip(block, numbers):
            line[lists.known.of_lists(np.array([number])).rows] = -np.inf
            best = np.argsort(-line, kind="stable")[:20]
            hits.append(np.isin(lists.positives.of_lists(np.array([number])).rows, best).mean())
    return float(np.mean(hits))


if __name__ == "__main__":
    main()
