"""Two processes train what one would have trained, up to the order in which floats are added up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.errors import ConfigError
from fashion_hash.training.processes import group
from tests.paths import PROJECT
from tests.worlds.together import CASES, LEFT, train_all


def start(folder, world):
    """The processes, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.together", str(folder)],
            cwd=PROJECT,
            env={**os.environ, **place, "RANK": str(number), "LOCAL_RANK": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(world)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folders of the trainings by one process and by two."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    processes = start(together, 2)
    train_all(alone)
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return alone, together


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_what_one_trains(trained, name):
    alone, together = (folder / name for folder in trained)
    one, two = (load_file(folder / "last.safetensors") for folder in (alone, together))
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=2e-4, msg=key)
    first, second = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (alone, together)
    )
    assert len(first) == len(second) == 2
    np.testing.assert_allclose([epoch["loss"] for epoch in second], [epoch["loss"] for epoch in first], rtol=1e-5)


def test_one_process_writes_the_run(trained):
    for name in CASES:
        alone, together = ({path.name for path in (folder / name).iterdir()} for folder in trained)
        assert together - alone == {group.STARTED_BY}
        assert not list(trained[1].glob(f"{name}.old*"))


def test_a_process_says_that_another_one_has_ended(trained):
    _, together = trained
    said = (together / LEFT).read_text()
    assert said.startswith("process 1 of 2 ends, because another one has ended or cannot be reached (")
    assert "GLHF" not in said


def test_shares_cover_every_row_once(monkeypatch):
    for world in (1, 2, 3, 5):
        monkeypatch.setattr(group, "world", lambda world=world: world)
        for count in (0, 1, 4, 17):
            rows = []
            for number in range(world):
                monkeypatch.setattr(group, "rank", lambda number=number: number)
                rows += range(count)[group.part(count)]
            assert rows == list(range(count))


def test_a_restart_goes_on_with_the_run_of_the_same_torchrun(tmp_path, monkeypatch):
    group.mark_started(tmp_path)
    assert not group.restarted(tmp_path)  # one process alone is started by nobody
    monkeypatch.setattr(group, "world", lambda: 2)
    group.mark_started(tmp_path)
    monkeypatch.setattr(group, "world", lambda: 1)
    assert not group.restarted(tmp_path)  # others than torchrun start nothing again
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    group.mark_started(tmp_path)
    assert not group.restarted(tmp_path)
    monkeypatch.setattr(group, "world", lambda: 2)
    group.mark_started(tmp_path)
    monkeypatch.setattr(group, "world", lambda: 1)
    assert group.restarted(tmp_path)
    monkeypatch.setattr(os, "getppid", lambda: -1)
    assert not group.restarted(tmp_path)


def test_what_several_processes_cannot_train_is_refused(monkeypatch):
    monkeypatch.setattr(group, "world", lambda: 2)
    with pytest.raises(ConfigError, match="a configuration of requests is trained by one process"):
        group.check_alone("a configuration of requests")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="process 2 of this machine has no GPU of its own"), group.joined("cuda"):
        pass
