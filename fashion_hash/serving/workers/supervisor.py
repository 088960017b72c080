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
from collections.abc import Callable, MutableSequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import NamedTuple

import uvicorn
from prometheus_client.multiprocess import mark_process_dead

from fashion_hash.errors import FashionHashError
from fashion_hash.serving.http.connections import BoundedConnection
from fashion_hash.serving.workers.sharing import NOT_ACCEPTING, SharingServer
from fashion_hash.serving.workers.worker import Worker, end_with_parent
from fashion_hash.serving.workers.writer import listen_for_changes
from fashion_hash.serving.workers.writing import Writing

_log = logging.getLogger("fashion_hash.serving")
BACKLOG = 2048  # connections that the system keeps while nobody accepts them
KEEP_ALIVE = 75  # seconds that a connection may be idle; longer than the proxies in front usually wait
QUICK, MOST_QUICK = 2.0, 5  # a worker that dies within so many seconds, so many times in a row, will not live
LONGEST_PAUSE = 15.0  # seconds before such a worker is tried again while others answer
SWITCH = 0.0005  # seconds; by default an answer waits for 5 ms whenever another thread is busy in Python
FAILED = 3  # the exit status of a worker whose application could not start


class Job(NamedTuple):
    """What a process is started with.

    Attributes:
        worker: makes the application.
        listening: the socket that it accepts from.
        counts: how many connections each worker has, in memory that all share.
        place: of the process in `counts`; the writer has none there.
        early: whether it answers until all others do.
    """

    worker: Worker
    listening: socket.socket
    counts: MutableSequence[int]
    place: int
    early: bool = False


class _Ended(BaseException):
    """The service is to end while kernels are loaded."""


class Supervisor:
    """The parent of the workers.

    On Linux workers are forked from it after everything is imported and compiled: they share that memory, and one that
    died is replaced in a fraction of a second. An early worker is started before, so that first answers need not wait
    for compiled kernels; it ends when the others answer. All of them accept from one socket, so that no connection that
    waits there is lost with a worker. One more process makes all changes (see writer.py).

    Args:
        worker: makes the application, in each process.
        listening: the socket.
        load: loads the kernels that workers share, and compiles them where that was never done, while an early worker
            answers without; None where workers share nothing.
    """

    def __init__(self, worker: Worker, listening: socket.socket, load: Callable[[], None] | None) -> None:
        number, shared = worker.settings.workers, worker.settings.shared
        self._shared = shared
        self._drain_seconds = worker.settings.drain_seconds
        self._load, self._loading = load, False
        counts = multiprocessing.RawArray("i", [NOT_ACCEPTING] * (number + 1))
        separate = load is not None and shared is not None
        answers = worker.in_role("answers") if separate else worker
        self._jobs = [Job(answers, listening, counts, place) for place in range(number)]
        if separate and shared is not None:
            writes, changes = worker.in_role("writes"), listen_for_changes(shared)
            self._jobs.append(Job(writes, changes, counts, number))
        self._early = len(self._jobs)
        self._jobs.append(Job(answers, listening, counts, number, early=True))
        self._process = multiprocessing.get_context("fork").Process if load else SpawnProcess
        self._ending = False
        self._processes: dict[object, BaseProcess] = {}  # by sentinel
        self._started: dict[object, tuple[float, int]] = {}  # when, and the place of its job
        self._quick = [0] * len(self._jobs)  # how often in a row the process of a job died quickly
        self._due: dict[int, float] = {}  # when a job is started again

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        try:
            self._start_all()
        except _Ended:
            pass
        except BaseException:
            self._end_all()
            raise
        status = 0
        while not self._ending:
            for sentinel in wait([process.sentinel for process in self._processes.values()], timeout=0.5):
                if not self._ending and self._is_hopeless(sentinel):
                    _log.error("the workers die as soon as they are started; the service ends")
                    status, self._ending = 1, True
            for job in [job for job, due in self._due.items() if due <= time.monotonic()]:
                if not self._ending:
                    self._start(job)
        self._end_all()
        return status

    def _start_all(self) -> None:
        """Starts the early worker at once, and the others when kernels are loaded."""
        if self._load is not None:
            gc.freeze()  # so that the collector of a worker does not write to shared pages
            self._start(self._early)
            self._loading = True
            self._load()
            self._loading = False
        gc.freeze()
        for job in range(self._early):
            self._start(job)

    def _is_hopeless(self, sentinel: object) -> bool:
        """Notes that a process died, and when its job is started again.

        A job whose process dies again and again is tried after longer and longer pauses while others answer: what they
        have open may no longer be on the disk.

        Returns:
            Whether no process lives for long.
        """
        process = self._processes.pop(sentinel)
        started, job = self._started.pop(sentinel)
        now = time.monotonic()
        process.join()
        if not self._jobs[job].worker.writes:
            self._jobs[job].counts[self._jobs[job].place] = NOT_ACCEPTING
        if self._shared is not None and process.pid is not None:
            mark_process_dead(process.pid, str(self._shared))  # type: ignore[no-untyped-call]
        if job == self._early:  # the others answer, or will in a moment
            return False
        self._quick[job] = quick = self._quick[job] + 1 if now - started < QUICK else 0
        steady = any(
            not self._jobs[job].worker.writes and now - began >= QUICK for began, job in self._started.values()
        )
        if not steady and (quick > MOST_QUICK or (process.exitcode == FAILED and not self._processes)):
            return True
        pause = 0.0 if quick <= 1 else min(LONGEST_PAUSE, 0.25 * 2**quick)
        when = f"in {pause:g} seconds" if pause else "now"
        _log.warning("worker %s died (status %s); another one is started %s", process.pid, process.exitcode, when)
        self._due[job] = now + pause
        return False

    def _start(self, job: int) -> None:
        self._due.pop(job, None)
        if self._shared is not None:
            self._shared.mkdir(mode=0o700, exist_ok=True)  # somebody may have tidied up
        process: BaseProcess = self._process(target=serve, args=(self._jobs[job],), daemon=False)
        process.start()
        self._processes[process.sentinel] = process
        self._started[process.sentinel] = time.monotonic(), job

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        if self._loading:  # may take long where kernels are compiled
            self._loading = False
            raise _Ended

    def _end_all(self) -> None:
        """Lets all workers finish what they are answering, and then the writer."""
        writers = [sentinel for sentinel, (_, job) in self._started.items() if self._jobs[job].worker.writes]
        for sentinels in (self._processes.keys() - writers, self._processes.keys() & writers):
            ending = [self._processes[sentinel] for sentinel in sentinels]
            for process in ending:
                process.terminate()
            until = time.monotonic() + self._drain_seconds + 5
            for process in ending:
                process.join(max(0.1, until - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()


def serve(job: Job) -> None:
    """What a process of the service does until SIGTERM, when answers in progress are finished."""
    worker = job.worker
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    gc.enable()
    sys.setswitchinterval(SWITCH)
    end_with_parent()
    if worker.writes:
        write(job)
    else:
        answer(job)


def write(job: Job) -> None:
    """Makes changes."""
    try:
        Writing(job.worker.service(), job.listening).run()
    except (FashionHashError, OSError) as error:
        _log.error("%s", error)
        os._exit(FAILED)


def answer(job: Job) -> None:
    """Answers over HTTP."""
    worker = job.worker
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
        SharingServer(config, job.counts, job.place, early=job.early).run([job.listening])
    except SystemExit:
        os._exit(FAILED)
