"""Damaged files end in the right answer or in one documented error, within 5 seconds and 500 MB.

`make test` tries the same few cases each time, `make fuzz` FUZZ_CASES of each target (by default 2,000), or as many as
FUZZ_MINUTES allow.
"""

import os
import time
from collections.abc import Iterator

import pytest

from tests.fuzz.run import ALL, Worker, run

FEW = {"bundles": 5, "polyvore": 3}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One process for the few cases of all targets."""
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("target", ALL)
def test_some_damaged_files(target: str, worker: Worker) -> None:
    assert run(target, range(FEW.get(target, 4)), worker=worker).wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("target", ALL)
def test_many_damaged_files(target: str) -> None:
    minutes = float(os.environ.get("FUZZ_MINUTES", "inf"))
    cases = int(os.environ.get("FUZZ_CASES", "2000")) if minutes == float("inf") else 10**9
    assert run(target, range(cases), time.monotonic() + 60 * minutes).wrong == {}
