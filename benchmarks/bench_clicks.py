"""Bits on a sparse log of outfit clicks beside float baselines: recall@20 of all outfits.

    python benchmarks/bench_clicks.py [--seeds 1] [--bits 128 256] [--only 'bits taught by EASE'] [--json] [--save]

The log is made (click_log.py), in the form of KGAT and KGIN. All outfits are ranked for each person of the test split,
without those of training and validation. Settings of baselines are chosen on validation, which stands beside the test.
"bits taught by EASE" is configs/ifashion_kgin.yaml as it is; "bits trained on clicks" are bits of items that are
trained against real outfits from a spectral start, without a teacher.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from click_log import ClickLog, write_log

import results
from fashion_hash.config.experiment import load_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.clicks.kgin import read_ifashion_kgin
from fashion_hash.evaluation.baselines.clicks import outfit_clicks
from fashion_hash.evaluation.baselines.ease import ease
from fashion_hash.evaluation.baselines.factors import ials
from fashion_hash.evaluation.baselines.plain import popular
from fashion_hash.evaluation.baselines.spectral import gf_cf
from fashion_hash.evaluation.ranking.lists import Lists, known_parts, outfit_lists
from fashion_hash.evaluation.ranking.rank import rank_outfits
from fashion_hash.evaluation.ranking.scores import ScoreOutfits
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.scoring import trained_users
from results import PROJECT

CONFIG = PROJECT / "configs/ifashion_kgin.yaml"
TRAINED = (
    "outfit=null",
    "model.user_weight=1.0",
    "train.start=spectral",
    "train.epochs=8",
    "train.patience=2",
    "train.calibrate=outfits",
    "optimiser.rates={user: 0.01, id: 0.01, item_bias: 0.01, bit_weights: 1.0e-4}",
)
VARIANTS: Mapping[str, tuple[str, ...]] = {"bits taught by EASE": (), "bits trained on clicks": TRAINED}


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line a row, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--people", type=int, default=ClickLog().people)
    parser.add_argument("--outfits", type=int, default=ClickLog().outfits)
    parser.add_argument("--seeds", type=int, default=1, help="logs, and trainings on each")
    parser.add_argument("--bits", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--set", dest="changes", nargs="+", default=[], help="of the configuration: section.key=value")
    results.add_options(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    with TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            log = ClickLog(people=options.people, outfits=options.outfits, seed=seed)
            root = write_log(log, Path(folder) / f"log-{seed}")
            dataset = read_ifashion_kgin(root)
            lists = {
                split: outfit_lists(dataset, dataset.split(split), known_parts(dataset, split))
                for split in ("valid", "test")
            }
            for row in chain(of_baselines(dataset, lists), of_models(options, dataset, lists, root, seed)):
                rows.append({"seed": seed, **row})
                if not options.json:
                    print(*(f"{name} {value}" for name, value in rows[-1].items()), sep="  ", flush=True)
    results.hand_over(options, {"options": vars(options), "log": log._asdict(), "rows": rows})


def of_baselines(dataset: Dataset, lists: Mapping[str, Lists]) -> Iterator[dict[str, Any]]:
    """Popularity, iALS, GF-CF and EASE over outfits; of several settings the one that is best on validation."""
    clicks = outfit_clicks(dataset)
    makers: dict[str, list[Callable[[], ScoreOutfits]]] = {
        "popularity": [partial(popular, clicks)],
        "iALS": [partial(ials, clicks, factors=128, regularisation=r, alpha=a) for r, a in ((1.0, 10.0), (0.1, 1.0))],
        "GF-CF": [partial(gf_cf, clicks, factors, 0.3) for factors in (256, 64)],
        "EASE": [partial(ease, clicks, value) for value in (100.0, 300.0)],
    }
    for name, made in makers.items():
        started = time.process_time()
        tried = [recalls(make(), lists) for make in made]
        best = max(tried, key=lambda figures: figures["valid"])
        yield {"model": name, "form": "floats", **best, "cpu_seconds": round(time.process_time() - started, 1)}


def of_models(
    options: argparse.Namespace, dataset: Dataset, lists: Mapping[str, Lists], root: Path, seed: int
) -> Iterator[dict[str, Any]]:
    """Every variant in bits, as it answers."""
    known = trained_users(dataset)
    for bits in options.bits:
        for name in options.only:
            changes = [f"data.root={root}", f"seed={seed}", f"model.num_bits={bits}", *VARIANTS[name]]
            config = load_config(CONFIG, [*changes, *options.changes])
            started = time.process_time()
            with TemporaryDirectory() as folder:
                run = fit(config, dataset, Path(folder) / "run")
                seconds = time.process_time() - started
                model, inputs, _ = run.model(dataset)
                scorer = make_scorer(config, model, inputs, None, dataset)
                figures = recalls(full_scores(scorer, known).outfits(dataset.outfits), lists)
            yield {
                "model": name,
                "form": f"{bits} bits a user",
                **figures,
                "cpu_seconds": round(seconds, 1),
                "epoch": run.best_epoch,
            }


def recalls(score: ScoreOutfits, lists: Mapping[str, Lists]) -> dict[str, float]:
    """recall@20 by split."""
    return {split: round(float(rank_outfits(score, of).metrics((20,))["recall@20"]), 4) for split, of in lists.items()}


if __name__ == "__main__":
    main()
