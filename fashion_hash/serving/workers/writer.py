"""Changes are made by one process, the writer; those that answer hand them over.

A change costs the processor and the interpreter for some milliseconds, and two processes that write wait for each
other's locks. With a writer of its own, which runs with a lower priority, answers hardly notice changes.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from fashion_hash.serving.http.problems import Problem

NICENESS = 5
SECONDS = 120.0  # for a change; a large batch takes some
BACKLOG = 256
_TAKEN = ("content-type", "cache-control", "location", "retry-after", "www-authenticate")
_NOT_SENT = ("connection", "content-length", "transfer-encoding", "expect", "x-request-id")


def listen_for_changes(shared: Path) -> socket.socket:
    """The socket that changes are handed over by. It outlives a writer that dies: what waits there is not lost."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(_address(shared))
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


def _address(shared: Path) -> str:
    """A name that Linux keeps apart from files: it has no length to exceed, and nobody who tidies up can remove it."""
    return f"\0{shared.name}.writer"


class _Connection(http.client.HTTPConnection):
    """A connection to the writer."""

    def __init__(self, address: str) -> None:
        super().__init__("writer", timeout=SECONDS)
        self._address = address

    def connect(self) -> None:
        """Connects by the socket of the writer."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._address)

    def drop_if_ended(self) -> None:
        """Closes a connection that the writer has closed, or that died with it."""
        if self.sock is not None:
            ready = select.poll()  # select.select knows no files beyond the 1,024th, and clients may hold as many
            ready.register(self.sock, select.POLLIN)
            if ready.poll(0):
                self.close()


class Writer:
    """The other end: sends changes to the writer. Every thread has a connection of its own.

    Args:
        shared: the folder of the socket.
    """

    def __init__(self, shared: Path) -> None:
        self._address = _address(shared)
        self._threads = threading.local()

    def send(self, request: Request, body: bytes) -> Response:
        """The writer's reply to a request that was checked here; it checks it again.

        Args:
            request: a change.
            body: its body.

        Raises:
            Problem: 503, the writer died, or was stopped, before it replied.
        """
        target = request.scope["raw_path"].decode("latin-1")
        if query := request.scope["query_string"]:
            target += "?" + query.decode("latin-1")
        headers = _headers(request.headers.raw) | {"x-request-id": request.scope["request_id"]}
        try:
            return self._exchange(request.method, target, body, headers)
        except (OSError, http.client.HTTPException):
            self._threads.connection.close()
            detail = (
                "the process that makes changes did not reply, so this one may or may not have been made: send it again"
            )
            raise Problem(503, detail, headers={"retry-after": "1"}) from None

    def _exchange(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Response:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = _Connection(self._address)
        connection: _Connection = self._threads.connection
        connection.drop_if_ended()
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        content = reply.read()
        taken = {name: value for name in _TAKEN if (value := reply.headers[name]) is not None}
        return Response(content, reply.status, taken)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)
    return {name: value for name, value in pairs if name not in _NOT_SENT}
