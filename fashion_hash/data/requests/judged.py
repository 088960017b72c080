"""Judged requests: beside the item that was taken, every item of the catalogue that a request asks for.

A request names facts. Some are hard (kind, colour, brand, price, what is not wanted), some are soft (an occasion, a
season, a style). What an item has is known from the catalogue, never from the reading of the words, so that a reader of
requests can be measured with it.

Shapes: N requests, C items of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fashion_hash.data.requests.table import Requests
from fashion_hash.errors import DataError


@dataclass(frozen=True)
class JudgedRequests:
    """Requests with their judgements; all rows are aligned.

    Attributes:
        requests: who asked, in which words, and which item they took.
        kinds: (N,) the kind of each request, such as "price"; metrics are also given by kind.
        hard: for each request, the rows of the catalogue with every hard fact that it names, ascending.
        satisfying: for each request, the rows with every fact that it names, hard and soft; they are among `hard`.
    """

    requests: Requests
    kinds: tuple[str, ...]
    hard: tuple[np.ndarray, ...]
    satisfying: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.requests), len(self.kinds), len(self.hard), len(self.satisfying)}
        if len(lengths) > 1:
            raise DataError(f"judged requests of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, rows: slice | np.ndarray) -> JudgedRequests:
        chosen = np.arange(len(self))[rows].tolist()
        return JudgedRequests(
            self.requests[rows],
            tuple(self.kinds[row] for row in chosen),
            tuple(self.hard[row] for row in chosen),
            tuple(self.satisfying[row] for row in chosen),
        )

    def anonymous(self) -> JudgedRequests:
        """The same requests, asked by nobody in particular."""
        return replace(self, requests=self.requests.anonymous())


def row_mask(rows: Sequence[np.ndarray], num_items: int) -> np.ndarray:
    """(N, C) bool, True at the rows of the catalogue that are listed for each request."""
    mask = np.zeros((len(rows), num_items), dtype=bool)
    for request, listed in enumerate(rows):
        mask[request, listed] = True
    return mask
