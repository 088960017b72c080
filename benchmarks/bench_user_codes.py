"""Users in bits, bytes and floats beside items in bits: what each form is worth, and what a question costs.

    python benchmarks/bench_user_codes.py [--iqon RUN ...] [--seeds 3] [--people 20000] [--json] [--save]

IQON3000 is measured on finished runs of configs/iqon3000.yaml; the sample and made logs of outfit clicks
(click_log.py) are trained here, with configs/ablations_sample.yaml and configs/ifashion_kgin.yaml. Every run answers in
every form, so that rows differ in nothing but what is kept of a user; in the last row items are floats as well.
All of it on the test split; full rankings of IQON3000 are those of some hundred users. Nothing is chosen here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
import torch
from click_log import ClickLog, write_log

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import load_config, with_user_code
from fashion_hash.config.network import UserConfig
from fashion_hash.core.codes import bits_a_user
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.sample.write import make_sample
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.evaluation.ranking.protocols import full_protocols
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.open import engine_class
from fashion_hash.index.pool import Pool
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.tasks import Task, negatives_of
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import as_answered, trained_users
from results import PROJECT

CODES = get_args(UserConfig.model_fields["code"].annotation)
QUESTIONS, ROUNDS = 100, 5
MOST = 10**8  # scores of a full ranking: some hundred users of IQON3000
Metrics = dict[str, dict[str, float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line a row, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--iqon", type=Path, nargs="*", default=[], metavar="RUN", help="runs of configs/iqon3000.yaml")
    parser.add_argument("--seeds", type=int, default=3, help="trainings on the sample, and made logs with one each")
    parser.add_argument("--people", type=int, default=20_000, help="of a made log")
    parser.add_argument("--outfits", type=int, default=3_000, help="of a made log")
    results.add_options(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    measured: dict[str, list[Metrics]] = {}
    with TemporaryDirectory() as folder:
        for name, run, dataset in runs(options, Path(folder)):
            measured.setdefault(name, []).append(of_run(run, dataset))
            print(f"{name}, run {len(measured[name])} measured", flush=True)
            if name == "IQON3000" and len(measured[name]) == 1:
                times = milliseconds(run, dataset, Path(folder))
    rows = [row for name, reports in measured.items() for row in gathered(name, reports)]
    figures = {"rows": rows, "milliseconds": times if options.iqon else {}, "questions": QUESTIONS}
    if not results.hand_over(options, figures):
        for row in rows:
            print(*(f"{key} {value}" for key, value in row.items()), sep="  ")
        print(figures["milliseconds"])


def runs(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Run, Dataset]]:
    """The runs that are measured, with their data and its name."""
    for path in options.iqon:
        run = Run.open(path)
        yield "IQON3000", run, load_data(run.config, None, path)
    make_sample(folder / "sample", pictures=False)
    for seed in range(options.seeds):
        overrides = [f"data.root={folder / 'sample'}", f"seed={seed}"]
        yield "sample", *_trained("ablations_sample.yaml", overrides, folder / f"sample-{seed}")
    for seed in range(options.seeds):
        log = ClickLog(people=options.people, outfits=options.outfits, seed=seed)
        overrides = [f"data.root={write_log(log, folder / f'log-{seed}')}", f"seed={seed}"]
        yield "made log of clicks", *_trained("ifashion_kgin.yaml", overrides, folder / f"clicks-{seed}")


def _trained(config: str, overrides: Sequence[str], path: Path) -> tuple[Run, Dataset]:
    settings = load_config(PROJECT / "configs" / config, [*overrides, "train.device=cpu"])
    dataset = load_data(settings)
    return fit(settings, dataset, path), dataset


def of_run(run: Run, dataset: Dataset) -> Metrics:
    """The metrics of every form on the test split, named by protocol and metric."""
    model, inputs, slope = run.model(dataset)
    trained, seed = trained_users(dataset), run.config.seed
    negatives = negatives_of(Task(dataset, "test", dataset.split("test"), seed, dataset.known))
    protocols = {name: protocol.sample(MOST, seed) for name, protocol in full_protocols(dataset, "test").items()}
    scorers = {code: make_scorer(with_user_code(run.config, code), model, inputs, None, dataset) for code in CODES} | {
        "items in floats": make_scorer(run.config, model, inputs, slope, dataset)
    }
    found: Metrics = {}
    for form, scorer in scorers.items():
        by_protocol: dict[str, Mapping[str, Any]] = dict(
            evaluate_split(as_answered(scorer, trained), negatives.part, negatives.drawn)
        )
        full = full_scores(scorer, trained)
        outfits = full.outfits(dataset.outfits)
        by_protocol |= {name: protocol.rank(outfits, full.items).metrics((20,)) for name, protocol in protocols.items()}
        found[form] = {
            f"{name} {metric}": float(of[metric])
            for name, of in by_protocol.items()
            for metric in ("auc", "recall@20", "ndcg@20")
            if metric in of
        }
    return found


def gathered(name: str, reports: Sequence[Metrics]) -> Iterator[dict[str, Any]]:
    """A row for each form: by metric the mean over the runs and the deviation."""
    for form in reports[0]:
        values = [report[form] for report in reports]
        spread = {
            metric: {
                "mean": mean(of[metric] for of in values),
                "std": stdev(of[metric] for of in values) if len(values) > 1 else None,
            }
            for metric in values[0]
        }
        yield {"data": name, "form": form, "runs": len(reports), "metrics": spread}


def milliseconds(run: Run, dataset: Dataset, folder: Path) -> dict[str, dict[str, float]]:
    """By form: the bits a user, and the milliseconds of an exact top 10 by each engine, alternating between forms."""
    engines, found = {}, {}
    for code in CODES:
        bundle = export_bundle(run, folder / f"bundle-{code}", dataset, onnx=False, user_code=code)
        build_index(bundle, dataset.outfits)
        bundle = Bundle.open(bundle.path, verify=False)
        pool = Pool.open(bundle, verify=False)
        engines[code] = {name: engine_class(name)(bundle, pool) for name in ("factored", "sums")}
        found[code] = {"bits_a_user": bits_a_user(bundle.user_form, bundle.num_bits), "outfits": len(pool)}
        keys = bundle.user_keys
    asked = np.linspace(0, len(keys) - 1, QUESTIONS).astype(int)
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for user in asked:
            for code, by_name in engines.items():
                for name, engine in by_name.items():
                    key = engine._bundle.user_keys[user]
                    begin = time.perf_counter()
                    engine.search(key, 10)
                    taken.setdefault((code, name), []).append(1e3 * (time.perf_counter() - begin))
    for (code, name), of in taken.items():
        found[code][name] = median(of)
    return found


if __name__ == "__main__":
    main()
