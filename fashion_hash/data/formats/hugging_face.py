"""Polyvore-U and its like as the Hugging Face copy lzcn/outfit-datasets has them.

    ROOT/items.json                               [[key, ...], ...]: by type and index, the key of each item
    ROOT/{train,valid,test}_{pos,neg}             user,size,item_1..K,type_1..K      without a header; -1 where an
    ROOT/{train,valid,test}_{pos,neg}_fitb        outfit has fewer items than K; an older form has no size
    ROOT/features/NAME                            optional: LMDB of vectors, raw float32 by key

The files of outfits may end in .csv, and the phase may be called val. Negatives come in blocks: row k belongs to
positive k // ratio.

Shapes: N outfits, K columns of items, T types, S slots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion_hash.core.outfits import EMPTY, MAX_SLOTS, check_slots
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content, Dataset
from fashion_hash.data.formats.polyvore import split_of_files
from fashion_hash.data.parsing.fields import id_text, separator_hint
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, Tuples, in_order, read_text, read_tuples, stop
from fashion_hash.data.stores.vectors import is_vector_lmdb
from fashion_hash.errors import DataError, suggest

PHASES = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}
KINDS = {"positives": "pos", "random": "neg", "questions": "pos_fitb", "wrong answers": "neg_fitb"}
USUAL = ("top", "bottom", "shoe")  # the order of the types of Polyvore-U
_WORDS = ("sentence", "semantic", "text", "title")  # in the name of an LMDB of text vectors


def read_outfit_datasets(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """The data set of a folder; a type has as many slots as an outfit holds items of it at most.

    Args:
        root: the folder, or the one above it.
        subset: the folder of the data set below `root`; may be left out when there is only one.
        slots: the names of the types, in the order of items.json; by default top, bottom and shoe where there are
            three, else type1, type2, ...
        report: called with each fault in the files; the default raises the first.

    Raises:
        DataError: a file is missing or broken, or outfits have more than eight items; the message names file and line.
    """
    folder = find_folder(Path(root), subset)
    keys = _read_items(find_file(folder / "items.json") or folder / "items.json")
    types = _types(len(keys), slots, folder)
    files = _files(folder)
    sizes = np.array([len(of_type) for of_type in keys])
    tables = {
        split: {kind: _read(path, sizes, types, report) for kind, path in found.items()}
        for split, found in files.items()
    }
    held = np.max([_held(table, len(types)) for found in tables.values() for table in found.values()], axis=0)
    if held.sum() > MAX_SLOTS:
        counts = ", ".join(f"{count} {name}" for name, count in zip(types, held.tolist()))
        raise DataError(f"{folder}: an outfit holds up to {counts}, but there are at most {MAX_SLOTS} slots")
    in_slots = check_slots([name for name, count in zip(types, held.tolist()) for _ in range(count)])
    placed = {split: {kind: _placed(table, held) for kind, table in found.items()} for split, found in tables.items()}
    users = Vocabulary(
        in_order(name for found in placed.values() for table in found.values() for name in table.names), "user"
    )
    splits = {}
    for split, found in placed.items():
        if "questions" in found and "wrong answers" in found:
            found["questions"] = _side_by_side(found["questions"], found.pop("wrong answers"), report)
        splits[split] = split_of_files(found, in_slots, users, report)
    items = {name: Vocabulary(of_type, name) for name, of_type in zip(types, keys) if name in in_slots}
    return Dataset(f"outfit_datasets/{folder.resolve().name}", in_slots, users, items, splits, _content(folder))


def find_folder(root: Path, subset: str | None = None) -> Path:
    """The folder that holds items.json. Raises DataError naming what there is."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds items.json, train_pos, ...")
    if subset is None and find_file(root / "items.json") is not None:
        return root
    found = sorted({path.parent.name for name in ("items.json", "items.json.gz") for path in root.glob(f"*/{name}")})
    if not found and find_file(root / "items.json") is not None:
        raise DataError(f"{root} has no subsets, it holds items.json itself: leave out subset {subset!r}")
    if not found:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no items.json (it holds {holds})")
    if subset is None:
        if len(found) > 1:
            raise DataError(f"{root} holds several subsets, choose one: {', '.join(found)}")
        return root / found[0]
    if subset not in found:
        raise DataError(f"{root} has no subset {subset!r}{suggest(subset, found)}; it has {', '.join(found)}")
    return root / subset


def _read_items(path: Path) -> list[list[str]]:
    """The keys of the items by type and index."""
    raw = read_text(path)
    try:
        keys = json.loads(raw)
    except json.JSONDecodeError as error:
        raise DataError.at(path, error.lineno, f"not JSON: {error.msg} (column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(keys, list) or not keys or not all(isinstance(of_type, list) for of_type in keys):
        raise DataError(f"{path}: expected a list of lists of keys, one list for each item type")
    for number, of_type in enumerate(keys):
        seen: dict[str, int] = {}
        for at, key in enumerate(of_type):
            if not isinstance(key, str) or not id_text(key, "the key"):
                raise DataError(f"{path}: type {number}, index {at}: {key!r} is not a key: keys are texts")
            if key in seen:
                raise DataError(f"{path}: type {number}: {key!r} occurs twice, at {seen[key]} and {at}")
            seen[key] = at
    return keys


def _types(count: int, given: Sequence[str] | None, folder: Path) -> tuple[str, ...]:
    if given is None:
        return USUAL if count == len(USUAL) else tuple(f"type{number + 1}" for number in range(count))
    if len(given) != count or len(set(given)) != count:
        raise DataError(f"{folder}/items.json has {count} types: name each of them once (slots), got {list(given)}")
    return tuple(given)


def _files(folder: Path) -> dict[str, dict[str, Path]]:
    """The files that exist, by split and kind."""
    files: dict[str, dict[str, Path]] = {}
    for split, phases in PHASES.items():
        for kind, name in KINDS.items():
            candidates = [folder / f"{phase}_{name}{suffix}" for phase in phases for suffix in ("", ".csv")]
            path = next((path for plain in candidates if (path := find_file(plain)) is not None), None)
            if path is not None:
                files.setdefault(split, {})[kind] = path
        found = files.get(split, {})
        if found and "positives" not in found:
            raise DataError(f"{folder} has {next(iter(found.values())).name} but no {phases[0]}_pos")
        if ("questions" in found) != ("wrong answers" in found):
            raise DataError(f"{folder}: {phases[0]}_pos_fitb and {phases[0]}_neg_fitb belong together: one is missing")
    if not files:
        raise DataError(f"{folder} has no train_pos, valid_pos or test_pos")
    return files


def _read(path: Path, sizes: np.ndarray, types: Sequence[str], report: Reporter) -> Tuples:
    """A file of outfits; `items` becomes (N, 2, K): indices and types, in which bad lines are empty."""
    first_line = read_text(path).partition("\n")[0]
    if not first_line.strip():
        raise DataError(f"{path} holds no outfits")
    width = first_line.count(",") + 1
    has_size, most = width % 2 == 0, (width - 1) // 2
    expected = "user,size,item_1..K,type_1..K, or the same without size"
    if width < 3:
        hint = separator_hint([first_line])
        raise DataError.at(path, 1, f"{width} column{'s' * (width > 1)}, expected {expected}{hint}")
    if not any(cell.strip().lstrip("+-").isdecimal() for cell in first_line.split(",")[1:]):
        raise DataError.at(path, 1, f"a header: remove this line; expected {expected} in numbers")
    names = ["size"] * has_size + [f"{what}_{at + 1}" for what in ("item", "type") for at in range(most)]
    tuples = read_tuples(path, names, header=False, report=report)
    columns = tuples.items[:, 0, int(has_size) :].reshape(len(tuples), 2, most)
    items, kinds = columns[:, 0], columns[:, 1]
    inside = (kinds >= 0) & (kinds < len(sizes))
    limits = np.where(inside, sizes[np.where(inside, kinds, 0)], 0)
    padding = (items == EMPTY) & (kinds == EMPTY)
    wrong = ~padding & (~inside | (items < 0) | (items >= limits))

    def out_of_range(row: int) -> str:
        at = int(np.flatnonzero(wrong[row])[0])
        item, kind = int(items[row, at]), int(kinds[row, at])
        if not 0 <= kind < len(sizes):
            return f"type_{at + 1} is {kind}: items.json has {len(sizes)} types (0 to {len(sizes) - 1}; -1 is no item)"
        return f"item_{at + 1} is {item}: items.json has {sizes[kind]} items of type {kind} ({types[kind]})"

    tuples.reject(wrong.any(axis=1), out_of_range, report)
    filled = (~padding).sum(axis=1)
    tuples.reject(filled == 0, lambda row: "an outfit without items: every item is -1", report)
    if has_size:
        told = tuples.items[:, 0, 0]
        tuples.reject(told != filled, lambda row: f"size is {told[row]}, but there are {filled[row]} items", report)
    return replace(tuples, items=np.where(tuples.good[:, None, None], columns, EMPTY))


def _held(table: Tuples, num_types: int) -> np.ndarray:
    """(T,) how many items of each type an outfit holds at most."""
    kinds = table.items[:, 1]
    return np.array([(kinds == number).sum(axis=1).max(initial=0) for number in range(num_types)])


def _placed(table: Tuples, held: np.ndarray) -> Tuples:
    """The table with `items` as (N, 1, S): each item in the next free slot of its type."""
    items, kinds = table.items[:, 0], table.items[:, 1]
    first = np.cumsum(held) - held
    used = np.zeros((len(table), len(held)), dtype=np.int64)
    placed = np.full((len(table), int(held.sum())), EMPTY, dtype=np.int64)
    for at in range(items.shape[1]):
        rows = np.flatnonzero(kinds[:, at] != EMPTY)
        of_rows = kinds[rows, at]
        placed[rows, first[of_rows] + used[rows, of_rows]] = items[rows, at]
        used[rows, of_rows] += 1
    return replace(table, items=placed[:, None])


def _side_by_side(truth: Tuples, wrong: Tuples, report: Reporter) -> Tuples:
    """Questions: each line the true answer and the wrong ones, which belong to the same user."""
    ratio, rest = divmod(len(wrong), max(1, len(truth)))
    if rest or not ratio:
        report(
            DataError(
                f"{wrong.path}: {len(wrong)} wrong answers for {len(truth)} questions of {truth.path.name}: row k "
                "belongs to question k // ratio, so they must divide evenly"
            )
        )
        return replace(truth, users=truth.users[:0], items=truth.items[:0], good=truth.good[:0], lines=truth.lines[:0])
    names = {name: at for at, name in enumerate(dict.fromkeys([*truth.names, *wrong.names]))}
    owners = np.array([names[name] for name in truth.names], dtype=np.int32)[truth.users]
    others = np.array([names[name] for name in wrong.names], dtype=np.int32)[wrong.users]
    strangers = (others != np.repeat(owners, ratio, axis=0))[:, 0] & np.repeat(truth.good, ratio)

    def other_user(row: int) -> str:
        question = f"{truth.path.name}:{truth.lines[row // ratio]}"
        return (
            f"a wrong answer of user {wrong.names[wrong.users[row, 0]]!r}, but its question ({question}) is of another"
        )

    wrong.reject(strangers, other_user, report)
    return Tuples(
        truth.path,
        tuple(names),
        np.concatenate([owners, others.reshape(len(truth), ratio)], axis=1),
        np.concatenate([truth.items, wrong.items.reshape(len(truth), ratio, -1)], axis=1),
        truth.good & wrong.good.reshape(-1, ratio).all(axis=1),
        truth.lines,
    )


def _content(folder: Path) -> Content:
    """Pictures and vectors as far as they are there; vectors of words go before others."""
    stores = sorted(path for path in (folder / "features").glob("*") if is_vector_lmdb(path))
    words = [path for path in stores if any(word in path.name.lower() for word in _WORDS)]
    pictures: Mapping[str, Path] = {path.name: path for path in (folder / "images").glob("*") if is_vector_lmdb(path)}
    return Content(next(iter(pictures.values()), None), next(iter([*words, *stores]), None))
