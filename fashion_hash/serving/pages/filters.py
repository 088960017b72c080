"""Filters made from the catalogue's own columns: few values are chips, numbers a slider, many values a search box."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, shown
from fashion_hash.presentation.details import PRICE
from fashion_hash.retrieval.filters.columns import FLAG, LIST, NUMBER, TEXT, ItemColumns
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.pages.visit import Visit

FEW, MANY = 8, 60  # values that are chips; values that a search box proposes
MOST_MENUS, BARS, SAMPLE = 12, 24, 4_000
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Menu:
    """How a column is filtered.

    Attributes:
        name: of the column.
        label: the name as it is read.
        kind: "chips", "flag", "range" or "search".
        parameter: of the address.
        values: texts with how many items have each, commonest first.
        least, greatest, step: of a range.
        bars: heights of the histogram of a range, 0 to 100.
        types: item types that have the column.
    """

    name: str
    label: str
    kind: str
    parameter: str
    values: tuple[tuple[str, int], ...] = ()
    least: float = 0.0
    greatest: float = 0.0
    step: float = 1.0
    bars: tuple[int, ...] = ()
    types: tuple[str, ...] = ()


_MENUS: WeakKeyDictionary[Recommender, tuple[tuple[str, int], list[Menu]]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def menus(recommender: Recommender) -> list[Menu]:
    """The menus of a catalogue; made again only when its items changed."""
    snapshot = recommender.live.now()
    state = (str(snapshot.bundle.path), snapshot.items_seq)
    with _LOCK:
        if recommender not in _MENUS or _MENUS[recommender][0] != state:
            _MENUS[recommender] = state, _made(recommender)
        return _MENUS[recommender][1]


def where_of(visit: Visit, recommender: Recommender) -> dict[str, Any] | None:
    """What the filters of an address mean, in the language of retrieval/filters/language.py; None for none.

    Raises:
        QueryError: a number that is none, or a column that the catalogue does not have.
    """
    if not visit.filters:
        return None
    tables = recommender.columns()
    conditions: dict[str, dict[str, Any]] = {}
    totals: dict[str, dict[str, float]] = {}
    for parameter, value in visit.filters:
        form, _, name = parameter.partition(".")
        if form == "sum":
            totals[name] = {"<=": _number(parameter, value)}
        elif form in ("min", "max"):
            conditions.setdefault(name, {})[">=" if form == "min" else "<="] = _number(parameter, value)
        elif form == "has":
            conditions.setdefault(name, {})["contains"] = value
        elif value in (YES, NO) and _holds(tables, name, FLAG):
            conditions.setdefault(name, {})["="] = value == YES
        else:
            word = "overlaps" if _holds(tables, name, LIST) else "in"
            conditions.setdefault(name, {}).setdefault(word, []).append(value)
    where: dict[str, Any] = {"total": totals} if totals else {}
    for name, condition in conditions.items():
        types = [item_type for item_type, table in tables.items() if name in table.names]
        if len(types) in (0, len(tables)):
            where.setdefault("columns", {})[name] = condition
        else:  # what only some types have is asked of these alone
            for item_type in types:
                where.setdefault(item_type, {}).setdefault("columns", {})[name] = condition
    return where


def chosen(visit: Visit) -> list[tuple[str, tuple[str, str]]]:
    """The filters of an address in words, each with its parameter: "season: summer", "price at most 40"."""
    words = {"is": "{0}: {1}", "min": "{0} at least {1}", "max": "{0} at most {1}", "has": "{0}: {1}"}
    said = []
    for parameter, value in visit.filters:
        form, _, name = parameter.partition(".")
        label = name.replace("_", " ")
        said.append((words.get(form, "{0} together at most {1}").format(label, value), (parameter, value)))
    return said


def _number(parameter: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"the filter {parameter} must be a number, got {shown(value)}")
    return number


def _holds(tables: Mapping[str, ItemColumns], name: str, kind: int) -> bool:
    return any(name in table.names and kind in table.held(name) for table in tables.values())


def _made(recommender: Recommender) -> list[Menu]:
    tables = recommender.columns()
    names = list(dict.fromkeys(name for table in tables.values() for name in table.names))
    made = [menu for name in names if (menu := _menu(recommender, tables, name)) is not None]
    order = {"range": 0, "flag": 1, "chips": 2, "search": 3}
    return sorted(made, key=lambda menu: order[menu.kind])[:MOST_MENUS]


def _menu(recommender: Recommender, tables: Mapping[str, ItemColumns], name: str) -> Menu | None:
    """How a column is filtered; None for one that describes single items, such as a title."""
    having = {item_type: table for item_type, table in tables.items() if name in table.names}
    held = {kind for table in having.values() for kind in table.held(name)}
    label, types = name.replace("_", " "), tuple(having)
    if held == {FLAG}:
        return Menu(name, label, "flag", f"is.{name}", types=types)
    if held == {NUMBER}:
        is_price = re.sub(r"[^a-z0-9]", "", name.lower()) in PRICE
        values = _totals(recommender, tables, name) if is_price else np.concatenate(_numbers(having, name))
        return _range(Menu(name, label, "range", f"{'sum' if is_price else 'max'}.{name}", types=types), values)
    if held != {TEXT} or name == "title":
        return None
    counts: Counter[str] = Counter()
    for table in having.values():
        kinds, places, texts = table.column(name)
        for place, count in zip(*np.unique(places[kinds == TEXT].astype(np.int64), return_counts=True)):
            counts[texts[int(place)]] += int(count)
    if len(counts) < 2 or len(counts) > max(FEW, sum(counts.values()) // 4):
        return None
    commonest = tuple(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MANY])
    return Menu(name, label, "chips" if len(counts) <= FEW else "search", f"is.{name}", commonest, types=types)


def _numbers(tables: Mapping[str, ItemColumns], name: str) -> list[np.ndarray]:
    columns = (table.column(name) for table in tables.values())
    return [values[kinds == NUMBER] for kinds, values, _ in columns]


def _totals(recommender: Recommender, tables: Mapping[str, ItemColumns], name: str) -> np.ndarray:
    """What the outfits of the pool cost together, of a sample of them."""
    snapshot = recommender.live.now()
    rows = np.unique(np.linspace(0, max(0, len(snapshot.ids) - 1), min(SAMPLE, len(snapshot.ids))).astype(np.int64))
    items, total = snapshot.items_of(rows), np.zeros(len(rows))
    for slot, item_type in enumerate(snapshot.bundle.slots):
        if name not in tables[item_type].names:
            return np.zeros(0)
        kinds, values, _ = tables[item_type].column(name)
        filled = items[:, slot] != EMPTY
        places = np.where(filled, items[:, slot], 0)
        total += np.where(filled, np.where(kinds[places] == NUMBER, values[places], np.nan), 0.0)
    return total[np.isfinite(total)]


def _range(menu: Menu, values: np.ndarray) -> Menu | None:
    if not len(values) or values.min() == values.max():
        return None
    step = 10.0 ** math.floor(math.log10((values.max() - values.min()) / 20))
    least, greatest = math.floor(values.min() / step) * step, math.ceil(values.max() / step) * step
    counts, _ = np.histogram(values, BARS, (least, greatest))
    bars = tuple(math.ceil(100 * count / counts.max()) for count in counts.tolist())
    return Menu(
        menu.name, menu.label, "range", menu.parameter, (), round(least, 6), round(greatest, 6), step, bars, menu.types
    )


def effective(visit: Visit, recommender: Recommender) -> Visit:
    """The visit without filters that let everything pass: sliders that stand at their end, chips "either"."""
    ends = {menu.parameter: menu.greatest for menu in menus(recommender) if menu.kind == "range"}
    idle: Sequence[tuple[str, str]] = [
        (parameter, value)
        for parameter, value in visit.filters
        if parameter in ends and _number(parameter, value) >= ends[parameter]
    ]
    return visit.without_filters(idle) if idle else visit
