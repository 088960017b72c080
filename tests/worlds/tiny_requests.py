"""Small request data made by hand: words name a colour, people keep to one fabric, an item is both."""

from __future__ import annotations

from itertools import product

import numpy as np

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests

COLOURS = ("red", "blue", "green", "black", "white", "pink")
FABRICS = ("linen", "wool", "silk", "denim")
ASKED = ("something {} please", "do you have a {} one", "{} for the weekend", "I want it {}", "{}")


def tiny_requests(
    users: int = 40,
    events: int = 12,
    pieces: int = 2,
    kinds: tuple[str, ...] = ("item",),
    domain: str = "piece",
    seed: int = 0,
    timed: bool = True,
) -> RequestData:
    """Neither words nor taste alone tell the item: words tell its colour, the person its fabric.

    Args:
        pieces: items of each colour and fabric.
        kinds: item types; items are dealt out to them in turn.
        domain: a word of every description.
        timed: whether events have times.
    """
    rng = np.random.default_rng(seed)
    items = list(product(COLOURS, FABRICS, range(pieces)))
    order = [row for at in range(len(kinds)) for row in range(at, len(items), len(kinds))]
    items = [items[row] for row in order]
    sizes = [len(range(at, len(items), len(kinds))) for at in range(len(kinds))]
    bounds = np.cumsum([0, *sizes])
    ids = [f"{colour}-{fabric}-{number}" for colour, fabric, number in items]
    words = [f"{colour} {domain} of {fabric}" for colour, fabric, _ in items]
    rows: dict[str, list[tuple[int, int, str, int]]] = {"train": [], "valid": [], "test": []}
    for user in range(users):
        liked = [row for row, item in enumerate(items) if item[1] == FABRICS[user % len(FABRICS)]]
        for number in range(events):
            row = int(rng.choice(liked))
            split = "test" if number == events - 1 else "valid" if number == events - 2 else "train"
            text = ASKED[rng.integers(len(ASKED))].format(items[row][0])
            rows[split].append((user, row, text, 1000 + number if timed else 0))
    rows["train"].append((NOBODY, 0, "red", 0))
    return RequestData(
        f"tiny {domain}",
        Vocabulary([f"u{user}" for user in range(users)], "user"),
        {kind: Vocabulary(ids[low:high], kind) for kind, low, high in zip(kinds, bounds, bounds[1:])},
        {name: Requests.of(*([one[at] for one in table] for at in range(4))) for name, table in rows.items()},
        {kind: tuple(words[low:high]) for kind, low, high in zip(kinds, bounds, bounds[1:])},
    )


def tiny_request_values(**sections: object) -> dict[str, object]:
    """A configuration for `tiny_requests`, as plain values."""
    values: dict[str, object] = {
        "name": "tiny",
        "data": {"format": "request_table", "root": "unused"},
        "encoder": {"dim": 32},
        "requests": {"num_bits": 64, "hidden": 32},
        "optimiser": {"rates": {"text": 0.01, "towers": 0.01, "item": 0.02, "user": 0.02}},
        "train": {"epochs": 4, "batch_size": 64, "steps": 10, "select_from": 10},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section  # type: ignore[dict-item]
    return values
