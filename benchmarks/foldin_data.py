"""IQON3000 with some people hidden from training: the data sets and the models of bench_foldin."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.errors import DataError, TrainingError
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run

PROJECT = Path(__file__).resolve().parent.parent


def iqon_root() -> Path:
    """$FASHION_HASH_DATA/iqon3000, or shared/data/iqon3000 in or beside the project."""
    named = os.environ.get("FASHION_HASH_DATA")
    places = [Path(named)] if named else [PROJECT / "shared/data", PROJECT.parent / "shared/data"]
    for place in places:
        if (place / "iqon3000/train.csv").is_file():
            return place / "iqon3000"
    raise DataError("no iqon3000: set FASHION_HASH_DATA, or put it into shared/data beside the project")


@dataclass(frozen=True)
class Hidden:
    """Who is hidden, and which of their training outfits are told.

    Attributes:
        people: (H,) rows of users of the whole data set.
        liked: for each of them their training outfits, (L, S), in a seeded order: the first n are told.
    """

    people: np.ndarray
    liked: tuple[np.ndarray, ...]


def hide_people(dataset: Dataset, count: int, at_least: int, seed: int) -> Hidden:
    """`count` people, each with `at_least` training outfits."""
    train = dataset.split("train").positives
    rows = np.bincount(train.users, minlength=len(dataset.users))
    able = np.flatnonzero(rows >= at_least)
    people = np.sort(generator(seed, "hidden people").choice(able, count, replace=False))
    liked = []
    for person in people.tolist():
        own = train.items[train.users == person]
        liked.append(own[generator(seed, "told", person).permutation(len(own))])
    return Hidden(people, tuple(liked))


def without_people(dataset: Dataset, hidden: Hidden) -> Dataset:
    """The data set as if the hidden people had never been: no rows, no ids."""
    stay = np.setdiff1d(np.arange(len(dataset.users)), hidden.people)
    renumbered = np.full(len(dataset.users), -1, dtype=np.int32)
    renumbered[stay] = np.arange(len(stay))

    def rest(outfits: Outfits) -> Outfits:
        users = renumbered[outfits.users]
        return Outfits(outfits.slots, users[users >= 0], outfits.items[users >= 0])

    splits = {
        name: Split(
            rest(split.positives),
            {kind: Groups(rest(groups.outfits), groups.size) for kind, groups in split.negatives.items()},
        )
        for name, split in dataset.splits.items()
    }
    users = Vocabulary([dataset.users.ids[row] for row in stay], "user")
    return replace(dataset, users=users, splits=splits)


def with_told(dataset: Dataset, hidden: Hidden, told: int | None) -> Dataset:
    """The hidden people are trained in with `told` outfits each; with all of theirs when it is None.

    The epoch is chosen on the other people's validation rows, as it is without the hidden people.
    """
    train, valid = dataset.split("train"), dataset.split("valid")
    if told is not None:
        rest = train.positives[~np.isin(train.positives.users, hidden.people)]
        own = [one[:told] for one in hidden.liked]
        users = np.concatenate([rest.users, np.repeat(hidden.people, [len(one) for one in own])])
        train = Split(Outfits.of(dataset.slots, users, np.concatenate([rest.items, *own])))
    others = ~np.isin(valid.positives.users, hidden.people)
    negatives = {kind: Groups(groups.outfits[others], 1) for kind, groups in valid.negatives.items()}
    return replace(
        dataset, splits={**dataset.splits, "train": train, "valid": Split(valid.positives[others], negatives)}
    )


def trained(config: Config, dataset: Dataset, folder: Path) -> Bundle:
    """The bundle of a model trained on a data set; that of an earlier call where the folder holds it."""
    run = None
    if (folder / "config.yaml").is_file():
        try:
            run = Run.open(folder)
            run.model(dataset)  # refuses another data set
        except TrainingError:
            run = None
    if run is None or len(run.history) < config.train.epochs or run.config != config:
        run = fit(config, dataset, folder, report=_tell)
    if not (folder / "bundle/manifest.json").is_file():
        export_bundle(run, folder / "bundle", dataset)
    return Bundle.open(folder / "bundle", verify=False)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
