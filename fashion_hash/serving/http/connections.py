"""Connections that send nothing, or headers a byte at a time, are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fashion_hash.serving.http.problems import problem_reply

HEADER_SECONDS = 10.0
MOST_HEADER_BYTES = 64 << 10


class BoundedConnection(HttpToolsProtocol):
    """A connection whose headers must arrive in time and are of a bounded size.

    The server itself bounds how long a connection may be idle after an answer, but neither how long it may be before
    the first request nor how slowly headers come.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread = 0  # bytes since the last complete headers
        self._in_headers = True
        self.on_lost: Callable[[], None] = _nothing  # is called when the connection has ended

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for a first request as long as for a later one."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._close)

    def data_received(self, data: bytes) -> None:
        """Bounds the bytes of headers, and the time in which they arrive."""
        if self._in_headers:
            if self._unread == 0:
                self._restart(HEADER_SECONDS)
            self._unread += len(data)
        super().data_received(data)
        if self._in_headers and self._unread > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(f"the path and the headers are too large: {MOST_HEADER_BYTES:,} bytes at most")

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP request, or too large a one, as all errors are: with a problem."""
        detail = "this is not an HTTP request that can be read: see the path, the headers and how they end"
        reply = problem_reply(400, msg if "too large" in msg else detail, headers={"connection": "close"})
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(pair) for pair in reply.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(reply.body)]))
        self.transport.close()

    def on_headers_complete(self) -> None:
        """The headers are there."""
        self._in_headers, self._unread = False, 0
        self._stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next bytes are the headers of another request."""
        super().on_message_complete()
        self._in_headers = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        super().connection_lost(exc)
        self.on_lost()

    def _restart(self, seconds: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(seconds, self._close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _nothing() -> None:
    """Whoever counts connections sets something else."""
