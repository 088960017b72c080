"""Runs cases in workers and counts how they end.

    python -m tests.fuzz.run [--target T ...] [--cases N] [--first N] [--number N] [--minutes M]

It prints a line of JSON a target: how many cases ended in what way, and what was wrong, by the number that
repeats it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any, NamedTuple

from tests.fuzz.inputs import TARGETS
from tests.paths import PROJECT

ALL = ("bundles", *TARGETS)


class Outcome(NamedTuple):
    """How the cases of a target ended.

    Attributes:
        ended: numbers of cases by the way they ended.
        wrong: by the number of a case, what was wrong.
    """

    ended: Counter[str]
    wrong: dict[int, str]


class Worker:
    """A worker, and a new one after each death."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def case(self, target: str, number: int) -> dict[str, Any]:
        """Runs a case."""
        if self._process is None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.fuzz.worker"],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"target": target, "number": number}) + "\n")
        process.stdin.flush()
        if line := process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        said = process.communicate()[1][-1500:]
        self._process = None
        return {"ended": "death", "wrong": f"the worker ended with {process.returncode}: {said}"}

    def close(self) -> None:
        """Ends the worker."""
        if self._process is not None:
            self._process.communicate()


def run(target: str, numbers: range, until: float = float("inf"), worker: Worker | None = None) -> Outcome:
    """Runs cases of a target, at most until a time of `time.monotonic`; a worker that is given goes on afterwards."""
    given, outcome = worker, Outcome(Counter(), {})
    worker = given or Worker()
    try:
        for number in numbers:
            if time.monotonic() > until:
                break
            answer = worker.case(target, number)
            outcome.ended[answer["ended"]] += 1
            if answer["wrong"]:
                outcome.wrong[number] = answer["wrong"]
    finally:
        if given is None:
            worker.close()
    return outcome


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", nargs="+", default=ALL, choices=ALL)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--number", type=int, help="this case alone")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most, for each target")
    options = parser.parse_args()
    first, count = (options.first, options.cases) if options.number is None else (options.number, 1)
    for target in options.target:
        outcome = run(target, range(first, first + count), time.monotonic() + 60 * options.minutes)
        print(json.dumps({"target": target, **outcome._asdict()}, indent=None), flush=True)


if __name__ == "__main__":
    main()
