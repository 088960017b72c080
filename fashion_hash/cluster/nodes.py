"""Ray nodes on this machine, as child processes that end with this one: a cluster to try, or the head of a real one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fashion_hash.core.extras import require_extra
from fashion_hash.errors import ClusterError

START_SECONDS = 60.0
MEMORY = 200_000_000  # bytes a node keeps for questions and answers on their way


@contextmanager
def local_nodes(count: int, cpus: float, folder: Path | None = None) -> Iterator[LocalNodes]:
    """Starts Ray nodes, and ends them and their actors.

    Args:
        count: how many, at least 1; the first is the head.
        cpus: that each offers.
        folder: for the files of Ray, its logs among them; by default a temporary one. Its path must be short, since Ray
            puts sockets there.

    Raises:
        ClusterError: a node does not start.
        MissingExtraError: Ray is not installed.
    """
    require_extra("ray", "a cluster", "ray")
    with tempfile.TemporaryDirectory(prefix="ray.", ignore_cleanup_errors=True) as temporary:
        nodes = LocalNodes(cpus, folder or Path(temporary))
        try:
            for _ in range(count):
                nodes.start()
            yield nodes
        finally:
            nodes.end()


class LocalNodes:
    """The nodes of `local_nodes`.

    Attributes:
        address: of the head, "host:port".
        processes: one for each node, in order of start.
    """

    def __init__(self, cpus: float, folder: Path) -> None:
        """Starts nothing yet."""
        self._cpus, self._folder = cpus, folder
        self.address = ""
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Starts a node, and waits until it takes part."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--num-cpus={self._cpus:g}"]
        command += [f"--object-store-memory={MEMORY}", "--disable-usage-stats"]
        log = self._folder / f"node-{len(self.processes)}.log"
        if self.address:
            command += ["--address", self.address]
        else:
            port = _free_port()
            self.address = f"127.0.0.1:{port}"
            command += ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
            command += [f"--temp-dir={self._folder}"]
        with log.open("wb") as out:
            # in a group of its own, so that Ctrl-C ends what answers first
            process = subprocess.Popen(command, stdout=out, stderr=out, env=_environment(), start_new_session=True)
        self.processes.append(process)
        until = time.monotonic() + START_SECONDS
        while b"Ray runtime started" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"a Ray node did not start: {log.read_text(errors='replace').strip()[-500:]}")
            time.sleep(0.1)

    def kill(self, number: int) -> None:
        """Kills a node with all that runs on it, without a warning."""
        process = self.processes[number]
        for pid in [*_descendants(process.pid), process.pid]:
            _kill(pid)
        process.wait()

    def end(self) -> None:
        """Ends all nodes, the head last; this process leaves their cluster first, or Ray would end it, too."""
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        for number, process in reversed(list(enumerate(self.processes))):
            if process.poll() is None:
                self.kill(number)  # actors keep nothing, and an orderly end takes seconds


def _environment() -> dict[str, str]:
    # nobody is asked, and nothing is sent anywhere; actors answer people, so they are not nicer than other processes;
    # Ray's nodes want a token wherever ~/.ray holds one, but send it to an address that is named only if told so
    ours = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_worker_niceness": "0"}
    return {**ours, "RAY_AUTH_MODE": "disabled", **os.environ}


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    """The children of a process and theirs, the deepest first."""
    children = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if (fields := _stat(stat)) and fields[1] == str(pid)
    ]
    return [one for child in children for one in (*_descendants(child), child)]


def _stat(path: Path) -> list[str]:
    """State, parent and so on of a process; nothing if it has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
