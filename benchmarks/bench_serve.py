"""The service over real sockets, beside the same route answered by faiss: requests a second, compositions, writes.

    python benchmarks/bench_serve.py [--outfits 1000000] [--seconds 10] [--json]

A pool of a million outfits of three items in two modalities, 768 bits an outfit, is served by two processes. Clients on
the same machine ask for the ten best outfits of one user after another; each connection sends its next request when it
has the answer. "rps" is the most requests a second of the numbers of connections tried, p99 under 50 ms; "rps_faiss"
that of the same FastAPI route in the same processes, answered by faiss IndexBinaryFlat with plain Hamming distance over
the same bits, which is not even the right score. Both take turns.

Beside 50 questions a second, which is about a quarter of what two cores can: compositions of two thousand items a type,
10 a second ("compose_p99"), and 100 changes of users a second ("writes_slowdown", the p99 of reads over that without).
The same beside four connections that never pause ends in "_saturated". "seconds_to_first_answer" is the time from the
start of the command, "megabytes_a_worker" the memory of a worker beyond the mapped bundle (Pss).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine
from serve_world import make_bundle

import results

CONNECTIONS = (2, 4, 8, 16, 32)
MOST_P99 = 50.0  # milliseconds
STEAL = 7  # the place of that count in /proc/stat
READS = 50.0  # a second, beside compositions and changes
USERS = 1_000


class Served(NamedTuple):
    """What a number of connections got.

    Attributes:
        rps: answers a second.
        p50, p99: milliseconds.
        errors: replies that were no answers.
    """

    rps: float
    p50: float
    p99: float
    errors: int


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=2_000, help="of each type")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bundle", help="a bundle that an earlier run made; it is made there if it is missing")
    results.add_options(parser)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(options.bundle or Path(folder) / "bundle").resolve()
        if not bundle.exists():
            make_bundle(bundle, options.outfits, options.items, USERS)
        before = processor_times()
        figures = {"machine": machine(), "options": vars(options), **measure(bundle, Path(folder), options)}
        spent = processor_times() - before
        figures["steal"] = float(spent[STEAL] / spent.sum())  # of the processor's time, taken by the host
    if results.hand_over(options, figures):
        return
    print(machine())
    for name, value in figures.items():
        if name not in ("machine", "options"):
            print(f"{name:28}{value:,.2f}" if isinstance(value, float) else f"{name:28}{value}")


def measure(bundle: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {}
    with serving(bundle, folder, options, []) as service:
        figures["seconds_to_first_answer"] = service.seconds
        wait_for_workers(service, options.workers + 1)  # and the writer
        asyncio.run(load(service.port, outfits_of, 8, min(options.seconds, 3.0)))
        figures["megabytes_a_worker"] = max(memory(pid) for pid in workers(service.process.pid))
        rounds = asyncio.run(beside(service, options))
        figures |= rounds
    with serving(bundle, folder, options, ["--faiss"]) as service:
        wait_for_workers(service, options.workers + 1)
        best: dict[str, list[Served]] = {"": [], "_faiss": []}
        for _ in range(options.rounds):
            for suffix, ask in (("", outfits_of), ("_faiss", faiss_of)):
                best[suffix].append(asyncio.run(sweep(service.port, ask, options.seconds / len(CONNECTIONS))))
        for suffix, each in best.items():
            figures[f"rps{suffix}"] = float(np.median([served.rps for served in each]))
            figures[f"p99{suffix}"] = float(np.median([served.p99 for served in each]))
            figures[f"errors{suffix}"] = sum(served.errors for served in each)
        figures["ratio"] = figures["rps"] / figures["rps_faiss"]
    return figures


async def beside(service: Service, options: argparse.Namespace) -> dict[str, Any]:
    """Reads alone, beside compositions, and beside writes: medians of the rounds."""
    port, seconds = service.port, options.seconds / 2

    def write(number: int) -> bytes:
        return change_of(number, service.token)

    figures: dict[str, Any] = {"errors_beside": 0}
    for suffix, read in (
        ("", lambda: paced(port, outfits_of, READS, seconds)),
        ("_saturated", lambda: load(port, outfits_of, 4, seconds)),
    ):
        rounds = []
        for _ in range(options.rounds):
            alone = await read()
            _, composed = await asyncio.gather(read(), paced(port, compose_of, 10.0, seconds))
            reads, written = await asyncio.gather(read(), paced(port, write, 100.0, seconds))
            rounds.append(
                {
                    "reads_p99": alone.p99,
                    "compose_p99": composed.p99,
                    "compose_rps": composed.rps,
                    "reads_p99_beside_writes": reads.p99,
                    "writes_rps": written.rps,
                    "writes_p99": written.p99,
                }
            )
            figures["errors_beside"] += sum(part.errors for part in (alone, composed, reads, written))
        middle = {name: float(np.median([each[name] for each in rounds])) for name in rounds[0]}
        middle["writes_slowdown"] = middle["reads_p99_beside_writes"] / middle["reads_p99"]
        figures |= {name + suffix: value for name, value in middle.items()}
    return figures


# -- clients

Request = Callable[[int], bytes]


def post(path: str, body: object, method: str = "POST", token: str = "") -> bytes:
    content = json.dumps(body).encode()
    key = f"X-API-Key: {token}\r\n" if token else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def outfits_of(number: int) -> bytes:
    return post(f"/v1/users/user-{number % USERS}/outfits", {"k": 10})


def faiss_of(number: int) -> bytes:
    return post(f"/faiss/users/user-{number % USERS}/outfits", {"k": 10})


def compose_of(number: int) -> bytes:
    return post(f"/v1/users/user-{number % USERS}/compose", {"k": 10})


def change_of(number: int, token: str) -> bytes:
    liked = [{"top": f"top-{number % 997}", "shoe": f"shoe-{number % 991}"}]
    return post(f"/v1/users/writer-{number % 500}", {"liked": liked}, "PUT", token)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    """Sends a request and reads the reply; returns whether it is an answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-l"))
    await reader.readexactly(length)
    return head[9:12] in (b"200", b"201")


async def load(port: int, ask: Request, connections: int, seconds: float) -> Served:
    """Connections that each send their next request when they have the answer."""
    times: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def client(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first * 7919
        while (begin := time.perf_counter()) < end:
            errors += not await exchange(reader, writer, ask(number))
            times.append(1000 * (time.perf_counter() - begin))
            number += 1
        writer.close()

    await asyncio.gather(*map(client, range(connections)))
    return served(times, errors, seconds)


async def paced(port: int, ask: Request, rate: float, seconds: float) -> Served:
    """Requests at fixed times, whether or not those before are answered; waiting for a connection counts."""
    times: list[float] = []
    errors = 0
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    began = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal errors
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        errors += not await exchange(*connection, ask(number))
        times.append(1000 * (time.perf_counter() - due))
        free.append(connection)

    await asyncio.gather(*map(one, range(int(rate * seconds))))
    for _, writer in free:
        writer.close()
    return served(times, errors, time.perf_counter() - began)


async def sweep(port: int, ask: Request, seconds: float) -> Served:
    """The most requests a second of the numbers of connections tried, at a p99 that is low enough."""
    each = [await load(port, ask, connections, seconds) for connections in CONNECTIONS]
    quick = [one for one in each if one.p99 < MOST_P99] or [min(each, key=lambda one: one.p99)]
    return max(quick, key=lambda one: one.rps)


def served(times: Sequence[float], errors: int, seconds: float) -> Served:
    return Served(len(times) / seconds, *np.percentile(times, [50, 99]).tolist(), errors)


# -- the service


class Service(NamedTuple):
    """A service that was started."""

    process: subprocess.Popen[str]
    port: int
    token: str
    seconds: float


@contextmanager
def serving(bundle: Path, folder: Path, options: argparse.Namespace, more: Sequence[str]) -> Iterator[Service]:
    """Starts the service, waits for its first answer, and ends it."""
    environment = {**os.environ, "PYTHONPATH": str(results.PROJECT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("serve_world.py"))] if more else []
    command = command or [sys.executable, "-m", "fashion_hash.cli", "serve"]
    tokens = folder / "tokens"
    make = [sys.executable, "-m", "fashion_hash.cli", "serve", "--new-token", "write", "--tokens", str(tokens)]
    token = subprocess.run(make, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    sizes = ["--workers", str(options.workers), "--threads", str(options.threads)]
    quiet = ["--port", "0", "--tokens", str(tokens), "--no-access-log", "--no-verify", "--state", str(folder / "state")]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(bundle), *sizes, *quiet], env=environment, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        port = int(line.rpartition(":")[2])
        asyncio.run(first_answer(port))
        yield Service(process, port, token, time.perf_counter() - begin)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def first_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await exchange(reader, writer, outfits_of(0))
    writer.close()


def workers(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def processor_times() -> np.ndarray:
    """What /proc/stat counts: user, nice, system, idle, iowait, irq, softirq, steal."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    return np.array(line.split()[1:9], dtype=np.int64)


def wait_for_workers(service: Service, count: int) -> None:
    """Until all processes answer, as far as repeated connections tell, and the early one has ended."""
    same = 0
    while same < 5:
        time.sleep(0.1)
        same = same + 1 if len(workers(service.process.pid)) == count else 0
    for _ in range(20):
        asyncio.run(first_answer(service.port))


def memory(pid: int) -> float:
    """Megabytes of a process: its share of memory that no file of a bundle is mapped to."""
    total, counts = 0.0, True
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):
            counts = not line.endswith((".npy", ".bin", ".sqlite", ".utf8"))
        elif first == "Pss:" and counts:
            total += float(line.split()[1])
    return total / 1024


if __name__ == "__main__":
    main()
