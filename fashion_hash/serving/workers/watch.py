"""What a worker does between requests: it moves to new generations, follows reloads, and finishes erasures."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from contextlib import suppress
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
        self._models, self._erases, self._shared = models, erases, shared
        self._metrics, self._seen = metrics, self._stamps()
        self._generations = {model.name: model.generation for model in models}

    async def run(self) -> None:
        """Looks again and again, in a thread."""
        turn = 0
        while True:
            await asyncio.sleep(EVERY)
            turn += 1
            await asyncio.to_thread(self.turn, turn)

    def turn(self, number: int) -> None:
        """Looks for the time of a number; an error is logged."""
        try:
            self.look(self._erases and number % ERASE_EVERY == 0)
        except (FashionHashError, OSError) as error:
            _log.error("%s", error)

    def look(self, erase: bool = False) -> None:
        """Looks once.

        Args:
            erase: also erase what a removal of users could not, because somebody read the files.
        """
        seen, self._seen = self._seen, self._stamps()
        for name in [name for name, stamp in self._seen.items() if stamp != seen.get(name)]:
            try:
                self._models.reload(name, warm)
            except FashionHashError as error:  # another one may be good
                _log.error("%s", error)
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

    def tell_reload(self, name: str | None) -> None:
        """Tells the other workers to reload a model as well; None for all."""
        if self._shared is not None:
            for each in self._models if name is None else [self._models.of("", name)]:
                write_text(self._shared / f"{RELOADED}.{each.name}", str(os.getpid()))
                self._seen[each.name] = self._stamps().get(each.name, (0, 0))

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """By model when its last reload was told."""
        stamps: dict[str, tuple[int, int]] = {}
        if self._shared is None:
            return stamps
        for model in self._models:
            with suppress(OSError):
                status = (self._shared / f"{RELOADED}.{model.name}").stat()
                stamps[model.name] = status.st_ino, status.st_mtime_ns
        return stamps


def _has_to_erase(model: Model) -> bool:
    return model.recommender.live.ask(lambda store: store.meta(ERASE)) is not None
