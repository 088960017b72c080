"""A bulk job by plain tasks of Ray, as it is done, beside the same job by Ray Data.

    python benchmarks/bench_ray_data.py PICTURES [--json] [--save]

The vectors of a folder of pictures by the encoder `descriptors`, 32 pictures a part, and 500 parts of one number each,
of which only the way of a part is left: in this process, by run_job with two workers, and by the same function under
ray.data.range(...).map(...). Ray is started before; each is done twice, and the second time counts.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import ray
import ray.data

import results
from fashion_hash.bulk.jobs import Job, Workers, run_job, write_part
from fashion_hash.bulk.pictures import OpenEncoder, PictureVectors

WORKERS = 2


@dataclass(frozen=True)
class Numbers:
    """A job of so many parts, each of one number."""

    count: int

    def facts(self) -> dict[str, Any]:
        """See Job.facts."""
        return {"job": "numbers", "count": self.count}

    def parts(self) -> int:
        """See Job.parts."""
        return self.count

    def table(self, part: int) -> pyarrow.Table:
        """See Job.table."""
        return pyarrow.table({"number": [part]})


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the figures as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of pictures")
    results.add_options(parser)
    options = parser.parse_args(argv)
    pictures = PictureVectors.of(options.pictures.absolute(), OpenEncoder("descriptors"), 32)
    jobs: dict[str, Job] = {"pictures": pictures, "numbers": Numbers(500)}
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    figures: dict[str, Any] = {"pictures": pictures.pictures}
    for name, job in jobs.items():
        figures[name if name != "pictures" else "job_of_pictures"] = {
            "parts": job.parts(),
            "seconds_in_this_process": seconds(run_job, job),
            "seconds_by_tasks": seconds(lambda job, out: run_job(job, out, Workers(WORKERS)), job),
            "seconds_by_ray_data": seconds(by_ray_data, job),
        }
    if results.hand_over(options, figures):
        return
    print("\n".join(f"{name}: {measured}" for name, measured in figures.items()))


def seconds(do: Callable[[Job, Path], object], job: Job) -> float:
    """How long a job takes the second time, each time into a new folder."""
    took = 0.0
    for _ in range(2):
        folder = Path(tempfile.mkdtemp())
        began = time.perf_counter()
        do(job, folder / "out")
        took = time.perf_counter() - began
        shutil.rmtree(folder)
    return round(took, 2)


def by_ray_data(job: Job, out: Path) -> None:
    """The parts of a job as the rows of a data set."""
    out.mkdir()
    rows = ray.data.range(job.parts(), override_num_blocks=job.parts())
    written = rows.map(lambda row: {"rows": write_part(job, out, int(row["id"]))["rows"]}).take_all()
    assert len(written) == job.parts()


if __name__ == "__main__":
    main()
