"""A job in parts, each one Parquet file that is written once; a killed job goes on with what is missing.

folder/
  job.json              what the job is; a folder belongs to one job
  part-00000.parquet    the rows of a part
  part-00000.json       that it is whole: rows, bytes and checksum, written after the file
  manifest.json         all parts, once the last one is there
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import atomic_path, sha256, sweep, write_json
from fashion_hash.core.locks import hold
from fashion_hash.data.progress import progress
from fashion_hash.errors import BundleError, ClusterError, counted

if TYPE_CHECKING:
    import pyarrow

JOB, MANIFEST = "job.json", "manifest.json"
AT_ONCE = 2  # tasks that wait for each processor


class Job(Protocol):
    """What is done. It travels to the processes that do it, so it is pickled."""

    def facts(self) -> dict[str, Any]:
        """What the job is, as plain values: two jobs with the same facts write the same rows."""

    def parts(self) -> int:
        """How many parts it has."""

    def table(self, part: int) -> pyarrow.Table:
        """The rows of a part."""


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        count: how many processes at once; 0 for this one, without Ray.
        address: of a Ray cluster, every machine of which reads and writes the same folders; empty for Ray on this
            machine alone.
    """

    count: int = 0
    address: str = ""


class Done(NamedTuple):
    """What a job has written.

    Attributes:
        parts: how many parts there are.
        rows: in all of them.
        new: how many parts were written by this call; the others were there.
    """

    parts: int
    rows: int
    new: int


def run_job(job: Job, folder: Path, workers: Workers = Workers()) -> Done:
    """Writes the parts that are missing, and then the manifest.

    Args:
        job: what is done.
        folder: where; that of an interrupted job of the same facts is gone on with.
        workers: who does it.

    Raises:
        BundleError: the folder holds another job, or another process works in it.
        ClusterError: no Ray cluster answers at the address.
        MissingExtraError: pyarrow, or Ray where there are workers, is not installed.
    """
    require_extra("parquet", "bulk work", "pyarrow")
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder, "writing a job into it", BundleError):
        _claim(folder, job.facts())
        sweep(folder)
        (folder / MANIFEST).unlink(missing_ok=True)
        records = {part: record for part in range(job.parts()) if (record := done(folder, part)) is not None}
        missing = [part for part in range(job.parts()) if part not in records]
        before = len(records)
        doing = _here(job, folder, missing) if not workers.count else _by_ray(job, folder, missing, workers)
        for part, record in progress(doing, "parts", "part", total=len(missing)):
            records[part] = record
        parts = [records[part] for part in range(job.parts())]
        rows = sum(record["rows"] for record in parts)
        write_json(folder / MANIFEST, {**job.facts(), "rows": rows, "parts": parts})
    return Done(len(parts), rows, len(parts) - before)


def done(folder: Path, part: int) -> dict[str, Any] | None:
    """The record of a part that is whole; None for one that is missing or was changed."""
    path = folder / f"part-{part:05d}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        file = folder / f"part-{part:05d}.parquet"
        known = record["file"] == file.name and isinstance(record["rows"], int)
        whole = known and file.stat().st_size == record["bytes"] and sha256(file) == record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if whole else None


def write_part(job: Job, folder: Path, part: int) -> dict[str, Any]:
    """Writes a part; returns its record."""
    import pyarrow.parquet

    file = folder / f"part-{part:05d}.parquet"
    table = job.table(part)
    with atomic_path(file) as temporary:
        pyarrow.parquet.write_table(table, temporary)
    record = {"file": file.name, "rows": table.num_rows, "bytes": file.stat().st_size, "sha256": sha256(file)}
    write_json(folder / f"part-{part:05d}.json", record)
    return record


def _claim(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes what the job is into a new folder. Raises BundleError in one of another job, or of something else."""
    path = folder / JOB
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(known, dict):
            raise ValueError("it does not describe a job")
    except FileNotFoundError:
        if any(folder.iterdir()):
            raise BundleError(f"{folder} is not empty, and holds no job: name a new folder") from None
        write_json(path, facts)
        return
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}): name a new folder") from error
    facts = json.loads(json.dumps(facts))
    if known != facts:
        names = [name for name in {**facts, **known} if known.get(name) != facts.get(name)]
        differ = ", ".join(f"{name} was {known.get(name)!r} and is {facts.get(name)!r}" for name in names)
        raise BundleError(f"{folder} holds another job ({differ}): name a new folder, or remove this one")


def _here(job: Job, folder: Path, parts: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for part in parts:
        yield part, write_part(job, folder, part)


def _by_ray(job: Job, folder: Path, parts: list[int], workers: Workers) -> Iterator[tuple[int, dict[str, Any]]]:
    """Writes parts by tasks; one whose process or machine dies is done again elsewhere."""
    require_extra("ray", "bulk work by several processes", "ray")
    import ray

    if not parts:
        return
    waiting: dict[Any, int] = {}
    begun = not ray.is_initialized()
    if begun:
        _connect(workers)
    try:
        task: Callable[..., Any] = ray.remote(write_part).options(max_retries=3, num_cpus=1).remote
        shared = ray.put(job)
        for part in parts:
            waiting[task(shared, folder.resolve(), part)] = part
            if len(waiting) < AT_ONCE * workers.count:
                continue
            yield from _first(waiting)
        while waiting:
            yield from _first(waiting)
    finally:
        for reference in waiting:  # nobody writes into the folder any more when this returns
            ray.cancel(reference, force=True)
        if begun:
            ray.shutdown()


def _first(waiting: dict[Any, int]) -> Iterator[tuple[int, dict[str, Any]]]:
    import ray

    [reference], _ = ray.wait(list(waiting))
    part = waiting.pop(reference)
    try:
        yield part, ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # what the part itself raised, without Ray's traceback in its message
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"part {part} was given up: whoever did it died, four times ({error}); start again"
        ) from error


def _connect(workers: Workers) -> None:
    import logging

    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if workers.address:
        options["address"] = workers.address
    else:
        options |= {"num_cpus": workers.count, "include_dashboard": False}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"Ray does not start with {counted(workers.count, 'process', 'processes')} "
            f"at {workers.address or 'this machine'} ({error})"
        ) from error
