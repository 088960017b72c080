"""False negative distillation and contrastive learning: what each adds to a student, what teacher and student cost.

    python benchmarks/bench_distillation.py --data sample|iqon [--seeds 0 1 2] [--out FOLDER]
        [--parts ablation,sizes] [--cases "FHN" "FHN + both"] [--sweep] [--plot FOLDER] [--teacher-seed 0]
        [--set key=value]... [--json]

* ablation: a student / + CL / + FND / + FND and soft pairs / + both, and the teacher: mean and standard deviation over
  seeds of the test split's AUC and NDCG, of binary codes and floats, plain and calibrated (the terms of the score
  weighed on the validation split), against random and hard negatives. Students are FHN and, on the sample, FHN with
  half of its negatives hard, a smaller outfit encoder (the paper's student) and that in bits. Each case is
  configs/student_*.yaml without what it goes without; a teacher has its student's seed, or --teacher-seed.
* sizes: parameters, bytes, bits an outfit and a user, microseconds to encode an outfit, seconds of training, and
  what an epoch with a teacher costs beside one without, measured in turn.
* --sweep: alpha, sigma and clipping of FND, weight of the soft pairs, ways and weight of the views, one at a time, on
  the validation split.

Paper: Kim et al., 2021 (arXiv 2110.06483). Runs in --out are not trained again, and killed ones go on.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from distillation_report import draw_sweep, print_tables
from distillation_runs import CASES, CL, FHN, FND, TAUGHT, TEACHER, Bench, Form, figures, forms, tell
from distillation_sizes import sizes
from machine import machine

import results
from fashion_hash.training.runs.run import Run

PARTS = ("ablation", "sizes")
ALPHAS = (0.1, 0.3, 1.0)
PAIRS = (0.1, 0.3, 1.0, 3.0)
WEIGHTS = (0.01, 0.03, 0.1)
WAYS = ("[erase]", "[replace]", "[erase,replace]")


def ablation(bench: Bench, seeds: Sequence[int], names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each case and form: mean and standard deviation of every figure, and the gain over the case alone.

    "gain" and "gain_in_std" of a figure are over the case that the row's "over" names, in the same form;
    "gain_over_plain" of calibrated binary codes is over plain binary FHN. In standard deviations: pooled ones.
    """
    rows: dict[tuple[str, Form], dict[str, Any]] = {}
    for name in names:
        of_case = list(dict.fromkeys(bench.taught_by(seed) for seed in seeds)) if name == TEACHER else list(seeds)
        config = bench.config(name, of_case[0])
        for form in forms(name, config):
            values = [figures(bench.measured(name, seed, form.calibrated), form.codes) for seed in of_case]
            codes = "float" if config.encoder is not None and config.encoder.output == "float" else form.codes
            row: dict[str, Any] = {
                "case": name,
                "form": codes + (", calibrated" if form.calibrated else ""),
                "seeds": of_case,
                "figures": {figure: _spread([one[figure] for one in values]) for figure in values[0]},
            }
            rows[name, form] = row
    for (name, form), row in rows.items():
        alone = rows.get((bench.cases[name].alone, form))
        if alone is not None and alone is not row:
            row["over"] = alone["case"]
            row["gain"] = _gains(row, alone)
        plain = rows.get((FHN, Form("binary", False)))
        if form == Form("binary", True) and plain is not None:
            row["gain_over_plain"] = _gains(row, plain)
    return list(rows.values())


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over seeds; None of a single one."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": std, "seeds": list(values)}


def _gains(row: dict[str, Any], base: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """By figure the gain, and the gain in pooled standard deviations; None where one of the two has a single seed."""
    found: dict[str, dict[str, float | None]] = {}
    for figure, one in row["figures"].items():
        other = base["figures"][figure]
        gain, in_std = one["mean"] - other["mean"], None
        if one["std"] is not None and other["std"] is not None:
            pooled = ((one["std"] ** 2 + other["std"] ** 2) / 2) ** 0.5
            in_std = gain / pooled if pooled else None
        found[figure] = {"mean": gain, "in_std": in_std}
    return found


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
    found["alone"].append({"changes": [], **_best(bench.run(FHN, seed))})
    for part, settings in asked.items():
        for case, changes in settings:
            done += 1
            tell(f"sweep {done}/{total}: {' '.join(changes)}")
            found[part].append({"changes": changes, **_best(bench.run(case, seed, changes))})
    return found


def _best(run: Run) -> dict[str, float]:
    best = run.history[run.best_epoch - 1]
    return {"binary": best["valid_auc"], "float": best["valid_auc_relaxed"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints tables, or one JSON object with --json."""
    options = _options(argv)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.data, Path(options.out or folder), tuple(options.set), options.teacher_seed)
        found: dict[str, Any] = {"data": options.data, "seeds": options.seeds}
        found |= {"machine": machine(), "threads": torch.get_num_threads()}
        if "ablation" in options.parts:
            found["ablation"] = ablation(bench, options.seeds, options.cases)
        if "sizes" in options.parts:
            found["sizes"] = sizes(bench, options.seeds[0])
        if options.sweep:
            found["sweep"] = sweep(bench, options.seeds[0])
            if options.plot:
                draw_sweep(Path(options.plot) / f"distillation_{options.data}.png", options.data, found["sweep"])
    if not results.hand_over(options, found):
        print(f"{found['machine']}; {found['threads']} threads")
        print_tables(found)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=tuple(CASES), default="sample")
    parser.add_argument("--teacher-seed", type=int, help="one teacher for all students")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", help="keeps the runs here, for the next time (default: a temporary folder)")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="which tables (default: both); '' with --sweep for the sweep alone"
    )
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="rows of the ablation (default: all)")
    parser.add_argument("--sweep", action="store_true", help="also sweep FND and the views, with the first seed")
    parser.add_argument("--plot", metavar="FOLDER", help="draw the sweep into distillation_DATA.png there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of every run")
    results.add_options(parser)
    options = parser.parse_args(argv)
    options.parts = [part for part in options.parts.split(",") if part]
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"--parts: no part {unknown[0]!r}: one or more of {', '.join(PARTS)} (the sweep is --sweep)")
    if not options.parts and not options.sweep:
        parser.error(f"--parts: nothing to do: name {' or '.join(PARTS)}, or give --sweep")
    if options.plot and not options.sweep:
        parser.error("--plot draws the sweep: give --sweep as well")
    cases = list(CASES[options.data])
    if unknown := [name for name in options.cases or () if name not in cases]:
        parser.error(f"--cases: {options.data} has no case {unknown[0]!r}: {', '.join(map(repr, cases))}")
    if options.cases and "ablation" not in options.parts:
        parser.error("--cases chooses rows of the ablation: leave it out, or add ablation to --parts")
    options.cases = [name for name in cases if name in (options.cases or cases)]
    if len(set(options.seeds)) < len(options.seeds):
        parser.error("--seeds: a seed is named twice")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
