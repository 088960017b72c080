"""The runs of bench_distillation: which there are, trained once and measured once, in a folder that is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from foldin_data import PROJECT, iqon_root

from fashion_hash.config.experiment import Config, load_config
from fashion_hash.core.files import sha256, write_json
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import TrainingError
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run, load_data


class Case(NamedTuple):
    """What is trained.

    Attributes:
        name: of its row.
        config: of configs/; the data's name goes into it.
        changes: what it goes without, as overrides.
        alone: the case that it is compared with.
    """

    name: str
    config: str
    changes: tuple[str, ...]
    alone: str


WITHOUT: dict[str, tuple[str, ...]] = {
    "": ("teacher=null", "contrastive=null"),
    " + CL": ("teacher=null",),
    " + FND": ("contrastive=null", "teacher.pairs=0"),  # the paper's own weights, without soft labels of pairs
    " + FND + soft pairs": ("contrastive=null",),
    " + both": (),
}
FHN, ENCODER, BITS, TEACHER = "FHN", "encoder", "bit encoder", "teacher"
CL, FND, TAUGHT, BOTH = (FHN + what for what in list(WITHOUT)[1:])
HALF_HARD = ("negatives.kind=mixed", "negatives.hard_share=[0.5,0.5]")
# as many bits as FHN has; the share of bits that differ wants a scale (30 of 1, 10, 30, 60 by the validation split)
IN_BITS = ("encoder.output=bits", "model.num_bits=128", "encoder.scale=30")


def _cases(name: str, config: str, changes: tuple[str, ...] = (), what: Sequence[str] = tuple(WITHOUT)) -> list[Case]:
    return [Case(name + one, config, (*WITHOUT[one], *changes), name) for one in what]


_FHN = _cases(FHN, "student_{}")
_HARD = [Case(f"{FHN}{one}, half hard", "student_{}", (*WITHOUT[one], *HALF_HARD), FHN) for one in ("", " + both")]
_SMALL = _cases(ENCODER, "student_{}_encoder")
_SMALL_BITS = _cases(BITS, "student_{}_encoder", IN_BITS, ("", " + both"))
_TEACHER = [Case(TEACHER, "teacher_{}", (), FHN)]
CASES = {
    "sample": {case.name: case for case in _FHN + _HARD + _SMALL + _SMALL_BITS + _TEACHER},
    "iqon": {case.name: case for case in _FHN + _TEACHER},
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

    @property
    def cases(self) -> dict[str, Case]:
        """All of this data, by name."""
        return CASES[self.data]

    def config(self, name: str, seed: int, changes: Sequence[str] = ()) -> Config:
        """The configuration of a case; `changes` go on top."""
        case = self.cases[name]
        root = PROJECT / "polyvore_data" if self.data == "sample" else iqon_root()
        common = [f"data.root={root}", f"seed={seed}", *self.overrides]
        if name != TEACHER and "teacher=null" not in case.changes:
            common.append(f"teacher.run={self.folder(TEACHER, self.taught_by(seed))}")
        file = case.config.format({"sample": "sample", "iqon": "iqon3000"}[self.data])
        return load_config(PROJECT / f"configs/{file}.yaml", [*common, *case.changes, *changes])

    def taught_by(self, seed: int) -> int:
        """The seed of the teacher of a student of a seed."""
        return seed if self.teacher_seed is None else self.teacher_seed

    def folder(self, name: str, seed: int, changes: Sequence[str] = ()) -> Path:
        """Where a run lies."""
        words = "-".join([name.replace(" + ", "_").lower(), *changes])
        safe = "".join(one if one.isalnum() or one in "-_.=" else "_" for one in words)
        return self.out / self.data / f"{safe}-seed{seed}"

    def run(self, name: str, seed: int, changes: Sequence[str] = ()) -> Run:
        """The finished run of a case: the one in its folder, gone on with or made anew where it must be."""
        config, folder = self.config(name, seed, changes), self.folder(name, seed, changes)
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

    def measured(self, name: str, seed: int, calibrated: bool) -> dict[str, Any]:
        """The protocols of a case: of the file beside its run, where that is of this very model, data and form.

        What has changed in the way of measuring it cannot know: delete the files then.
        """
        run = self.run(name, seed)
        dataset = self.dataset(run.config)
        file = run.path / f"measured-{'calibrated' if calibrated else 'plain'}.json"
        of = {
            "calibrated": calibrated,
            "parameters": sha256(run.path / "best.safetensors"),
            "config": run.config.to_yaml(),
            "data": dataset.fingerprint,
        }
        if file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["of"] == of:
                found: dict[str, Any] = kept["protocols"]
                return found
        found = evaluate(run, "test", dataset, drawn=True, calibrate=calibrated)["protocols"]
        write_json(file, {"of": of, "protocols": found})
        return found

    def dataset(self, config: Config) -> Dataset:
        """The data, read once."""
        key = (config.data, config.seed if config.data.cold_users else 0)
        if key not in _READ:
            _READ.clear()
            _READ[key] = load_data(config)
        return _READ[key]


_READ: dict[Any, Dataset] = {}


class Form(NamedTuple):
    """In which form a model answers: "binary" or "relaxed" codes (floats), the terms of its score weighed or not."""

    codes: str
    calibrated: bool


def forms(name: str, config: Config) -> list[Form]:
    """The forms in which a case answers.

    Floats have no binary form, and a teacher answers in floats. Where the score has a single term (an encoder
    without item biases) there is nothing to weigh: calibration leaves its ranking as it is.
    """
    floats = name == TEACHER or (config.encoder is not None and config.encoder.output == "float")
    one_term = config.encoder is not None and not config.model.item_bias
    return [
        Form(codes, calibrated)
        for codes in (("relaxed",) if floats else ("binary", "relaxed"))
        for calibrated in ((False,) if one_term else (False, True))
    ]


def figures(protocols: Mapping[str, Any], codes: str) -> dict[str, float]:
    """The figures of the table: "random AUC" and so on, of relaxed or binary codes."""
    found = {}
    for name, protocol in protocols.items():
        measured = protocol.get(codes)
        if measured is None or name.endswith("fitb") or "auc" not in measured:  # full rankings have no AUC
            continue
        words = name.replace("rank_", "").replace("pairs_random", "file").replace("_drawn", "").replace("_", " ")
        found[f"{words} AUC"] = measured["auc"]
        if "ndcg" in measured:
            found[f"{words} NDCG"] = measured["ndcg"]
    return found


def tell(line: str) -> None:
    """Says how far it is, beside the table."""
    print(line, file=sys.stderr, flush=True)
