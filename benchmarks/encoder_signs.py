"""How many signs of random projections of an untrained encoder it takes to keep the facts of short requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.data.requests.judged import JudgedRequests, row_mask
from fashion_hash.evaluation.judged import adherence_at
from fashion_hash.training.requests.inputs import RequestInputs

LENGTHS = (64, 128, 256, 512, 1024, 2048)
FLOATS = "floats"
PROJECTIONS = 3  # drawn for each length; the figures are their means


def sign_adherence(
    inputs: RequestInputs, asked: Mapping[str, JudgedRequests], seed: int = 0, lengths: Sequence[int] = LENGTHS
) -> dict[str, dict[str, float]]:
    """Adherence@2 by the encoder alone, in floats and in signs, by what is asked for.

    Args:
        inputs: the encoder and the vectors of the items.
        asked: the same requests, judged by both facts and by each alone.
        seed: of the projections.
        lengths: how many signs.

    Returns:
        {"floats" or the number of signs: {name of `asked`: share}}; names with ", real request" compare the values of
        the request, not their signs, with the signs of the items.
    """
    texts = next(iter(asked.values())).requests.texts
    vectors, rows = inputs.vectors(texts)
    words, items = vectors[rows].astype(np.float64), inputs.item_features.astype(np.float64)
    rng = generator(seed, "signs")
    figures = {FLOATS: _shares(words @ items.T, asked)}
    for length in lengths:
        drawn = [rng.normal(size=(items.shape[1], length)) for _ in range(PROJECTIONS)]
        signs = [_shares(np.sign(words @ project) @ np.sign(items @ project).T, asked) for project in drawn]
        real = [_shares((words @ project) @ np.sign(items @ project).T, asked) for project in drawn]
        figures[str(length)] = {
            **{name: float(np.mean([shares[name] for shares in signs])) for name in asked},
            **{f"{name}, real request": float(np.mean([shares[name] for shares in real])) for name in asked},
        }
    return figures


def _shares(scores: np.ndarray, asked: Mapping[str, JudgedRequests]) -> dict[str, float]:
    num_items = scores.shape[1]
    return {
        name: float(np.nanmean(adherence_at(scores, row_mask(judged.hard, num_items), 2)))
        for name, judged in asked.items()
    }
