"""Columns of the catalogue as features: numbers, dates, true and false, texts and lists of texts (numpy only).

A number is a value of mean 0 and deviation 1, the same of its logarithm, and its place between quantiles of the
training items: a weight for the quantile below it and one for that above it, so that a linear head can give each part
of the numbers a code of its own. A date is the number of its days. A text is one of the most frequent values of its
column. An encoder is fitted on training items and saved as JSON, so that new items are encoded as those of the training
are.

Shapes: N items, F features, Q quantiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from fashion_hash.core.files import atomic_folder, write_json
from fashion_hash.core.manifest import check_fields, read_json
from fashion_hash.data.columns import ColumnType, microseconds, typed
from fashion_hash.errors import BundleError, FeatureError, shown

FORMAT, FORMAT_VERSION = "fashion_hash attributes", 1
ITEM_ID = "item_id"
"""The name of a number in the id of an item among the columns."""

USABLE: tuple[ColumnType, ...] = ("number", "date", "boolean", "text", "texts")
LEAST = 2  # a text that fewer training items have says nothing of others
FARTHEST = 5.0  # deviations: a number beyond them counts as so far away
FIELDS = {"format": str, "version": int, "columns": list}
COLUMN = {
    "name": str,
    "type": frozenset(get_args(ColumnType)),
    "values": (list, str),
    "knots": list,
    "scales": list,
}
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class AttributeColumn:
    """One column.

    Attributes:
        name: of the column, or "item_id" for the number in the id.
        type: of its values.
        values: of texts, those that have a feature each.
        knots: (Q,) of numbers, the quantiles, ascending and distinct.
        scales: of numbers, mean and deviation of the values and of their logarithms.
    """

    name: str
    type: ColumnType
    values: tuple[str, ...] = ()
    knots: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers or dates."""
        return self.type in ("number", "date")

    @property
    def width(self) -> int:
        """How many features it has."""
        return 2 + len(self.knots) if self.scales else len(self.values)

    def cells(self, items: Sequence[Mapping[str, object]]) -> list[Any]:
        """The values of items, None where there is none. Raises DataError for one of another type."""
        if self.name == ITEM_ID:
            return [_number_in(item.get(ITEM_ID)) for item in items]
        return [typed(self.name, item.get(self.name), self.type) for item in items]

    def encode(self, items: Sequence[Mapping[str, object]]) -> tuple[np.ndarray, np.ndarray]:
        """(N, width) float32, and (N,) bool: whether an item has a value."""
        cells = self.cells(items)
        known = np.array([cell is not None for cell in cells], dtype=bool)
        features = np.zeros((len(items), self.width), dtype=np.float32)
        if self.is_number:
            features[known] = self._of_numbers(_numbers([cell for cell in cells if cell is not None]))
            return features, known
        place = {value: number for number, value in enumerate(self.values)}
        for row, cell in enumerate(cells):
            for value in () if cell is None else _texts(cell):
                if value in place:
                    features[row, place[value]] = 1.0
        return features, known

    def _of_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """(N, 2 + Q) of numbers (N,)."""
        centre, scale, log_centre, log_scale = self.scales
        plain = np.stack([(numbers - centre) / scale, (_log(numbers) - log_centre) / log_scale], axis=1)
        knots = np.array(self.knots)
        places = np.zeros((len(numbers), len(knots)))
        if len(knots) > 1:
            within = np.clip(numbers, knots[0], knots[-1])
            below = np.clip(np.searchsorted(knots, within, side="right") - 1, 0, len(knots) - 2)
            share = (within - knots[below]) / (knots[below + 1] - knots[below])
            rows = np.arange(len(numbers))
            places[rows, below], places[rows, below + 1] = 1 - share, share
        return np.concatenate([plain.clip(-FARTHEST, FARTHEST), places], axis=1)


@dataclass(frozen=True)
class AttributeVectors:
    """Turns columns of items into features.

    >>> items = [{"price": 10, "colour": "red"}, {"price": 30, "colour": "red"}, {"price": 30}]
    >>> encoder = AttributeVectors.fit(items, {"price": "number", "colour": "text"}, quantiles=2)
    >>> encoder.dim, encoder.encode([{"price": 20.0}])[0][0, 2:].tolist()
    (5, [0.5, 0.5, 0.0])

    Attributes:
        columns: in the order of their features.
    """

    columns: tuple[AttributeColumn, ...]

    @property
    def dim(self) -> int:
        """F, the length of a feature."""
        return sum(column.width for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @classmethod
    def fit(
        cls,
        items: Sequence[Mapping[str, object]],
        types: Mapping[str, ColumnType],
        quantiles: int = 32,
        categories: int = 100,
    ) -> AttributeVectors:
        """Learns means, quantiles and frequent values.

        Args:
            items: the training items: their columns, and "item_id" where the number in it is used.
            types: of the columns that are used, by name; "item_id" is a number.
            quantiles: Q, at most; numbers with fewer distinct quantiles have fewer.
            categories: at most so many values of a column of texts, the most frequent ones.

        Raises:
            FeatureError: no column has anything to tell items apart by.
        """
        columns = [_fitted(name, types[name], items, quantiles, categories) for name in types]
        used = tuple(column for column in columns if column.width)
        if not used:
            raise FeatureError(
                f"attributes: none of the columns {', '.join(map(shown, types))} tells training items apart: name "
                "others, or leave the section out"
            )
        return cls(used)

    def encode(self, items: Sequence[Mapping[str, object]]) -> tuple[np.ndarray, np.ndarray]:
        """Features of items.

        Args:
            items: their columns by name, and "item_id"; other keys are ignored.

        Returns:
            (N, F) float32, and (N,) bool: False for an item without a value in any of the columns.

        Raises:
            DataError: a value is of another type than its column.
        """
        parts = [column.encode(items) for column in self.columns]
        return np.concatenate([of for of, _ in parts], axis=1), np.any([known for _, known in parts], axis=0)

    def save(self, folder: str | Path) -> None:
        """Writes a folder with everything as JSON."""
        with atomic_folder(folder) as temporary:
            columns = [
                {name: list(value) if isinstance(value, tuple) else value for name, value in vars(column).items()}
                for column in self.columns
            ]
            write_json(temporary / "attributes.json", {"format": FORMAT, "version": FORMAT_VERSION, "columns": columns})

    @classmethod
    def load(cls, folder: str | Path) -> AttributeVectors:
        """Reads what `save` wrote. Raises FeatureError when it is missing, broken or of another version."""
        path = Path(folder) / "attributes.json"
        try:
            manifest = read_json(path)
            check_fields(path, manifest, FIELDS)
            if (manifest["format"], manifest["version"]) != (FORMAT, FORMAT_VERSION):
                raise FeatureError(
                    f"{path} is {manifest['format']!r} version {manifest['version']}; this release reads {FORMAT!r} "
                    f"version {FORMAT_VERSION}: export the bundle again"
                )
            columns = tuple(_read(path, about) for about in manifest["columns"])
            if not columns:
                raise ValueError("it has no columns")
        except (BundleError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, FeatureError):
                raise
            raise FeatureError(f"{path} holds no readable columns ({error}): export the bundle again") from None
        return cls(columns)


def _fitted(
    name: str, column_type: ColumnType, items: Sequence[Mapping[str, object]], quantiles: int, categories: int
) -> AttributeColumn:
    """A column fitted to training items; of width 0 where it tells none of them apart."""
    column = AttributeColumn(name, column_type)
    cells = [cell for cell in column.cells(items) if cell is not None]
    if not column.is_number:
        counts = Counter(value for cell in cells for value in set(_texts(cell)))
        enough = [value for value in counts if counts[value] >= LEAST]
        frequent = sorted(enough, key=lambda value: (-counts[value], value))
        return AttributeColumn(name, column_type, tuple(frequent[:categories]))
    numbers = _numbers(cells)
    if not len(numbers) or numbers.min() == numbers.max():
        return column
    logs = _log(numbers)
    knots = np.unique(np.quantile(numbers, np.linspace(0, 1, quantiles))) if quantiles > 1 else np.zeros(0)
    scales = (numbers.mean(), numbers.std(), logs.mean(), logs.std())
    return AttributeColumn(name, column_type, (), tuple(map(float, knots)), tuple(map(float, scales)))


def _read(path: Path, about: dict[str, Any]) -> AttributeColumn:
    check_fields(path, about, COLUMN)
    knots, scales = (tuple(float(number) for number in about[key]) for key in ("knots", "scales"))
    column = AttributeColumn(about["name"], about["type"], tuple(about["values"]), knots, scales)
    whole = np.isfinite([*knots, *scales]).all() and (np.diff(knots) > 0).all()
    if column.type not in USABLE or not whole or (column.is_number and (len(scales) != 4 or min(scales[1::2]) <= 0)):
        raise ValueError(f"the column {shown(column.name)} has no usable numbers")
    return column


def _number_in(item_id: object) -> float | None:
    """The number that an id is; None for other ids."""
    text = str(item_id)
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _numbers(cells: Sequence[Any]) -> np.ndarray:
    """Numbers as they are, dates as days."""
    return np.array([microseconds(cell) / _DAY if isinstance(cell, str) else float(cell) for cell in cells])


def _texts(cell: object) -> Sequence[str]:
    """The values of a cell: a text, each text of a list, or true and false as words."""
    return cell if isinstance(cell, list) else [str(cell).lower() if isinstance(cell, bool) else str(cell)]


def _log(numbers: np.ndarray) -> np.ndarray:
    """The logarithm of 1 + the absolute number, with its sign."""
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)))
