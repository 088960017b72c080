"""Fold-in on IQON3000: people hidden from training, a few of their liked outfits told, test accuracy.

    python benchmarks/bench_foldin.py [--work FOLDER] [--json]

Models are trained with configs/iqon3000.yaml: without the hidden people; with the told outfits of each
of them as training rows (the same information as fold-in has); with all of their training rows.
The way from non-personal to trained-in is (fold-in - non-personal) / (trained-in - non-personal), of
the accuracy on the hidden people's test rows: a bottom worn with a top against the published negative, ties 1/2.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foldin_data import PROJECT, Hidden, hide_people, iqon_root, trained, with_told, without_people

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import impersonal
from fashion_hash.config.experiment import load_config
from fashion_hash.core.codes import Packed
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.iqon import read_iqon3000
from fashion_hash.foldin.codes import FoldIn
from fashion_hash.index import exact

TARGET = 5  # liked outfits


@dataclass(frozen=True)
class Rows:
    """The hidden people's rows of a split: whose (place among the hidden), what was worn, what was not.

    Attributes:
        owners: (N,).
        worn, other: (N, S) rows of items.
        fresh: (N,) bool: the bottom is none that the person wears in training.
    """

    owners: np.ndarray
    worn: np.ndarray
    other: np.ndarray
    fresh: np.ndarray


def rows_of(dataset: Dataset, hidden: Hidden, split: str) -> Rows:
    """The rows of the hidden people."""
    positives, negatives = dataset.split(split).positives, dataset.split(split).negatives["random"].outfits
    own = np.isin(positives.users, hidden.people)
    owners = np.searchsorted(hidden.people, positives.users[own])
    wardrobes = [set(liked[:, 1].tolist()) for liked in hidden.liked]
    fresh = [row[1] not in wardrobes[owner] for owner, row in zip(owners.tolist(), positives.items[own].tolist())]
    return Rows(owners, positives.items[own], negatives.items[own], np.array(fresh))


def wins(bundle: Bundle, codes: Sequence[Packed], rows: Rows) -> np.ndarray:
    """(N,): 1 where the worn outfit has the higher score, 1/2 where they tie."""
    found = np.empty(len(rows.owners))
    for owner, code in enumerate(codes):
        here = rows.owners == owner
        both = [exact.scores(bundle, exact.terms(bundle, code, one[here])) for one in (rows.worn, rows.other)]
        found[here] = (both[0] > both[1]) + 0.5 * (both[0] == both[1])
    return found


def accuracies(won: np.ndarray, rows: Rows) -> dict[str, float]:
    """Over all rows, and over those whose bottom the person never wore in training."""
    return {"all": float(won.mean()), "fresh": float(won[rows.fresh].mean())}


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Trains what `work` does not hold yet, folds the hidden people in, and measures."""
    root = iqon_root()
    dataset = read_iqon3000(root)
    epochs = [] if options.epochs is None else [f"train.epochs={options.epochs}"]
    config = load_config(PROJECT / "configs/iqon3000.yaml", [f"data.root={root}", "train.device=cpu", *epochs])
    hidden = hide_people(dataset, options.people, TARGET, options.seed)
    rows = rows_of(dataset, hidden, options.split)
    bundle = trained(config, without_people(dataset, hidden), work / "hidden")

    def trained_in(told: int | None) -> tuple[np.ndarray, np.ndarray]:
        name = "all" if told is None else f"told{told}"
        other = trained(config, with_told(dataset, hidden, told), work / name)
        codes = [other.user_codes[person] for person in hidden.people]
        return wins(other, codes, rows), wins(impersonal(other), codes, rows)

    nobody = [np.zeros(bundle.num_bits // 8, dtype=np.uint8)] * options.people
    nobody_won = wins(impersonal(bundle), nobody, rows)
    everything_won, everything_nonpersonal = trained_in(None)
    nonpersonal, everything = accuracies(nobody_won, rows), accuracies(everything_won, rows)
    same = {told: trained_in(told)[0] for told in options.trained}
    people = FoldIn(bundle, options.seed)
    found = []
    for told in options.told:
        one: dict[str, Any] = {"told": told}
        for name, fold in (("sum", people.by_sum), ("fit", people.fit)):
            codes, taken = timed(fold, [liked[:told] for liked in hidden.liked])
            won = wins(bundle, codes, rows)
            one[name] = accuracies(won, rows)
            one[f"{name}_milliseconds"] = taken
        ends = {"all": everything_won, "same": same.get(told)}
        for name, end in ends.items():
            one[f"way_{name}"] = one[f"way_{name}_interval"] = one[f"trained_in_{name}"] = None
            if end is not None:
                parts = one[f"trained_in_{name}"] = accuracies(end, rows)
                one[f"way_{name}"] = {part: way(nonpersonal[part], one["fit"][part], parts[part]) for part in parts}
                one[f"way_{name}_interval"] = interval(nobody_won, won, end, rows)
        found.append(one)
    return {
        "split": options.split,
        "people": options.people,
        "rows": len(rows.owners),
        "fresh_rows": int(rows.fresh.sum()),
        "nonpersonal": nonpersonal,
        "trained_in_all": everything,
        "trained_in_all_nonpersonal": accuracies(everything_nonpersonal, rows),
        "folded": found,
    }


def interval(nonpersonal: np.ndarray, folded: np.ndarray, trained_in: np.ndarray, rows: Rows) -> list[float]:
    """The middle 90 % of the way over 2,000 draws of the people, with replacement."""
    people = int(rows.owners.max()) + 1
    sums = np.stack([np.bincount(rows.owners, won, people) for won in (nonpersonal, folded, trained_in)])
    drawn = generator(0, "people drawn again").integers(0, people, (2000, people))
    start, here, end = sums[:, drawn].sum(axis=2)  # of the same rows: their number cancels
    return np.quantile((here - start) / (end - start), (0.05, 0.95)).tolist()


def way(start: float, here: float, end: float) -> float:
    """How much of the way from start to end is done."""
    return (here - start) / (end - start)


def timed(fold: Callable[[np.ndarray], Packed | None], liked: Sequence[np.ndarray]) -> tuple[list[Packed], float]:
    """The code of each person, and the median milliseconds a person."""
    codes, taken = [], []
    for outfits in liked:
        started = time.perf_counter()
        code = fold(outfits)
        taken.append(1000 * (time.perf_counter() - started))
        assert code is not None
        codes.append(code)
    return codes, float(np.median(taken))


def print_table(result: dict[str, Any]) -> None:
    """The figures for people."""
    print(
        f"IQON3000, {result['people']} people hidden from training, {result['rows']} {result['split']} rows of theirs"
    )
    print(f"in brackets: the {result['fresh_rows']} rows whose bottom the person never wears in training\n")

    def cell(parts: dict[str, float] | None, form: str) -> str:
        return f"{'-':>16}" if parts is None else f"{parts['all']:{form}} ({parts['fresh']:{form}})".rjust(16)

    print(f"non-personal                    {cell(result['nonpersonal'], '.4f')}")
    print(f"trained in with all their rows  {cell(result['trained_in_all'], '.4f')}")
    print(f"  that model, non-personal      {cell(result['trained_in_all_nonpersonal'], '.4f')}\n")
    heads = ("by sum", "fitted", "same, trained in", "way to same", "way to all")
    print(f"{'liked':>6}" + "".join(f"{head:>18}" for head in heads) + f"{'ms sum':>9}{'ms fit':>8}")
    for one in result["folded"]:
        cells = [(one["sum"], ".4f"), (one["fit"], ".4f"), (one["trained_in_same"], ".4f")]
        cells += [(one["way_same"], ".0%"), (one["way_all"], ".0%")]
        line = "".join("  " + cell(*pair) for pair in cells)
        print(f"{one['told']:>6}{line}{one['sum_milliseconds']:9.1f}{one['fit_milliseconds']:8.1f}")
    for one in result["folded"]:
        for name in ("same", "all"):
            if one[f"way_{name}"] and one["told"] == TARGET:
                low, high = one[f"way_{name}_interval"]
                way_there = f"{one[f'way_{name}']['all']:.0%}, over draws of the people {low:.0%} to {high:.0%}"
                print(f"\nfitted to {TARGET} liked outfits, the way to {name}: {way_there}", end="")
    print()


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", help="keeps the trained models here, for the next time")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--told", type=numbers, default=[1, 2, 5, 10, 20, 50], help="liked outfits, or all there are")
    parser.add_argument("--trained", type=numbers, default=[TARGET], help="counts to train models with as well")
    parser.add_argument("--split", choices=("valid", "test"), default="test", help="valid to choose, test to report")
    parser.add_argument("--epochs", type=int, help="other than the configuration's")
    parser.add_argument("--seed", type=int, default=0)
    results.add_options(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(options.work or folder))
    result["machine"] = f"{platform.machine()}, {os.cpu_count()} CPUs, numpy {np.__version__}"
    at_target = [one for one in result["folded"] if one["told"] == TARGET and one["way_same"]]
    if at_target:
        result |= {"way_same": at_target[0]["way_same"]["all"], "way_all": at_target[0]["way_all"]["all"]}
    if not results.hand_over(options, result):
        print_table(result)
        print(f"\n{result['machine']}; one thread")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
