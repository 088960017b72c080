"""Runs a study from beginning to end, and writes what it found."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fashion_hash.core.files import write_json, write_text
from fashion_hash.core.locks import hold
from fashion_hash.errors import FashionHashError, TrainingError, counted
from fashion_hash.evaluation.studies.comparison import Measured, compare
from fashion_hash.evaluation.studies.tables import Grid, as_csv, as_latex, as_markdown, as_text, values_as_csv
from fashion_hash.training.studies.cells import AnyRun, check, finished, train
from fashion_hash.training.studies.measured import chosen, measured
from fashion_hash.training.studies.plan import Study, Variant
from fashion_hash.training.studies.plot import draw_study
from fashion_hash.training.tracking.train_log import duration

Result = TypeVar("Result")


@dataclass(frozen=True)
class Finished:
    """What a study found.

    Attributes:
        grid: the table; None if nothing could be measured.
        failed: what went wrong, by the run.
        files: what was written.
    """

    grid: Grid | None
    failed: dict[str, str]
    files: tuple[Path, ...]


def run_study(study: Study, anew: Collection[str] = (), tell: Callable[[str], None] = lambda line: None) -> Finished:
    """Trains what is not trained yet, measures every run once, and writes tables and a picture into the study's folder.

    A run that fails is named, and the others go on.

    Args:
        study: the study.
        anew: the names of variants whose runs are trained again.
        tell: gets lines of text.

    Raises:
        ConfigError: a configuration is wrong or differs from that of a run that is there; nothing has been trained.
        TrainingError: another process runs a study in this folder.
    """
    check(study, anew)
    study.out.mkdir(parents=True, exist_ok=True)
    with hold(study.out, "running a study in it", TrainingError):
        failed: dict[str, str] = {}
        _train_all(study, anew, failed, tell)
        runs = _measure_all(study, failed, tell)
        return _written(study, runs, failed)


def _train_all(study: Study, anew: Collection[str], failed: dict[str, str], tell: Callable[[str], None]) -> None:
    # a seed at a time, so that an interrupted study has whole rows
    cells = [(variant, seed) for seed in study.seeds for variant in study.order()]
    began, took = time.perf_counter(), 0
    for number, (variant, seed) in enumerate(cells, start=1):
        name = f"{variant.name}, seed {seed}"
        again = variant.name in anew

        def say(line: str, place: str = f"{number}/{len(cells)}") -> None:
            tell(f"{place}  {line}")

        if not again and finished(study.folder(variant, seed), study.config(variant, seed)) is not None:
            say(f"{name}: trained already")
            continue
        started = time.perf_counter()
        run = _tried(lambda v=variant, s=seed, a=again, t=say: train(study, v, s, a, t), name, failed, say)  # type: ignore[misc]
        took += 1
        if run is not None:
            left = (time.perf_counter() - began) / took * (len(cells) - number)
            seconds = duration(time.perf_counter() - started)
            say(f"{name}: {_best(run)}, {seconds}; about {duration(left)} left for training")


def _best(run: AnyRun) -> str:
    best = run.history[run.best_epoch - 1]
    value = best[run.measure]
    words = f"best epoch {best['epoch']} of {len(run.history)}"
    return words if value is None else f"{words}, {run.measured} {value:.4f}"


def _measure_all(study: Study, failed: dict[str, str], tell: Callable[[str], None]) -> list[Measured]:
    runs = []
    for variant in study.variants:
        for seed in study.seeds:
            name = f"{variant.name}, seed {seed}"
            run = finished(study.folder(variant, seed), study.config(variant, seed))
            if run is None:
                failed.setdefault(name, f"the run of {study.trained(variant).name!r} failed")
                continue
            found = _tried(lambda v=variant, r=run: measured(study, v, r), name, failed, tell)  # type: ignore[misc]
            if found is not None:
                runs.append(found)
    return runs


def _tried(work: Callable[[], Result], name: str, failed: dict[str, str], tell: Callable[[str], None]) -> Result | None:
    """What some work gives; None if it failed, which is then told and kept."""
    try:
        return work()
    except FashionHashError as error:
        failed[name] = str(error)
    except Exception as error:  # a night of runs does not end with one of them
        failed[name] = "".join(traceback.format_exception(error))
    tell(f"{name} failed: {failed[name].strip().splitlines()[-1]}")
    return None


def _written(study: Study, runs: list[Measured], failed: dict[str, str]) -> Finished:
    """Writes all files of a study."""
    out, files = study.out, []
    write_json(
        out / "study.json",
        {
            "name": study.name,
            "split": study.split,
            "seeds": list(study.seeds),
            "against": study.against,
            "variants": {variant.name: _described(study, variant) for variant in study.variants},
            "failed": failed,
        },
    )
    (out / "failed.txt").unlink(missing_ok=True)
    if failed:
        write_text(out / "failed.txt", "\n".join(f"{name}\n{problem}\n" for name, problem in failed.items()))
        files.append(out / "failed.txt")
    grid = None
    if runs:
        runs = chosen(study, runs)
        grid = Grid(compare(runs, study.against), study.against)
        texts = {"table.txt": as_text, "table.md": as_markdown, "table.tex": as_latex, "table.csv": as_csv}
        for name, write in {**texts, "values.csv": values_as_csv}.items():
            write_text(out / name, write(grid))
            files.append(out / name)
        draw_study(out / "study.png", f"{study.name}, {study.split} ({counted(len(study.seeds), 'seed')})", grid)
        files.append(out / "study.png")
    return Finished(grid, failed, tuple(files))


def _described(study: Study, variant: Variant) -> dict[str, object]:
    trained = study.trained(variant)
    return {
        "config": str(trained.file),
        "changes": list(trained.changes),
        "run_of": dict(trained.run_of),
        "runs": str(study.folder(variant, study.seeds[0]).parent),
        "form": variant.form,
        "calibrate": variant.calibrate,
    }
