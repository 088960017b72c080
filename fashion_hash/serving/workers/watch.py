"""What a worker does between requests: it moves to new generations, follows reloads, and finishes erasures."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from pathlib import Path

from fashion_hash.core.files import write_text
from fashion_hash.errors import FashionHashError
from fashion_hash.live.forgetting.remove import ERASE
from fashion_hash.serving.metrics import Metrics
from fashion_hash.serving.models import Model, Models
from fashion_hash.serving.workers.warm import warm

EVERY = 0.5  # seconds
ERASE_EVERY = 20  # of these
RELOADED = "reloaded"
_log = logging.getLogger("fashion_hash.serving")


class Watch:
    """Looks after the models of one process.

    Args:
        models: of the service.
        shared: the folder by which workers tell each other of reloads; None where there is one process.
        metrics: where generations are noted.
        erases: whether this process erases what a removal of users could not.
    """

    def __init__(self, models: Models, shared: Path | None, metrics: Metrics, *, erases: bool = True) -> None:
        self._models, self._erases, self._reloads = models, erases, None if shared is None else shared / RELOADED
        self._metrics, self._seen = metrics, self._stamp()
        self._generations = {model.name: model.generation for model in models}

    async def run(self) -> None:
        """Looks again and again; an error is logged, and does not end it."""
        turn = 0
        while True:
            await asyncio.sleep(EVERY)
            turn += 1
            try:
                await asyncio.to_thread(self.look, self._erases and turn % ERASE_EVERY == 0)
            except (FashionHashError, OSError) as error:
                _log.error("%s", error)

    def look(self, erase: bool = False) -> None:
        """Looks once.

        Args:
            erase: also erase what a removal of users could not, because somebody read the files.
        """
        if self._stamp() != self._seen:
            self._seen = self._stamp()
            self._models.reload(None, warm)
        for model in self._models:
            generation = model.generation  # moves to the newest
            self._metrics.generation.labels(model.name).set(generation)
            if generation != self._generations.get(model.name):
                self._generations[model.name] = generation
                warm(model.recommender)
                gc.collect()  # files of the generation before are closed, so that it can be removed
                _log.info("model %s answers from generation %s", model.name, generation)
            if erase and _has_to_erase(model):
                model.recommender.compact()

    def tell_reload(self) -> None:
        """Tells the other workers to reload as well."""
        if self._reloads is not None:
            write_text(self._reloads, str(os.getpid()))
            self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._reloads.stat() if self._reloads is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_ino, status.st_mtime_ns)


def _has_to_erase(model: Model) -> bool:
    return model.recommender.live.ask(lambda store: store.meta(ERASE)) is not None
