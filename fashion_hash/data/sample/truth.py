"""The planted truth of a sample on disk: `truth.json` (tastes, popularity, who is who) beside `items.csv`.

Tests and benchmarks hold a model to it: `truth_scorer(root, subset)` scores outfits as the world does.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.sample.garments import TYPES
from fashion_hash.data.sample.world import ATTRIBUTES, TASTES, World, preference, truth_score
from fashion_hash.errors import DataError

TRUTH_FILE = "truth.json"
ITEMS_FILE = "items.csv"


def truth_text(
    settings: Mapping[str, Any],
    world: World,
    world_users: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
) -> str:
    """What `truth.json` holds, with one line per user.

    Args:
        settings: what the sample was made from.
        world: the planted world.
        world_users: for each subset, the world's user behind each user number.
        names: the item ids of each type, in the world's order.
    """
    truth: dict[str, Any] = {"settings": dict(settings)}
    truth["persons"] = {subset: users.tolist() for subset, users in world_users.items()}
    parts = [f'"{key}": {json.dumps(value)}' for key, value in truth.items()]
    tastes = []
    for name in TASTES:
        rows = [json.dumps(dict(zip(ATTRIBUTES[name], row.tolist()))) for row in world.tastes[name]]
        tastes.append(f'"{name}": [\n' + ",\n".join(rows) + "\n]")
    parts.append('"tastes": {\n' + ",\n".join(tastes) + "\n}")
    popularity = {
        n: p for item_type in TYPES for n, p in zip(names[item_type], world.items[item_type]["popularity"].tolist())
    }
    parts.append('"popularity": ' + json.dumps(popularity))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def truth_scorer(root: str | Path, subset: str) -> Callable[[Outfits], np.ndarray]:
    """The planted score of outfits of a subset, read from the sample's own files.

    Args:
        root: the folder of a sample that `make_sample` wrote.
        subset: "tuples_630", "tuples_519", "tuples_53" or "tuples_32".

    Returns:
        A function from Outfits to (N,) float64 scores. User rows are the user numbers of the subset's
        files, item rows the line numbers (from 0) of its image lists.

    Raises:
        DataError: the folder is not a sample, or has no such subset.
    """
    world, world_users, rows = _subset(Path(root), subset)

    def score(outfits: Outfits) -> np.ndarray:
        items = np.stack([rows[slot][outfits.items[:, i]] for i, slot in enumerate(outfits.slots)], axis=1)
        return truth_score(world, Outfits.of(outfits.slots, world_users[outfits.users], items))

    return score


def planted_tastes(root: str | Path, subset: str) -> dict[str, np.ndarray]:
    """How much each user of a subset likes each item, by item type: (U, N) float64, compatibility apart.

    Rows and errors are those of `truth_scorer`.
    """
    world, world_users, rows = _subset(Path(root), subset)
    return {item_type: preference(world, item_type, world_users)[:, rows[item_type][:-1]] for item_type in TYPES}


def _subset(root: Path, subset: str) -> tuple[World, np.ndarray, dict[str, np.ndarray]]:
    """The world, its users behind a subset's user numbers, and the items behind its rows, by type."""
    truth = read_truth(root)
    if subset not in truth["persons"]:
        raise DataError(f"{root / TRUTH_FILE}: no subset {subset!r}; it has {', '.join(sorted(truth['persons']))}")
    world, names = _world_of_files(root, truth)
    known = {item_type: {name: row for row, name in enumerate(listed)} for item_type, listed in names.items()}
    rows = {}
    for item_type in TYPES:
        listed = (root / subset / f"image_list_{item_type}").read_text(encoding="utf-8").split()
        rows[item_type] = np.array([*(known[item_type][name] for name in listed), EMPTY])  # EMPTY stays EMPTY
    return world, np.array(truth["persons"][subset]), rows


def read_truth(root: str | Path) -> dict[str, Any]:
    """`truth.json` of a sample. Raises DataError when the folder is not a sample."""
    path = Path(root) / TRUTH_FILE
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: not a sample made by `fashion-hash make-sample`") from None
    except ValueError as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(truth, dict) or not {"settings", "persons", "tastes", "popularity"} <= truth.keys():
        raise DataError(f"{path}: not the truth of a sample made by `fashion-hash make-sample`")
    return truth


def _world_of_files(root: Path, truth: Mapping[str, Any]) -> tuple[World, dict[str, list[str]]]:
    """The world as far as scores need it, and the item names by type, from truth.json and items.csv."""
    columns: dict[str, dict[str, list[Any]]] = {
        item_type: {name: [] for name in ("item_id", "popularity", *ATTRIBUTES)} for item_type in TYPES
    }
    with open(root / ITEMS_FILE, encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            of_type = columns[line["type"]]
            of_type["item_id"].append(line["item_id"])
            of_type["popularity"].append(truth["popularity"][line["item_id"]])
            for name, values in ATTRIBUTES.items():
                of_type[name].append(values.index(line[name]))
    names = {item_type: of_type.pop("item_id") for item_type, of_type in columns.items()}
    items = {
        item_type: {name: np.array(column) for name, column in of_type.items()}
        for item_type, of_type in columns.items()
    }
    tastes = {}
    for name in TASTES:
        table = truth["tastes"][name]
        tastes[name] = np.array([[row[value] for value in ATTRIBUTES[name]] for row in table])
    return World(items, tastes), names
