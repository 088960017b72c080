"""Polyvore-U as its authors released it (Lu et al., CVPR 2019): readers of one tuples_* folder.

    ROOT/tuples_630/image_list_{top,bottom,shoe}     one image name a line; the line is the item
    ROOT/tuples_630/tuples_{train,val,test}_{posi,nega,nega_hard}
    ROOT/tuples_630/fill_in_blank_test               four outfits a line, the first is the truth
    ROOT/tuples_630/retrieval_{top,bottom,shoe}_all  the same; the outfits of a line differ in this slot
    ROOT/images/lmdb or ROOT/images/291x291          pictures, by image name
    ROOT/sentence_vector/semantic.pkl                text vectors, by image name
    ROOT/items.csv                                   optional: titles, prices, ... (see `shop`)

Item types and slots come from the header lines; without any, from the image lists and the width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, check_slots, item_types, slot_names
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import Content, Dataset, Groups, Split
from fashion_hash.data.formats.shop import read_items_csv
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.data.parsing.text_tables import Reporter, Tuples, in_order, read_header, read_text, read_tuples, stop
from fashion_hash.errors import DataError, suggest

PHASES = {"train": "train", "valid": "val", "test": "test"}
KINDS = {"random": "nega", "hard": "nega_hard"}
QUESTIONS = "fill_in_blank"
RETRIEVAL = "retrieval_"


def read_polyvore_u(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """One subset of a Polyvore-U release.

    Args:
        root: the folder that holds tuples_*; a tuples_* folder itself will do.
        subset: "tuples_630" or "630"; None when there is only one.
        slots: the item type of each column, for files without a header whose types are not
            top, bottom and shoe.
        report: called with each fault of the files; the default raises the first.

    Raises:
        DataError: a file is missing or broken; the message names file and line.
    """
    folder = find_subset(Path(root), subset)
    tables_by_split = _files(folder)
    slots = _slots(folder, [path for files in tables_by_split.values() for path in files.values()], slots)
    names = {item_type: read_image_list(folder / f"image_list_{item_type}", report) for item_type in item_types(slots)}
    tuples = {
        split: {kind: _read_file(path, slots, names, report, kind) for kind, path in files.items()}
        for split, files in tables_by_split.items()
    }
    users = Vocabulary(in_order(one for files in tuples.values() for t in files.values() for one in t.names), "user")
    splits = {split: split_of_files(files, slots, users, report) for split, files in tuples.items()}
    items = {item_type: Vocabulary(ids, item_type) for item_type, ids in names.items()}
    content = _content(folder.parent, items, report)
    return Dataset(f"polyvore_u/{folder.name}", slots, users, items, splits, content)


def find_subset(root: Path, subset: str | None = None) -> Path:
    """The folder of a subset. Raises DataError naming what there is."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds tuples_*, images and sentence_vector")
    if subset is None and any(root.glob("image_list_*")):
        return root
    found = sorted(path.name for path in root.glob("tuples_*") if path.is_dir())
    if not found:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no tuples_* folder (it holds {holds}): not a Polyvore-U release")
    if subset is None:
        if len(found) > 1:
            raise DataError(f"{root} holds several subsets, choose one: {', '.join(found)}")
        return root / found[0]
    for name in (str(subset), f"tuples_{subset}"):
        if name in found:
            return root / name
    raise DataError(f"{root} has no subset {subset!r}{suggest(str(subset), found)}; it has {', '.join(found)}")


def read_image_list(path: Path, report: Reporter = stop) -> list[str]:
    """The image names of a type, in order; names that were reported are replaced by their line."""
    if not path.is_file():
        raise DataError(f"no file {path}: it lists the image names of the items, one a line")
    names: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).rstrip().split("\n"), start=1):
        name = line.strip()
        problem = _name_problem(name, seen)
        if problem:
            report(DataError.at(path, number, problem))
            name = f"\N{REPLACEMENT CHARACTER}line {number}"
        seen[name] = number
        names.append(name)
    if not names:
        report(DataError(f"{path} is empty: no items of this type"))
    return names


def _name_problem(name: str, seen: Mapping[str, int]) -> str:
    """What is wrong with an image name, or nothing."""
    if not name:
        return "empty line: every line is one item"
    if name in seen:
        return f"{name!r} occurs twice, first in line {seen[name]}: every line is one item"
    try:
        id_text(name, "the image name")
    except DataError as error:
        return str(error)
    return ""


def _files(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of outfits that exist, by split and kind: positives, random, hard, questions, retrieval_SLOT."""
    found: dict[str, dict[str, Path]] = {}
    for split, phase in PHASES.items():
        candidates = {"positives": folder / f"tuples_{phase}_posi"}
        candidates |= {kind: folder / f"tuples_{phase}_{name}" for kind, name in KINDS.items()}
        candidates["questions"] = folder / f"{QUESTIONS}_{phase}"
        if split == "test":  # whose outfits these files are about
            retrieval = sorted(folder.glob(f"{RETRIEVAL}*_all"))
            candidates |= {path.name.removesuffix("_all"): path for path in retrieval}
        files = {kind: path for kind, path in candidates.items() if path.is_file()}
        if files and "positives" not in files:
            alone = next(iter(files.values())).name
            raise DataError(f"{folder} has {alone} but no tuples_{phase}_posi: the positives are missing")
        if files:
            found[split] = files
    if not found:
        raise DataError(f"{folder} has no tuples_train_posi, tuples_val_posi or tuples_test_posi")
    return found


def _slots(folder: Path, paths: list[Path], given: Sequence[str] | None) -> tuple[str, ...]:
    """The item type of each slot, from the headers, the argument, or the image lists and the width."""
    listed = {path.name.removeprefix("image_list_") for path in folder.glob("image_list_*")}
    for path in paths:
        header = read_header(path)
        if header is None or path.name.startswith((QUESTIONS, RETRIEVAL)):
            continue
        unknown = [item_type for item_type in header[1:] if item_type not in listed]
        if unknown:
            lists = ", ".join(sorted(listed)) or "none at all"
            raise DataError.at(path, 1, f"column {unknown[0]!r}: no image_list_{unknown[0]} (there is {lists})")
        if given is not None and tuple(given) != header[1:]:
            raise DataError.at(path, 1, f"columns {list(header[1:])}, but the slots given are {list(given)}")
        return check_slots(header[1:])
    if given is not None:
        return check_slots(given)
    width = read_text(paths[0]).partition("\n")[0].count(",")
    usual = {3: ("top", "bottom", "shoe"), 4: ("top", "top", "bottom", "shoe")}.get(width, ())
    if set(usual) != listed:
        raise DataError(
            f"{paths[0]} has no header and {width} columns of items, and the image lists are of "
            f"{sorted(listed)}: say which type each column is (slots)"
        )
    return check_slots(usual)


def _read_file(
    path: Path, slots: tuple[str, ...], names: Mapping[str, list[str]], report: Reporter, kind: str
) -> Tuples:
    """One file of outfits, every index checked against the image lists."""
    header = read_header(path)
    if header is not None and header[: len(slots) + 1][1:] != slots:
        raise DataError.at(path, 1, f"columns {list(header[1:])}, but other files have {list(slots)}")
    if kind.startswith(RETRIEVAL) and (slot := kind.removeprefix(RETRIEVAL)) not in slot_names(slots):
        near = suggest(slot, slot_names(slots))
        raise DataError(f"{path}: no slot {slot!r}{near}: the slots are {', '.join(slot_names(slots))}")
    group = None if kind.startswith(("questions", RETRIEVAL)) else 1
    tuples = read_tuples(path, slot_names(slots), header is not None, group, report)
    sizes = np.array([len(names[slot]) for slot in slots])
    wrong = (tuples.items < EMPTY) | (tuples.items >= sizes)

    def out_of_range(row: int) -> str:
        which, slot = np.argwhere(wrong[row])[0]
        column = which * (len(slots) + 1) + slot + 2
        return (
            f"{slots[slot]} {tuples.items[row, which, slot]} in column {column} is out of range: "
            f"image_list_{slots[slot]} has {sizes[slot]} lines (0 to {sizes[slot] - 1}; -1 is an empty slot)"
        )

    tuples.reject(np.asarray(wrong.any(axis=(1, 2))), out_of_range, report)
    empty = (tuples.items == EMPTY).all(2).any(1)
    tuples.reject(empty, lambda row: "an outfit without items: every slot is -1", report)
    if not len(tuples):
        report(DataError(f"{path} holds no outfits"))
    return tuples


def split_of_files(files: Mapping[str, Tuples], slots: tuple[str, ...], users: Vocabulary, report: Reporter) -> Split:
    """A split from its files. Lines that were reported are left out, with the groups they spoil."""
    positives = files["positives"]
    # one row more, for a file without a good line
    rows = {kind: np.append(users.rows(t.names), 0)[t.users] for kind, t in files.items()}
    keep = positives.good.copy()
    groups: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for kind in KINDS:
        if kind not in files or not len(files[kind]) or not len(positives):
            continue
        ratio, rest = divmod(len(files[kind]), len(positives))
        if rest or not ratio:
            report(
                DataError(
                    f"{files[kind].path}: {len(files[kind])} negatives for {len(positives)} positives of "
                    f"{positives.path.name}: row k belongs to positive k // ratio, so they must divide evenly"
                )
            )
            continue
        _check_owners(_Owned(files[kind], rows[kind]), _Owned(positives, rows["positives"]), users, report)
        keep &= files[kind].good.reshape(-1, ratio).all(1)
        shape = (len(positives), ratio)
        groups[kind] = rows[kind].reshape(shape), files[kind].items.reshape(*shape, len(slots))
    if not len(positives):
        empty = Outfits.of(slots, [], [])
        return Split(empty)
    asked = {
        kind: Groups(Outfits.of(slots, rows[kind][tuples.good], tuples.items[tuples.good]), tuples.users.shape[1])
        for kind, tuples in files.items()
        if kind.startswith(("questions", RETRIEVAL)) and len(tuples)
    }
    return Split(
        Outfits.of(slots, rows["positives"][keep], positives.items[keep]),
        {
            kind: Groups(Outfits.of(slots, owners[keep], items[keep]), owners.shape[1])
            for kind, (owners, items) in groups.items()
        },
        asked.get("questions"),
        retrieval={slot: asked[f"{RETRIEVAL}{slot}"] for slot in slot_names(slots) if f"{RETRIEVAL}{slot}" in asked},
    )


class _Owned(NamedTuple):
    """A file of outfits and (lines, G) the rows of the users they belong to."""

    tuples: Tuples
    owners: np.ndarray


def _check_owners(negatives: _Owned, positives: _Owned, users: Vocabulary, report: Reporter) -> None:
    """A negative belongs to the user of its positive; anything else means that rows have shifted."""
    ratio = len(negatives.tuples) // len(positives.tuples)
    expected = np.repeat(positives.owners, ratio, axis=0)
    known = np.repeat(positives.tuples.good, ratio)

    def other_user(row: int) -> str:
        positive = f"{positives.tuples.path.name}:{positives.tuples.lines[row // ratio]}"
        return (
            f"negative of user {users.ids[negatives.owners[row, 0]]!r}, but its positive ({positive}) is of user "
            f"{users.ids[expected[row, 0]]!r}; there are {ratio} negatives per positive"
        )

    negatives.tuples.reject((negatives.owners != expected).any(1) & known, other_user, report)


def _content(root: Path, items: Mapping[str, Vocabulary], report: Reporter) -> Content:
    """Where the pictures and words lie, as far as they are there."""
    images = root / "images"
    folders = sorted(path for path in images.iterdir() if path.is_dir()) if images.is_dir() else []
    preferred = [images / "lmdb", images / "291x291"]
    pictures = next((path for path in [*preferred, *folders] if path.exists()), None)
    vectors = root / "sentence_vector" / "semantic.pkl"
    details: dict[str, dict[str, dict[str, Value]]] = {}
    table = None
    if (root / "items.csv").is_file():
        names = {f"{item_type} {item_id}" for item_type, vocabulary in items.items() for item_id in vocabulary}
        table = ItemTable(root / "items.csv", names)
        details = {item_type: {} for item_type in items}
        for item_type, known in read_items_csv(table.path, report=report).items():
            for item_id, columns in known.items():
                if table.names(f"{item_type} {item_id}"):
                    shown = {name: value for name, value in columns.items() if name != "image"}
                    details[item_type][item_id] = shown
    return Content(pictures, vectors if vectors.is_file() else None, details, table)
