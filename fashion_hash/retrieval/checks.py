"""Checks of the numbers that callers pass: counts, weights, seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fashion_hash.errors import QueryError, shown, suggest

# one bit in a hundred for one point of the score: outfits around one item differ by a few points, so that items
# that match about equally compete by their outfits
REQUEST_WEIGHT, MOST_WEIGHT = 100.0, 10_000.0


def check_count(name: str, number: object) -> int:
    """Returns a count. Raises QueryError unless it is a whole number and at least 1."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise QueryError(f"{name} must be a whole number, got {shown(number)}")
    if number < 1:
        raise QueryError(f"{name} must be at least 1, got {number}")
    return int(number)


def check_weight(weight: object) -> float:
    """Returns the weight of a request. Raises QueryError unless it is a number from 0 to MOST_WEIGHT."""
    is_number = not isinstance(weight, bool) and isinstance(weight, int | float | np.integer | np.floating)
    if not is_number or not math.isfinite(weight) or not 0 <= weight <= MOST_WEIGHT:  # type: ignore[arg-type, operator]
        raise QueryError(f"weight must be a number from 0 (scores alone) to {MOST_WEIGHT:,.0f}, got {shown(weight)}")
    return float(weight)  # type: ignore[arg-type]


def check_seconds(seconds: object) -> float:
    """Returns a time limit. Raises QueryError unless it is a number above 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise QueryError(f"seconds must be a number above 0, got {shown(seconds)}")
    return float(seconds)


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
