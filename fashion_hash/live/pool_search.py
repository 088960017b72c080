"""The best of a snapshot: the engine over the files, a scan of what was added, merged.

Added outfits are scored twice: all of them with coarser weights, whose error is bounded, then
exactly those that may be among the best. Scores and ties (by outfit id) are those of brute force over all outfits
that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fashion_hash.bundle.bundle import ScoringKind
from fashion_hash.core.codes import WEIGHT_ONE, Packed, unpack
from fashion_hash.index import exact
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.engines.contract import NOTHING, ItemTest, Ranking
from fashion_hash.live.snapshot import Snapshot

COMPILED_FROM = 4096
CHUNK = 4096
NO_PRODUCTS = np.zeros(0, dtype=np.int32)


def search_pool(
    snapshot: Snapshot,
    user_codes: Packed,
    k: int,
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | ItemTest | None = None,
) -> list[Ranking]:
    """The best outfits for each of many users.

    Args:
        snapshot: what is there.
        user_codes: (U, D / 8) uint8, packed; vectors (U, D) for an outfit encoder: see Bundle.user_keys.
        k: how many, at least 1; fewer come back where fewer are left.
        excludes: for each user distinct rows that must not come back.
        allowed: (N + A,) bool, the rows that may come back to anyone; by default all that are there. Of
            a catalogue without changes and an engine that takes it: the items they may have.

    Returns:
        For each user rows and scores, best first, ties by id.
    """
    if isinstance(allowed, ItemTest):
        # made only for engines that say they take it
        return snapshot.base.engine.search_many(user_codes, k, excludes, allowed)  # type: ignore[arg-type]
    if snapshot.alive is not None:
        allowed = snapshot.alive if allowed is None else allowed & snapshot.alive
    count = len(snapshot.base.pool)
    apart = [NOTHING] * len(user_codes) if excludes is None else excludes
    best_added = ADDED[snapshot.bundle.scoring]
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
        best.append(_merged(snapshot, ranking, best_added(snapshot, code, k, may, least), k))
    return best


def _best_by_vectors(snapshot: Snapshot, user_key: np.ndarray, k: int, may: np.ndarray, least: float) -> Ranking:
    bundle, added = snapshot.bundle, snapshot.added
    outfits = encoded.StoredOutfits.of(bundle, added.vectors, added.terms)
    [best] = encoded.best(bundle, user_key[None], outfits, k, [may])
    return Ranking(best.rows + len(snapshot.base.pool), best.scores)


def _best_by_codes(snapshot: Snapshot, user_code: Packed, k: int, may: np.ndarray, least: float) -> Ranking:
    bundle, added = snapshot.bundle, snapshot.added
    query = unpack(user_code) * bundle.preference_weights.astype(np.int64)
    # the query in coarser units, so that its products with the sums, |sum| <= S M, stay below 2^31
    most = len(bundle.slots) * len(bundle.modalities)
    unit = max(float(np.abs(query).max()) * most * bundle.num_bits / 2**30, 1.0)
    coarse = np.rint(query / unit).astype(np.int32)
    scale = bundle.preference_scale / (WEIGHT_ONE * len(bundle.modalities) * bundle.num_bits)
    score = products(added.sums, coarse) * (scale * unit / added.terms.num_items) + added.constant
    # off by half a unit a bit at most, n M times, and n M cancels; floats err by far less than a hundredth of that
    error = 0.51 * unit * scale * bundle.num_bits * len(bundle.modalities) + 1e-9
    rows = np.flatnonzero((score >= least - error) & may)
    if len(rows) > k:
        some = score[rows]
        rows = rows[some >= np.partition(some, len(rows) - k)[len(rows) - k] - 2 * error]
    exact_terms = exact.Terms(
        added.sums[rows].astype(np.int64) @ query,
        *(column[rows].astype(np.int64) for column in added.terms),
    )
    return Ranking(rows + len(snapshot.base.pool), exact.scores(bundle, exact_terms))


# by Bundle.scoring: the added outfits that score at least `least` and as much as the k-th best of those that `may`
# come back, in any order
ADDED: dict[ScoringKind, Callable[[Snapshot, np.ndarray, int, np.ndarray, float], Ranking]] = {
    "codes": _best_by_codes,
    "vectors": _best_by_vectors,
}


def products(sums: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Inner products of many small vectors, (A, D) integers, with one, (D,) int32: (A,) int32."""
    if len(sums) >= COMPILED_FROM:
        from fashion_hash.index.kernels import multiply

        out = np.empty(len(sums), dtype=np.int32)
        multiply(sums, query, out)
        return out
    return np.concatenate(
        [NO_PRODUCTS, *(sums[start : start + CHUNK].astype(np.int32) @ query for start in range(0, len(sums), CHUNK))]
    )


def _merged(snapshot: Snapshot, one: Ranking, other: Ranking, k: int) -> Ranking:
    if not len(other.rows):
        return one
    rows, scores = np.concatenate([one.rows, other.rows]), np.concatenate([one.scores, other.scores])
    ids = snapshot.ids.at(rows)
    order = sorted(range(len(rows)), key=lambda place: (-scores[place], ids[place]))[:k]
    return Ranking(rows[order], scores[order])
