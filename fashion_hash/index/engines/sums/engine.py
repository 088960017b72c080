"""The fast engine for large pools: bounds from a scan over few bytes per outfit, then exact scores.

For each user the scan (kernels.py) adds up an integer total for every outfit: its score in fixed
units, with a rounding error whose bound is known before any query. An outfit whose total is more than
this error below the k-th best score cannot be among the best k; the others are scored exactly as in
index/exact.py. The answer equals that of the exact scan bit for bit, ties in order of row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.arrays import let_go
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, counted
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Engine, ItemTest, Ranking
from fashion_hash.index.engines.sums import codes as scan_codes
from fashion_hash.index.engines.sums import kernels as scan_kernels
from fashion_hash.index.engines.sums.block import CODES
from fashion_hash.index.engines.sums.codes import LANES, Tables
from fashion_hash.index.engines.sums.files import (
    ScanFiles,
    Segment,
    open_scan,
    own_bits,
    own_order,
    own_weights,
    rescaled,
)
from fashion_hash.index.engines.sums.kernels import ROUNDING, Candidates, Query
from fashion_hash.index.pool import Pool

# the users of one pass share this many places for candidates; a user needs about k plus the second number
AT_ONCE, ROOM_OF_USER = 1 << 24, 1 << 14

# bytes of codes that are scanned before their pages are given back, in files of more than the second number
PIECE, LARGE = 1 << 28, 1 << 30

NO_TEST = ItemTest(np.zeros(1, dtype=np.uint32), NOTHING, NOTHING)


class SumScan(Engine):
    """The engine that the module docstring describes, for an index with a folder `scan`.

    Args:
        bundle: the bundle that the index was built from, or a view of it.
        pool: the open index.
        files: the files of the scan as they were written, if they are open already.
        threads: the number of threads that share a search.
        share: the part of the outfits to search, [number, of how many]; by default all. Rows stay those of the pool,
            and the blocks of other parts are never read.

    Attributes:
        files: the mapped files.
    """

    def __init__(
        self,
        bundle: Bundle,
        pool: Pool,
        *,
        files: ScanFiles | None = None,
        threads: int = 1,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(bundle, pool)
        self._threads, self._share = threads, share
        self._helpers: tuple[int, ThreadPoolExecutor] | None = None  # and the process that started them
        self._written = files or open_scan(pool.path, bundle.num_bits, len(pool), own_bits(bundle))
        files = rescaled(self._written, bundle, pool)
        codes, constants, rows = map(_read_only, (files.codes, files.constants, files.rows))
        self.files = files = files._replace(codes=codes, constants=constants, rows=rows)
        self._order, self._own_order = scan_codes.bit_order(bundle.preference_weights, files.planes), own_order(bundle)
        self._tables = self._tables_of(bundle.preference_weights[self._order])
        # without repeated items: testing an item twice would change nothing
        self._items = _read_only(np.ascontiguousarray(pool.items, dtype=np.int32).reshape(-1))
        self._words = np.full(len(files.constants), 2**64 - 1, dtype=np.uint64)
        for segment in files.segments:  # clears the bits after the last outfit
            last = segment.last
            self._words[last - 1 : last] = scan_words(files.rows[(last - 1) * LANES : last * LANES] >= 0)
        # with a single segment, positions are rows
        self._in_order = len(files.segments) < 2

    @property
    def tests_items(self) -> bool:
        """See Engine.tests_items."""
        return True

    def over(self, view: Bundle) -> SumScan:
        """See Engine.over."""
        return type(self)(view, self._pool, files=self._written, threads=self._threads, share=self._share)

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | ItemTest | None = None,
    ) -> list[Ranking]:
        """Many searches in one pass over the pool; the answers are those of single searches.

        Args:
            user_keys: rows of Bundle.user_keys, (U, ...).
            k: the number of outfits, at least 1; answers are shorter when fewer are left.
            excludes: for each user distinct rows to leave out.
            allowed: (N,) bool, the rows to choose from, or a test of their items; by default all.
        """
        users, k = len(user_keys), min(k, len(self._pool))
        if not users or not k:
            return [Ranking(NOTHING, np.zeros(0)) for _ in range(users)]
        test = allowed if isinstance(allowed, ItemTest) else NO_TEST
        mask = None if isinstance(allowed, ItemTest) else allowed
        if mask is not None and len(mask) != len(self._pool):
            raise QueryError(
                f"the filter has {counted(len(mask), 'row')}, but the pool has {counted(len(self._pool), 'outfit')}"
            )
        excludes = excludes or [NOTHING] * users
        if (at_once := max(1, AT_ONCE // (k + ROOM_OF_USER))) < users:
            parts = [slice(start, start + at_once) for start in range(0, users, at_once)]
            return [
                ranking for part in parts for ranking in self.search_many(user_keys[part], k, excludes[part], allowed)
            ]
        signed = exact.query(self._bundle, user_keys)[:, self._order]  # in layout order
        words = self._words if mask is None else self._allowed_words(mask)
        own = None
        if self._bundle.own is not None:
            own = exact.own_query(self._bundle, user_keys)[:, self._own_order]
        queries = self._queries(signed, excludes, test, own)
        jobs = self._jobs()
        others = [self._others().submit(self._scan, job, queries, words, k) for job in jobs[1:]]
        candidates = [self._scan(jobs[0], queries, words, k), *(job.result() for job in others)]
        owners, positions = (np.concatenate(column) for column in zip(*candidates))
        return self._best(owners, positions, queries, k)

    def _tables_of(self, weights: np.ndarray, own: np.ndarray | None = None) -> list[Tables]:
        """The tables of each segment, for bit weights (D,) or those of each user (U, D), in layout order; own: too."""
        bundle, files, modalities = self._bundle, self.files, len(self._bundle.modalities)
        return [
            scan_codes.make_tables(
                scan_codes.count_weights(weights, bundle.preference_scale, segment.num_items, modalities),
                files.planes,
                segment.num_items * modalities,
                files.unit,
                CODES,
                own_weights(bundle, segment, own),
            )
            for segment in files.segments
        ]

    def _queries(
        self,
        signed: np.ndarray,
        excludes: Sequence[np.ndarray],
        test: ItemTest = NO_TEST,
        own: np.ndarray | None = None,
    ) -> list[Query]:
        """What the kernel needs to know about the users, for each segment.

        `signed` is what each bit adds for each user, (U, D) int64 in layout order: exact.query; `own` is that of own
        codes.
        """
        negative, modalities = signed < 0, len(self._bundle.modalities)
        own_negative = None if own is None else own < 0
        of_segments = self._tables if self._bundle.user_form == "bits" else self._tables_of(signed, own)
        flips = scan_codes.flip_masks(negative, self.files.planes, CODES, own_negative)
        alike = scan_codes.exact_weights(2 * signed, self.files.planes) if own is None else None
        excluded, starts = self._excluded(excludes)
        test_arrays = test.bits, test.slots, test.starts
        scale = self._bundle.preference_scale / (modalities * self._bundle.num_bits * WEIGHT_ONE)
        queries = []
        for segment, tables in zip(self.files.segments, of_segments):
            exactly = self._exact_weights(signed, own, segment) if alike is None else alike
            queries.append(
                Query(
                    scan_codes.user_tables(tables, flips),
                    tables.multiplier,
                    np.rint(scan_codes.offsets(tables, negative, own_negative)).astype(np.int64),
                    exactly,
                    self._shifts(signed, own, segment),
                    scale / (segment.num_items * self.files.unit),
                    excluded,
                    starts,
                    tables.error + ROUNDING,  # ROUNDING is the error of the offset
                    tables.excess + ROUNDING,
                    self.files.rows,
                    self._items,
                    len(self._bundle.slots),
                    *test_arrays,
                )
            )
        return queries

    def _exact_weights(self, signed: np.ndarray, own: np.ndarray | None, segment: Segment) -> np.ndarray:
        times = segment.num_items * len(self._bundle.modalities)
        of_own = None if own is None else 2 * times * own if segment.own else np.zeros_like(own)
        return scan_codes.exact_weights(2 * signed, self.files.planes, of_own)

    def _shifts(self, signed: np.ndarray, own: np.ndarray | None, segment: Segment) -> np.ndarray:
        """The preference of an outfit of a segment that has no bit set: (U,) int64."""
        every = signed.sum(axis=1)
        if own is not None and segment.own:
            every = every + own.sum(axis=1)
        return np.asarray(-segment.num_items * len(self._bundle.modalities) * every)

    def _others(self) -> ThreadPoolExecutor:
        """The threads that help the one that asks; kept, since starting them takes as long as they save."""
        if self._helpers is None or self._helpers[0] != os.getpid():  # threads stay in the parent of a fork
            self._helpers = os.getpid(), ThreadPoolExecutor(self._threads - 1)
        return self._helpers[1]

    def _jobs(self) -> list[list[tuple[int, Segment]]]:
        """The blocks of every segment that belong to the share, divided among the threads."""
        jobs, (number_of_share, shares) = [], self._share
        for thread in range(self._threads):
            job = []
            for number, segment in enumerate(self.files.segments):
                part = number_of_share * self._threads + thread
                start, stop = (
                    segment.first + (segment.last - segment.first) * end // (shares * self._threads)
                    for end in (part, part + 1)
                )
                if start < stop:
                    job.append((number, segment._replace(first=start, last=stop)))
            jobs.append(job)
        return jobs

    def _scan(
        self, job: list[tuple[int, Segment]], queries: list[Query], words: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Candidates that include the best k of the job's blocks: users and positions, (C,) each."""
        files, users = self.files, len(queries[0].offsets)
        candidates = scan_kernels.no_candidates(users, k)
        for number, first, last in self._pieces(job):
            while first < last:
                first = scan_kernels.scan_sums(
                    files.codes, files.constants, words, first, last, queries[number], candidates
                )
                if first < last:
                    self._make_room(candidates, queries, k)
        owners, positions = scan_kernels.collect(candidates)
        return owners, positions

    def _pieces(self, job: list[tuple[int, Segment]]) -> Iterator[tuple[int, int, int]]:
        """The segment, first and last block of each piece of a job; files of many pieces do not stay in memory."""
        codes, constants = self.files.codes, self.files.constants
        at_once = max(1, PIECE // max(codes[:1].nbytes, 1))
        for number, segment in job:
            for first in range(segment.first, segment.last, at_once):
                last = min(first + at_once, segment.last)
                yield number, first, last
                if codes.nbytes > LARGE:
                    let_go(codes, constants)

    def _make_room(self, candidates: Candidates, queries: list[Query], k: int) -> None:
        """Frees room that ties or near ties fill, by keeping the exact best k candidates."""
        room = candidates.positions.shape[1] - scan_kernels.TILE * LANES
        for user in np.flatnonzero(candidates.counts > room):
            positions, scores = (
                part[user, : candidates.counts[user]] for part in (candidates.positions, candidates.scores)
            )
            exactly = self._scores(np.full(len(positions), user), positions, queries)
            best = np.lexsort((self.files.rows[positions], -exactly))[:k]
            positions[: len(best)], scores[: len(best)] = positions[best], scores[best]
            candidates.counts[user] = len(best)

    def _best(self, owners: np.ndarray, positions: np.ndarray, queries: list[Query], k: int) -> list[Ranking]:
        """The k best candidates of each user; owners: (C,) the user of each position, by number."""
        rows, score = self.files.rows[positions].astype(np.int64), self._scores(owners, positions, queries)
        order = np.lexsort((rows, -score, owners))
        starts = np.searchsorted(owners[order], np.arange(len(queries[0].offsets) + 1)).tolist()
        best = [order[start:end][:k] for start, end in pairwise(starts)]
        return [Ranking(rows[places], score[places]) for places in best]

    def _scores(self, owners: np.ndarray, positions: np.ndarray, queries: list[Query]) -> np.ndarray:
        """The exact scores of the outfits at positions for their owners, float64 (C,)."""
        pool, rows = self._pool, self.files.rows[positions]
        preference = np.zeros(len(rows), dtype=np.int64)
        for segment, query in zip(self.files.segments, queries):
            here = np.flatnonzero((positions >= segment.first * LANES) & (positions < segment.last * LANES))
            weighed = scan_kernels.weigh(self.files.codes, owners[here], positions[here], query.exact)
            preference[here] = weighed + query.shifts[owners[here]]
        terms = exact.Terms(
            preference,
            pool.compatibility[rows],
            pool.bias[rows],
            pool.num_items[rows].astype(np.int64),
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
        """The excluded positions user by user, ascending for each, and where those of each user start."""
        starts = np.zeros(len(excludes) + 1, dtype=np.int64)
        starts[1:] = np.cumsum([len(rows) for rows in excludes])
        apart = [self._positions(np.asarray(rows, dtype=np.int64)) for rows in excludes]
        return np.concatenate([NOTHING, *(np.sort(rows) for rows in apart)]), starts

    def _positions(self, rows: np.ndarray) -> np.ndarray:
        """The positions of rows of the pool."""
        out = rows.copy()
        if self._in_order:
            return out
        num_items, own = self._pool.num_items[rows], self._pool.own[rows] != EMPTY
        for items, first, last, is_own in self.files.segments:
            here = (num_items == items) & (own == is_own)
            rows_of_segment = self.files.rows[first * LANES : last * LANES]
            rows_of_segment = rows_of_segment[: len(rows_of_segment) - int((rows_of_segment[-LANES:] < 0).sum())]
            out[here] = first * LANES + np.searchsorted(rows_of_segment, rows[here])
        return out


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of an array as those of files are: for another type of array, numba would compile each kernel again."""
    view = array.view()
    view.flags.writeable = False
    return view


def scan_words(allowed: np.ndarray) -> np.ndarray:
    """Packs a bit for every position, 64 per word: bool (64 * blocks,) to uint64 (blocks,)."""
    return np.packbits(allowed, bitorder="little").view(np.uint64)
