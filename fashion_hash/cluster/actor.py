"""What runs in an actor: the single-machine engine over one share of a pool."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.manifest import current_folder
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.contract import Engine, Ranking
from fashion_hash.index.engines.shares import Question, Share, open_share
from fashion_hash.live.generation import generation_path, open_base

MOST_VIEWS = 4
IDLE_SECONDS = 10.0


class Scales(NamedTuple):
    """The scales of the view of a bundle that a question is about: see bundle/views.py."""

    preference: int
    compatibility: int


class Files(NamedTuple):
    """The files of a pool.

    Attributes:
        root: the bundle folder as it is given to commands, above its generations.
        path: the folder of the exported bundle.
        fingerprint: of the exported bundle.
        generation: the number of the compaction (live/generation.py); 0 for the export.
    """

    root: Path
    path: Path
    fingerprint: str
    generation: int

    def are_old(self) -> bool:
        """Whether another bundle, or a later compaction, answers by now; that after this one may be gone already."""
        later = (
            folder
            for folder in generation_path(self.path, 0).parent.glob("generation-*")
            if (number := folder.name.rpartition("-")[2]).isdigit() and int(number) > self.generation
        )
        return current_folder(self.root) != self.path or next(later, None) is not None


class ShareActor:
    """Answers for one share of a pool, and ends when it is idle and its files have been replaced.

    Args:
        files: of the pool; the machine of the actor reads them at the same paths.
        share: which part of it.
        end: ends the actor for good.
        idle_seconds: how long nobody asked before an actor of old files ends.
    """

    def __init__(self, files: Files, share: Share, end: Callable[[], None], idle_seconds: float = IDLE_SECONDS) -> None:
        """Opens the files, and loads compiled code before the first question."""
        bundle = Bundle.open(files.path, verify=False)
        if bundle.fingerprint != files.fingerprint:
            raise RuntimeError(
                f"{files.path} is bundle {bundle.fingerprint} here, but {files.fingerprint} is asked for"
            )
        base = open_base(bundle, files.generation, engine=partial(open_share, share=share), verify=False)
        self._files, self._end, self._idle_seconds = files, end, idle_seconds
        self._bundle, self._engine = base.bundle, base.engine
        self._views: dict[Scales, Engine] = {}
        self._lock, self._asked = threading.Lock(), time.monotonic()
        threading.Thread(target=self._watch, name="old files", daemon=True).start()

    def search(self, question: Question, scales: Scales) -> list[Ranking]:
        """The best outfits of the share, with rows of the whole pool."""
        try:
            return self._view(scales).search_many(*question)  # type: ignore[arg-type]
        finally:
            self._asked = time.monotonic()

    def search_allowed(self, question: Question, allowed: np.ndarray, scales: Scales) -> list[Ranking]:
        """As `search`, for a question whose mask of outfits is sent apart."""
        return self.search(question._replace(allowed=allowed), scales)

    def tests_items(self) -> bool:
        """Whether questions may hold a test of items."""
        return self._engine.tests_items

    def _view(self, scales: Scales) -> Engine:
        if scales == (self._bundle.preference_scale, self._bundle.compatibility_scale):
            return self._engine
        with self._lock:
            if (engine := self._views.pop(scales, None)) is None:
                view = self._bundle.view(preference_scale=scales.preference, compatibility_scale=scales.compatibility)
                engine = self._engine.over(view)
            self._views[scales] = engine
            while len(self._views) > MOST_VIEWS:
                del self._views[next(iter(self._views))]
        return engine

    def _watch(self) -> None:
        while True:
            time.sleep(self._idle_seconds / 2)
            if time.monotonic() - self._asked <= self._idle_seconds:
                continue
            with suppress(BundleError, OSError):  # a folder that cannot be read just now is looked at again
                if self._files.are_old():
                    self._end()
