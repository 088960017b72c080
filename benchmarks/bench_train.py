"""Training: pairs a second against a plain loop of the release's design in one run, and what is reached.

Both train FHN-T3 on given text vectors with the release's heads (2400 -> 1024 -> 128, one a type),
SGD with momentum and one random negative a positive, over the same outfits.

* plain: a Dataset gives one outfit and its negative, item by item out of a dictionary; a DataLoader
  collates; each slot of the positive and of the negative passes its head by itself.
* ours: `fashion_hash.training`, each distinct item of a batch hashed once.

How often an item repeats in a batch decides what sharing gains, so both ends are measured: the
sample's few items, and a data set whose items hardly ever meet twice in a batch; with the release's
batch of 64 and with a larger one. All loops have the same batch in every row, and one negative a
positive. "few" mixes the negatives of a batch from batch / 8 items of each type
(negatives.items_a_batch): each negative is drawn as before, but together they have few items to hash. "half" multiplies
matrices in bfloat16 (train.precision), which changes a training by its rounding. Where items hardly repeat, four fifths
of a step are products that the plain loop computes as well, as fast as the processor can; half precision halves them.

Then what training reaches: the demo, on words alone, on the sample beside its planted truth, and IQON3000 where it is;
what half precision does to the demo (precision); and what a step on IQON3000 costs with a teacher whose soft pairs are
all 512 negatives (pairs). A step costs the same however good the teacher is, so one epoch of the recipe is the teacher.

    python benchmarks/bench_train.py [--parts throughput,sample,iqon,precision,pairs] [--batch 256] [--seconds 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foldin_data import iqon_root
from machine import machine
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

import results
from fashion_hash.config.experiment import Config, load_config, make_config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.data.sample.truth import truth_scorer
from fashion_hash.data.sample.write import make_sample
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.features.text import given_vectors
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.outfits.batches import Batch
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import load_data, make_model

BITS = 128
PROJECT = Path(__file__).resolve().parent.parent


class PlainOutfits(TorchDataset):
    """One positive outfit and a negative drawn for it: vectors looked up item by item."""

    def __init__(self, dataset: Dataset, vectors: dict[str, dict[int, torch.Tensor]]) -> None:
        self.positives = dataset.split("train").positives
        self.slots = dataset.slots
        self.vectors = vectors
        self.pools = [np.unique(self.positives.items[:, slot]).tolist() for slot in range(len(self.slots))]
        self.known = {(user, *items.tolist()) for user, items in self.positives}
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.positives)

    def __getitem__(self, row: int) -> tuple[int, list[torch.Tensor], list[torch.Tensor]]:
        user, items = int(self.positives.users[row]), self.positives.items[row].tolist()
        while True:
            negative = [pool[self.rng.integers(len(pool))] for pool in self.pools]
            if (user, *negative) not in self.known:
                break
        return user, self._vectors(items), self._vectors(negative)

    def _vectors(self, items: list[int]) -> list[torch.Tensor]:
        return [self.vectors[kind][item] for kind, item in zip(self.slots, items)]


class PlainFHN(nn.Module):
    """FHN-T3 as in the release: every slot's items pass the head of their type, outfit by outfit."""

    def __init__(self, users: int, slots: tuple[str, ...], features: int) -> None:
        super().__init__()
        self.slots = slots
        self.users = nn.Embedding(users, BITS)
        self.heads = nn.ModuleDict(
            {
                kind: nn.Sequential(
                    nn.Linear(features, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, BITS, bias=False)
                )
                for kind in slots
            }
        )
        self.w_u, self.w_i = nn.Parameter(torch.ones(BITS)), nn.Parameter(torch.ones(BITS))

    def score(self, user: torch.Tensor, vectors: list[torch.Tensor]) -> torch.Tensor:
        items = [torch.tanh(self.heads[kind](x)) for kind, x in zip(self.slots, vectors)]
        s_u = torch.stack([(z * user * self.w_u).mean(dim=1) for z in items]).mean(dim=0)
        pairs = [(a, b) for a in range(len(items)) for b in range(a + 1, len(items))]
        s_i = torch.stack([(items[a] * items[b] * self.w_i).mean(dim=1) for a, b in pairs]).mean(dim=0)
        return 10 * (s_u + s_i)

    def forward(self, users: torch.Tensor, positive: list, negative: list) -> torch.Tensor:
        user = torch.tanh(self.users(users))
        return F.softplus(self.score(user, negative) - self.score(user, positive)).mean()


def plain_loop(dataset: Dataset, batch: int) -> Iterator[int]:
    """Trains for ever; yields the number of pairs of each step."""
    table, _ = given_vectors(dataset)
    vectors = {kind: dict(enumerate(torch.from_numpy(np.asarray(table[kind])).unbind())) for kind in dataset.types}
    torch.manual_seed(0)
    model = PlainFHN(len(dataset.users), dataset.slots, table[dataset.types[0]].shape[1])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-6)
    loader = DataLoader(PlainOutfits(dataset, vectors), batch_size=batch, shuffle=True)
    while True:
        for users, positive, negative in loader:
            loss = model(users, positive, negative)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield len(users)


def our_loop(config: Config, dataset: Dataset) -> Iterator[int]:
    """Trains for ever; yields the number of pairs of each step."""
    inputs = ItemInputs(config, dataset)
    teacher = None if config.teacher is None else Teacher(config.teacher, dataset)
    torch.manual_seed(0)
    model = make_model(config, dataset, inputs)
    optimiser = PartOptimiser(model.parts(), model.sparse_parameters(), config.optimiser)
    data, objective = TrainingData(config, dataset, inputs, teacher), Objective(config, model, inputs)
    model.train()
    epoch = 0
    while True:
        for batch_of_outfits in data.epoch(epoch):
            optimiser.step(objective(batch_of_outfits, 1.0, generator(0, "bench")))
            yield len(batch_of_outfits.users)
        epoch += 1


def our_config(batch: int, few: int | None = None, precision: str = "fp32") -> Config:
    """The release's model and optimiser on text vectors alone. `few`: negatives.items_a_batch."""
    return make_config(
        {
            "name": "bench",
            "data": {"format": "polyvore_u", "root": "given"},
            "text": {"source": "vectors"},
            "negatives": {"kind": "random", "per_positive": 1, "items_a_batch": few},
            "optimiser": {"kind": "sgd", "rates": {"user": 0.01, "text_head": 0.01, "bit_weights": 0.01}},
            "train": {"batch_size": batch, "device": "cpu", "precision": precision},
        }
    )


def share(dataset: Dataset, batch: int) -> float:
    """Distinct items of a batch, as a share of the items it holds."""
    config = our_config(batch)
    data = TrainingData(config, dataset, ItemInputs(config, dataset))
    batches: list[Batch] = [one for one, _ in zip(data.epoch(0), range(20))]
    held = sum(int((one.positions >= 0).sum()) for one in batches)
    return sum(len(rows) for one in batches for rows in one.rows.values()) / held


def rates(loops: dict[str, Callable[[], Iterator[int]]], seconds: float, rounds: int = 6) -> dict[str, float]:
    """Pairs a second of each loop: the median of rounds in turn, so that noise meets them alike."""
    running = {name: loop() for name, loop in loops.items()}
    for steps in running.values():
        for _, _ in zip(range(3), steps):
            pass
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, steps in running.items():
            started, pairs = time.perf_counter(), 0
            while time.perf_counter() - started < seconds / rounds:
                pairs += next(steps)
            found[name].append(pairs / (time.perf_counter() - started))
    return {name: float(np.median(one)) for name, one in found.items()}


def measure(dataset: Dataset, batch: int, seconds: float) -> dict[str, float]:
    """One row of the table."""
    loops = {
        "plain": lambda: plain_loop(dataset, batch),
        "ours": lambda: our_loop(our_config(batch), dataset),
        "few": lambda: our_loop(our_config(batch, batch // 8), dataset),
        "half": lambda: our_loop(our_config(batch, precision="bf16"), dataset),
        "few, half": lambda: our_loop(our_config(batch, batch // 8, "bf16"), dataset),
    }
    found = rates(loops, seconds)
    return {
        "batch": batch,
        "items": sum(len(dataset.items[kind]) for kind in dataset.types),
        "distinct_share": share(dataset, batch),
        "plain_pairs_per_second": found["plain"],
        "our_pairs_per_second": found["ours"],
        "few_items_pairs_per_second": found["few"],
        "ratio": found["ours"] / found["plain"],
        "ratio_few_items": found["few"] / found["plain"],
        "ratio_half": found["half"] / found["plain"],
        "ratio_few_items_half": found["few, half"] / found["plain"],
    }


def throughput(batch: int, items: int, seconds: float) -> dict[str, Any]:
    """Pairs a second on the sample and on many items, with the release's batch and a larger one."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, count, users in (("sample", 160, 60), ("many items", items, 120)):
            root = Path(folder) / name.replace(" ", "_")
            make_sample(root, seed=0, users=users, items=count, pictures=False)
            dataset = load_dataset("polyvore_u", root, subset="tuples_630")
            rows += [{"data": name, **measure(dataset, size, seconds)} for size in dict.fromkeys((64, batch))]
    ratio = next(row["ratio"] for row in rows if row["data"] == "sample" and row["batch"] == batch)
    return {"ratio": ratio, "rows": rows}


def accuracy(config: Config, truth: Callable[[Outfits], np.ndarray] | None = None) -> dict[str, Any]:
    """Trains a configuration and measures it on its test split, beside the planted truth if there is one."""
    dataset = load_data(config)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = fit(config, dataset, Path(folder) / "run")
        seconds = time.perf_counter() - started
        protocols = evaluate(run, "test", dataset)["protocols"]
    first = next(iter(protocols.values()))
    found = {"minutes": seconds / 60, "relaxed_auc": first["relaxed"]["auc"], "binary_auc": first["binary"]["auc"]}
    found |= {"popularity": first["baselines"]["popularity"]["auc"], "epochs": config.train.epochs}
    if truth is not None:
        planted = next(iter(evaluate_split(truth, dataset.split("test")).values()))["auc"]
        found |= {"truth_auc": planted, "share_of_truth": (found["binary_auc"] - 0.5) / (planted - 0.5)}
    return found


def half_precision(seeds: int = 3) -> list[dict[str, Any]]:
    """The demo on words alone in both precisions, seed by seed."""
    rows = []
    for seed in range(seeds):
        for precision in ("fp32", "bf16"):
            changes = [f"data.root={PROJECT / 'polyvore_data'}", "image=null", f"seed={seed}"]
            config = load_config(PROJECT / "configs/demo.yaml", [*changes, f"train.precision={precision}"])
            found = {name: value for name, value in accuracy(config).items() if name != "minutes"}
            rows.append({"precision": precision, "seed": seed, **found})
    return rows


def soft_pairs(seconds: float) -> dict[str, Any]:
    """Positives a second on IQON3000 without a teacher, with FND, and with FND and soft pairs."""
    root = f"data.root={iqon_root()}"
    plain = load_config(PROJECT / "configs/iqon3000.yaml", [root])
    dataset = load_data(plain)
    with tempfile.TemporaryDirectory() as folder:
        first = plain.model_copy(update={"train": plain.train.model_copy(update={"epochs": 1})})
        fit(first, dataset, Path(folder) / "teacher")
        changes = [root, f"teacher.run={Path(folder) / 'teacher'}", "contrastive=null"]
        student = PROJECT / "configs/student_iqon3000.yaml"
        configs = {
            "none": plain,
            "fnd": load_config(student, [*changes, "teacher.pairs=0"]),
            "fnd and soft pairs": load_config(student, changes),
        }
        loops = {name: lambda config=config: our_loop(config, dataset) for name, config in configs.items()}
        found = rates(loops, seconds)
    costs = {name: found["none"] / rate for name, rate in found.items() if name != "none"}
    return {"positives_per_second": found, "times_without": costs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="throughput,sample,iqon,precision,pairs", help="which to run (default: all)")
    parser.add_argument("--batch", type=int, default=256, help="positives a step, beside the release's 64")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each loop and row")
    parser.add_argument("--items", type=int, default=8000, help="items a type of the larger data set")
    results.add_options(parser)
    args = parser.parse_args()
    parts = args.parts.split(",")
    found: dict[str, Any] = {"machine": machine(), "threads": torch.get_num_threads()}
    if "throughput" in parts:
        found |= throughput(args.batch, args.items, args.seconds)
    if "sample" in parts:
        config = load_config(PROJECT / "configs/demo.yaml", [f"data.root={PROJECT / 'polyvore_data'}", "image=null"])
        found["sample"] = accuracy(config, truth_scorer(config.data.root, "tuples_630"))
    if "iqon" in parts:
        found["iqon"] = accuracy(load_config(PROJECT / "configs/iqon3000.yaml", [f"data.root={iqon_root()}"]))
    if "precision" in parts:
        found["precision"] = half_precision()
    if "pairs" in parts:
        found["soft_pairs"] = soft_pairs(args.seconds)
    if results.hand_over(args, found):
        return
    print(f"{found['machine']}; {found['threads']} threads")
    if "rows" in found:
        print(
            f"{'data':12}{'batch':>6}{'items':>8}{'distinct':>10}{'plain pairs/s':>15}{'our pairs/s':>13}{'ratio':>8}"
            f"{'few':>8}{'half':>8}{'few, half':>11}"
        )
    for row in found.get("rows", []):
        print(
            f"{row['data']:12}{row['batch']:>6}{row['items']:>8}{row['distinct_share']:>10.0%}"
            f"{row['plain_pairs_per_second']:>15.0f}{row['our_pairs_per_second']:>13.0f}{row['ratio']:>8.2f}"
            f"{row['ratio_few_items']:>8.2f}{row['ratio_half']:>8.2f}{row['ratio_few_items_half']:>11.2f}"
        )
    for row in found.get("precision", []):
        print(
            f"demo, {row['precision']}, seed {row['seed']}: AUC {row['binary_auc']:.4f}, {row['minutes']:.2f} minutes"
        )
    if "soft_pairs" in found:
        print(f"IQON3000, times a training without: {found['soft_pairs']['times_without']}")
    for name in ("sample", "iqon"):
        if one := found.get(name):
            line = f"{name}: test AUC {one['binary_auc']:.4f} binary, {one['relaxed_auc']:.4f} relaxed"
            if "truth_auc" in one:
                line += f"; the planted truth {one['truth_auc']:.4f}, {one['share_of_truth']:.1%} of the way"
            print(f"{line}; trained in {one['minutes']:.1f} minutes")


if __name__ == "__main__":
    main()
