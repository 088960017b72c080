"""A process that takes cases from its input, one a line, until one of them kills it.

A case is {"target": ..., "number": ...}; its answer is {"ended": ..., "wrong": ...}. Whatever a case draws comes from
these two, so it can be repeated: `python -m tests.fuzz.run --target T --number N`.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from fashion_hash.errors import FashionHashError
from tests.fuzz.bundles import MOST_LETTERS, Bundles
from tests.fuzz.inputs import Inputs

SECONDS = 5.0  # of computing
MOST_BYTES = 500 << 20  # of address space beyond that of the worker


def main() -> None:
    """Answers the cases of standard input."""
    faulthandler.enable()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="fuzz.") as folder:
        bundles, inputs = Bundles(Path(folder)), Inputs(Path(folder))
        for line in sys.stdin:
            asked = json.loads(line)
            target, number = asked["target"], asked["number"]
            rng = Random(f"{target} {number}")
            if target == "bundles":
                bundles.prepare(Random(f"{target} {number}"))
            _limit(MOST_BYTES)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(60)  # waiting for ever
            outcome = _outcome(partial(bundles.case, rng) if target == "bundles" else partial(inputs.case, target, rng))
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            _limit(None)
            out.write(json.dumps(outcome) + "\n")


def _limit(more: int | None) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft = resource.RLIM_INFINITY if more is None else pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))


def _outcome(case: Callable[[], str]) -> dict[str, str | None]:
    try:
        return {"ended": case(), "wrong": None}
    except FashionHashError as error:
        long = len(str(error)) >= MOST_LETTERS
        return {"ended": type(error).__name__, "wrong": f"a message of {len(str(error))} letters" if long else None}
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        deliberate = (
            isinstance(error, TypeError) and "/fashion_hash/" in last.filename and (last.line or "").startswith("raise")
        )
        wrong = None if deliberate else "".join(traceback.format_exception(error)[-12:])
        return {"ended": type(error).__name__, "wrong": wrong}


if __name__ == "__main__":
    main()
