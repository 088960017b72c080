"""Workers share one listening socket, and its connections evenly.

Left to themselves, the first worker that wakes takes every connection that waits, and keeps them as long as clients
keep them alive: of four busy connections all may end at one worker while the others are idle. Here a worker with more
connections than another waits a moment before it takes one more.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import MutableSequence
from typing import Any

import uvicorn

from fashion_hash.serving.http.connections import BoundedConnection

PATIENCE = 0.003  # seconds in which a worker with fewer connections can take the next one
NOT_ACCEPTING = 1 << 30  # the count of a worker that takes no connections
PAUSE = 0.5  # seconds without a new connection when there are too many open files
_log = logging.getLogger("fashion_hash.serving")


class SharingServer(uvicorn.Server):
    """A server that accepts connections one by one, and not before workers that have fewer.

    Args:
        config: of the server.
        counts: how many connections each worker has, in memory that all workers see; each writes its own.
        place: of this worker in `counts`.
        early: whether it ends when all others accept connections. Those that it has are closed after their next answer,
            which says so: a client that is idle, or sends at that moment, notices nothing.
    """

    def __init__(
        self, config: uvicorn.Config, counts: MutableSequence[int], place: int, *, early: bool = False
    ) -> None:
        super().__init__(config)
        self._counts, self._place, self._early = counts, place, early
        self._listening: list[socket.socket] = []
        self._accepted: set[asyncio.Future[Any]] = set()  # not yet among the connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application and then accepts connections."""
        await super().startup(sockets=[])
        self._listening = sockets or []
        for listening in self._listening:
            listening.setblocking(False)
            self._watch(listening)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts no more connections and ends those that are open, when their answers are sent."""
        self._stop_accepting()
        await super().shutdown(sockets)

    def _stop_accepting(self) -> None:
        for listening in self._listening:
            asyncio.get_running_loop().remove_reader(listening)
        self._listening = []
        self._counts[self._place] = NOT_ACCEPTING

    async def on_tick(self, counter: int) -> bool:
        """Tells the others how many connections are left."""
        self._tell()
        if self._early:
            if self._listening and sum(count < NOT_ACCEPTING for count in self._counts) == len(self._counts):
                self._stop_accepting()
                self.config.encoded_headers.append((b"connection", b"close"))
                self.server_state.default_headers.append((b"connection", b"close"))
            if not self._listening and not self.server_state.connections and not self._accepted:
                self.should_exit = True
        return await super().on_tick(counter)

    def _tell(self) -> None:
        if self._listening:
            self._counts[self._place] = len(self.server_state.connections) + len(self._accepted)

    def _watch(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._readable, listening)

    def _readable(self, listening: socket.socket) -> None:
        self._tell()
        if self._counts[self._place] > min(self._counts):
            self._later(listening, PATIENCE)
        else:
            self._accept(listening)

    def _later(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(seconds, self._accept_and_watch, listening)

    def _accept_and_watch(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._watch(listening)
            self._accept(listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            _log.error("no connection can be accepted (%s); the next try is in %g seconds", error.strerror, PAUSE)
            self._later(listening, PAUSE)
            return
        task = asyncio.ensure_future(asyncio.get_running_loop().connect_accepted_socket(self._connection, connection))
        self._accepted.add(task)
        task.add_done_callback(self._accepted.discard)

    def _connection(self) -> asyncio.Protocol:
        config = self.config
        connection: BoundedConnection = config.http_protocol_class(  # type: ignore[assignment, call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        connection.on_lost = self._tell  # at once: others would leave the next ones to the worker that looks idle
        return connection
