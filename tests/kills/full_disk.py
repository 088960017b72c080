"""The operations that are killed, on a file system that is full after some more bytes.

    python -m tests.kills.full_disk FOLDER [--only NAME ...] [--free BYTES ...]

A small tmpfs is mounted below FOLDER, so this needs root. Every operation must end, or in one documented error that
names a file and says what to do; what was there must answer as before; with space again, it must come to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fashion_hash.errors import FashionHashError
from tests.kills.nights import ALL as SCENARIOS
from tests.kills.run import Case, in_process, tree
from tests.kills.scenarios import Scenario

ADVICE = "free some"
FREE = (0, 5_000, 20_000, 60_000, 150_000, 400_000, 1_000_000)


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """A tmpfs of some bytes. Raises OSError where it cannot be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if (done := subprocess.run(command, capture_output=True, text=True)).returncode:
        raise OSError(done.stderr)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path, free: int) -> None:
    """Fills the file system, but for some bytes."""
    with open(path, "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 20))
    with open(path, "r+b") as stream:
        stream.truncate(max(0, path.stat().st_size - free))


def reason(call: Callable[[], None]) -> str | None:
    """How a call ended: None when it came to its end, otherwise its error. Other errors pass."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            call()
    except (FashionHashError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    except AssertionError:
        if "Traceback" in said.getvalue() or not said.getvalue().strip():
            raise
        return said.getvalue().strip().splitlines()[-1]
    return None


def full(case: Case, work: Path, free: int) -> str:
    """What is wrong with an operation on a disk that has some bytes free, or ""."""
    scenario, path = case.scenario, work / "work"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(case.base, path, symlinks=True)
    fill(work / "filler", free)
    tried = in_process(lambda say: say(reason(lambda: scenario.calls(path, 0, lambda: None))))
    if tried.failed or tried.signal:
        return f"signal {tried.signal}: {tried.failed}"
    error = tried.said[0]
    if error is not None and ADVICE not in error:
        return f"no advice: {error}"
    half = [name for name in tree(path) if ".partial" in name]
    seen = in_process(lambda say: say(scenario.state(path)))
    if not seen.said:
        return f"after {error!r} it cannot be read while the disk is full: {seen.failed}"
    at = scenario.place(seen.said[0], case.states, 0)
    at = next((number for number, state in enumerate(case.states) if state == seen.said[0]), None) if at is None else at
    if at is None:
        return f"after {error!r} the state is neither that before nor after"
    (work / "filler").unlink()
    again = in_process(lambda say: scenario.calls(path, at, lambda: None))
    if again.failed or again.signal:
        return f"with space again it fails: {again.failed}"
    end = in_process(lambda say: say(scenario.state(path)))
    if end.said != case.states[-1:]:
        return f"with space again it ends in another state: {end.failed or end.said}"
    if (left := tree(path)) != case.tree:
        return f"left behind: {sorted(set(left) - set(case.tree))}, lacking {sorted(set(case.tree) - set(left))}"
    return f"half-written files stay: {half}" if half and error is not None else ""


def run(scenario: Scenario, folder: Path, free: tuple[int, ...] = FREE) -> dict[str, Any]:
    """Tries one operation with different amounts of space."""
    case = Case(scenario, folder / "case")
    size = sum(file.stat().st_size + 4096 for file in (folder / "case").rglob("*"))
    wrong, ended = {}, 0
    with mounted(folder / "disk", 2 * size + 4 * max(free)):
        for number in free:
            (folder / "disk/filler").unlink(missing_ok=True)
            if problem := full(case, folder / "disk", number):
                wrong[number] = problem[-1500:]
            ended += 1
    return {"scenario": scenario.name, "tried": ended, "wrong": wrong}


def main() -> int:
    """Runs the scenarios that are named, or all; returns 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--free", nargs="*", type=int, default=list(FREE))
    args = parser.parse_args()
    status = 0
    for name in args.only:
        result = run(SCENARIOS[name], args.folder / name, tuple(args.free))
        print(json.dumps(result), flush=True)
        status |= bool(result["wrong"])
    return status


if __name__ == "__main__":
    sys.exit(main())
