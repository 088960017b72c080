"""The runs of bench_distillation: which there are, trained once and measured once, in a folder that is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldin_data import PROJECT, iqon_root

from fashion_hash.config import Config, load_config
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import TrainingError
from fashion_hash.files import write_json
from fashion_hash.training.evaluate import evaluate
from fashion_hash.training.loop import fit
from fashion_hash.training.run import Run, load_data

TEACHER = "teacher"
ALONE, CL, FND, TAUGHT, BOTH = "FHN", "FHN + CL", "FHN + FND", "FHN + FND + soft pairs", "FHN + both"
WITHOUT: dict[str, tuple[str, ...]] = {
    ALONE: ("teacher=null", "contrastive=null"),
    CL: ("teacher=null",),
    FND: ("contrastive=null", "teacher.pairs=0"),  # the paper's own weights, without soft labels of pairs
    TAUGHT: ("contrastive=null",),
    BOTH: (),
}


@dataclass(frozen=True)
class Bench:
    """Where runs lie and what they are made of.

    Attributes:
        data: "sample" or "iqon".
        out: the folder of the runs.
        overrides: further settings of every run, such as train.epochs=2.
        teacher_seed: the seed of one teacher for all students; None for a teacher of each student's seed.
    """

    data: str
    out: Path
    overrides: tuple[str, ...] = ()
    teacher_seed: int | None = None

    def config(self, case: str, seed: int, changes: Sequence[str] = ()) -> Config:
        """The configuration of a case; `changes` go on top."""
        name = {"sample": "sample", "iqon": "iqon3000"}[self.data]
        root = PROJECT / "polyvore_data" if self.data == "sample" else iqon_root()
        common = [f"data.root={root}", f"seed={seed}", *self.overrides]
        if case == TEACHER:
            return load_config(PROJECT / f"configs/teacher_{name}.yaml", [*common, *changes])
        taught = [] if case in (ALONE, CL) else [f"teacher.run={self.folder(TEACHER, self.taught_by(seed))}"]
        return load_config(PROJECT / f"configs/student_{name}.yaml", [*common, *taught, *WITHOUT[case], *changes])

    def taught_by(self, seed: int) -> int:
        """The seed of the teacher of a student of a seed."""
        return seed if self.teacher_seed is None else self.teacher_seed

    def folder(self, case: str, seed: int, changes: Sequence[str] = ()) -> Path:
        """Where a run lies."""
        words = "-".join([case.replace(" + ", "_").lower(), *changes])
        safe = "".join(one if one.isalnum() or one in "-_.=" else "_" for one in words)
        return self.out / self.data / f"{safe}-seed{seed}"

    def run(self, case: str, seed: int, changes: Sequence[str] = ()) -> Run:
        """The finished run of a case: the one in its folder, gone on with or made anew where it must be."""
        config, folder = self.config(case, seed, changes), self.folder(case, seed, changes)
        if config.teacher is not None:
            self.run(TEACHER, self.taught_by(seed))
        run, resume = None, False
        if (folder / "config.yaml").is_file():
            try:
                run = Run.open(folder)
            except TrainingError:  # killed before its first epoch ended, or another version's
                resume = True
            if run is not None and run.config == config:
                if len(run.history) == config.train.epochs:
                    return run
                resume = True
        tell(f"training {folder.name}")
        try:
            return fit(config, self.dataset(config), folder, resume=resume, report=tell)
        except TrainingError:
            if not resume:
                raise
            return fit(config, self.dataset(config), folder, report=tell)

    def measured(self, case: str, seed: int, changes: Sequence[str] = ()) -> dict[str, Any]:
        """The protocols of a case: of the file beside its run where that run has not changed since."""
        run = self.run(case, seed, changes)
        file, stamp = run.path / "evaluation.json", run.history[-1]
        if file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["last_epoch"] == stamp:
                found: dict[str, Any] = kept["protocols"]
                return found
        found = evaluate(run, "test", self.dataset(run.config), drawn=True)["protocols"]
        write_json(file, {"last_epoch": stamp, "protocols": found})
        return found

    def dataset(self, config: Config) -> Dataset:
        """The data, read once."""
        key = (config.data, config.seed if config.data.cold_users else 0)
        if key not in _READ:
            _READ.clear()
            _READ[key] = load_data(config)
        return _READ[key]


_READ: dict[Any, Dataset] = {}


def figures(protocols: Mapping[str, Any], form: str) -> dict[str, float]:
    """The figures of the table: "random AUC" and so on, of relaxed or binary codes."""
    found = {}
    for name, protocol in protocols.items():
        measured = protocol.get(form)
        if measured is None or name.endswith("fitb"):
            continue
        words = name.replace("rank_", "").replace("pairs_random", "file").replace("_drawn", "").replace("_", " ")
        found[f"{words} AUC"] = measured["auc"]
        if "ndcg" in measured:
            found[f"{words} NDCG"] = measured["ndcg"]
    return found


def tell(line: str) -> None:
    """Says how far it is, beside the table."""
    print(line, file=sys.stderr, flush=True)
