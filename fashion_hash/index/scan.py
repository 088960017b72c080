"""The fast engine for large pools: bounds from a scan of few bytes an outfit, then exact scores.

For each user the scan (scan_kernels.py) adds up an integer total for every outfit, its score over a
fixed unit but for a rounding error that is known before any query. Outfits whose total lies more
than twice that error below the k-th best total are proven to score less than k others; the rest, a
few dozen, are scored exactly as in index/exact.py. The answer is that of the exact scan, bit by bit,
ties in order of row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Packed, unpack
from fashion_hash.errors import QueryError
from fashion_hash.index import exact, scan_codes, scan_kernels
from fashion_hash.index.engine import NOTHING, Ranking
from fashion_hash.index.pool import Pool
from fashion_hash.index.scan_codes import LANES
from fashion_hash.index.scan_files import Segment, open_scan
from fashion_hash.index.scan_kernels import Candidates
from fashion_hash.index.scan_vectors import CODES

# rounding of the constant and of the offset, a half each, and of floats on the way
ROUNDING = 1.01


class Found(NamedTuple):
    """Candidates: for whom, where in the index, and their totals in units above the lowest; (C,) each."""

    owners: np.ndarray
    positions: np.ndarray
    totals: np.ndarray


class SumScan:
    """The engine of the module's text, over an index that holds a `scan` folder.

    Args:
        bundle, pool: what the index was built from.
        threads: how many threads share a search.

    Attributes:
        files: the mapped files.
        error: at most this many units lie between a total and the score.
    """

    def __init__(self, bundle: Bundle, pool: Pool, *, threads: int = 1) -> None:
        self._bundle = bundle
        self._pool = pool
        self._threads = threads
        self.files = files = open_scan(pool.path)
        modalities, planes = len(bundle.modalities), files.planes
        self._order = scan_codes.bit_order(bundle.preference_weights, planes)
        self._weights = bundle.preference_weights[self._order].astype(np.int64)
        self._tables = [
            scan_codes.make_tables(
                scan_codes.count_weights(self._weights, bundle.preference_scale, one.num_items, modalities),
                planes,
                one.num_items * modalities,
                files.unit,
                CODES,
            )
            for one in files.segments
        ]
        self.error = max((tables.error for tables in self._tables), default=0.0) + ROUNDING
        self._slack = math.ceil(2 * self.error)
        self._words = np.full(len(files.constants), 2**64 - 1, dtype=np.uint64)
        for _, _, last in files.segments:  # behind the last outfit of a segment there is none
            self._words[last - 1 : last] = scan_words(files.rows[(last - 1) * LANES : last * LANES] >= 0)
        # positions are rows, but for the ends of segments, where all outfits have equally many items
        self._in_order = len(files.segments) < 2

    def search(
        self, user_code: Packed, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """See Engine.search; allowed: (N,) bool, the rows that may come back, by default all."""
        return self.search_many(user_code[None], k, [exclude], allowed)[0]

    def search_many(
        self,
        user_codes: Packed,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """Many searches in one pass over the pool, each answered as alone.

        Args:
            user_codes: (U, D / 8) uint8, packed.
            k: how many, at least 1; fewer come back where fewer are left.
            excludes: for each user distinct rows that must not come back.
            allowed: (N,) bool, the rows that may come back to anyone; by default all.
        """
        users, k = len(user_codes), min(k, len(self._pool))
        if not users or not k:
            return [Ranking(NOTHING, np.zeros(0)) for _ in range(users)]
        found = self.candidates(user_codes, k, excludes, allowed)
        return self._best(found, self._signed(user_codes), k)

    def candidates(
        self,
        user_codes: Packed,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> Found:
        """The outfits among which are the best k, as search_many; totals err by `error` at most."""
        if allowed is not None and len(allowed) != len(self._pool):
            raise QueryError(f"a filter of {len(allowed)} rows for a pool of {len(self._pool)} outfits")
        signed = self._signed(user_codes)
        words = self._words if allowed is None else self._allowed_words(allowed)
        apart, starts = self._excluded(excludes or [NOTHING] * len(signed))
        jobs = self._jobs()
        if len(jobs) == 1:
            return self._scan(jobs[0], signed, k, words, apart, starts)
        with ThreadPoolExecutor(len(jobs)) as threads:
            found = list(threads.map(lambda job: self._scan(job, signed, k, words, apart, starts), jobs))
        return Found(*(np.concatenate(column) for column in zip(*found)))

    def _signed(self, user_codes: Packed) -> np.ndarray:
        """Weights times user codes in layout order: (U, D) int64."""
        return self._weights * unpack(user_codes)[:, self._order]

    def _jobs(self) -> list[list[tuple[int, Segment]]]:
        """The blocks of every segment, shared out to the threads."""
        jobs = []
        for thread in range(self._threads):
            job = []
            for number, (items, first, last) in enumerate(self.files.segments):
                start = first + (last - first) * thread // self._threads
                stop = first + (last - first) * (thread + 1) // self._threads
                if start < stop:
                    job.append((number, Segment(items, start, stop)))
            jobs.append(job)
        return jobs

    def _scan(
        self,
        job: list[tuple[int, Segment]],
        signed: np.ndarray,
        k: int,
        words: np.ndarray,
        apart: np.ndarray,
        starts: np.ndarray,
    ) -> Found:
        files, slack = self.files, self._slack
        found = scan_kernels.no_candidates(len(signed), k, scan_kernels.TILE * LANES)
        negative = signed < 0
        flips = scan_codes.flip_masks(negative, files.planes, CODES)
        for number, (_, first, last) in job:
            tables = scan_codes.user_tables(self._tables[number], flips)
            offsets = np.rint(scan_codes.offsets(self._tables[number], negative)).astype(np.int64)
            while first < last:
                first = scan_kernels.scan_sums(
                    files.codes,
                    files.constants,
                    words,
                    tables,
                    offsets,
                    first,
                    last,
                    apart,
                    starts,
                    slack,
                    found,
                )
                if first < last:
                    self._make_room(found, signed, k)
        for user in range(len(signed)):
            scan_kernels.squeeze(found, user, slack)
        have = np.arange(found.positions.shape[1]) < found.counts[:, None]
        return Found(np.nonzero(have)[0], found.positions[have], found.totals[have])

    def _make_room(self, found: Candidates, signed: np.ndarray, k: int) -> None:
        """Ties, or nearly, fill the room for candidates: settle exactly which k to keep."""
        room = found.positions.shape[1] - scan_kernels.TILE * LANES
        for user in np.flatnonzero(found.counts > room):
            positions = found.positions[user, : found.counts[user]]
            totals = found.totals[user, : found.counts[user]]
            score = self._scores(positions, np.zeros(len(positions), dtype=np.int64), signed[user : user + 1])
            best = np.lexsort((self.files.rows[positions], -score))[:k]
            positions[: len(best)], totals[: len(best)] = positions[best], totals[best]
            found.counts[user] = len(best)

    def _best(self, found: Found, signed: np.ndarray, k: int) -> list[Ranking]:
        """The k best of each user's candidates.

        The k best totals are scored first; the k-th of their scores then spares most of the others.
        """
        order = np.lexsort((-found.totals, found.owners))
        owners, positions, totals = (column[order] for column in found)
        starts = np.searchsorted(owners, np.arange(len(signed) + 1))
        first = np.arange(len(owners)) - starts[owners] < k
        score = np.empty(len(owners))
        score[first] = self._scores(positions[first], owners[first], signed)
        worst = np.full(len(signed), np.inf)
        np.minimum.at(worst, owners[first], score[first])
        needed = (worst - self.files.lowest) / self.files.unit - self.error
        rest = ~first & (totals >= needed[owners])
        score[rest] = self._scores(positions[rest], owners[rest], signed)

        kept = first | rest
        owners, score, rows = owners[kept], score[kept], self.files.rows[positions[kept]].astype(np.int64)
        order = np.lexsort((rows, -score, owners))
        starts = np.searchsorted(owners, np.arange(len(signed) + 1)).tolist()
        best = [order[start:end][:k] for start, end in pairwise(starts)]
        return [Ranking(rows[one], score[one]) for one in best]

    def _scores(self, positions: np.ndarray, owners: np.ndarray, signed: np.ndarray) -> np.ndarray:
        """The exact scores of outfits, float64 (C,).

        Args:
            positions: (C,) of the outfits; owners: (C,) users, rows of signed.
            signed: (U, D) int64, weights and user codes multiplied, in layout order.
        """
        pool, rows = self._pool, self.files.rows[positions]
        num_items = pool.num_items[rows].astype(np.int64)
        weights = scan_codes.byte_weights(2 * signed, self.files.planes)
        preference = scan_kernels.weigh(self.files.codes, positions, owners, weights)
        preference -= num_items * len(self._bundle.modalities) * signed.sum(axis=1)[owners]
        terms = exact.Terms(
            preference,
            pool.compatibility[rows],
            pool.bias[rows],
            num_items,
            pool.num_pairs[rows].astype(np.int64),
        )
        return exact.scores(self._bundle, terms)

    def _allowed_words(self, allowed: np.ndarray) -> np.ndarray:
        if self._in_order:
            padded = np.zeros(len(self.files.rows), dtype=bool)
            padded[: len(allowed)] = allowed
            return scan_words(padded)
        return scan_words(allowed[self.files.rows] & (self.files.rows >= 0))

    def _excluded(self, excludes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Excluded positions, ascending for each user, one user after the other, and where each starts."""
        starts = np.zeros(len(excludes) + 1, dtype=np.int64)
        starts[1:] = np.cumsum([len(one) for one in excludes])
        apart = [self._positions(np.asarray(one, dtype=np.int64)) for one in excludes]
        return np.concatenate([NOTHING, *(np.sort(one) for one in apart)]), starts

    def _positions(self, rows: np.ndarray) -> np.ndarray:
        """Where rows of the pool lie."""
        out = rows.copy()
        if self._in_order:
            return out
        num_items = self._pool.num_items[rows]
        for items, first, last in self.files.segments:
            here = self.files.rows[first * LANES : last * LANES]
            here = here[: len(here) - int((here[-LANES:] < 0).sum())]
            out[num_items == items] = first * LANES + np.searchsorted(here, rows[num_items == items])
        return out


def scan_words(allowed: np.ndarray) -> np.ndarray:
    """A bit for every position, 64 a word: bool (64 * blocks,) to uint64 (blocks,)."""
    return np.packbits(allowed, bitorder="little").view(np.uint64)
