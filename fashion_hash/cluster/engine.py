"""The engine whose shares are Ray actors, each with replicas: whoever dies is asked again elsewhere.

An answer is complete, and equal to that of one machine, or it is a ClusterError: never a part of it.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.cluster.actor import Files, Scales, ShareActor
from fashion_hash.core.extras import require_extra
from fashion_hash.errors import ClusterError, ConfigError
from fashion_hash.index.engines.contract import Ranking
from fashion_hash.index.engines.shares import Question, Sharded, Share
from fashion_hash.index.pool import FOLDER, Pool

NAMESPACE = "fashion_hash"
AGAIN_AFTER = 0.05  # seconds before a share whose replicas all failed is asked again
KNOCK_SECONDS = 5.0  # in which the head of a cluster takes a connection
REST = 5.0  # seconds in which a replica that failed, or was silent, is asked last


@dataclass(frozen=True)
class Cluster:
    """Opens engines whose shares are actors of a Ray cluster; an `engine` for Recommender.load.

    Actors are found by name, and made where there are none: every process with the same Cluster asks the same actors.
    Each machine of the cluster reads the bundle folder at the same path. A later generation of the bundle gets actors
    of its own; the old ones end by themselves once they are idle.

    Attributes:
        shards: into how many shares a pool is divided.
        replicas: how many actors answer for each share.
        address: of the Ray cluster, as for ray.init: "host:port", or "auto" for that of this machine.
        seconds: how long a question may take before it is given up with a ClusterError.
        other_after: how long a replica may be silent before another one is asked, too.
        cpus: that Ray reserves for an actor.
        threads: questions that an actor answers at once.
    """

    shards: int = 2
    replicas: int = 1
    address: str = "auto"
    seconds: float = 30.0
    other_after: float = 1.0
    cpus: float = 1.0
    threads: int = 2

    def __post_init__(self) -> None:
        """Raises ConfigError for a number that means nothing."""
        for name in ("shards", "replicas", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seconds", "other_after"):
            if not getattr(self, name) > 0:  # NaN neither
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name):g}")

    def at(self, address: str) -> Cluster:
        """The same of another Ray cluster."""
        return replace(self, address=address)

    def __call__(self, bundle: Bundle, pool: Pool) -> ClusterEngine:
        """An engine over a pool; its actors are made, but not waited for.

        Raises:
            ClusterError: the cluster cannot be reached.
            MissingExtraError: Ray is not installed.
        """
        self.connect()
        generation = 0 if pool.path.name == FOLDER and pool.path.parent == bundle.path else _number(pool)
        files = Files(bundle.root, bundle.path, bundle.fingerprint, generation)
        self._make_room(files)
        return ClusterEngine(bundle, pool, self, files)

    def connect(self) -> None:
        """Connects this process with the cluster, unless it is connected already."""
        require_extra("ray", "a cluster", "ray")
        import ray

        if ray.is_initialized():
            return
        self._knock()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=self.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ClusterError(
                f"no Ray cluster answers at {self.address or 'an empty address'} ({error}): start one with `ray start`"
            ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray's would end a service in the middle of its answers

    def _knock(self) -> None:
        """Raises ClusterError where nobody listens: Ray itself would try for minutes."""
        host, _, port = self.address.rpartition(":")
        if not port.isdigit() or "/" in host:
            return  # "auto" and the like
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ClusterError(
                f"no Ray cluster answers at {self.address} ({error}): start one with `ray start`, or name the "
                "address of its head"
            ) from error

    def _make_room(self, files: Files) -> None:
        """Ends the actors of files before the last: where users are erased one after another, each is a compaction."""
        import ray

        for name in ray.util.list_named_actors():
            before, mine, generation = name.rpartition(_name_of(files))
            if before and mine and int(generation) < files.generation - 1:
                with suppress(ValueError):  # it has ended meanwhile
                    ray.kill(ray.get_actor(name), no_restart=True)

    def actor(self, files: Files, share: Share, replica: int) -> Any:
        """The handle of an actor, which is made if there is none of its name."""
        import ray

        name = f"share {share.number + 1} of {share.of}, replica {replica + 1}, {_name_of(files)}{files.generation}"
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "lifetime": "detached",  # it serves all processes, and outlives each
            "get_if_exists": True,
            "max_restarts": -1,
            "max_concurrency": self.threads,
            "num_cpus": self.cpus,
            "scheduling_strategy": "SPREAD",
        }
        return ray.remote(ShareActor).options(**options).remote(files, share, end_this_actor)


def end_this_actor() -> None:
    """Ends the actor that this process is, for good."""
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def _number(pool: Pool) -> int:
    """The number of the compaction whose files hold a pool: its folder is generation-N/index."""
    return int(pool.path.parent.name.rpartition("-")[2])


def _name_of(files: Files) -> str:
    """What the names of the actors of a bundle end with, up to the number of the compaction."""
    parts = "\0".join(map(str, (files.root, files.path, files.fingerprint)))
    return f"bundle {hashlib.sha256(parts.encode()).hexdigest()[:16]}, compaction "


class ClusterEngine(Sharded):
    """See the module docstring.

    Args:
        bundle: the bundle that the pool was built from, or a view of it.
        pool: an open pool index; this process reads its ids and items, not the files that are scanned.
        cluster: where the actors are.
        files: what they open.
    """

    def __init__(self, bundle: Bundle, pool: Pool, cluster: Cluster, files: Files) -> None:
        """Finds or makes the actors."""
        super().__init__(bundle, pool)
        self._cluster, self._files = cluster, files
        self._scales = Scales(bundle.preference_scale, bundle.compatibility_scale)
        self._turns = itertools.count()
        self._rests: dict[tuple[Share, int], float] = {}
        self._shares = [Share(number, cluster.shards) for number in range(cluster.shards)]
        self._actors = {
            (share, replica): cluster.actor(files, share, replica)
            for share in self._shares
            for replica in range(cluster.replicas)
        }

    @cached_property
    def tests_items(self) -> bool:
        """See Engine.tests_items."""
        return all(self._from_all("tests_items"))

    def over(self, view: Bundle) -> ClusterEngine:
        """See Engine.over; the actors keep the views that were asked for last."""
        return ClusterEngine(view, self._pool, self._cluster, self._files)

    def ask(self, question: Question) -> list[list[Ranking]]:
        """See Sharded.ask. Raises ClusterError when a share does not answer in time."""
        import ray

        if isinstance(question.allowed, np.ndarray):  # sent once to each machine, not once to each actor
            allowed = ray.put(question.allowed)
            return self._from_all("search_allowed", question._replace(allowed=None), allowed, self._scales)
        return self._from_all("search", question, self._scales)

    def _from_all(self, method: str, *arguments: Any) -> list[Any]:
        """What a method of every share answers, from whichever replica is first."""
        import ray

        waiting = _Waiting(lambda share, replica: getattr(self._actors[share, replica], method).remote(*arguments))
        for share in self._shares:
            waiting.ask(share, self._first(share))
        until = time.monotonic() + self._cluster.seconds
        while len(waiting.answers) < len(self._shares):
            left = until - time.monotonic()
            if left <= 0:
                raise self._gave_up(waiting)
            ready, _ = ray.wait(list(waiting.asked), timeout=min(left, self._cluster.other_after))
            for reference in ready:
                share, replica = waiting.asked[reference]
                if waiting.take(reference):
                    continue
                self._found_again(share, replica)
                if waiting.needs(share):
                    waiting.ask(share, self._next(replica))
            if not ready:
                for share, replica in waiting.last_asked():
                    self._rests[share, replica] = time.monotonic() + REST
                    if len(waiting.of(share)) < self._cluster.replicas:
                        waiting.ask(share, self._next(replica))
        return [waiting.answers[share] for share in self._shares]

    def _first(self, share: Share) -> int:
        """The replica to ask first: in turn, those that failed last."""
        turn, now = next(self._turns), time.monotonic()
        replicas = [(turn + number) % self._cluster.replicas for number in range(self._cluster.replicas)]
        return min(replicas, key=lambda replica: self._rests.get((share, replica), 0.0) > now)

    def _next(self, replica: int) -> int:
        """The replica to ask after another one."""
        if replica == self._cluster.replicas - 1:
            time.sleep(AGAIN_AFTER)
        return (replica + 1) % self._cluster.replicas

    def _found_again(self, share: Share, replica: int) -> None:
        """After an actor died: the one that Ray restarts, or a new one if it ended for good."""
        self._rests[share, replica] = time.monotonic() + REST
        self._actors[share, replica] = self._cluster.actor(self._files, share, replica)

    def _gave_up(self, waiting: _Waiting) -> ClusterError:
        missing = [share for share in self._shares if share not in waiting.answers]
        names = ", ".join(str(share.number + 1) for share in missing)
        errors = [str(waiting.failed[share]) for share in missing if share in waiting.failed]
        why = f" ({errors[0].strip().splitlines()[-1]})" if errors else ""  # what Ray says before is a traceback
        noun = "shard" if len(missing) == 1 else "shards"
        return ClusterError(
            f"{noun} {names} of {self._cluster.shards} did not answer within {self._cluster.seconds:g} seconds{why}; "
            "nothing is answered rather than a part: try again, or look at the cluster with `ray status`"
        )


class _Waiting:
    """Who was asked, and what came back.

    Args:
        send: asks a replica of a share; returns the reference of its answer.

    Attributes:
        asked: by the reference of an answer that is waited for, the share and the replica.
        answers: of each share the first that came.
        failed: of each share the last error of an actor.
    """

    def __init__(self, send: Callable[[Share, int], Any]) -> None:
        self._send = send
        self.asked: dict[Any, tuple[Share, int]] = {}
        self.answers: dict[Share, Any] = {}
        self.failed: dict[Share, Exception] = {}

    def ask(self, share: Share, replica: int) -> None:
        """Asks a replica."""
        self.asked[self._send(share, replica)] = share, replica

    def take(self, reference: Any) -> bool:
        """Takes an answer; False where the actor died instead."""
        import ray

        share, _ = self.asked.pop(reference)
        try:
            answer = ray.get(reference)
        except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
            self.failed[share] = error
            return False
        self.answers.setdefault(share, answer)
        return True

    def of(self, share: Share) -> list[int]:
        """The replicas of a share that are waited for, the last asked at the end."""
        return [replica for of, replica in self.asked.values() if of == share]

    def needs(self, share: Share) -> bool:
        """Whether nothing came from a share, and nothing is waited for."""
        return share not in self.answers and not self.of(share)

    def last_asked(self) -> list[tuple[Share, int]]:
        """The shares without an answer, and the replica of each that was asked last."""
        return [(share, replica) for share, replica in dict(self.asked.values()).items() if share not in self.answers]
