"""IQON3000 ranked over everything: the model in bits and floats over several seeds, beside every baseline.

    python benchmarks/bench_iqon_ranking.py [--seeds 0 1 2] [--runs FOLDER] [--baselines NAME ...] [--json] [--save]

Every seed is an ordinary run of configs/iqon3000.yaml; runs and baselines that are there already are used again, so
an interrupted benchmark goes on where it stopped. Baselines are fitted once, their settings chosen on validation.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import results
from fashion_hash.config.experiment import load_config
from fashion_hash.training.baselines.kept import ALL
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run, load_data

CONFIG = results.PROJECT / "configs/iqon3000.yaml"
FORMS = {"binary": "128 bits", "relaxed": "128 floats"}


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/iqon_ranking"))
    parser.add_argument("--baselines", nargs="+", default=list(ALL), help=f"by default {', '.join(ALL)}")
    parser.add_argument("--data", type=Path, help="the folder of the data; by default as configs/iqon3000.yaml says")
    results.add_options(parser)
    options = parser.parse_args(argv)
    overrides = [] if options.data is None else [f"data.root={options.data}"]
    reports = []
    for seed in options.seeds:
        run = trained(options.runs / f"seed-{seed}", [*overrides, f"seed={seed}"])
        first = seed == options.seeds[0]
        reports.append(evaluate(run, matched="ids", baselines=options.baselines if first else False)["protocols"])
        print(f"seed {seed} measured", flush=True)
    figures: dict[str, Any] = {"seeds": options.seeds, "protocols": gathered(reports)}
    if results.hand_over(options, figures):
        return
    for name, protocol in figures["protocols"].items():
        print(f"\n{name}: {protocol['statement']}")
        for scorer, metrics in protocol["scorers"].items():
            print(f"  {scorer:24}", {key: round(value["mean"], 4) for key, value in metrics.items()})


def trained(path: Path, overrides: Sequence[str]) -> Run:
    """The run of a seed: as it is where it is finished, else trained or resumed."""
    config = load_config(CONFIG, overrides)
    started = (path / "metrics.jsonl").exists()
    if started and len(Run.open(path).history) == config.train.epochs:
        return Run.open(path)
    return fit(config, load_data(config), path, resume=started, report=lambda line: print(line, flush=True))


def gathered(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By protocol: its statement, and by scorer and metric the mean and the deviation over the seeds."""
    protocols = {}
    for name, protocol in reports[0].items():
        scorers = {
            title: over_seeds([report[name][form] for report in reports])
            for form, title in FORMS.items()
            if form in protocol
        }
        scorers |= {title: over_seeds([metrics]) for title, metrics in protocol["baselines"].items()}
        protocols[name] = {"statement": protocol["statement"], "scorers": scorers}
    return protocols


def over_seeds(metrics: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """By metric: the mean, and the deviation where there are several seeds."""
    return {
        key: {
            "mean": mean(of[key] for of in metrics),
            "std": stdev(of[key] for of in metrics) if len(metrics) > 1 else None,
        }
        for key in metrics[0]
    }


if __name__ == "__main__":
    main()
