"""The process that makes the changes of all: reads calls, makes them, replies."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from types import FrameType

from fashion_hash.serving.changes.make import make_change
from fashion_hash.serving.http.problems import problem_of
from fashion_hash.serving.service import Service
from fashion_hash.serving.workers.warm import warm
from fashion_hash.serving.workers.watch import EVERY
from fashion_hash.serving.workers.writer import LENGTH, LONGEST, call_from_bytes, is_ours, reply_to_bytes

NICENESS = 10
PAUSE = 0.5  # seconds without a new connection when there are too many open files
_log = logging.getLogger("fashion_hash.serving")


class Writing:
    """Makes the changes that come by a socket, each connection in a thread of its own.

    Args:
        service: whose bundles and files are changed.
        listening: the socket.
    """

    def __init__(self, service: Service, listening: socket.socket) -> None:
        self._service, self._listening = service, listening
        self._ending = threading.Event()
        self._idle = threading.Condition()
        self._making = 0  # changes

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT, and then until the changes in progress are made."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        os.nice(NICENESS)
        for model in self._service.models:
            warm(model.recommender)
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        turn = 0
        while not self._ending.wait(EVERY):
            turn += 1
            self._service.watch.turn(turn)
        until = time.monotonic() + self._service.settings.drain_seconds
        with self._idle:
            self._idle.wait_for(lambda: not self._making, max(0.0, until - time.monotonic()))
        self._service.close()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending.set()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError as error:
                _log.error("no change can be taken (%s); the next try is in %g seconds", error.strerror, PAUSE)
                time.sleep(PAUSE)
                continue
            threading.Thread(target=self._answer_all, args=(connection,), daemon=True).start()

    def _answer_all(self, connection: socket.socket) -> None:
        """Answers the calls of a connection, one after another, until it ends."""
        with connection, connection.makefile("rb") as stream:
            try:
                while is_ours(connection) and len(head := stream.read(LENGTH.size)) == LENGTH.size:
                    [length] = LENGTH.unpack(head)
                    content = stream.read(min(length, LONGEST))
                    if len(content) < length or self._ending.is_set():
                        return  # whoever sent it is told that it may not have been made
                    connection.sendall(self._answer(content))
            except OSError:
                return  # the process at the other end is gone

    def _answer(self, content: bytes) -> bytes:
        call = call_from_bytes(content)
        with self._idle:
            self._making += 1
        try:
            return reply_to_bytes(make_change(self._service, call))
        except Exception as error:
            return reply_to_bytes(problem_of(error, call.request_id))
        finally:
            with self._idle:
                self._making -= 1
                self._idle.notify_all()
