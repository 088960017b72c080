"""What a service is allowed to do, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fashion_hash.index.engines.open import EngineName


@dataclass(frozen=True)
class Settings:
    """The settings of a service; the defaults are for one machine and trusted callers.

    Attributes:
        tokens: a file of hashed tokens (serving/security.py); None where nobody may write over HTTP.
        open_reads: whether questions are answered without a token.
        hosts: names that the Host header may have, so that a page of somebody else cannot reach a service on loopback
            under its own name; empty for any.
        state: the folder of what the service writes itself (feedback, idempotency keys); None for "service" in the
            folder of the first bundle.
        workers: how many processes answer.
        threads: how many questions a process answers at the same time.
        queue: how many questions of a process may wait; more are refused with 503.
        queue_seconds: how long one waits before it is refused with 503.
        body_bytes: of a body, at most.
        photo_bytes: of an uploaded picture that items are searched by, with the fields beside it, at most.
        body_seconds: in which a body must have arrived.
        compose_seconds: of a composition without `timeout_ms`, at most.
        drain_seconds: in which answers in progress may end after SIGTERM.
        access_log: whether every request is logged.
        role: what this process does: "answers" hands changes over to the process that "writes"; "all" does both.
        engine: how pools are searched, as for Recommender.load.
        shared: a folder that all workers of a service use while it runs; None where there is one process.
    """

    tokens: Path | None = None
    open_reads: bool = True
    hosts: tuple[str, ...] = ()
    state: Path | None = None
    workers: int = 1
    threads: int = 2
    queue: int = 64
    queue_seconds: float = 5.0
    body_bytes: int = 4 << 20
    photo_bytes: int = 16 << 20
    body_seconds: float = 10.0
    compose_seconds: float = 2.0
    drain_seconds: float = 10.0
    access_log: bool = True
    role: Literal["all", "answers", "writes"] = "all"
    engine: EngineName = "auto"
    shared: Path | None = None
