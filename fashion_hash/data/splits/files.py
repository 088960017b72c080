"""A split as a file, so that it stays the same and others can use it: split.csv, and split.json about it.

split.csv has the columns outfit_id, user_id and split (train, valid, test, or left_out). Outfits without ids are
named by the ids of their items, slot by slot, with -1 for an empty slot. split.json says how it was made. The user is
blank where `fashion-hash forget` has erased one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.config.data import SplitConfig
from fashion_hash.core.files import atomic_path, write_json
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.progress import progress
from fashion_hash.data.splits.make import LEFT_OUT, assign_splits, check_assigned, split_lines, undivided, with_splits
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.errors import DataError, counted

COLUMNS = ("outfit_id", "user_id", "split")
_NAMES = {**dict(enumerate(SPLITS)), LEFT_OUT: "left_out"}
_NUMBERS = {name: number for number, name in _NAMES.items()}


@dataclass(frozen=True)
class MadeSplit:
    """A data set that came without splits, and how its outfits were divided.

    Attributes:
        whole: the data set without splits, N outfits.
        assigned: (N,) int8 as `assign_splits` gives it.
        settings: how it was divided.
    """

    whole: Dataset
    assigned: np.ndarray
    settings: SplitConfig

    @classmethod
    def make(
        cls,
        whole: Dataset,
        settings: SplitConfig,
        path: Path | None = None,
        removed: RemovedUsers | None = None,
    ) -> MadeSplit:
        """Takes the split from a file, or makes it where there is no file.

        Args:
            whole: without splits.
            settings: how to divide it; `settings.file` is written when it does not exist.
            path: a file to look at first, such as split.csv in the folder of a run.
            removed: users who have left the data; a file may still name them.

        Raises:
            ConfigError: the data set has splits of its own.
            DataError: it cannot be divided so; a file is broken, or belongs to other outfits or settings.
        """
        for known in (path, None if settings.file is None else Path(settings.file)):
            if known is not None and known.exists():
                return cls(whole, read_split(known, whole, settings, removed), settings)
        made = cls(whole, assign_splits(whole, settings), settings)
        if settings.file is not None:
            made.write(Path(settings.file))
        return made

    @property
    def dataset(self) -> Dataset:
        """The data set with its splits."""
        return with_splits(self.whole, self.assigned, self.settings)

    @property
    def lines(self) -> list[str]:
        """What the splits hold, for people."""
        return split_lines(self.whole, self.assigned)

    def write(self, path: Path) -> None:
        """Writes the file, and the one about it beside."""
        counts = {name: int((self.assigned == number).sum()) for number, name in _NAMES.items()}
        write_json(_about(path), {"settings": _settings(self.settings), "outfits": counts})
        rows = zip(_names(self.whole), self.assigned.tolist())
        _write_rows(path, progress(rows, f"writing {path.name}", "outfits", len(self.assigned)))


def read_split(path: Path, whole: Dataset, settings: SplitConfig, removed: RemovedUsers | None = None) -> np.ndarray:
    """The split of each outfit that a file gives: (N,) int8.

    Args:
        path: split.csv; its rows may stand in another order than the outfits.
        whole: a data set without splits.
        settings: how it should have been made.
        removed: users whose outfits in the file are passed over.

    Raises:
        DataError: the file is broken, was made with other settings or for other outfits, or leaks.
    """
    _check_settings(path, settings)
    count = len(undivided(whole)[0])
    names = list(progress(_names(whole), "outfits to divide", "outfits", count))
    rows = list(progress(_read_rows(path), f"reading {path.name}", "outfits", count))
    if removed:
        stay = {user_id for user_id in {row[1] for row in rows} if user_id not in removed}
        rows = [row for row in rows if row[1] in stay]
    rows = _named(rows, names)
    again = f"remove {path} and {_about(path).name} to split again"
    if [row[:2] for row in rows] != names:
        places = {row[:2]: row[2] for row in rows}
        if absent := [name for name in names if name not in places]:
            raise DataError(
                f"{path} is out of date: {len(absent):,} of {counted(len(names), 'outfit')} of {whole.name} missing "
                "from it, the "
                f"first is outfit {absent[0][0]!r} of user {absent[0][1]!r}; {again}"
            )
        if len(rows) != len(names) or len(places) != len(rows):
            known = set(names)
            gone = [name for name in places if name not in known]
            example = f", such as outfit {gone[0][0]!r} of user {gone[0][1]!r}" if gone else ""
            raise DataError(
                f"{path} is out of date: it has {counted(len(rows), 'outfit')}, {whole.name} has "
                f"{len(names)}{example}; {again}"
            )
        rows = [(*name, places[name]) for name in names]
    assigned = np.array([row[2] for row in rows], dtype=np.int8)
    try:
        check_assigned(whole, assigned, settings)
    except DataError as error:
        raise DataError(f"{path}: {error}; {again}") from None
    return assigned


def blank_users(path: Path, removed: RemovedUsers) -> None:
    """Takes the ids of removed users out of a file; its rows stay, for the runs that were trained on their outfits.

    Raises:
        DataError: the file cannot be read.
    """
    rows = list(_read_rows(path))
    if any(user_id and user_id in removed for user_id in {row[1] for row in rows}):
        _write_rows(path, (((row[0], "" if row[1] in removed else row[1]), row[2]) for row in rows))


def _write_rows(path: Path, rows: Iterable[tuple[tuple[str, str], int]]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((outfit_id, user_id, _NAMES[number]) for (outfit_id, user_id), number in rows)


def _named(rows: list[tuple[str, str, int]], names: list[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """The rows of a file; those without a user are taken for outfits of the data that it does not name."""
    if not any(user_id == "" for _, user_id, _ in rows):
        return rows
    there = {row[:2] for row in rows}
    unnamed: dict[str, list[str]] = {}
    for outfit_id, user_id in names:
        if (outfit_id, user_id) not in there:
            unnamed.setdefault(outfit_id, []).append(user_id)
    named = []
    for outfit_id, user_id, number in rows:
        if user_id:
            named.append((outfit_id, user_id, number))
        elif unnamed.get(outfit_id):
            named.append((outfit_id, unnamed[outfit_id].pop(0), number))
    return named


def _read_rows(path: Path) -> Iterator[tuple[str, str, int]]:
    """(outfit id, user id, split) of each line."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            if (header := next(reader, [])) != list(COLUMNS):
                raise DataError.at(path, 1, f"the columns must be {','.join(COLUMNS)}, got {','.join(header)[:200]}")
            for row in reader:
                if len(row) != len(COLUMNS) or row[2] not in _NUMBERS:
                    expected = f"expected outfit_id, user_id and one of {', '.join(_NUMBERS)}"
                    raise DataError.at(path, reader.line_num, f"{expected}, got {','.join(row)[:200]}")
                yield row[0], row[1], _NUMBERS[row[2]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _names(whole: Dataset) -> Iterator[tuple[str, str]]:
    """(outfit id, user id) of each outfit."""
    outfits, facts = undivided(whole)
    users = (whole.users.ids[row] for row in outfits.users.tolist())
    if facts is not None and facts.ids is not None:
        yield from zip(facts.ids.tolist(), users)
        return
    ids = [whole.items[item_type].ids for item_type in outfits.slots]
    for row, user in zip(outfits.items, users):
        worn = (of_slot[item] if item != EMPTY else str(EMPTY) for of_slot, item in zip(ids, row.tolist()))
        yield " ".join(worn), user


def _about(path: Path) -> Path:
    return path.with_suffix(".json")


def _settings(settings: SplitConfig) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude={"file"})


def _check_settings(path: Path, settings: SplitConfig) -> None:
    """Raises DataError when the file beside says that a split was made otherwise; a split without one is taken."""
    about = _about(path)
    if not about.exists():
        return
    try:
        then = json.loads(about.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise DataError(f"{about} does not say how {path.name} was made: remove both to split again") from None
    now = _settings(settings)
    if then != now:
        changed = [key for key in now if not isinstance(then, dict) or then.get(key) != now[key]]
        key = changed[0] if changed else "keys"
        before = then.get(key) if isinstance(then, dict) else None
        raise DataError(
            f"{path} was made with {key} {before!r}, data.split.{key} is {now.get(key)!r}: restore the setting, or "
            f"remove {path.name} and {about.name} to split again"
        )
