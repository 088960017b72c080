"""IQON3000 by configs/iqon3000_ranking.yaml and iqon3000_attributes.yaml: bits by discrete collaborative filtering.

    python benchmarks/bench_iqon_discrete.py [--only iqon3000_ranking] [--seeds 0 1 2] [--data FOLDER] [--json] [--save]

Test split, the protocols of bench_iqon_ranking.py. Users in bytes are measured over all seeds, users in bits with the
first one. Runs that are there already are used again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_iqon_ranking import over_seeds

import results
from fashion_hash.config.experiment import Config, load_config, with_user_code
from fashion_hash.core.codes import UserForm
from fashion_hash.data.dataset import Dataset
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.training.measure.full import full_rankings
from fashion_hash.training.measure.tasks import Task, negatives_of
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import as_answered, trained_users

RANKING, ATTRIBUTES = "iqon3000_ranking", "iqon3000_attributes"
NAMES = [RANKING, ATTRIBUTES]
CASES: dict[str, tuple[str, int, UserForm, bool]] = {
    "discrete, 128 bits, users in bytes": (RANKING, 128, "bytes", True),
    "discrete, 256 bits, users in bytes": (RANKING, 256, "bytes", True),
    "discrete, 128 bits, users in bits": (RANKING, 128, "bits", False),
    "item numbers beside ids, 2 x 128 bits, users in bytes": (ATTRIBUTES, 128, "bytes", True),
}
"""By name: the configuration, bits, the form of users, and whether all seeds are measured."""


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="configurations; by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/iqon_discrete"))
    parser.add_argument("--data", type=Path, help="the folder of the data; by default as the configuration says")
    results.add_options(parser)
    options = parser.parse_args(argv)
    data = [] if options.data is None else [f"data.root={options.data}"]
    dataset = load_data(load_config(_path(RANKING), data))
    by_case: dict[str, dict[str, dict[str, Any]]] = {}
    seconds: dict[str, list[float]] = {}
    for case, (name, bits, users, every) in CASES.items():
        if name not in options.only:
            continue
        reports = []
        for seed in options.seeds if every else options.seeds[:1]:
            config = load_config(_path(name), [*data, f"seed={seed}", f"model.num_bits={bits}"])
            run, took = trained(options.runs / f"{name}-{bits}-seed-{seed}", config, dataset)
            seconds.setdefault(case, []).extend([] if took is None else [took])
            reports.append(measured(run, dataset, users))
            print(f"{case}: seed {seed} measured", flush=True)
        by_case[case] = {name: over_seeds([report[name] for report in reports]) for name in reports[0]}
    protocols = {name: {case: of[name] for case, of in by_case.items()} for name in next(iter(by_case.values()))}
    most = {case: max(of, default=None) for case, of in seconds.items()}
    figures = {"seeds": options.seeds, "seconds_to_train": most, "protocols": protocols}
    if results.hand_over(options, figures):
        return
    for name, scorers in protocols.items():
        print(f"\n{name}")
        for scorer, metrics in scorers.items():
            print(f"  {scorer:36}", {key: round(value["mean"], 4) for key, value in metrics.items()})


def _path(name: str) -> Path:
    return results.PROJECT / f"configs/{name}.yaml"


def trained(path: Path, config: Config, dataset: Dataset) -> tuple[Run, float | None]:
    """The run in a folder, as it is or made now, and how many seconds of the processor it took."""
    if (path / "metrics.jsonl").exists():
        return Run.open(path), None
    started = time.process_time()
    run = fit(config, dataset, path)
    return run, time.process_time() - started


def measured(run: Run, dataset: Dataset, users: UserForm) -> dict[str, Mapping[str, float]]:
    """By protocol, the metrics on the test split of binary codes with users in a form."""
    model, inputs, _ = run.model(dataset)
    scorer = make_scorer(with_user_code(run.config, users), model, inputs, None, dataset)
    config = run.config
    task = Task(dataset, "test", dataset.split("test"), config.seed, None, "ids", config.negatives.swap)
    negatives = negatives_of(task)
    metrics = dict(evaluate_split(as_answered(scorer, trained_users(dataset)), negatives.part, negatives.drawn))
    rankings = full_rankings(dataset, "test", scorer, None, config.seed)
    return metrics | {name: ranking.metrics() for name, ranking in rankings.items()}


if __name__ == "__main__":
    main()
