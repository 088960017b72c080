"""Vectors of any pictures into a store, in worker processes; one bad picture never stops it.

Pictures are read here, in batches that are always cut at the same places, and encoded by the workers. Each batch is
written as a whole, so a killed extraction loses at most the batches in work and repeats none that was written.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from fashion_hash.core.files import atomic_path
from fashion_hash.data.stores.features import FeatureWriter
from fashion_hash.data.stores.pictures import picture_digest
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.errors import DataError, FeatureError

BAD_PICTURES = "bad_pictures.csv"
"""The file in a store that lists the pictures without a vector: key, reason."""
AHEAD = 2  # batches a worker that are read before they are needed
_LONGEST_KEY = 511  # bytes, of an LMDB

Open = Callable[[], PictureEncoder]
Result = np.ndarray | str  # the vector of a picture, or why it has none


class Source(Protocol):
    """Where encoded pictures come from, such as fashion_hash.data.stores.pictures.PictureStore."""

    @property
    def is_lmdb(self) -> bool:
        """Whether it is one file, which is broken as a whole or not at all."""

    def get(self, key: str) -> bytes | None:
        """The encoded picture, or None when there is none. Raises DataError when it cannot be read."""


@dataclass
class Extracted:
    """What an extraction did.

    Attributes:
        store: the path of the feature store.
        done: how many vectors were made.
        already: how many the store held already, of the same pictures.
        anew: how many of `done` replaced the vector of an older picture.
        missing: keys without a picture.
        bad: the reason for each key whose picture has no vector.
    """

    store: Path
    done: int = 0
    already: int = 0
    anew: int = 0
    missing: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How an extraction works.

    Attributes:
        open_encoder: opens the encoder in each worker; it must pickle.
        workers: processes; 1 encodes in this process.
        batch_size: pictures that are encoded and written together.
    """

    open_encoder: Open
    workers: int = 1
    batch_size: int = 64


def extract_pictures(source: Source, keys: Sequence[str], store: str | Path, plan: Plan) -> Extracted:
    """Extracts the vectors that a store lacks, and those of pictures that have changed.

    The vector of a picture that can no longer be decoded is removed, that of a picture that has gone is kept.

    Args:
        source: the pictures.
        keys: which of them, each once; also the keys of the store.
        store: a feature store; made if it does not exist.
        plan: the encoder, and how many processes.

    Raises:
        FeatureError: the store holds vectors of another encoder.
        DataError: the store or an LMDB of pictures cannot be read.
    """
    encoder = plan.open_encoder()
    extracted = Extracted(Path(store))
    with FeatureWriter(store, encoder.fingerprint, encoder.dim) as writer, _Workers(plan, encoder) as workers:
        reading = _batches(source, keys, writer, extracted, plan.batch_size)
        with tqdm(total=len(keys), desc=encoder.kind, unit="picture", disable=None) as progress:
            for batch, results in workers.encode(reading):
                _write(writer, batch, results, extracted)
                progress.update(batch.size)
    return extracted


def write_bad_pictures(store: Path, bad: dict[str, str]) -> Path:
    """Writes the list of bad pictures into a store; returns its path. An older list is replaced."""
    path = store / BAD_PICTURES
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", errors="replace", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["key", "reason"])
        rows.writerows(sorted(bad.items()))
    return path


class _Batch(NamedTuple):
    """Pictures of a batch that the store lacks; `size` counts the others too."""

    size: int
    keys: list[str]
    pictures: list[bytes]
    anew: int


def _batches(
    source: Source, keys: Sequence[str], writer: FeatureWriter, extracted: Extracted, batch_size: int
) -> Iterator[_Batch]:
    for start in range(0, len(keys), batch_size):
        part = keys[start : start + batch_size]
        pictures: dict[str, bytes] = {}
        for key in part:
            problem = _key_problem(key)
            picture = None
            if problem is None:
                try:
                    picture = source.get(key)
                except DataError as error:
                    if source.is_lmdb:
                        raise
                    problem = str(error)
            if problem is not None:
                extracted.bad[key] = problem
            elif picture is None:
                extracted.missing.append(key)
            else:
                pictures[key] = picture
        digests = {key: picture_digest(picture) for key, picture in pictures.items()}
        absent = set(writer.missing(pictures))
        lacking = writer.missing(pictures, digests)
        extracted.already += len(pictures) - len(lacking)
        yield _Batch(len(part), lacking, [pictures[key] for key in lacking], len(set(lacking) - absent))


def _key_problem(key: str) -> str | None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    return None if 1 <= length <= _LONGEST_KEY else f"its name has {length} bytes, more than {_LONGEST_KEY}: shorten it"


def _write(writer: FeatureWriter, batch: _Batch, results: Sequence[Result], extracted: Extracted) -> None:
    good = [place for place, result in enumerate(results) if not isinstance(result, str)]
    bad = {key: result for key, result in zip(batch.keys, results) if isinstance(result, str)}
    if good:
        digests = {batch.keys[place]: picture_digest(batch.pictures[place]) for place in good}
        vectors = np.stack([np.asarray(results[place]) for place in good])
        writer.put(list(digests), vectors, digests)
    if bad:
        writer.remove(bad)
    extracted.done += len(good)
    extracted.anew += max(batch.anew - len(bad), 0)
    extracted.bad.update(bad)


class _Workers:
    """Encodes batches in their order, in processes that are started again when a picture ends one of them."""

    def __init__(self, plan: Plan, encoder: PictureEncoder) -> None:
        self._plan, self._encoder = plan, encoder
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Workers:
        self._pool = self._start(self._plan.workers) if self._plan.workers > 1 else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def encode(self, batches: Iterator[_Batch]) -> Iterator[tuple[_Batch, Sequence[Result]]]:
        if self._pool is None:
            for batch in batches:
                yield batch, encode_each(self._encoder, batch.pictures)
            return
        waiting: deque[tuple[_Batch, Future[list[Result]] | None]] = deque()
        for batch in batches:
            waiting.append((batch, self._submit(batch)))
            if len(waiting) > AHEAD * self._plan.workers:
                yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def _submit(self, batch: _Batch) -> Future[list[Result]] | None:
        assert self._pool is not None
        try:
            return self._pool.submit(_encode_in_worker, batch.pictures) if batch.keys else None
        except BrokenProcessPool:
            self._pool = self._start(self._plan.workers)
            return self._pool.submit(_encode_in_worker, batch.pictures)

    def _result(self, batch: _Batch, future: Future[list[Result]] | None) -> tuple[_Batch, Sequence[Result]]:
        if future is None:
            return batch, []
        try:
            return batch, future.result()
        except BrokenProcessPool:  # this batch may be the cause, or another one was
            return batch, self._one_by_one(batch.pictures)

    def _one_by_one(self, pictures: Sequence[bytes]) -> list[Result]:
        results: list[Result] = []
        pool = self._start(1)
        for picture in pictures:
            try:
                results += pool.submit(_encode_in_worker, [picture]).result()
            except BrokenProcessPool:
                results.append("decoding it ended the process (out of memory, or a crash of the decoder)")
                pool = self._start(1)
        pool.shutdown()
        return results

    def _start(self, workers: int) -> ProcessPoolExecutor:
        # spawned: threads of torch and open environments of LMDB must not be inherited
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, _open_in_worker, (self._plan.open_encoder,))


def encode_each(encoder: PictureEncoder, pictures: Sequence[bytes]) -> list[Result]:
    """The vector of each picture, or why it has none."""
    try:
        return list(encoder.encode_pictures(pictures)) if pictures else []
    except (FeatureError, MemoryError):
        pass  # at least one is bad
    results: list[Result] = []
    for picture in pictures:
        try:
            vector = encoder.encode_pictures([picture])[0]
            results.append(vector if np.isfinite(vector).all() else "its vector is not finite")
        except (FeatureError, MemoryError) as error:
            results.append(_reason(picture, error))
    return results


def _reason(picture: bytes, error: Exception) -> str:
    """Why a picture has no vector; common cases in plain words."""
    if not picture:
        return "the file is empty"
    if picture[:1000].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, not a picture: the download failed"
    return str(error) or "out of memory"


_in_worker: PictureEncoder


def _open_in_worker(open_encoder: Open) -> None:
    global _in_worker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _in_worker = open_encoder()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _encode_in_worker(pictures: Sequence[bytes]) -> list[Result]:
    return encode_each(_in_worker, pictures)
