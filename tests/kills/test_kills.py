"""Whatever is killed leaves the old state or the new one, loses nothing acknowledged, and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kills.nights import ALL as SCENARIOS
from tests.kills.scenarios import CALLS, check_with_referee
from tests.paths import PROJECT
from tests.worlds.live_world import new_bundle

CHEAP = ("live changes", "make-sample over another")


def kill(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Runs scenarios in a process that has started no threads, so that it can be forked."""
    command = [sys.executable, "-m", "tests.kills.run", str(folder), *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert results, done.stderr
    for result in results:
        assert not result["wrong"], f"{result['scenario']}: {json.dumps(result['wrong'], indent=1)}"
        assert result["kills"] > 0
    assert done.returncode == 0, done.stderr
    return results


def test_some_kills(tmp_path: Path) -> None:
    assert len(kill(tmp_path, "--sample", "1", "--only", *CHEAP)) == len(CHEAP)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_every_moment(tmp_path: Path, name: str) -> None:
    (result,) = kill(tmp_path, "--only", name)
    assert result["kills"] >= result["different"] - 2


def test_the_states_around_the_kills_are_those_of_brute_force(tmp_path: Path) -> None:
    assert check_with_referee(new_bundle(tmp_path / "bundle", count=30).path) == CALLS
