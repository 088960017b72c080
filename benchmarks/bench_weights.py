"""What weights of events and a half-life are worth: benchmarks/bench_weights.py --data made, or --data amazon.

Data is divided by time and trained with each setting; the AUC of binary codes is measured on the validation and the
test split, of the made shop on what was bought only. Prints a table: mean and spread over the seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from drift_world import drift_world
from machine import machine

import results
from fashion_hash.config.data import SplitConfig
from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.splits.make import split_dataset
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit

SETTINGS: dict[str, dict[str, object]] = {
    "no weights": {"weighted": False},
    "kinds": {},
    "half-life 180 days": {"weighted": False, "half_life": 180},
    "half-life 360 days": {"weighted": False, "half_life": 360},
    "kinds, half-life 90 days": {"half_life": 90},
    "kinds, half-life 180 days": {"half_life": 180},
    "kinds, half-life 360 days": {"half_life": 360},
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("made", "amazon"), default="made")
    parser.add_argument("--root", help="amazon: the file of reviews, one JSON object a line")
    parser.add_argument("--drift", type=float, default=1.0, help="made: how much tastes change (default 1)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(SETTINGS), help="settings to measure; all by default")
    results.add_options(parser)
    options = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    if not options.json:
        print(f"{options.data}, drift {options.drift:g}; {machine()}", flush=True)
        print("| training | validation AUC | test AUC |\n|---|--:|--:|", flush=True)
    for name in options.only or SETTINGS:
        measured = []
        for seed in range(options.seeds):
            whole = drift_world(seed, drift=options.drift) if options.data == "made" else reviews(Path(options.root))
            measured.append(_measured(whole, SETTINGS[name], seed, options.epochs))
        columns = zip(("valid", "test"), zip(*measured))
        figures[name] = {split: {"mean": float(np.mean(aucs)), "std": float(np.std(aucs))} for split, aucs in columns}
        if not options.json:
            cells = (f"{auc['mean']:.3f} ± {auc['std']:.3f}" for auc in figures[name].values())
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    results.hand_over(options, {"options": vars(options), "auc": figures})


def reviews(path: Path) -> Dataset:
    """The reviews of a file as outfits of one item each: who took what when."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    events = sorted({(row["unixReviewTime"], row["reviewerID"], row["asin"]) for row in rows})
    times, users, items = zip(*events)
    people, things = Vocabulary(sorted(set(users)), "user"), Vocabulary(sorted(set(items)), "item")
    outfits = Outfits.of(("item",), people.rows(users), things.rows(items)[:, None])
    facts = OutfitFacts.of([f"e{row}" for row in range(len(events))], times)
    return Dataset(path.name, ("item",), people, {"item": things}, {"train": Split(outfits, facts=facts)})


def _measured(whole: Dataset, data: dict[str, object], seed: int, epochs: int) -> tuple[float, float]:
    """AUC of the best epoch on the validation and the test split."""
    dataset = split_dataset(whole, SplitConfig(kind="time"))
    parts = {name: split if name == "train" else _bought(split) for name, split in dataset.splits.items()}
    config = make_config(
        {
            "name": "weights",
            "seed": seed,
            "data": {"format": "polyvore_u", "root": "unused", **data},
            "id": {},
            "model": {"num_bits": 32, "item_bias": True},
            "negatives": {"per_positive": 2},
            "optimiser": {"kind": "adam", "rates": {"user": 0.03, "id": 0.03, "bit_weights": 0.01, "item_bias": 0.03}},
            "train": {"epochs": epochs, "batch_size": 256},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        run = fit(config, replace(dataset, splits=parts), Path(folder) / "run")
        test = evaluate(run, "test", replace(dataset, splits=parts))["protocols"]["rank_random"]["binary"]["auc"]
    return max(epoch["valid_auc"] for epoch in run.history), test


def _bought(split: Split) -> Split:
    assert split.facts is not None
    if split.facts.kinds is None:
        return split
    rows = np.flatnonzero(split.facts.kinds == "bought")
    return Split(split.positives[rows], facts=split.facts[rows])


if __name__ == "__main__":
    main()
