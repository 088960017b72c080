"""What the routes of one process share: models, tokens, metrics, and lanes in which questions wait their turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from fashion_hash.feedback.store import FeedbackStore, feedback_folder
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.idempotency import Replies
from fashion_hash.serving.metrics import Metrics
from fashion_hash.serving.models import Model, Models
from fashion_hash.serving.security import Tokens
from fashion_hash.serving.settings import Settings
from fashion_hash.serving.workers.watch import Watch
from fashion_hash.serving.workers.writer import Writer

Result = TypeVar("Result")
RETRY = {"retry-after": "1"}
MOST_TOGETHER = 16  # questions of one batch; more save little and wait longer
WRITERS = 16  # changes at the same time; they wait for the disk together


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
        async with self.turn(seconds):
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    @asynccontextmanager
    async def turn(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Waits for a turn, as `run` does, for what needs no thread."""
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
                yield
            finally:
                self._turn.release()
        finally:
            self._room += 1

    def close(self) -> None:
        """Ends the threads when their calls are done."""
        self._executor.shutdown(wait=False)


class Batches:
    """Answers questions of one kind together: while a batch is answered, the next one gathers.

    Nothing waits for others to come: a question that comes alone is answered alone, at once.

    Args:
        lane: where batches are answered.
        queue: how many questions may wait.
    """

    def __init__(self, lane: Lane, queue: int) -> None:
        self._lane, self._queue = lane, queue
        self._waiting: dict[Hashable, list[tuple[str | None, asyncio.Future[Any]]]] = {}
        self._count = 0

    async def ask(
        self,
        kind: Hashable,
        user: str | None,
        answer: Callable[[list[str | None]], Sequence[Any]],
        seconds: float | None = None,
    ) -> Any:
        """The answer to a user.

        Args:
            kind: questions of the same kind are answered together.
            user: who asks.
            answer: answers several users, in their order; of the same kind it does the same.
            seconds: how long the answer may take, where there is a deadline.

        Raises:
            Problem: 503, too many are waiting, or the time is over.
        """
        if self._count >= self._queue + MOST_TOGETHER:
            detail = f"the service is busy, and {self._count} requests are waiting already: try again later"
            raise Problem(503, detail, headers=RETRY)
        mine: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._count += 1
        try:
            if kind in self._waiting:
                self._waiting[kind].append((user, mine))
            else:
                self._waiting[kind] = [(user, mine)]
                self._task = asyncio.create_task(self._answer_all(kind, answer))
            async with asyncio.timeout(seconds):
                return await mine
        except TimeoutError:
            raise Problem(503, f"no answer within {seconds:g} seconds: try again later", headers=RETRY) from None
        finally:
            self._count -= 1

    async def _answer_all(self, kind: Hashable, answer: Callable[[list[str | None]], Sequence[Any]]) -> None:
        while batch := self._waiting[kind][:MOST_TOGETHER]:
            del self._waiting[kind][:MOST_TOGETHER]
            await self._answer(batch, answer)
        del self._waiting[kind]

    async def _answer(
        self,
        batch: list[tuple[str | None, asyncio.Future[Any]]],
        answer: Callable[[list[str | None]], Sequence[Any]],
    ) -> None:
        try:
            answers = await self._lane.run(lambda: answer([user for user, _ in batch]))
        except Exception as error:
            if len(batch) == 1 or isinstance(error, Problem):
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                return
            for each in batch:  # one of the users is unknown, say: that is no matter of the others
                await self._answer([each], answer)
            return
        for (_, future), value in zip(batch, answers):
            if not future.done():
                future.set_result(value)


@dataclass
class Service:
    """What the routes share.

    Attributes:
        models: the open bundles.
        settings: of the service.
        tokens: who may read and write.
        metrics: what is counted.
        pool: the lane of questions that the pool answers.
        batches: questions of that lane which can be answered together.
        work: the lane of compositions and requests in words, which take longer.
        writes: the lane of everything that writes.
        feedback: what users did.
        replies: to changes that may be sent again.
        writer: makes the changes; None where this process makes them itself.
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
        self.batches = Batches(self.pool, queue)
        self.writes = Lane(WRITERS, queue, max(seconds, 30.0))
        state = self.settings.state or feedback_folder(next(iter(self.models)).path)
        self.watch = Watch(self.models, self.settings.shared, self.metrics, erases=self.settings.role != "answers")
        shared = self.settings.shared
        self.writer = Writer(shared) if shared is not None and self.settings.role == "answers" else None
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
        if self.writer is not None:
            self.writer.close()
        self.feedback.close()
        for model in self.models:
            model.recommender.close()


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service: Service = request.app.state.service
    return service
