"""What the routes of one process share: models, tokens, metrics, and lanes in which questions wait their turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from fashion_hash.feedback.store import FeedbackStore, feedback_folder
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.idempotency import Replies
from fashion_hash.serving.metrics import Metrics
from fashion_hash.serving.models import Model, Models
from fashion_hash.serving.security import Tokens
from fashion_hash.serving.settings import Settings
from fashion_hash.serving.workers.watch import Watch

Result = TypeVar("Result")
RETRY = {"retry-after": "1"}
WRITERS = 8  # threads that write; they mostly wait for each other and for the disk


class Lane:
    """Runs calls in a few threads; a bounded number of others wait.

    Args:
        threads: how many run at the same time.
        queue: how many may wait.
        seconds: how long one waits at most.
    """

    def __init__(self, threads: int, queue: int, seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads)
        self._turn = asyncio.Semaphore(threads)
        self._room, self._queue, self._seconds = threads + queue, queue, seconds

    async def run(self, call: Callable[[], Result], seconds: float | None = None) -> Result:
        """What a call returns, made in a thread.

        Args:
            call: the call.
            seconds: how long it may wait, where this is less than for others.

        Raises:
            Problem: 503, too many are waiting, or the time is over.
        """
        if self._room <= 0:
            detail = f"the service is busy, and {self._queue} requests are waiting already: try again later"
            raise Problem(503, detail, headers=RETRY)
        self._room -= 1
        try:
            limit = self._seconds if seconds is None else min(seconds, self._seconds)
            try:
                async with asyncio.timeout(limit):
                    await self._turn.acquire()
            except TimeoutError:
                detail = f"the service is busy: no answer could begin within {limit:g} seconds; try again later"
                raise Problem(503, detail, headers=RETRY) from None
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, call)
            finally:
                self._turn.release()
        finally:
            self._room += 1

    def close(self) -> None:
        """Ends the threads when their calls are done."""
        self._executor.shutdown(wait=False)


@dataclass
class Service:
    """What the routes share.

    Attributes:
        models: the open bundles.
        settings: of the service.
        tokens: who may read and write.
        metrics: what is counted.
        pool: the lane of questions that the pool answers.
        work: the lane of compositions and requests in words, which take longer.
        writes: the lane of everything that writes.
        feedback: what users did.
        replies: to changes that may be sent again.
        watch: moves to new generations between requests.
        ready: whether all models are warm and the service does not end.
    """

    models: Models
    settings: Settings
    tokens: Tokens = field(default_factory=Tokens)
    metrics: Metrics = field(default_factory=Metrics)
    ready: bool = False

    def __post_init__(self) -> None:
        threads, queue, seconds = self.settings.threads, self.settings.queue, self.settings.queue_seconds
        self.pool = Lane(threads, queue, seconds)
        self.work = Lane(threads, queue, seconds)
        self.writes = Lane(WRITERS, queue, max(seconds, 30.0))
        state = self.settings.state or feedback_folder(next(iter(self.models)).path)
        self.watch = Watch(self.models, self.settings.shared)
        self.feedback, self.replies = FeedbackStore(state), Replies(state)

    def model_of(self, request: Request, subject: str | None, name: str | None = None) -> Model:
        """The model that answers a request, which metrics and the access log name.

        Args:
            request: the request.
            subject: the id of the user or the session; None for a request of nobody.
            name: of the model, where the caller chooses it.
        """
        model = self.models.of(subject or request.scope.get("request_id", secrets.token_hex(8)), name)
        request.scope["model"] = model.name
        return model

    def close(self) -> None:
        """Ends the threads and closes the files of changes."""
        self.ready = False
        for lane in (self.pool, self.work, self.writes):
            lane.close()
        self.feedback.close()
        for model in self.models:
            model.recommender.close()


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service: Service = request.app.state.service
    return service
