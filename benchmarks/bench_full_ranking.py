"""Full ranking of a large click log, in bits and in floats, beside a plain sort of every list; answers to all users.

    python benchmarks/bench_full_ranking.py [--users 100000] [--outfits 6000] [--json] [--save]

Users with three liked outfits each, of which one is known, and outfits of top, bottom and shoe under an FHN model with
random codes: how long it ranks does not depend on what they are. The plain way scores a block of users by the same
matrix product and sorts every list with numpy; it is timed on fewer users and multiplied. A bundle of the same codes
then answers all users at once, as `recommend` of a Recommender does: the time of the first call, with nothing kept from
before.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.evaluation.ranking.lists import Lists, known_parts, outfit_lists
from fashion_hash.evaluation.ranking.rank import rank_outfits
from fashion_hash.evaluation.ranking.scores import ScoreOutfits
from fashion_hash.index.build import build_index
from fashion_hash.models.fhn import FHN
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import SCORED_BY
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import make_model
from fashion_hash.training.runs.scoring import ModelScorer, code_arrays

SLOTS = ("top", "bottom", "shoe")
LIKED = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--outfits", type=int, default=6_000)
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("-k", type=int, default=20, help="outfits that each user is answered")
    parser.add_argument("--sorted", type=int, default=2_000, help="users whose lists are sorted plainly")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.users, options.outfits, options.sorted, options.k) < 1:
        parser.error("--users, --outfits, --sorted and -k must be at least 1")
    torch.set_num_threads(1)
    dataset = world(options.users, options.outfits)
    lists = outfit_lists(dataset, dataset.split("test"), known_parts(dataset, "test"))
    figures: dict[str, Any] = {"options": vars(options), "lists": len(lists), "scores": lists.scores}
    few = lists.sample(options.sorted * lists.size, seed=0)
    forms = scorers(dataset, options.bits)
    for form, scorer in forms.items():
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
    with tempfile.TemporaryDirectory() as folder:
        exported(dataset, forms["binary"], Path(folder) / "bundle")
        figures["answers"] = answered(Path(folder) / "bundle", dataset, options.k)
    figures["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if results.hand_over(options, figures):
        return
    print(f"{len(lists):,} lists of {lists.size:,} outfits, {options.bits} bits; {figures['megabytes']:,} MB in all")
    for form in ("binary", "relaxed"):
        print(f"{form:8} {figures[form]['seconds']:8.1f} s, sorted plainly {figures[form]['seconds_sorted']:8.1f} s")
    answers = figures["answers"]
    print(f"answers  {answers['seconds']:8.1f} s for the best {options.k} of {answers['users']:,} users")


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


def exported(dataset: Dataset, scorer: ModelScorer, path: Path) -> Bundle:
    """A bundle of the codes of a model, with an index of all outfits; users know what they like in training."""
    assert isinstance(scorer.model, FHN)
    users, items, bias = code_arrays(scorer)
    contents = BundleContents(
        name=dataset.name,
        slots=SLOTS,
        users=dataset.users.ids,
        items={item_type: dataset.items[item_type].ids for item_type in dataset.types},
        item_bias=bias,
        **SCORED_BY[FHN](scorer.model, users, items, np.ones(len(users), dtype=bool)),
        repeat_empty=False,
        history=dataset.split("train").positives,
        details={},
        pictures={},
        model={},
    )
    bundle = write_bundle(path, contents)
    build_index(bundle, dataset.outfits)
    return bundle


def answered(path: Path, dataset: Dataset, k: int) -> dict[str, Any]:
    """How long it takes to answer all users in one call, with how many of them a call for each agrees."""
    recommender = Recommender.load(path)
    users = list(dataset.users.ids)
    started = time.perf_counter()
    ids, scores = recommender.recommend(users, k)
    seconds = time.perf_counter() - started
    for place in range(0, len(users), max(1, len(users) // 100)):
        alone = recommender.recommend(users[place], k)
        if not (np.array_equal(alone.ids, ids[place]) and np.array_equal(alone.scores, scores[place])):
            raise AssertionError(f"user {users[place]} alone is answered otherwise")
    return {"users": len(users), "seconds": round(seconds, 2)}


if __name__ == "__main__":
    main()
