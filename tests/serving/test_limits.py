"""Limits: slow and large bodies, full lanes, tokens, and addresses that others reach."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fashion_hash.cli import main
from fashion_hash.errors import ConfigError
from fashion_hash.serving.http.bodies import BoundedBodies
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import named_bundles
from fashion_hash.serving.security import Tokens, is_loopback, new_token, read_tokens
from fashion_hash.serving.service import Batches, Lane


def post(app, *parts, length=None, pause=0.0):
    """The statuses of what an application sends when a body comes in parts."""
    statuses, waiting = [], list(parts)

    async def receive():
        await asyncio.sleep(pause)
        if not waiting:
            await asyncio.sleep(60)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "headers": headers, "path": "/"}
    asyncio.run(app(scope, receive, send))
    return statuses


async def echo(scope, receive, send):
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def test_bodies_are_bounded_in_bytes_and_time():
    app = BoundedBodies(echo, most_bytes=10, seconds=0.2)
    assert post(app, b"12345", b"67890", b"") == [200]
    assert post(app, b"12345", b"678901", b"") == [413]
    assert post(app, length=11) == [413]
    assert post(app, b"1", b"2", b"3", b"", pause=0.15) == [408]
    assert post(app, b"1") == [408]


def test_all_bodies_together_are_bounded_and_what_they_hold_is_given_back():
    app = BoundedBodies(echo, most_bytes=10, seconds=0.2, all_bytes=8)
    assert post(app, b"123456789", b"") == [503]
    for _ in range(3):
        assert post(app, b"1234567", b"") == [200]


def test_a_full_lane_refuses_at_once_and_a_long_wait_is_ended():
    release = threading.Event()

    async def scenario():
        lane = Lane(1, 1, 0.2)
        running = asyncio.create_task(lane.run(release.wait))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(lane.run(lambda: "late"))
        await asyncio.sleep(0.05)
        with pytest.raises(Problem, match="waiting already") as full:
            await lane.run(lambda: "never")
        with pytest.raises(Problem, match="could begin") as late:
            await waiting
        release.set()
        await running
        assert await lane.run(lambda: "free again") == "free again"
        lane.close()
        return full.value, late.value

    for problem in asyncio.run(scenario()):
        assert problem.status == 503
        assert problem.headers["retry-after"] == "1"


def test_a_batch_in_which_one_fails_answers_the_others():
    def answer(users):
        if "bad" in users:
            raise ValueError("bad")
        return [f"for {user}" for user in users]

    async def scenario():
        lane = Lane(1, 10, 1.0)
        batches = Batches(lane, 10)
        asked = (batches.ask("kind", user, answer) for user in ("a", "bad", "b"))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        lane.close()
        return answers

    first, bad, second = asyncio.run(scenario())
    assert (first, second) == ("for a", "for b")
    assert isinstance(bad, ValueError)


def test_tokens(tmp_path):
    file = tmp_path / "tokens"
    reads, writes = new_token(file, "read"), new_token(file, "write")
    tokens = read_tokens(file)
    assert tokens.allows(reads, "read")
    assert tokens.allows(reads, "write") is False
    assert tokens.allows(writes, "read")
    assert tokens.allows(writes, "write")
    assert tokens.allows("nonsense", "read") is None
    assert Tokens().allows("", "read") is None
    file.write_text("write secret\n")
    with pytest.raises(ConfigError, match=r"tokens:1: a line must be"):
        read_tokens(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bundle", "--host", "0.0.0.0"], "is reached from other machines"),
        (["bundle", "--port", "70000"], "--port must be from 0 to 65535"),
        (["bundle", "--workers", "0"], "--workers must be at least 1"),
        ([], "no bundle is given"),
        (["a", "b"], "each needs a name"),
        (["A=a", "A=b"], "two bundles have the name"),
        (["--new-token", "write"], "--new-token needs --tokens"),
        (["bundle", "--tokens", "missing.txt"], "missing.txt cannot be read"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_listens(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.setenv(variable, "1")  # the command sets them; they are put back
    assert main(["serve", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_addresses_and_names():
    assert is_loopback(["127.0.0.1", "localhost", "::1", "127.9.9.9"])
    assert not is_loopback(["127.0.0.1", "0.0.0.0"])
    assert not is_loopback(["127.0.0.1.evil.example"])
    assert [name for name, _ in named_bundles(["A=x", "B=y"])] == ["A", "B"]
    assert named_bundles(["runs/a=b/bundle"])[0][0] == "main"
