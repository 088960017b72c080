"""Reads, changes, feedback, reloads, killed workers and compactions for a while: is every answer one that may be given?

    python benchmarks/soak_serve.py [--seconds 60] [--json]

Outfits are added and removed, users like and dislike, a worker is killed now and then, and the bundle is reloaded and
compacted. An answer must not hold an outfit whose removal was acknowledged before it was asked for. Memory and open
files of the workers are taken at a quarter of the time and at the end; every acknowledged event must be in the file of
feedback.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_serve import Service, serving, wait_for_workers, workers
from machine import machine
from serve_world import make_bundle

import results
from fashion_hash.feedback.store import FeedbackStore
from fashion_hash.retrieval.recommender import Recommender

USERS = 50


class Soak:
    """What is known of the catalogue, and what went wrong."""

    def __init__(self, service: Service, seconds: float) -> None:
        self.service, self.end = service, time.monotonic() + seconds
        self.lock = threading.Lock()
        self.removed: dict[str, float] = {}  # outfit: when its removal was acknowledged
        self.events: list[str] = []
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Asks once on a connection of its own; 0 where the worker was killed meanwhile."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "X-API-Key": self.service.token}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def count(self, what: str, status: int) -> None:
        with self.lock:
            self.counts[f"{what} {status}"] += 1
            if status not in (0, 200, 201, 503):
                self.wrong.append(f"{what}: status {status}")

    def read(self, rng: random.Random) -> None:
        while time.monotonic() < self.end:
            with self.lock:
                gone = set(self.removed)
            status, answer = self.ask("POST", f"/v1/users/user-{rng.randrange(USERS)}/outfits", {"k": 20})
            self.count("read", status)
            if status == 200 and (found := gone & {hit["outfit_id"] for hit in answer["outfits"]}):
                with self.lock:
                    self.wrong.append(f"answered {min(found)} after it was removed")

    def write(self, rng: random.Random, name: str) -> None:
        number = 0
        while time.monotonic() < self.end:
            number += 1
            outfit_id = f"{name}-{number}"
            items = {kind: f"{kind}-{rng.randrange(100)}" for kind in ("top", "bottom", "shoe")}
            status, _ = self.ask("POST", "/v1/outfits", {"outfits": {outfit_id: items}})
            self.count("add", status)
            user, event_id = f"user-{rng.randrange(USERS)}", f"event-{name}-{number}"
            kind = rng.choice(["shown", "liked", "disliked", "undone"])
            event = {"user": user, "kind": kind, "outfit": items, "event_id": event_id}
            status, _ = self.ask("POST", "/v1/feedback", {"events": [event]})
            self.count("feedback", status)
            if status == 200:
                self.events.append(event_id)
            if number % 2:
                continue
            status, _ = self.ask("DELETE", "/v1/outfits", {"outfits": [outfit_id]})
            if status == 404:  # it was never added, since a worker was killed
                continue
            self.count("remove", status)
            if status == 200:
                with self.lock:
                    self.removed[outfit_id] = time.monotonic()

    def disturb(self, rng: random.Random, bundle: Path) -> None:
        own = Recommender.load(bundle, verify=False)
        while time.monotonic() < self.end - 2:
            time.sleep(2.0)
            what = rng.choice(["kill", "reload", "compact"])
            if what == "kill" and (pids := workers(self.service.process.pid)):
                os.kill(rng.choice(pids), signal.SIGKILL)
            elif what == "reload":
                self.count("reload", self.ask("POST", "/v1/model:reload", {})[0])
            elif what == "compact":
                own.compact()
        own.close()


def sizes(service: Service) -> dict[str, int]:
    """Megabytes and open files of the worker that has most."""
    pids = workers(service.process.pid)
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return {"megabytes": max(pages) * 4096 >> 20, "files": max(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)}


def main(argv: Sequence[str] | None = None) -> None:
    """Prints what happened; exits with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    results.add_options(parser)
    options = parser.parse_args(argv)
    options.workers, options.threads = 2, 1
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        make_bundle(bundle, 3_000, 100, USERS)
        with serving(bundle, Path(folder), options, []) as service:
            wait_for_workers(service, options.workers + 1)  # and the writer
            soak = Soak(service, options.seconds)
            threads = [
                *(threading.Thread(target=soak.read, args=(random.Random(n),)) for n in range(options.readers)),
                *(
                    threading.Thread(target=soak.write, args=(random.Random(-n), f"w{n}"))
                    for n in range(options.writers)
                ),
                threading.Thread(target=soak.disturb, args=(random.Random(options.seed), bundle)),
            ]
            for thread in threads:
                thread.start()
            time.sleep(options.seconds / 4)
            early = sizes(service)
            for thread in threads:
                thread.join()
            late = sizes(service)
        kept = {event.event_id for event in FeedbackStore(Path(folder) / "state").events()}
    lost = set(soak.events) - kept
    figures = {
        "machine": machine(),
        "options": vars(options),
        "counts": dict(sorted(soak.counts.items())),
        "wrong": soak.wrong[:20],
        "events_lost": len(lost),
        "early": early,
        "late": late,
    }
    if not results.hand_over(options, figures):
        for name, value in figures.items():
            print(f"{name:14}{value}")
    raise SystemExit(bool(soak.wrong or lost))


if __name__ == "__main__":
    main()
