"""The best outfits of a snapshot: an engine searches the files, a scan the added outfits, and both are merged.

Added outfits are scored twice: all of them with coarser weights and a bounded error, then those that may be
among the best exactly. Scores and ties (by outfit id) equal those of brute force over all existing outfits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fashion_hash.bundle.bundle import ScoringKind
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index import exact
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.engines.contract import NOTHING, ItemTest, Ranking
from fashion_hash.live.snapshot import Snapshot

COMPILED_FROM = 4096
CHUNK = 4096
NO_PRODUCTS = np.zeros(0, dtype=np.int32)


def search_pool(
    snapshot: Snapshot,
    user_keys: np.ndarray,
    k: int,
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | ItemTest | None = None,
) -> list[Ranking]:
    """The best outfits for each of many users.

    Args:
        snapshot: the state to search.
        user_keys: rows of Bundle.user_keys, (U, ...).
        k: the number of outfits, at least 1; answers are shorter when fewer are left.
        excludes: for each user distinct rows to leave out.
        allowed: (N + A,) bool, the rows to choose from; by default all that are offered. Without changes, and for an
            engine that supports it, an ItemTest.

    Returns:
        For each user rows and scores, best first, ties by id.
    """
    if isinstance(allowed, ItemTest):
        # callers pass it only to engines with tests_items
        return snapshot.base.engine.search_many(user_keys, k, excludes, allowed)  # type: ignore[arg-type]
    if snapshot.offered is not None:
        allowed = snapshot.offered if allowed is None else allowed & snapshot.offered
    count = len(snapshot.base.pool)
    excluded = [NOTHING] * len(user_keys) if excludes is None else excludes
    best_added = ADDED[snapshot.bundle.scoring]
    of_files = [rows[rows < count] for rows in excluded]
    engine, first = snapshot.base.engine, None if allowed is None else allowed[:count]
    if len(user_keys) == 1:
        rankings = [engine.search(user_keys[0], k, of_files[0], first)]
    else:
        rankings = engine.search_many(user_keys, k, of_files, first)
    if not len(snapshot.added):
        return rankings
    best = []
    for user_key, ranking, rows in zip(user_keys, rankings, excluded):
        choices = np.ones(len(snapshot.added), dtype=bool) if allowed is None else allowed[count:].copy()
        choices[rows[rows >= count] - count] = False
        least = ranking.scores[-1] if len(ranking.scores) == k else -np.inf
        best.append(_merged(snapshot, ranking, best_added(snapshot, user_key, k, choices, least), k))
    return best


def _best_by_vectors(snapshot: Snapshot, user_key: np.ndarray, k: int, choices: np.ndarray, least: float) -> Ranking:
    bundle, added = snapshot.bundle, snapshot.added
    outfits = encoded.StoredOutfits.of(bundle, added.vectors, added.terms)
    [best] = encoded.best(bundle, user_key[None], outfits, k, [choices])
    return Ranking(best.rows + len(snapshot.base.pool), best.scores)


def _best_by_codes(snapshot: Snapshot, user_key: np.ndarray, k: int, choices: np.ndarray, least: float) -> Ranking:
    bundle, added = snapshot.bundle, snapshot.added
    query = exact.query(bundle, user_key)
    # a coarser unit for the query keeps its products with the sums, |sum| <= S M, below 2^31
    most = len(bundle.slots) * len(bundle.modalities)
    unit = max(float(np.abs(query).max()) * most * bundle.num_bits / 2**30, 1.0)
    coarse = np.rint(query / unit).astype(np.int32)
    scale = bundle.preference_scale / (WEIGHT_ONE * len(bundle.modalities) * bundle.num_bits)
    score = products(added.sums, coarse) * (scale * unit / added.terms.num_items) + added.constant
    own = exact.own_terms(bundle, user_key, added.own)[0] if (added.own != EMPTY).any() else None
    if own is not None:
        score += bundle.preference_scale * own / (WEIGHT_ONE * bundle.num_bits)
    # each bit errs by at most half a unit, n M times, and n M cancels; floating point errs by far less than 1% of that
    error = 0.51 * unit * scale * bundle.num_bits * len(bundle.modalities) + 1e-9
    rows = np.flatnonzero((score >= least - error) & choices)
    if len(rows) > k:
        candidates = score[rows]
        rows = rows[candidates >= np.partition(candidates, len(rows) - k)[len(rows) - k] - 2 * error]
    preference = added.sums[rows].astype(np.int64) @ query
    if own is not None:
        preference += len(bundle.modalities) * added.terms.num_items[rows].astype(np.int64) * own[rows]
    exact_terms = exact.Terms(
        preference,
        *(column[rows].astype(np.int64) for column in added.terms),
    )
    return Ranking(rows + len(snapshot.base.pool), exact.scores(bundle, exact_terms))


# by Bundle.scoring: of the added outfits in the mask, those that score at least `least` and at least as much as the
# k-th best, in any order
ADDED: dict[ScoringKind, Callable[[Snapshot, np.ndarray, int, np.ndarray, float], Ranking]] = {
    "codes": _best_by_codes,
    "vectors": _best_by_vectors,
}


def products(sums: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Inner products of many vectors of small integers, (A, D), with a query, (D,) int32: (A,) int32."""
    if len(sums) >= COMPILED_FROM:
        from fashion_hash.index.kernels import multiply

        out = np.empty(len(sums), dtype=np.int32)
        multiply(sums, query, out)
        return out
    return np.concatenate(
        [NO_PRODUCTS, *(sums[start : start + CHUNK].astype(np.int32) @ query for start in range(0, len(sums), CHUNK))]
    )


def _merged(snapshot: Snapshot, first: Ranking, second: Ranking, k: int) -> Ranking:
    if not len(second.rows):
        return first
    rows, scores = np.concatenate([first.rows, second.rows]), np.concatenate([first.scores, second.scores])
    ids = snapshot.ids.at(rows)
    order = sorted(range(len(rows)), key=lambda place: (-scores[place], ids[place]))[:k]
    return Ranking(rows[order], scores[order])
