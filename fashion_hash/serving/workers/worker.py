"""One process of the service: opens the bundles, builds the application, and ends when its supervisor has gone."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import Literal

from fastapi import FastAPI

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from fashion_hash.serving.security import Tokens
from fashion_hash.serving.service import Service
from fashion_hash.serving.settings import Settings


@dataclass(frozen=True)
class Worker:
    """Makes the application in the process that answers; it is pickled on its way there.

    Attributes:
        bundles: as in the command line.
        split: as in the command line.
        settings: of the service.
        verify: whether the checksums of all files are compared first.
        tokens: read once, so that all processes, and those that are started later, accept the same.
    """

    bundles: Sequence[str]
    split: str | None
    settings: Settings
    verify: bool
    tokens: Tokens | None = None

    @property
    def writes(self) -> bool:
        """Whether this process makes the changes of all."""
        return self.settings.role == "writes"

    def in_role(self, role: Literal["answers", "writes"]) -> Worker:
        """The same, for a process that only answers or only writes."""
        return replace(self, settings=replace(self.settings, role=role))

    def __call__(self) -> FastAPI:
        """Opens the bundles."""
        return create_app(self._opened(), self.settings, self.tokens)

    def service(self) -> Service:
        """Opens the bundles, for a process that answers nobody."""
        return Service(self._opened(), self.settings)

    def _opened(self) -> Models:
        log_to_stderr()
        return Models.open(self.bundles, self.split, verify=self.verify, engine=self.settings.engine)


def log_to_stderr() -> None:
    """Sends the logs of the service to stderr: the access log as lines of JSON, the rest with time and level."""
    for name, form in (("fashion_hash.access", "%(message)s"), ("fashion_hash.serving", None), ("uvicorn", None)):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(form or "%(asctime)s %(process)d %(levelname)s %(message)s"))
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING if name == "uvicorn" else logging.INFO)


def end_with_parent() -> None:
    """Ends this process, as SIGTERM does, when the process that started it is gone; it would hold the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
