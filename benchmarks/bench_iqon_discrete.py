"""IQON3000 by configs/iqon3000_ranking.yaml and iqon3000_attributes.yaml: bits by discrete collaborative filtering.

    python benchmarks/bench_iqon_discrete.py [--only CASE ...] [--seeds 0 1 2] [--data FOLDER] [--json] [--save [NAME]]

Test split, the protocols of bench_iqon_ranking.py. Users in bytes are measured over all seeds, users in bits with the
first one. Runs that are there already are used again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Case(NamedTuple):
    """What is measured.

    Attributes:
        name: of the configuration.
        bits: D.
        users: in which form they are kept.
        every: whether all seeds are measured, or the first one alone.
        ranked: whether everything is ranked, or pairs alone.
    """

    name: str
    bits: int
    users: UserForm = "bytes"
    every: bool = True
    ranked: bool = True


CASES: Mapping[str, Case] = {
    "discrete, 128 bits, users in bytes": Case("iqon3000_ranking", 128),
    "discrete, 256 bits, users in bytes": Case("iqon3000_ranking", 256),
    "discrete, 128 bits, users in bits": Case("iqon3000_ranking", 128, "bits", every=False),
    "ids and item numbers, 128 bits each, users in bytes": Case("iqon3000_attributes", 128, ranked=False),
    "ids and item numbers, 256 bits each, users in bytes": Case("iqon3000_attributes", 256, ranked=False),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/iqon_discrete"))
    parser.add_argument("--data", type=Path, help="the folder of the data; by default as the configuration says")
    results.add_options(parser)
    options = parser.parse_args(argv)
    data = [] if options.data is None else [f"data.root={options.data}"]
    cases = {name: CASES[name] for name in options.only}
    dataset = load_data(load_config(_path(next(iter(cases.values())).name), data))
    by_case: dict[str, dict[str, dict[str, Any]]] = {}
    seconds: dict[str, list[float]] = {}
    for title, case in cases.items():
        reports = []
        for seed in options.seeds if case.every else options.seeds[:1]:
            config = load_config(_path(case.name), [*data, f"seed={seed}", f"model.num_bits={case.bits}"])
            run, took = trained(options.runs / f"{case.name}-{case.bits}-seed-{seed}", config, dataset)
            seconds.setdefault(title, []).extend([] if took is None else [took])
            reports.append(measured(run, dataset, case))
            print(f"{title}: seed {seed} measured", flush=True)
        by_case[title] = {name: over_seeds([report[name] for report in reports]) for name in reports[0]}
    names = dict.fromkeys(name for of in by_case.values() for name in of)
    protocols = {name: {title: of[name] for title, of in by_case.items() if name in of} for name in names}
    most = {title: max(of, default=None) for title, of in seconds.items()}
    figures = {"seeds": options.seeds, "cpu_seconds_to_train": most, "protocols": protocols}
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


def measured(run: Run, dataset: Dataset, case: Case) -> dict[str, Mapping[str, float]]:
    """By protocol, the metrics on the test split of binary codes."""
    model, inputs, _ = run.model(dataset)
    scorer = make_scorer(with_user_code(run.config, case.users), model, inputs, None, dataset)
    config = run.config
    task = Task(dataset, "test", dataset.split("test"), config.seed, None, "ids", config.negatives.swap)
    negatives = negatives_of(task)
    metrics = dict(evaluate_split(as_answered(scorer, trained_users(dataset)), negatives.part, negatives.drawn))
    if not case.ranked:
        return metrics
    rankings = full_rankings(dataset, "test", scorer, None, config.seed)
    return metrics | {name: ranking.metrics() for name, ranking in rankings.items()}


if __name__ == "__main__":
    main()
