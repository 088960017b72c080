"""The two tasks of the Polyvore data sets: outfits labelled as compatible or not, and fill in the blank.

Both name items as SET_INDEX, such as 119704139_1: the item with that index in that outfit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset, Groups, Labelled, Note
from fashion_hash.data.formats.catalogues.gather import DECODER
from fashion_hash.data.parsing.fields import short
from fashion_hash.data.parsing.json_lines import json_rows, kind_of
from fashion_hash.data.parsing.table_text import TextLines
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.data.shop.item_sets import ItemSets, fit_slots
from fashion_hash.data.shop.read import ShopData
from fashion_hash.errors import DataError


@dataclass(frozen=True)
class TaskFiles:
    """The files of the tasks, by split; each may be absent."""

    labels: Mapping[str, Path]
    questions: Mapping[str, Path]


def with_tasks(
    dataset: Dataset, data: ShopData, files: TaskFiles, names: Mapping[str, int], report: Reporter
) -> Dataset:
    """A data set with the labelled outfits and the questions of its splits.

    An outfit of fewer than two items in slots is left out, and so is a question with a candidate without a slot.

    Args:
        dataset: with its splits.
        data: what it was made from.
        files: the files of the tasks.
        names: the number of the item of each SET_INDEX.
        report: called with each fault.

    Raises:
        DataError: a file is missing or broken; the message names file and line.
    """
    fit, splits, notes = _Fit(dataset, data), dict(dataset.splits), list(dataset.notes)
    for split, part in dataset.splits.items():
        if split in files.labels:
            labelled, left = _labelled(fit, list(_label_lines(files.labels[split], names, report)))
            part = replace(part, labelled=labelled)
            _note(notes, f"labelled outfits of {split} without two items of the slots' types, left out", left)
        if split in files.questions:
            asked = list(_questions(files.questions[split], names, report))
            questions, left = _groups(fit, asked)
            part = replace(part, questions=questions)
            _note(notes, f"questions of {split} with a candidate that has no slot, left out", left)
        splits[split] = part
    return replace(dataset, splits=splits, notes=tuple(notes))


class _Fit:
    """Puts sets of items into the slots of a data set."""

    def __init__(self, dataset: Dataset, data: ShopData) -> None:
        self.slots, self.types, self.type_of = dataset.slots, data.items.types, data.type_of
        self.rows = np.full(len(data.items), EMPTY, dtype=np.int64)  # of each item, in the vocabulary of its type
        for item_type in dataset.types:
            for row, item_id in enumerate(dataset.items[item_type]):
                self.rows[data.items.numbers[item_id]] = row

    def table(self, sets: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, S) rows of items, EMPTY where a slot holds none; of a type's items the first of a set come first."""
        owners = np.repeat(np.arange(len(sets)), [len(members) for members in sets])
        members = np.array([number for members in sets for number in members], dtype=np.int32)
        fitted = fit_slots(ItemSets.of_pairs(owners, members, len(sets)), self.type_of, self.types, self.slots).items
        return np.where(fitted == EMPTY, EMPTY, self.rows[fitted])


def _labelled(fit: _Fit, lines: Sequence[tuple[bool, list[int]]]) -> tuple[Labelled | None, int]:
    """The labelled outfits, and how many were left out."""
    table = fit.table([members for _, members in lines])
    kept = (table != EMPTY).sum(axis=1) >= min(2, len(fit.slots))
    if not kept.any():
        return None, len(lines)
    labels = np.array([compatible for compatible, _ in lines], dtype=bool)[kept]
    return Labelled(Outfits.of(fit.slots, np.zeros(len(labels)), table[kept]), labels), int((~kept).sum())


def _groups(fit: _Fit, asked: Sequence[list[list[int]]]) -> tuple[Groups | None, int]:
    """The questions as groups of candidates, the truth first, and how many were left out."""
    kept = [candidates for candidates in asked if all(fit.rows[members[0]] != EMPTY for members in candidates)]
    left = len(asked) - len(kept)
    if not kept:
        return None, left
    size = len(kept[0])
    table = fit.table([members for candidates in kept for members in candidates])
    whole = ((table != EMPTY).sum(axis=1) >= 2).reshape(-1, size).all(axis=1)
    table = table.reshape(-1, size, len(fit.slots))[whole].reshape(-1, len(fit.slots))
    if not len(table):
        return None, len(asked)
    return Groups(Outfits.of(fit.slots, np.zeros(len(table)), table), size), left + int((~whole).sum())


def _label_lines(path: Path, names: Mapping[str, int], report: Reporter) -> Iterator[tuple[bool, list[int]]]:
    """The lines "label set_index set_index ..." of a file: whether it is compatible, and the items."""
    empty = True
    with TextLines(path) as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            empty = False
            try:
                if words[0] not in ("0", "1"):
                    raise DataError(f"the label must be 1 (compatible) or 0, got {short(words[0])}")
                if len(words) < 2:
                    raise DataError("a label without items: expected 'label set_index set_index ...'")
                members = [_item(word, names) for word in words[1:]]
            except DataError as error:
                report(DataError.at(path, lines.line, str(error)))
                continue
            yield words[0] == "1", members
    if empty:
        report(DataError(f"{path} is empty: expected lines 'label set_index set_index ...'"))


def _questions(path: Path, names: Mapping[str, int], report: Reporter) -> Iterator[list[list[int]]]:
    """The candidates of each question, the truth first; in each the answer stands before the items of the question."""
    size = 0
    for line, row in json_rows(path, report, DECODER):
        try:
            question, answers = _names(row, "question"), _names(row, "answers")
            position = row.get("blank_position")
            if isinstance(position, bool) or not isinstance(position, int) or position < 0:
                raise DataError(f"blank_position must be a whole number of at least 0, got {short(position)}")
            size = size or len(answers)
            if len(answers) != size or size < 2:
                raise DataError(f"answers: {len(answers)}, expected {max(size, 2)} as in other questions")
            truth = _truth(question, answers)
            ordered = [answers[truth], *answers[:truth], *answers[truth + 1 :]]
            given = [_item(name, names) for name in question]
            yield [[_item(name, names), *given] for name in ordered]
        except DataError as error:
            report(DataError.at(path, line, str(error)))


def _truth(question: Sequence[str], answers: Sequence[str]) -> int:
    """The place of the right answer: the one of the same outfit as the items of the question."""
    outfit = question[0].rsplit("_", 1)[0]
    right = [at for at, name in enumerate(answers) if name.rsplit("_", 1)[0] == outfit]
    if len(right) != 1:
        raise DataError(f"{len(right)} of the answers {answers} belong to the outfit {outfit!r} of the question, not 1")
    return right[0]


def _names(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        got = short(value) if isinstance(value, list) else kind_of(value)
        raise DataError(f"{key} must be a list of names such as '119704139_1', got {got}")
    return value


def _item(name: str, names: Mapping[str, int]) -> int:
    if name not in names:
        raise DataError(f"{short(name)} is no item of any outfit: expected a set and an index, such as 119704139_1")
    return names[name]


def _note(notes: list[Note], what: str, count: int) -> None:
    if count:
        notes.append(Note(what, count))
