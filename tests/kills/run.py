"""Kills operations at every step, or at some drawn by a seed, and looks at what is left.

    python -m tests.kills.run FOLDER [--only NAME ...] [--sample N] [--seed S]

It prints one line of JSON a scenario: how many moments there are, how many of them differ on disk, how
many kills were made, and what was wrong. Each
kill and each look at its remains happens in a process of its own, forked from this one, which only imports modules.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import re
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.kills.nights import ALL as SCENARIOS
from tests.kills.scenarios import Scenario
from tests.kills.steps import Steps

KILLED = 9


class Ended(NamedTuple):
    """How a process ended: the signal that killed it, or 0; what it said, a value a line; its traceback, or ""."""

    signal: int
    said: list[Any]
    failed: str


def in_process(work: Callable[[Callable[[Any], None]], None]) -> Ended:
    """Runs a function in a forked process; it may say JSON values."""
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)

        def say(value: Any) -> None:
            os.write(write, json.dumps(value).encode() + b"\n")

        try:
            work(say)
        except BaseException:
            say({"traceback": traceback.format_exc()})
        os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stream:
        lines = stream.read().split("\n")
    status = os.waitpid(child, 0)[1]
    said = [json.loads(line) for line in lines[:-1]]  # the last line is empty, or cut off by the kill
    failed = said.pop()["traceback"] if said and isinstance(said[-1], dict) and "traceback" in said[-1] else ""
    return Ended(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, said, failed)


def tree(folder: Path) -> list[str]:
    """The files and folders under a folder; numbers in their names are written as N."""
    return sorted({re.sub(r"[0-9]+", "N", str(path.relative_to(folder))) for path in folder.rglob("*")})


def look(folder: Path) -> list[tuple[str, int, int]]:
    """Every file and folder with its size and time: what a killed process would leave."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((str(path), 0 if path.is_dir() else status.st_size, status.st_mtime_ns))
    return found


class Case:
    """A scenario in a folder: what its calls do undisturbed, and what is left when they are killed.

    Attributes:
        steps: the steps of the calls; there are two moments to each, before and after.
        different: the moments that differ on disk; a kill at another one leaves what a kill at one of these leaves.
        states: what is answered before the first call and after each.
        tree: the names of all files at the end.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        """Prepares the folder, and runs the calls once without a kill."""
        self.scenario, self.base, self.whole = scenario, folder / "base", folder / "whole"
        self.work = folder / "work"
        self.killed = 0
        self.base.mkdir(parents=True)
        self._must(lambda say: scenario.prepare(self.base))
        shutil.copytree(self.base, self.whole, symlinks=True)
        steps = Steps(look=lambda: hash(tuple(look(self.whole))))

        def undisturbed(say: Callable[[Any], None]) -> None:
            steps.install()
            scenario.calls(self.whole, 0, lambda: None)
            say(
                [
                    steps.names,
                    list(sys.modules),
                    list({hash: at for at, hash in reversed(steps.looks.items())}.values()),
                ]
            )

        ((self.steps, modules, self.different),) = self._must(undisturbed)
        for name in set(modules) - set(sys.modules):  # here once, instead of in every process
            with suppress(Exception):
                importlib.import_module(name)
        self.states = self._states()
        self.tree = tree(self.whole)

    def _states(self) -> list[Any]:
        """What is answered before the first call and after each."""
        path = self.base.with_name("counted")
        shutil.copytree(self.base, path, symlinks=True)
        states = self._must(lambda say: say(self.scenario.state(path)))

        def one_after_the_other(say: Callable[[Any], None]) -> None:
            self.scenario.calls(path, 0, lambda: say(self.scenario.state(path)))

        states += self._must(one_after_the_other)
        shutil.rmtree(path)
        return states

    def _must(self, work: Callable[[Callable[[Any], None]], None]) -> list[Any]:
        ended = in_process(work)
        if ended.failed or ended.signal:
            raise RuntimeError(f"{self.scenario.name}: without a kill: signal {ended.signal}: {ended.failed}")
        return ended.said

    def kill(self, moment: int) -> str:
        """Kills the calls at a moment; returns what is wrong afterwards, or ""."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.base, self.work, symlinks=True)

        def killed(say: Callable[[Any], None]) -> None:
            Steps(moment).install()
            self.scenario.calls(self.work, 0, lambda: say(1))

        ended = in_process(killed)
        if ended.signal != KILLED and ended.failed:
            return f"it was not killed: {ended.failed}"
        self.killed += ended.signal == KILLED  # the steps of threads may differ in number from run to run
        returned = len(ended.said)
        seen = in_process(lambda say: say(self.scenario.state(self.work)))
        if not seen.said:
            return f"what is left cannot be opened: {seen.failed or f'signal {seen.signal}'}"
        at = self.scenario.place(seen.said[0], self.states, returned)
        if at is None:
            return f"{returned} calls returned, and what is left is neither the state before nor after: {seen.said[0]}"
        again = in_process(lambda say: self.scenario.calls(self.work, at, lambda: None))
        if again.failed or again.signal:
            return f"the next start fails: {again.failed or f'signal {again.signal}'}"
        end = in_process(lambda say: say(self.scenario.state(self.work)))
        if end.said != self.states[-1:]:
            return f"the next start ends in another state: {end.failed or end.said}"
        if (left := tree(self.work)) != self.tree:
            more, fewer = sorted(set(left) - set(self.tree)), sorted(set(self.tree) - set(left))
            return f"the next start leaves {more} and lacks {fewer}"
        return ""


def run(scenario: Scenario, folder: Path, sample: int | None, seed: int) -> dict[str, Any]:
    """Kills one scenario at every moment, or at a sample of them."""
    began = time.monotonic()
    case = Case(scenario, folder)
    moments = sorted(case.different)
    if sample is not None and sample < len(moments):
        moments = sorted(random.Random(f"{scenario.name} {seed}").sample(moments, sample))
    wrong = {}
    for moment in moments:
        if problem := case.kill(moment):
            name = f"{'after' if moment % 2 else 'before'} step {moment // 2}, {case.steps[moment // 2][:60]}"
            wrong[name] = problem[-1500:]
    shutil.rmtree(folder)
    return {
        "scenario": scenario.name,
        "moments": 2 * len(case.steps),
        "different": len(case.different),
        "kills": case.killed,
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
    }


def main() -> int:
    """Runs the scenarios that are named, or all; returns 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    status = 0
    for name in args.only:
        result = run(SCENARIOS[name], args.folder / name, args.sample, args.seed)
        print(json.dumps(result), flush=True)
        status |= bool(result["wrong"])
    return status


if __name__ == "__main__":
    sys.exit(main())
