"""Finds the types of the columns of a file, from the cells of one row after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from fashion_hash.data.columns import (
    ALWAYS_TEXT,
    ColumnType,
    Value,
    first,
    is_blank,
    type_of_form,
    typed,
    unboxed,
)
from fashion_hash.data.parsing.cells import (
    DATE_PARTS,
    MARKS,
    NUMBER,
    TEXT,
    TEXT_ONLY,
    TRUTH,
    date_form,
    elements_of,
    forms_of_text,
    forms_of_value,
    is_number,
    iso_date,
    list_form,
    mark_of,
    truth_form,
)
from fashion_hash.errors import shown

LOOK_AT = 1000  # cells of a column, for what is said about it
MOSTLY = 0.8  # of these cells, how many must be of a kind for the others to be worth a word
_MOST_ELEMENTS = 1000  # distinct ones of lists with commas or semicolons
_LISTED = 0.5  # of the cells, how many must hold several elements
_SAID = {
    NUMBER: "numbers",
    "boolean": "true and false",
    "date": "dates",
    "list": "lists such as S|M|L",
}

Place = TypeVar("Place")


class Odd(NamedTuple, Generic[Place]):
    """A column that stays text although most of its cells could be something else.

    Attributes:
        column: its name.
        what: what its cells are, in words.
        cell: one that is not; None if all are.
        place: where that cell stands, as it was given to `see`.
    """

    column: str
    what: str
    cell: str | None
    place: Place | None

    def words(self, at: str | None = None) -> str:
        """A sentence about the column; `at` says in words where the cell stands."""
        place = f" ({at})" if at else ""
        but = "" if self.cell is None else f", but {shown(self.cell, 60)}{place} is not"
        return f"column {shown(self.column)} stays text: {self.what}{but}"


class ColumnTypes(Generic[Place]):
    """The types of the columns of a file.

    Texts may stand for numbers, true and false, dates and lists (data/parsing/cells.py). A column has a type if all of
    its cells are written in one way; otherwise it is text.
    """

    def __init__(self) -> None:
        """No columns yet."""
        self._columns: dict[str, _Column[Place]] = {}
        self._found: dict[str, ColumnType] | None = None

    def see(self, row: Mapping[str, object], place: Place | None = None) -> None:
        """Takes in the cells of a row; None and "" are no values and say nothing.

        Args:
            row: cells by column.
            place: where it stands; what `odd` says of a cell that stands out.
        """
        self._found = None
        for name, cell in row.items():
            if is_blank(cell):
                continue
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Column(name in ALWAYS_TEXT)
            column.see(cell, place)

    def found(self) -> dict[str, ColumnType]:
        """The type of each column that has one."""
        if self._found is None:
            types = {name: column.type() for name, column in self._columns.items()}
            self._found = {name: column_type for name, column_type in types.items() if column_type is not None}
        return self._found

    def typed(self, name: str, cell: object) -> Value | None:
        """A cell as the type of its column.

        Raises:
            DataError: it is not finite, or a date that does not exist.
        """
        column_type: ColumnType = self.found().get(name, "text")
        if isinstance(cell, str) and column_type != "text":
            cell = self._columns[name].plain(cell.strip(), column_type)
        return typed(name, cell, column_type)

    def typed_row(self, row: Mapping[str, object]) -> dict[str, Value]:
        """The values of a row; without the columns that have none. Raises as `typed` does."""
        values = {name: self.typed(name, cell) for name, cell in row.items() if not is_blank(cell)}
        return {name: value for name, value in values.items() if value is not None}

    def odd(self) -> list[Odd[Place]]:
        """The columns that stay text although most of their cells could be something else."""
        types = self.found()
        odd = (column.odd(name) for name, column in self._columns.items() if types.get(name) == TEXT)
        return [column for column in odd if column is not None]


class _Column(Generic[Place]):
    """What all cells of a column may be, and what else must be known to tell."""

    def __init__(self, always_text: bool) -> None:
        self._always_text = always_text
        self._possible: frozenset[str] | None = None
        self._filled = 0
        self._counts: Counter[str] = Counter()  # of the first cells, how many have a form
        self._others: dict[str, tuple[str, Place | None]] = {}  # the first cell that is not of a kind
        self._words: set[str] = set()
        self._day_first: set[bool] = set()  # what the dates that have one meaning only say
        self._either = False  # whether a date may be two
        self._marked: Counter[str] = Counter()
        self._elements: set[str] = set()
        self._total = 0
        self._numeric = True

    def see(self, cell: object, place: Place | None) -> None:
        if self._always_text:
            self._possible = TEXT_ONLY
            return
        if self._possible == TEXT_ONLY and self._filled >= LOOK_AT and isinstance(cell, str):
            return
        cell = unboxed(cell)
        forms = forms_of_text(cell) if isinstance(cell, str) else _forms(cell)
        if forms is None:  # `typed` will refuse it
            return
        self._filled += 1
        if self._filled <= LOOK_AT:
            self._counts.update(forms)
        before = self._possible
        self._possible = forms if before is None else before & forms
        if isinstance(cell, str):
            self._look(cell, forms)
        for kind in _SAID:
            if kind not in self._others and not _has(self._possible, kind):
                self._others[kind] = (str(cell), place)

    def _look(self, cell: str, forms: frozenset[str]) -> None:
        """What a text says beyond its forms."""
        if len(forms) == 1:
            return
        if _has(forms, "boolean"):
            self._words.add(cell.lower())
        mark = mark_of(cell)
        if mark and list_form(mark) in forms:
            self._marked[mark] += 1
        if any(list_form(mark) in forms for mark in MARKS):
            elements = elements_of(cell, mark)
            self._total += len(elements)
            self._numeric = self._numeric and all(map(is_number, elements))
            if len(self._elements) <= _MOST_ELEMENTS:
                self._elements.update(elements)
        if parts := DATE_PARTS.fullmatch(cell):
            left, right = int(parts["left"]), int(parts["right"])
            self._day_first.update({True} if left > 12 else {False} if right > 12 else set())
            self._either = self._either or (left != right and max(left, right) <= 12)

    def type(self) -> ColumnType | None:
        """The type; None for a column without values."""
        if self._possible is None:
            return None
        if not self._possible:  # lists beside single values: these will be refused
            return "texts"
        types = [type_of_form(form) for form in self._possible if self._holds(form)]
        if self._mark() is not None:
            types.append("numbers" if self._numeric else "texts")
        return first(types)

    def _holds(self, form: str) -> bool:
        """Whether the whole column is written so, beyond what each cell says."""
        if form.startswith("list"):
            return False
        if form.startswith("boolean"):
            return form == truth_form(*TRUTH[0]) or any(
                form == truth_form(*pair) and self._words >= set(pair) for pair in TRUTH
            )
        if form.startswith("date "):
            return len(self._day_first) < 2 and (form == date_form(".") or bool(self._day_first) or not self._either)
        return True

    def _mark(self) -> str | None:
        """The mark of the lists that the column holds, if it does."""
        for mark in MARKS:
            if self._possible and list_form(mark) in self._possible and self._marked[mark] >= _LISTED * self._filled:
                if mark == "," and self._count(NUMBER) >= MOSTLY * min(self._filled, LOOK_AT):
                    return None  # prices such as 59,90, and a word among them
                repeats = 2 * len(self._elements) <= self._total and len(self._elements) <= _MOST_ELEMENTS
                return mark if self._marked[mark] and (mark == "|" or repeats) else None
        return None

    def _count(self, kind: str) -> int:
        """Of the first cells, how many are of a kind, in its most frequent form."""
        return max((self._counts[form] for form in self._counts if form.split(" ")[0] == kind), default=0)

    def plain(self, cell: str, column_type: ColumnType) -> object:
        """A text as `typed` reads it without knowing the column: dates in ISO form, lists as lists."""
        if column_type == "date" and DATE_PARTS.fullmatch(cell):
            return iso_date(cell, next(iter(self._day_first), None))
        if column_type in ("numbers", "texts") and not cell.startswith("[") and (mark := self._mark()) is not None:
            return elements_of(cell, mark)
        return cell

    def odd(self, name: str) -> Odd[Place] | None:
        """What stands out in a column of texts."""
        looked = min(self._filled, LOOK_AT)
        for kind, what in _SAID.items():
            count = self._count(kind)
            if kind == "list":
                count = min(count, max(self._marked.values(), default=0))
            if count < 2 or count < (_LISTED if kind == "list" else MOSTLY) * looked:
                continue
            of = f"{count:,} of {looked:,} cells are {what}" if count < looked else f"its cells are {what}"
            if kind in self._others:
                cell, place = self._others[kind]
                if cell.isdecimal():  # the code of an article, such as 007
                    return None
                return Odd(name, of, cell, place)
            if kind == "date":
                why = "they differ in" if self._day_first else "nothing says"
                return Odd(name, f"{of}, and {why} which number is the day", None, None)
            if kind == "boolean":
                return Odd(name, f"all of its cells are {shown(next(iter(self._words)))}", None, None)
        return None


def _forms(value: object) -> frozenset[str] | None:
    """The forms of a value of JSON or Parquet; single ones may stay texts beside others."""
    forms = forms_of_value(value)
    return forms if forms is None or isinstance(value, list) else forms | TEXT_ONLY


def _has(forms: frozenset[str], kind: str) -> bool:
    return any(form.split(" ")[0] == kind for form in forms)
