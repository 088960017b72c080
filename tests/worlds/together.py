"""Small trainings for one process or several: `python -m tests.worlds.together FOLDER` trains all of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.config.experiment import Config, make_config
from fashion_hash.data.dataset import Content, Dataset
from fashion_hash.data.stores.lmdb_files import write_lmdb
from fashion_hash.errors import TrainingError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.processes.group import joined, one_after_another, rank, wait
from fashion_hash.training.runs import run_folder
from tests.worlds.tiny import tiny_dataset, tiny_values

STORE = "features.lmdb"
LEFT = "left alone.txt"  # what the first process says when the other one has ended
SLOTS = ("top", "top", "bottom")
RATES = {"user": 0.02, "id": 0.02, "bit_weights": 0.01, "item_bias": 0.01, "outfit": 0.02, "outfit_bias": 0.02}
HEADS = {"user": 0.02, "image_head": 0.001, "text_head": 0.001}
CASES = {
    "ids": {
        "data": {"user_power": 0.5},
        "id": {"hide": 0.2},
        "model": {"num_bits": 16, "item_bias": True, "repeat_empty": True},
        "optimiser": {"kind": "adam", "weight_decay": 0.001, "rates": RATES},
    },
    "taught": {"data": {"user_power": 0.5}, "teacher": {"run": "ids"}, "loss": {"kind": "softmax"}},
    "own": {
        "outfit": {"hide": 0.2},
        "negatives": {"kind": "outfits", "per_positive": 20, "popularity": 0.5},
        "loss": {"kind": "softmax"},
        "optimiser": {"kind": "adam", "rates": RATES},
    },
    "content": {
        "id": None,
        "image": {"head": "linear"},
        "text": {"source": "titles", "dim": 8, "head": "linear"},
        "model": {"num_bits": 16, "dropout": 0.0},  # each process drops other units
        "loss": {"cross_modal": 0.5},
        "negatives": {"kind": "shared", "per_positive": 5},
        "contrastive": {"views": ["erase"], "outfits": 12, "weight": 0.2},
        "optimiser": {"kind": "sgd", "rates": HEADS},
    },
}


def dataset(store: Path) -> Dataset:
    """Outfits of 2 tops, of which one may be missing; items with titles, and with features of pictures in a store."""
    rng = np.random.default_rng(1)
    details = {kind: {f"{kind}{n}.jpg": {"title": f"{kind} in colour {n % 2}"} for n in range(12)} for kind in SLOTS}
    features = {item: rng.normal(size=6).astype("<f4").tobytes() for kind in details.values() for item in kind}
    if not store.exists():
        write_lmdb(store, features.items())
    return tiny_dataset(SLOTS, outfits=52, content=Content(details=details))


def config(name: str, folder: Path, **train: Any) -> Config:
    """The configuration of a case whose features and teacher lie in a folder, with other settings of `train`."""
    sections = CASES[name]
    values = tiny_values(train={"epochs": 2, "batch_size": 17, **train}, **sections)
    if values["id"] is None:
        del values["id"]
        values["image"] = {**sections["image"], "store": str(folder / STORE)}
    if "teacher" in sections:
        values["teacher"] = {"run": str(folder / sections["teacher"]["run"])}
    return make_config(values)


def train_all(folder: Path) -> None:
    """Trains every case; the last batch of an epoch has a single outfit."""
    for name in CASES:
        with one_after_another():
            data = dataset(folder / STORE)
        fit(config(name, folder), data, folder / name)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    try:
        with joined("cpu"):
            if rank():
                run_folder.save_checkpoint = None  # only the first process writes
            train_all(where)
            if not rank():
                wait()  # for another process, which ends
    except TrainingError as error:
        (where / LEFT).write_text(str(error), encoding="utf-8")
