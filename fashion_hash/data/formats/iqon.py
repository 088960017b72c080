"""IQON3000 in the form of GP-BPR (Song et al., ACM MM 2019): ids of users, tops and bottoms.

    ROOT/train.csv               user,top,bottom            (a fourth column is passed over)
    ROOT/{valid,test}.csv        user,top,bottom,negative_bottom

A header line may be absent, as in the original; it is recognised by the names of the columns (`NAMES`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import SPLITS, Dataset, Groups, Split
from fashion_hash.data.parsing.fields import id_text, separator_hint, without_trailing_zero, wrong_size
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, in_order, read_rows, read_text, stop
from fashion_hash.errors import ConfigError, DataError

SLOTS = ("top", "bottom")
COLUMNS = ("user", "top", "bottom", "negative_bottom")
NAMES = {  # of a column, and what else a header may call it
    "user": ("user", "user_id", "userid", "uid"),
    "top": ("top", "top_id", "topid", "positive_top"),
    "bottom": ("bottom", "bottom_id", "bottomid", "positive_bottom"),
    "negative_bottom": ("negative_bottom", "negative_bottom_id", "neg_bottom", "negative"),
}


def read_iqon3000(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """The data set in a folder of train.csv, valid.csv and test.csv (one of them at least).

    Negatives of kind "random" are the published ones: the same user and top, another bottom.
    Rows of the item vocabularies begin with the items that occur in train, so that an item
    unseen in training has a row above all that were seen.

    Args:
        root: the folder.
        subset: must be left out: there are no subsets.
        slots: may be left out; if given, it must be ("top", "bottom").
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset, or other slots, were given.
        DataError: a file is missing or broken; the message names file and line.
    """
    if subset is not None:
        raise ConfigError(f"iqon3000 has no subsets: leave out subset {subset!r}")
    if slots is not None and tuple(slots) != SLOTS:
        raise ConfigError(f"the slots of iqon3000 are {list(SLOTS)}, not {list(slots)}")
    tables = {split: _read(path, report) for split, path in find_tables(Path(root)).items()}
    if "train" in tables:
        tables["train"] = [row[:3] for row in tables["train"]]

    def vocabulary(noun: str, *columns: int) -> Vocabulary:
        seen: dict[str, None] = {}
        for split in ("train", None):
            rows = tables.get(split, []) if split else [row for table in tables.values() for row in table]
            fresh = {row[column] for row in rows for column in columns if column < len(row)}
            seen.update(dict.fromkeys(in_order(fresh)))
        return Vocabulary(seen, noun)

    users = vocabulary("user", 0)
    items = {"top": vocabulary("top", 1), "bottom": vocabulary("bottom", 2, 3)}
    splits = {split: _split(rows, users, items) for split, rows in tables.items()}
    return Dataset("iqon3000", SLOTS, users, items, splits)


def find_tables(root: Path, subset: str | None = None) -> dict[str, Path]:
    """The existing files, by split. Raises DataError when there is none (`subset` is not used: there are none)."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds train.csv, valid.csv and test.csv")
    found = {split: path for split in SPLITS if (path := find_file(root / f"{split}.csv")) is not None}
    if not found:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no train.csv, valid.csv or test.csv (it holds {holds})")
    return found


def _split(rows: list[list[str]], users: Vocabulary, items: dict[str, Vocabulary]) -> Split:
    columns = list(zip(*rows)) or [(), (), ()]
    owners = users.rows(columns[0])
    tops, bottoms = items["top"].rows(columns[1]), items["bottom"].rows(columns[2])
    positives = Outfits.of(SLOTS, owners, np.stack([tops, bottoms], axis=1))
    if len(columns) == 3:
        return Split(positives)
    others = np.stack([tops, items["bottom"].rows(columns[3])], axis=1)
    return Split(positives, {"random": Groups(Outfits.of(SLOTS, owners, others), 1)})


def _read(path: Path, report: Reporter) -> list[list[str]]:
    """The good rows of a file: three or four ids each, the same number in every row."""
    rows: list[list[str]] = []
    width, header = 0, list[str]()
    for line, cells in read_rows(path, read_text(path)):
        row = without_trailing_zero(cells)
        if not width:
            width = min(max(len(row), 3), 4)
            if _is_header(row):
                header = row
                expected = all(name.lower() in NAMES[column] for column, name in zip(COLUMNS, row))
                if not expected or len(row) < 3:
                    problem = f"columns {row}, expected {list(COLUMNS)}{separator_hint(cells)}"
                    report(DataError.at(path, line, problem))
                continue
        if header and row == header:
            report(DataError.at(path, line, "the header again: files were joined; remove this line"))
        elif problem := _row_problem(row, width):
            report(DataError.at(path, line, problem))
        else:
            rows.append(row)
    if not rows:
        report(DataError(f"{path} holds no outfits"))
    return rows


def _is_header(row: list[str]) -> bool:
    """Whether the first row names columns: one of its cells is the name of a column."""
    names = {name for others in NAMES.values() for name in others}
    return any(cell.lower() in names or cell.lower().split(";")[0] in names for cell in row)


def _row_problem(row: list[str], width: int) -> str:
    """What is wrong with a row, or nothing."""
    if len(row) != width:
        return f"{wrong_size(len(row), width)} ({','.join(COLUMNS[:width])}){separator_hint(row)}"
    if not all(row):
        return f"the {COLUMNS[row.index('')]} is empty"
    try:
        for column, cell in zip(COLUMNS, row):
            id_text(cell, column)
    except DataError as error:
        return str(error)
    return ""
