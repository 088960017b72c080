"""The real service: several processes on a real socket, killed, ended, reloaded, and sent what never ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fashion_hash.feedback.store import FeedbackStore
from fashion_hash.serving.changes.call import Call, Key
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.idempotency import Kept
from fashion_hash.serving.workers.writer import (
    LENGTH,
    Writer,
    call_from_bytes,
    is_ours,
    listen_for_changes,
    reply_to_bytes,
)
from tests.paths import PROJECT
from tests.worlds.generations import add_generation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found through /proc")
ASK = "/v1/users/user-1/outfits"
LONG = 60.0  # seconds that anything may take on a busy machine


class Running:
    """A service that was started.

    Attributes:
        process: the supervisor.
        port: where it listens.
        tokens, token: the file of digests; for writing.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, tokens: Path, token: str) -> None:
        self.process, self.port, self.tokens, self.token = process, port, tokens, token

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)) as connection:
            content = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json", "X-API-Key": self.token, **headers}
            connection.request(method, path, content, headers)
            reply = connection.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text.startswith((b"{", b"[")) else {"text": text.decode()}

    def settle(self) -> None:
        """Waits until the early worker has ended and all others, and the writer, are there."""
        until(lambda: any(os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(0, 0) for pid in self.workers()))
        until(lambda: len(self.workers()) == 3)

    def workers(self) -> list[int]:
        """Those that answer, and last the writer, unless one of them was started again."""
        done = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True)
        return [int(line) for line in done.stdout.split()]


@contextmanager
def running(bundle: Path, tokens: Path, *options: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "fashion_hash.cli", "serve"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "TMPDIR": str(tokens.parent)}
    made = [*command, "--new-token", "write", "--tokens", str(tokens)]
    token = subprocess.run(made, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    process = subprocess.Popen(
        [*command, str(bundle), "--port", "0", "--tokens", str(tokens), "--no-access-log", *options],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        said = re.match(r"serving at http://127.0.0.1:(\d+)", line)
        assert said, line + process.stderr.read()
        yield Running(process, int(said[1]), tokens, token)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("processes") / "bundle"
    add_generation(path)
    return path


@pytest.fixture(scope="module")
def service(bundle, tmp_path_factory):
    with running(bundle, tmp_path_factory.mktemp("tokens") / "tokens", "--workers", "2") as service:
        service.settle()
        yield service


def until(true, seconds=LONG):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def test_it_answers_and_a_token_is_kept_as_its_digest_alone(service):
    status, answer = service.ask("POST", ASK, {"k": 3})
    assert status == 200
    assert len(answer["outfits"]) == 3
    assert service.token not in service.tokens.read_text()
    assert service.tokens.stat().st_mode & 0o077 == 0


def test_a_worker_that_is_killed_costs_no_other_request_and_is_replaced(service):
    before = until(lambda: service.workers()[2:] and service.workers())
    os.kill(before[0], signal.SIGKILL)
    for _ in range(20):
        assert service.ask("POST", ASK, {"k": 1})[0] == 200
    until(lambda: len(service.workers()) == 3 and before[0] not in service.workers())


def test_a_writer_that_is_killed_is_replaced_and_its_change_may_be_sent_again(service):
    def put(number):
        return service.ask("PUT", f"/v1/users/told-{number}", {"liked": [{"top": "top-1"}]})[0]

    assert put(0) == 201
    [writer] = [pid for pid in service.workers() if os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(0, 0)]
    os.kill(writer, signal.SIGKILL)
    assert service.ask("POST", ASK, {"k": 1})[0] == 200
    statuses = [put(number) for number in range(1, 6)]
    assert set(statuses) <= {200, 201, 503}
    assert statuses[-1] == 201
    until(lambda: len(service.workers()) == 3)
    assert put(0) == 200


def test_connections_that_come_together_are_shared_evenly(service):
    until(lambda: len(service.workers()) == 3)

    def shared():
        open_before = sockets(service)
        connections = [socket.create_connection(("127.0.0.1", service.port), timeout=LONG) for _ in range(8)]
        more = until(lambda: sum(sockets(service)) >= sum(open_before) + 6 and sockets(service))
        for connection in connections:
            connection.close()
        until(lambda: sum(sockets(service)) <= sum(more) - 6)
        few, many = sorted(after - before for before, after in zip(open_before, more))[1:]
        return few >= many - 2  # connections of other tests may end meanwhile

    even = [shared() for _ in range(9)]
    assert sum(even) > 4, even  # not each: on a busy machine a worker may get no processor while the other waits


def sockets(service):
    return [
        sum("socket" in os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink())
        for pid in sorted(service.workers())
    ]


def test_the_early_worker_lets_its_connections_end_with_an_answer(bundle, tmp_path):
    with running(bundle, tmp_path / "tokens", "--workers", "2", "--state", str(tmp_path / "state")) as service:
        with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=LONG)) as kept:

            def asked():
                kept.request("POST", ASK, b'{"k": 1}', {"Content-Type": "application/json"})
                reply = kept.getresponse()
                assert reply.status == 200
                assert reply.read()
                return reply.getheader("connection")

            assert asked() is None
            early = service.workers()
            if len(early) > 1:
                pytest.skip("the machine is so busy that the others were as fast")
            until(lambda: len(service.workers()) == 4)
            until(lambda: asked() == "close")
        service.settle()
        assert not set(early) & set(service.workers())
        assert service.ask("POST", ASK, {"k": 1})[0] == 200


def test_metrics_of_all_workers_are_added_up(service):
    def count():
        text = service.ask("GET", "/metrics")[1]["text"]
        lines = [line for line in text.splitlines() if line.startswith("fashion_hash_requests_total")]
        of_route = [line for line in lines if 'route="/v1/users/{user_id}/outfits"' in line]
        return sum(float(line.split()[-1]) for line in of_route)

    before = count()
    for _ in range(10):
        service.ask("POST", ASK, {"k": 1})
    assert [count(), count(), count(), count()] == [before + 10] * 4


def test_every_worker_moves_to_a_new_generation(service, bundle):
    for _ in range(6):
        assert gauge(service) == 1  # now each worker has said it
    before = until(lambda: service.workers()[2:] and service.workers())
    os.kill(before[0], signal.SIGKILL)
    add_generation(bundle, seed=1)

    def generations():
        return {service.ask("POST", ASK, {"k": 1})[1]["generation"] for _ in range(12)}

    until(lambda: generations() == {2})
    until(lambda: {gauge(service) for _ in range(6)} == {2})


def gauge(service):
    text = service.ask("GET", "/metrics")[1]["text"]
    [line] = [line for line in text.splitlines() if line.startswith("fashion_hash_generation{")]
    return float(line.split()[-1])


def test_every_worker_sees_a_change_at_once(service):
    for number in range(6):
        liked = {"liked": [{"top": f"top-{number}"}]}
        assert service.ask("PUT", "/v1/users/newcomer", liked)[0] in (200, 201)
        for _ in range(3):
            assert service.ask("GET", "/v1/users/newcomer")[1]["liked"] == liked["liked"]


def exchange(service, *parts, pause=0.0, read=True):
    with socket.create_connection(("127.0.0.1", service.port), timeout=LONG) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        return connection.recv(65536) if read else b""


def test_a_body_that_is_too_large_or_no_json_or_too_deep_is_refused(service):
    head = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert b" 413 " in exchange(service, head + b"Content-Length: 100000000\r\n\r\n")
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    assert b" 413 " in exchange(service, head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)
    deep = b"[" * 100_000
    for body in (b"{", b"\xff\xfe", deep, b"null", b'{"k": NaN}'):
        got = exchange(service, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert b" 400 " in got or b" 422 " in got, (body[:20], got)


def test_headers_that_never_end_are_refused(service):
    assert b"400" in exchange(service, b"GET / HTTP/1.1\r\n", *[b"X-A: " + b"x" * 9000 + b"\r\n"] * 9)


def test_another_host_header_is_refused(service):
    assert b" 400 " in exchange(service, b"GET /v1/model HTTP/1.1\r\nHost: evil.example\r\n\r\n")


def test_connections_that_are_abandoned_leave_it_serving(service):
    for _ in range(100):
        exchange(service, b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{", read=False)
    idle = [socket.create_connection(("127.0.0.1", service.port), timeout=LONG) for _ in range(200)]
    assert service.ask("POST", ASK, {"k": 1})[0] == 200
    for connection in idle:
        connection.close()


def test_a_reload_reaches_every_worker_and_drops_nothing(service):
    assert service.ask("POST", "/v1/model:reload", {})[0] == 200
    for _ in range(10):
        assert service.ask("POST", ASK, {"k": 1})[0] == 200


def test_a_worker_that_cannot_be_started_again_leaves_the_others_answering(service, bundle):
    time.sleep(2.1)  # the workers have lived for a while
    workers = until(lambda: service.workers()[2:] and service.workers())
    service.tokens.write_text("damaged")  # was read at the start
    bundle.rename(bundle.parent / "away")
    os.kill(workers[0], signal.SIGKILL)
    for _ in range(22):
        assert service.ask("GET", "/healthz")[0] == 200
        time.sleep(0.1)
    assert service.process.poll() is None
    (bundle.parent / "away").rename(bundle)
    until(lambda: len(service.workers()) == 3)
    assert service.ask("PUT", "/v1/users/later", {"liked": [{"top": "top-1"}]})[0] == 201


def test_the_folder_of_the_workers_may_be_tidied_away(service):
    [folder] = service.tokens.parent.glob("fashion_hash_serve.*")
    shutil.rmtree(folder)
    assert service.ask("PUT", "/v1/users/without-folder", {"liked": [{"top": "top-1"}]})[0] == 201
    assert service.ask("GET", "/metrics")[0] == 503
    os.kill(service.workers()[0], signal.SIGKILL)
    until(lambda: folder.exists() and len(service.workers()) == 3)
    for number in range(4):
        assert service.ask("POST", ASK, {"k": 1})[0] == 200
        assert service.ask("PUT", f"/v1/users/without-{number}", {"liked": [{"top": "top-1"}]})[0] == 201


def test_a_writer_that_was_replaced_is_connected_to_again_and_one_that_ends_early_is_said(tmp_path):
    call, reply = Call("put_user", {"user_id": "ü", "liked": []}, Key("k", "d"), "r"), Kept(201, '{"new":"ü"}'.encode())
    listening = listen_for_changes(tmp_path)

    def serve(answers):
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as stream:
            for _ in range(answers):
                [length] = LENGTH.unpack(stream.read(LENGTH.size))
                assert call_from_bytes(stream.read(length)) == call
                connection.sendall(reply_to_bytes(reply))
            stream.read(LENGTH.size)  # a call, or the end, that gets no reply

    async def send():
        loop, writer = asyncio.get_running_loop(), Writer(tmp_path)
        for answers in (2, 1):
            serving = loop.run_in_executor(None, serve, answers)
            assert [await writer.send(call) for _ in range(answers)] == [reply] * answers
            with pytest.raises(Problem, match="send it again"):
                await writer.send(call)
            await serving
        writer.close()

    with listening:
        asyncio.run(send())


def test_the_writer_takes_changes_of_its_own_user_alone(monkeypatch):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert is_ours(ours)
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        assert not is_ours(ours)


def test_what_is_no_http_is_refused_by_a_problem(service):
    for sent in (b"nonsense\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        got = exchange(service, sent)
        assert got.startswith(b"HTTP/1.1 400 "), got
        assert b"application/problem+json" in got
        assert json.loads(got.partition(b"\r\n\r\n")[2])["status"] == 400


def test_sigterm_lets_answers_in_progress_end(service):  # the last of those that share the service
    with socket.create_connection(("127.0.0.1", service.port), timeout=LONG) as connection:
        connection.sendall(
            b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 7\r\n\r\n{"k"'
        )
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(b":1}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert service.process.wait(LONG) == 0


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_when_everything_is_killed(bundle, tmp_path):
    acknowledged: set[str] = set()
    for turn in range(4):
        with running(bundle, tmp_path / f"tokens-{turn}", "--workers", "2") as service:
            for number in range(30):
                event = {
                    "user": f"u{number}",
                    "kind": "liked",
                    "outfit": {"top": "top-1"},
                    "event_id": f"{turn}-{number}",
                }
                try:
                    if service.ask("POST", "/v1/feedback", {"events": [event]})[0] == 200:
                        acknowledged.add(event["event_id"])
                except (OSError, http.client.HTTPException):
                    continue  # the worker that had it was killed
                if number % 10 == 5:
                    os.kill(service.workers()[0], signal.SIGKILL)
            workers = service.workers()
            service.process.kill()
            for worker in workers:  # they end when their parent is gone
                until(lambda worker=worker: not Path(f"/proc/{worker}").exists())
    kept = {event.event_id for event in FeedbackStore(bundle / "service").events()}
    assert len(acknowledged) > 80
    assert acknowledged <= kept
