"""False negative distillation and contrastive learning: what each adds to FHN, what teacher and student cost.

    python benchmarks/bench_distillation.py --data sample|iqon [--seeds 0 1 2] [--out FOLDER]
        [--parts ablation,sizes] [--sweep] [--plot FOLDER] [--teacher-seed 0] [--set key=value]... [--json]

* ablation: FHN / + CL / + FND / + FND and soft pairs / + both / teacher, mean and standard deviation over seeds of
  the test split's AUC and NDCG, of binary codes and floats, against random and hard negatives. Each case is
  configs/student_*.yaml without what it goes without; a teacher has its student's seed, or --teacher-seed.
* sizes: parameters, bytes, bits an outfit and an item, microseconds to encode an outfit, seconds of training, and
  what an epoch with a teacher costs beside one without (its distances cached), both measured in turn.
* --sweep: alpha, sigma and clipping of FND, weight of the soft pairs, ways and weight of the views, one at a time, on
  the validation split.

Paper: Kim et al., 2021 (arXiv 2110.06483). Runs in --out are not trained again, and killed ones go on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from distillation_runs import ALONE, BOTH, CL, FND, TAUGHT, TEACHER, Bench, figures, tell
from machine import machine

from fashion_hash.config import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.files import atomic_path
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.seeds import generator
from fashion_hash.training.inputs import ItemInputs
from fashion_hash.training.loop import slope_of
from fashion_hash.training.objective import Objective
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.run import Run, make_model
from fashion_hash.training.steps import TrainingData
from fashion_hash.training.teacher import Teacher

CASES = (ALONE, CL, FND, TAUGHT, BOTH, TEACHER)
ALPHAS = (0.1, 0.3, 1.0)
PAIRS = (0.1, 0.3, 1.0, 3.0)
WEIGHTS = (0.01, 0.03, 0.1)
WAYS = ("[erase]", "[replace]", "[erase,replace]")
ENCODED = 4096


def ablation(bench: Bench, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each case and form: mean and standard deviation of every figure, and the gain over FHN."""
    rows: list[dict[str, Any]] = []
    for case in CASES:
        of_case = dict.fromkeys(bench.taught_by(seed) for seed in seeds) if case == TEACHER else seeds
        of_seeds = [bench.measured(case, seed) for seed in of_case]
        for form in ("binary", "relaxed"):
            values = [figures(one, form) for one in of_seeds]
            if case == TEACHER and form == "binary":
                continue  # floats are its answer
            row: dict[str, Any] = {"case": case, "form": "float" if form == "relaxed" else form, "figures": {}}
            for name in values[0]:
                found = [one[name] for one in values]
                spread = statistics.stdev(found) if len(found) > 1 else 0.0
                row["figures"][name] = {"mean": statistics.mean(found), "std": spread, "seeds": found}
            rows.append(row)
            alone = next(one for one in rows if one["case"] == ALONE and one["form"] == row["form"])
            for name, one in row["figures"].items():
                base = alone["figures"][name]
                pooled = ((one["std"] ** 2 + base["std"] ** 2) / 2) ** 0.5
                one["gain"] = one["mean"] - base["mean"]
                one["gain_in_std"] = one["gain"] / pooled if pooled else None
    return rows


def sizes(bench: Bench, seed: int) -> dict[str, Any]:
    """What teacher and student are, and what they cost."""
    rows = []
    for case in (TEACHER, BOTH):
        run = bench.run(case, seed)
        dataset = bench.dataset(run.config)
        model, inputs, _ = run.model(dataset)
        parameters = sum(one.numel() for name, one in model.named_parameters() if not name.startswith("projection."))
        float_form = isinstance(model, OutfitEncoder) and model.output == "float"
        numbers = model.num_bits * (1 if isinstance(model, OutfitEncoder) else len(model.modalities))
        rows.append(
            {
                "model": case if case == TEACHER else "student",
                "parameters": parameters,
                "bytes": 4 * parameters,
                "bits_an_outfit": numbers
                * (32 if float_form else 1)
                * (1 if isinstance(model, OutfitEncoder) else len(dataset.slots)),
                "bits_a_user": model.num_bits * (32 if float_form else 1),
                "microseconds_an_outfit": encoding_time(run, dataset),
                "training_seconds": sum(one["seconds"] for one in run.history),
            }
        )
        del inputs
    return {"models": rows, "epoch_with_teacher_over_alone": epoch_ratio(bench, seed)}


@torch.no_grad()
def encoding_time(run: Run, dataset: Dataset, rounds: int = 7) -> float:
    """Microseconds from features (or ids) of its items to what stands for an outfit: the median of rounds."""
    model, inputs, slope = run.model(dataset)
    outfits = dataset.split("test").positives[:ENCODED]
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        rows, positions = {}, np.full(outfits.items.shape, -1, dtype=np.int64)
        for kind in dataset.types:
            here = [slot for slot, one in enumerate(dataset.slots) if one == kind]
            own = outfits.items[:, here].astype(np.int64)
            distinct, inverse = np.unique(own[own >= 0], return_inverse=True)
            spread = np.full(own.shape, -1, dtype=np.int64)
            spread[own >= 0] = inverse
            positions[:, here] = spread
            rows[kind] = torch.from_numpy(distinct)
        on_device = {kind: one.to(inputs.device) for kind, one in rows.items()}
        codes = model.item_codes(inputs(rows), on_device, slope)
        model.outfit_vectors(codes, torch.from_numpy(positions).to(inputs.device))
        taken.append(time.perf_counter() - started)
    return 1e6 * statistics.median(taken) / len(outfits)


def epoch_ratio(bench: Bench, seed: int, steps: int = 60) -> float:
    """Time of training with a teacher over time without, an epoch's own costs included: steps in turn."""
    config = bench.config(FND, seed)
    dataset = bench.dataset(config)
    bench.run(TEACHER, bench.taught_by(seed))
    list(zip(range(1), _steps(config, dataset)))  # the distances of the first epoch are written here
    loops = [_steps(bench.config(case, seed), dataset) for case in (ALONE, FND)]
    taken = [0.0, 0.0]
    for _ in range(steps):
        for which, loop in enumerate(loops):
            started = time.perf_counter()
            if next(loop, None) is None:
                return taken[1] / taken[0]
            taken[which] += time.perf_counter() - started
    return taken[1] / taken[0]


def _steps(config: Config, dataset: Dataset) -> Iterator[float]:
    """Trains an epoch, step by step; what the run itself pays once is paid before the first."""
    inputs = ItemInputs(config, dataset)
    teacher = None if config.teacher is None else Teacher(config.teacher, dataset)
    model = make_model(config, dataset, inputs).to(inputs.device).train()
    optimiser = PartOptimiser(model.parts(), model.sparse_parameters(), config.optimiser)
    data, objective = TrainingData(config, dataset, inputs, teacher), Objective(config, model, inputs)

    def steps() -> Iterator[float]:
        for step, batch in enumerate(data.epoch(0)):
            loss = objective(batch, slope_of(0, 1.0), generator(0, "bench", step))
            optimiser.step(loss)
            yield float(loss.detach())

    return steps()


def sweep(bench: Bench, seed: int) -> dict[str, list[dict[str, Any]]]:
    """The validation AUC of the best epoch, one setting changed at a time."""
    asked: dict[str, list[tuple[str, list[str]]]] = {"teacher": [], "pairs": [], "views": []}
    for sigma in (1, -1):
        for clip in (False, True):
            for alpha in ALPHAS:
                changes = [f"teacher.alpha={alpha}", f"teacher.sigma={sigma}", f"teacher.clip={str(clip).lower()}"]
                asked["teacher"].append((FND, changes))
    asked["pairs"] = [(TAUGHT, ["teacher.alpha=0", f"teacher.pairs={weight}"]) for weight in PAIRS]
    asked["views"] = [
        (CL, [f"contrastive.views={ways}", f"contrastive.weight={weight}"]) for ways in WAYS for weight in WEIGHTS
    ]
    total, done = sum(len(one) for one in asked.values()), 0
    found: dict[str, list[dict[str, Any]]] = {"teacher": [], "pairs": [], "views": [], "alone": []}
    found["alone"].append({"changes": [], **_best(bench.run(ALONE, seed))})
    for part, settings in asked.items():
        for case, changes in settings:
            done += 1
            tell(f"sweep {done}/{total}: {' '.join(changes)}")
            found[part].append({"changes": changes, **_best(bench.run(case, seed, changes))})
    return found


def _best(run: Run) -> dict[str, float]:
    best = run.history[run.best_epoch - 1]
    return {"binary": best["valid_auc"], "float": best["valid_auc_relaxed"]}


def draw_sweep(path: Path, title: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Validation AUC of binary codes over alpha and over the weights of soft pairs and views; replaces `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharey=True)
    parts = (
        ("teacher", "alpha", "FND"),
        ("pairs", "weight of the soft pairs", "soft pairs"),
        ("views", "weight of the contrastive loss", "CL"),
    )
    for axes, (part, label, what) in zip(panels, parts):
        curves: dict[str, list[tuple[float, float]]] = {}
        for one in found[part]:
            settings = dict(change.split("=", 1) for change in one["changes"])
            if part == "teacher":
                clipped = ", clipped" if settings["teacher.clip"] == "true" else ""
                name, at = f"sigma {int(settings['teacher.sigma']):+d}{clipped}", float(settings["teacher.alpha"])
            elif part == "pairs":
                name, at = "alpha 0", float(settings["teacher.pairs"])
            else:
                name = settings["contrastive.views"].strip("[]").replace(",", " + ")
                at = float(settings["contrastive.weight"])
            curves.setdefault(name, []).append((at, one["binary"]))
        for name, points in curves.items():
            axes.plot(*zip(*points), marker="o", markersize=4, label=name)
        axes.axhline(found["alone"][0]["binary"], color="#888888", linestyle="--", label="FHN alone")
        axes.set_xscale("log")
        axes.set(xlabel=label, title=f"{title}: {what}")
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("validation AUC, binary codes")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def print_tables(found: dict[str, Any]) -> None:
    """What was measured, as Markdown."""
    if rows := found.get("ablation"):
        names = list(rows[0]["figures"])
        print(f"\n{found['data']}, test split, seeds {found['seeds']}: mean ± standard deviation\n")
        print("| | codes | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
        for row in rows:
            cells = [f"{one['mean']:.4f} ± {one['std']:.4f}" for one in row["figures"].values()]
            print(f"| {row['case']} | {row['form']} | " + " | ".join(cells) + " |")
        print("\ngain over FHN of the same form, in pooled standard deviations:")
        for row in rows:
            if row["case"] not in (ALONE, TEACHER):
                gains = [
                    f"{name} {one['gain']:+.4f}" + (f" ({one['gain_in_std']:+.1f})" if one["gain_in_std"] else "")
                    for name, one in row["figures"].items()
                ]
                print(f"  {row['case']}, {row['form']}: {'; '.join(gains)}")
    if size := found.get("sizes"):
        print("\n| | parameters | MB | bits an outfit | bits a user | microseconds an outfit | training seconds |")
        print("|---|---|---|---|---|---|---|")
        for row in size["models"]:
            print(
                f"| {row['model']} | {row['parameters']:,} | {row['bytes'] / 1e6:.1f} | {row['bits_an_outfit']:,} | "
                f"{row['bits_a_user']:,} | {row['microseconds_an_outfit']:.1f} | {row['training_seconds']:.0f} |"
            )
        ratio = size["epoch_with_teacher_over_alone"]
        print(f"\nan epoch with a teacher (distances cached) takes {ratio:.2f} x one without")
    for part, settings in found.get("sweep", {}).items():
        for one in settings:
            what = " ".join(one["changes"]) or ALONE
            print(f"sweep, {part}: {what}: {one['binary']:.4f} binary, {one['float']:.4f} float")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints tables, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("sample", "iqon"), default="sample")
    parser.add_argument("--teacher-seed", type=int, help="one teacher for all students")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", help="keeps the runs here, for the next time (default: a temporary folder)")
    parser.add_argument("--parts", default="ablation,sizes", help="which tables (default: both)")
    parser.add_argument(
        "--sweep", action="store_true", help="also sweep alpha, sigma and the views, with the first seed"
    )
    parser.add_argument("--plot", metavar="FOLDER", help="draw the sweep into distillation_DATA.png there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of every run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.data, Path(options.out or folder), tuple(options.set), options.teacher_seed)
        parts = options.parts.split(",")
        found: dict[str, Any] = {"data": options.data, "seeds": options.seeds}
        found |= {"machine": machine(), "threads": torch.get_num_threads()}
        if "ablation" in parts:
            found["ablation"] = ablation(bench, options.seeds)
        if "sizes" in parts:
            found["sizes"] = sizes(bench, options.seeds[0])
        if options.sweep:
            found["sweep"] = sweep(bench, options.seeds[0])
            if options.plot:
                draw_sweep(Path(options.plot) / f"distillation_{options.data}.png", options.data, found["sweep"])
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{found['machine']}; {found['threads']} threads")
        print_tables(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
