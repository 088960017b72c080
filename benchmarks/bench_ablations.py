"""The ablations of FHN as trained models: each term alone, T0 to T3, one head for all types, codes of 0 and 1.

    python benchmarks/bench_ablations.py [--seeds 0 1 2] [--out FOLDER] [--cases "T0: none, a scalar"]
        [--set key=value]... [--json] [--save ablations]

Each case is configs/ablations_sample.yaml with the changes of its row, trained and measured on the test split in binary
codes: AUC and NDCG against random and hard negatives, fill in the blank, and the rank of the truth among the candidates
for each slot. Runs in --out are not trained again, and killed ones go on. Paper: Lu et al., CVPR 2019.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import machine

import results
from fashion_hash.config.experiment import Config, load_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import TrainingError
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import ModelScorer

CASES: Mapping[str, tuple[str, ...]] = {
    "T3: both bit weights learned": (),
    "T2: item-item weights": ("model.variant=T2",),
    "T1: user-item weights": ("model.variant=T1",),
    "T0: none, a scalar": ("model.variant=T0",),
    "preference alone": ("model.terms=preference",),
    "compatibility alone": ("model.terms=compatibility",),
    "one head for all types": ("model.shared_head=true",),
    "codes of 0 and 1": ("model.codes=zero_one",),
}
FIGURES = {
    "AUC, random": ("rank_random", "auc"),
    "NDCG, random": ("rank_random", "ndcg"),
    "AUC, hard": ("rank_hard", "auc"),
    "NDCG, hard": ("rank_hard", "ndcg"),
    "FITB": ("fitb", "accuracy"),
    "MRR, top": ("retrieval_top", "mrr"),
    "MRR, bottom": ("retrieval_bottom", "mrr"),
    "MRR, shoe": ("retrieval_shoe", "mrr"),
}


def config_of(case: str, seed: int, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a case."""
    common = [f"data.root={results.PROJECT / 'polyvore_data'}", f"seed={seed}", *overrides]
    return load_config(results.PROJECT / "configs/ablations_sample.yaml", [*common, *CASES[case]])


def run_of(config: Config, folder: Path, dataset: Dataset) -> Run:
    """The finished run of a configuration: the one in the folder, gone on with or made anew where it must be."""
    try:
        run = Run.open(folder)
    except TrainingError:  # not there, or killed before its first epoch ended
        return fit(config, dataset, folder)
    if run.config == config and len(run.history) == config.train.epochs:
        return run
    return fit(config, dataset, folder, resume=run.config == config)


def measured(run: Run, dataset: Dataset) -> dict[str, float]:
    """The figures of a run."""
    model, inputs, _ = run.model(dataset)
    protocols = evaluate_split(ModelScorer(model, inputs, None), dataset.split("test"))
    return {name: protocols[protocol][metric] for name, (protocol, metric) in FIGURES.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    options = _options(argv)
    dataset = load_data(config_of(options.cases[0], 0, options.set))
    values: dict[str, list[dict[str, float]]] = {case: [] for case in options.cases}
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            for case in options.cases:
                name = "".join(letter if letter.isalnum() else "_" for letter in case)
                run = run_of(
                    config_of(case, seed, options.set), Path(options.out or folder) / f"{name}-seed{seed}", dataset
                )
                values[case].append(measured(run, dataset))
                print(f"{case}, seed {seed}: AUC {values[case][-1]['AUC, random']:.4f}", file=sys.stderr, flush=True)
    rows = [
        {
            "case": case,
            "changes": CASES[case],
            "figures": {name: _spread([figures[name] for figures in of]) for name in FIGURES},
        }
        for case, of in values.items()
    ]
    if not results.hand_over(options, {"machine": machine(), "seeds": options.seeds, "rows": rows}):
        print(f"{machine()}; test split of the sample, binary codes, seeds {options.seeds}\n")
        print("| " + " | ".join(["", *FIGURES]) + " |\n" + "|---" * (1 + len(FIGURES)) + "|")
        for row in rows:
            print(
                "| "
                + " | ".join([row["case"], *(f"{spread['mean']:.4f}" for spread in row["figures"].values())])
                + " |"
            )
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", help="keeps the runs here, for the next time (default: a temporary folder)")
    parser.add_argument("--cases", nargs="+", metavar="CASE", default=list(CASES), help="rows of the table")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of every run")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"--cases: no case {unknown[0]!r}: {', '.join(map(repr, CASES))}")
    if len(set(options.seeds)) < len(options.seeds):
        parser.error("--seeds: a seed is named twice")
    return options


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over seeds; None of a single one."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": std, "seeds": list(values)}


if __name__ == "__main__":
    raise SystemExit(main())
