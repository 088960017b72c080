"""Made-up sentence vectors for the sample's titles: dense, fixed for ever, and about their words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fashion_hash.core.seeds import generator

TEXT_DIM, TEXT_NORM = 2400, 5.0


def text_vectors(titles: Sequence[str], seed: int = 0) -> np.ndarray:
    """(N, 2400) float32 Dense vectors of titles, which stand in for sentence vectors.

    Every word and every pair of neighbouring words has a fixed Gaussian direction (seeded by its hash);
    a title is their sum, pairs at a third of the weight, scaled to norm 5 and with a little noise of its own.
    """
    directions: dict[str, np.ndarray] = {}

    def direction(term: str) -> np.ndarray:
        if term not in directions:
            rng = generator(0, "text", term)
            directions[term] = rng.normal(size=TEXT_DIM).astype(np.float32)
        return directions[term]

    vectors = np.zeros((len(titles), TEXT_DIM), dtype=np.float32)
    noise = generator(seed, "text noise")
    for row, title in enumerate(titles):
        words = title.lower().split()
        for word in words:
            vectors[row] += direction(word)
        for pair in pairwise(words):
            vectors[row] += 0.3 * direction(" ".join(pair))
        vectors[row] *= TEXT_NORM / np.linalg.norm(vectors[row])
        vectors[row] += (0.05 * TEXT_NORM / TEXT_DIM**0.5) * noise.standard_normal(TEXT_DIM, dtype=np.float32)
    return vectors
