"""Checks of what callers pass: counts, weights, seconds, lists and mappings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fashion_hash.errors import QueryError, shown, suggest

# one bit in a hundred for one point of the score: outfits around one item differ by a few points, so that items
# that match about equally compete by their outfits
REQUEST_WEIGHT, MOST_WEIGHT = 100.0, 10_000.0
MAX_PER_EXAMPLE = '{"brand": 1}'


def check_count(name: str, number: object) -> int:
    """Returns a count. Raises QueryError unless it is a whole number and at least 1."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise QueryError(f"{name} must be a whole number, got {shown(number)}")
    if number < 1:
        raise QueryError(f"{name} must be at least 1, got {number}")
    return int(number)


def check_skip(skip: object) -> int:
    """Returns how many hits to skip. Raises QueryError unless it is a whole number and at least 0."""
    if isinstance(skip, bool) or not isinstance(skip, int | np.integer):
        raise QueryError(f"skip must be a whole number, got {shown(skip)}")
    if skip < 0:
        raise QueryError(f"skip must be at least 0, got {skip}")
    return int(skip)


def check_weight(weight: object) -> float:
    """Returns the weight of a request. Raises QueryError unless it is a number from 0 to MOST_WEIGHT."""
    is_number = not isinstance(weight, bool) and isinstance(weight, int | float | np.integer | np.floating)
    if not is_number or not math.isfinite(weight) or not 0 <= weight <= MOST_WEIGHT:  # type: ignore[arg-type, operator]
        raise QueryError(f"weight must be a number from 0 (scores alone) to {MOST_WEIGHT:,.0f}, got {shown(weight)}")
    return float(weight)  # type: ignore[arg-type]


def check_taste(taste: object) -> float:
    """Returns the weight of taste. Raises QueryError unless it is a number from 0 to 1."""
    is_number = not isinstance(taste, bool) and isinstance(taste, int | float | np.integer | np.floating)
    if not is_number or not 0 <= taste <= 1:  # type: ignore[operator]
        raise QueryError(
            f"taste must be a number from 0 (what goes together) over 0.5 (as trained) to 1 (what is liked), "
            f"got {shown(taste)}"
        )
    return float(taste)  # type: ignore[arg-type]


def check_seconds(seconds: object) -> float:
    """Returns a time limit. Raises QueryError unless it is a number above 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise QueryError(f"seconds must be a number above 0, got {shown(seconds)}")
    return float(seconds)


def check_mapping(name: str, value: object, example: str) -> Mapping[str, Any]:
    """Returns a mapping, an empty one for None. Raises QueryError for anything else.

    Args:
        name: of the argument, for the message.
        value: what was passed.
        example: of a mapping, for the message.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise QueryError(f"{name} must be a mapping such as {example}, got {shown(value)}")
    return value


def check_list(name: str, value: object, what: str) -> list[Any]:
    """Returns the values of a list, or of another collection. Raises QueryError for a text, a number, a mapping ...

    Args:
        name: of the argument, for the message.
        value: what was passed.
        what: what the list holds, for the message.
    """
    is_table = isinstance(value, np.ndarray) and value.ndim > 1
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping) or is_table or not isinstance(value, Iterable):
        raise QueryError(f"{name} must be a list of {what}, got {shown(value)}")
    try:
        return list(value)
    except TypeError:  # an array without dimensions
        raise QueryError(f"{name} must be a list of {what}, got {shown(value)}") from None


def check_types(types: object) -> list[str]:
    """Returns item types or slot names. Raises QueryError unless they are a list of texts."""
    names = check_list("types", types, "item types or slot names")
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise QueryError(f"types must be a list of item types or slot names, got {shown(wrong[0])} in it")
    return names


def check_options(call: str, options: Mapping[str, object], known: type) -> None:
    """Raises TypeError for a keyword option that a method does not have.

    Args:
        call: the method, for the message.
        options: the keyword options of a call.
        known: the TypedDict of the method's options.
    """
    names = sorted(known.__optional_keys__)  # type: ignore[attr-defined]
    for name in options:
        if name not in names:
            near = suggest(name, names)
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}{near}: it takes {', '.join(names)}")
