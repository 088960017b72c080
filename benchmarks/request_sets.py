"""Sets of short requests about a catalogue with columns, of which every item with all hard facts is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.data.requests.columns import CatalogueColumns
from fashion_hash.data.requests.judged import JudgedRequests
from fashion_hash.data.requests.table import RequestData, Requests

PLAIN, OFFICE, PRICE, NOT = (
    "<colour> <kind>",
    "a <colour> <kind> for the office",
    "<colour> <kind> under <price>",
    ("<kind>, not <colour>"),
)
SETS = (PLAIN, OFFICE, PRICE, NOT)
REQUESTS, LEAST = 120, 2


def request_sets(data: RequestData, seed: int = 0) -> JudgedRequests:
    """120 pairs of a colour and a kind that at least two items have, each said in the four ways of `SETS`.

    The kind of a request is the name of its set; users are drawn. What is called taken is the first item that fits.
    """
    columns, rng = CatalogueColumns(data), generator(seed, "request sets")
    everything = np.ones(data.num_items, dtype=bool)
    pairs = [
        (colour, kind)
        for kind in columns.values("kind", everything)
        for colour in columns.values("colour", everything)
        if (columns.having("colour", colour) & columns.having("kind", kind)).sum() >= LEAST
    ]
    chosen = sorted(rng.permutation(len(pairs))[:REQUESTS].tolist())
    texts, kinds = [], []
    hard: list[np.ndarray] = []
    satisfying: list[np.ndarray] = []
    for colour, kind in (pairs[at] for at in chosen):
        both = columns.having("colour", colour) & columns.having("kind", kind)
        smart = columns.having("formality", "smart")
        most = int(5 * np.ceil(np.sort(columns.prices[both])[LEAST - 1] / 5))
        left = columns.having("kind", kind) & columns.without("colour", colour)
        for name, text, fits, also in (
            (PLAIN, f"{colour} {kind}", both, everything),
            (OFFICE, f"a {colour} {kind} for the office", both, smart),
            (PRICE, f"{colour} {kind} under {most}", both & (columns.prices <= most), everything),
            (NOT, f"{kind}, not {colour}", left, everything),
        ):
            kinds.append(name)
            texts.append(text)
            hard.append(np.flatnonzero(fits))
            satisfying.append(np.flatnonzero(fits & also))
    users = rng.integers(len(data.users), size=len(texts))
    return JudgedRequests(
        Requests.of(users, [rows[0] for rows in hard], texts), tuple(kinds), tuple(hard), tuple(satisfying)
    )


def facts_alone(data: RequestData, sets: JudgedRequests) -> Mapping[str, JudgedRequests]:
    """The plain requests with one fact of the two as what is asked for: which of them an answer loses."""
    columns = CatalogueColumns(data)
    plain = sets[np.array([at for at, kind in enumerate(sets.kinds) if kind == PLAIN])]
    alone = {}
    for name in ("kind", "colour"):
        values = [str(columns.details[int(row)][name]) for row in plain.requests.items]
        rows = tuple(np.flatnonzero(columns.having(name, value)) for value in values)
        alone[name] = JudgedRequests(plain.requests, plain.kinds, rows, rows)
    return alone
