"""Changes are made by one process, the writer; those that answer hand them over.

A change costs the processor and the interpreter for some milliseconds, and two processes that write wait for each
other's locks. With a writer of its own, which runs with a lower priority, answers hardly notice changes.

A message is its length, four bytes, and JSON: the name of a change and its arguments, and back the reply.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from fashion_hash.serving.changes.call import Call, Key
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.idempotency import Kept

SECONDS = 120.0  # for a change; a large batch takes some
BACKLOG = 256
LONGEST = 1 << 30  # bytes of a message; bodies are bounded long before
LENGTH = struct.Struct("!I")
_OWNER = struct.Struct("3i")  # process, user and group, as SO_PEERCRED gives them


def listen_for_changes(shared: Path) -> socket.socket:
    """The socket that changes are handed over by. It outlives a writer that dies: what waits there is not lost."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(_address(shared))
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end is a process of the same user: anybody on the machine can connect, and no token is sent."""
    sent = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _OWNER.size)
    return bool(_OWNER.unpack(sent)[1] == os.geteuid())


def _address(shared: Path) -> str:
    """A name that Linux keeps apart from files: it has no length to exceed, and nobody who tidies up can remove it."""
    return f"\0{shared.name}.writer"


def call_to_bytes(call: Call) -> bytes:
    """A call as a message."""
    return _message([call.change, dict(call.arguments), call.key, call.request_id])


def call_from_bytes(content: bytes) -> Call:
    """The call of a message, without its length."""
    change, arguments, key, request_id = json.loads(content)
    return Call(change, arguments, None if key is None else Key(*key), request_id)


def reply_to_bytes(reply: Kept | Problem) -> bytes:
    """A reply as a message."""
    if isinstance(reply, Problem):
        return _message([reply.status, reply.detail, reply.pointer, dict(reply.headers)])
    return _message([reply.status, reply.content.decode()])


def reply_from_bytes(content: bytes) -> Kept:
    """The reply of a message, without its length. Raises Problem where the change was refused."""
    status, text, *problem = json.loads(content)
    if problem:
        raise Problem(status, text, *problem)
    return Kept(status, text.encode())


def _message(value: Any) -> bytes:
    content = json.dumps(value, separators=(",", ":")).encode("ascii")
    return LENGTH.pack(len(content)) + content


class Writer:
    """The other end: sends changes to the writer. Connections are kept for the next ones.

    Args:
        shared: the folder of the socket.
    """

    def __init__(self, shared: Path) -> None:
        self._address = _address(shared)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, call: Call) -> Kept:
        """The writer's reply to a change.

        Raises:
            Problem: what the writer refuses it with; 422, an argument cannot be written as JSON; 503, the writer died,
                or was stopped, before it replied.
        """
        try:
            message = call_to_bytes(call)
        except (ValueError, RecursionError):
            raise Problem(422, "a field is nested too deeply: send fewer levels") from None
        try:
            async with asyncio.timeout(SECONDS):
                content = await self._exchange(message)
        except (OSError, EOFError, TimeoutError):
            detail = (
                "the process that makes changes did not reply, so this one may or may not have been made: send it again"
            )
            raise Problem(503, detail, headers={"retry-after": "1"}) from None
        return reply_from_bytes(content)

    async def _exchange(self, message: bytes) -> bytes:
        reader, writer = await self._connection()
        try:
            writer.write(message)
            await writer.drain()
            [length] = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            content = await reader.readexactly(length)
        except BaseException:  # also where nobody waits for the reply any more: the next change must not get it
            writer.close()
            raise
        self._idle.append((reader, writer))
        return content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()  # the writer at the other end has ended
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, self._address)
            return await asyncio.open_unix_connection(sock=connection, limit=LONGEST)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Closes the connections that wait for the next change."""
        while self._idle:
            self._idle.pop()[1].close()
