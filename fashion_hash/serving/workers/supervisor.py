"""Starts the workers, starts those again that die, and ends them with the service."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType

import uvicorn

from fashion_hash.serving.http.connections import BoundedConnection
from fashion_hash.serving.workers.worker import Worker, end_with_parent

_log = logging.getLogger("fashion_hash.serving")
BACKLOG = 2048  # connections that the system keeps while nobody accepts them
KEEP_ALIVE = 75  # seconds that a connection may be idle; longer than the proxies in front usually wait
QUICK, MOST_QUICK = 2.0, 5  # a worker that dies within so many seconds, so many times in a row, will not live
SWITCH = 0.0005  # seconds; by default an answer waits for 5 ms whenever another thread is busy in Python
FAILED = 3  # the exit status of a worker whose application could not start


class Supervisor:
    """The parent of the workers.

    On Linux workers are forked from it after everything is imported and compiled: they share that memory, and one that
    died is replaced in a fraction of a second. All of them accept from one socket, so that no connection that waits
    there is lost with a worker.

    Args:
        worker: makes the application, in each process.
        listening: the socket.
    """

    def __init__(self, worker: Worker, listening: socket.socket) -> None:
        self._worker, self._listening = worker, listening
        forks = sys.platform == "linux"
        self._process = multiprocessing.get_context("fork").Process if forks else SpawnProcess
        self._ending = False
        self._processes: dict[object, BaseProcess] = {}  # by sentinel
        self._started: dict[object, float] = {}

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        gc.freeze()  # so that the collector of a worker does not write to shared pages
        for _ in range(self._worker.settings.workers):
            self._start()
        status, quick = 0, 0
        while not self._ending:
            for sentinel in wait([process.sentinel for process in self._processes.values()], timeout=0.5):
                process = self._processes.pop(sentinel)
                lived = time.monotonic() - self._started.pop(sentinel)
                process.join()
                if self._ending:
                    break
                quick = quick + 1 if lived < QUICK else 0
                if quick > MOST_QUICK or (process.exitcode == FAILED and not self._processes):
                    _log.error("the workers die as soon as they are started; the service ends")
                    status, self._ending = 1, True
                    break
                _log.warning("worker %s died (status %s); another one is started", process.pid, process.exitcode)
                self._start()
        self._end_all()
        return status

    def _start(self) -> None:
        process: BaseProcess = self._process(target=serve, args=(self._worker, self._listening), daemon=False)
        process.start()
        self._processes[process.sentinel] = process
        self._started[process.sentinel] = time.monotonic()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True

    def _end_all(self) -> None:
        """Lets all workers finish what they are answering."""
        for process in self._processes.values():
            process.terminate()
        until = time.monotonic() + self._worker.settings.drain_seconds + 5
        for process in self._processes.values():
            process.join(max(0.1, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


def serve(worker: Worker, listening: socket.socket) -> None:
    """What a worker does: answers until SIGTERM, when answers in progress are finished."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    gc.enable()
    sys.setswitchinterval(SWITCH)
    end_with_parent()
    config = uvicorn.Config(
        worker,
        factory=True,
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(worker.settings.drain_seconds),
    )
    try:
        uvicorn.Server(config).run([listening])
    except SystemExit:
        os._exit(FAILED)
