"""Metrics for Prometheus; of several processes, all added up."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names a folder which all processes write to. prometheus_client reads it when it is imported, so the
command sets it before."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What is counted. Each application has its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "fashion_hash_requests", "Requests answered.", ["route", "status", "model"], registry=registry
        )
        self.seconds = Histogram(
            "fashion_hash_request_seconds",
            "Seconds from the first byte of a request to the last of its reply.",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.answers = Counter(
            "fashion_hash_answers", "Answers by kind.", ["model", "personal", "exact"], registry=registry
        )
        self.feedback = Counter("fashion_hash_feedback", "Events of feedback.", ["kind", "model"], registry=registry)
        self.generation = Gauge(
            "fashion_hash_generation",
            "The generation of the bundle that answers.",
            ["model"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.log_entries = Gauge(
            "fashion_hash_log_entries",
            "Changes of the live catalogue since its last compaction.",
            ["model"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def count(self, route: str, status: int, model: str, seconds: float) -> None:
        """Counts a request."""
        self.requests.labels(route, str(status), model).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All metrics in the format of Prometheus."""
        if os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)
