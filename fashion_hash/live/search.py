"""The best of a snapshot: the engine over the files, a scan of what was added, merged.

Added outfits are scored twice: all of them in float32, whose error is bounded, then exactly those
that may be among the best. Scores and ties (by outfit id) are those of brute force over all outfits
that are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.codes import WEIGHT_ONE, Packed, unpack
from fashion_hash.index import exact
from fashion_hash.index.engine import NOTHING, Ranking
from fashion_hash.live.snapshot import Snapshot


def search(
    snapshot: Snapshot,
    user_codes: Packed,
    k: int,
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | None = None,
) -> list[Ranking]:
    """The best outfits for each of many users.

    Args:
        snapshot: what is there.
        user_codes: (U, D / 8) uint8, packed.
        k: how many, at least 1; fewer come back where fewer are left.
        excludes: for each user distinct rows that must not come back.
        allowed: (N + A,) bool, the rows that may come back to anyone; by default all that are there.

    Returns:
        For each user rows and scores, best first, ties by id.
    """
    if snapshot.alive is not None:
        allowed = snapshot.alive if allowed is None else allowed & snapshot.alive
    count = len(snapshot.base.pool)
    apart = [NOTHING] * len(user_codes) if excludes is None else excludes
    of_files = [rows[rows < count] for rows in apart]
    engine, first = snapshot.base.engine, None if allowed is None else allowed[:count]
    if len(user_codes) == 1:
        found = [engine.search(user_codes[0], k, of_files[0], first)]
    else:
        found = engine.search_many(user_codes, k, of_files, first)
    if not len(snapshot.added):
        return found
    best = []
    for code, ranking, rows in zip(user_codes, found, apart):
        may = np.ones(len(snapshot.added), dtype=bool) if allowed is None else allowed[count:].copy()
        may[rows[rows >= count] - count] = False
        least = ranking.scores[-1] if len(ranking.scores) == k else -np.inf
        best.append(_merged(snapshot, ranking, _best_added(snapshot, code, k, may, least), k))
    return best


def _best_added(snapshot: Snapshot, user_code: Packed, k: int, may: np.ndarray, least: float) -> Ranking:
    """The added outfits that score at least `least` and as much as the k-th best; in any order."""
    bundle, added = snapshot.bundle, snapshot.added
    query = unpack(user_code) * bundle.preference_weights.astype(np.int64)
    terms = exact.Terms(
        added.sums @ query.astype(np.float32),
        added.terms.compatibility,
        added.terms.bias,
        added.terms.num_items.astype(np.int64),
        added.terms.num_pairs.astype(np.int64),
    )
    score = exact.scores(bundle, terms)
    score[~may] = -np.inf
    # a sum of D products in float32, factors rounded before; |sum of codes| <= n M, and n M cancels
    steps = (bundle.num_bits + 4) * 2.0**-24
    error = 1.01 * bundle.preference_scale * steps * float(np.abs(query).sum()) / (WEIGHT_ONE * bundle.num_bits)
    cut = np.partition(score, len(score) - k)[len(score) - k] if len(score) > k else -np.inf
    rows = np.flatnonzero((score >= max(cut - 2 * error, least - error)) & may)
    exact_terms = exact.Terms(
        added.sums[rows].astype(np.int64) @ query,
        *(column[rows].astype(np.int64) for column in added.terms),
    )
    return Ranking(rows + len(snapshot.base.pool), exact.scores(bundle, exact_terms))


def _merged(snapshot: Snapshot, one: Ranking, other: Ranking, k: int) -> Ranking:
    if not len(other.rows):
        return one
    rows, scores = np.concatenate([one.rows, other.rows]), np.concatenate([one.scores, other.scores])
    ids = snapshot.ids.at(rows)
    order = sorted(range(len(rows)), key=lambda place: (-scores[place], ids[place]))[:k]
    return Ranking(rows[order], scores[order])
