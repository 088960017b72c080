"""Checks of the numbers that callers pass: counts, weights, seconds."""

from __future__ import annotations

import math

import numpy as np

from fashion_hash.errors import QueryError


def check_count(name: str, number: object) -> None:
    """Raises QueryError unless a number is whole and at least 1."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise QueryError(f"{name} = {number!r}: a whole number from 1 on")


# one bit in a hundred for one point of the score: outfits around one item differ by a few points, so that items
# that match about equally compete by their outfits
REQUEST_WEIGHT, MOST_WEIGHT = 100.0, 10_000.0


def check_weight(weight: float) -> None:
    """Raises QueryError unless a weight is a number from 0 to MOST_WEIGHT."""
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.floating) or not math.isfinite(weight):
        raise QueryError(f"weight = {weight!r}: a number from 0 (the score alone orders) to {MOST_WEIGHT:,.0f}")
    if not 0 <= weight <= MOST_WEIGHT:
        raise QueryError(f"weight = {weight}: a number from 0 (the score alone orders) to {MOST_WEIGHT:,.0f}")
