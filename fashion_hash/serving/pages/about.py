"""The page of a model: what it was trained on, how good it is, how its codes spread, its index, and its traffic."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.core.seeds import generator
from fashion_hash.errors import counted
from fashion_hash.feedback.report import ModelReport
from fashion_hash.feedback.store import KINDS
from fashion_hash.serving.metrics import Metrics
from fashion_hash.serving.models import Model
from fashion_hash.serving.pages.desk import Desk

SAMPLE, BINS = 4_000, 32
MOST_BYTES = 4 << 20  # of a file of figures
CURVES = (  # of runs on outfits, and of runs on requests
    ("loss", "loss"),
    ("valid_auc", "validation AUC, binary"),
    ("valid_auc_relaxed", "validation AUC, relaxed"),
    ("valid_recall@20", "validation recall@20, binary"),
    ("valid_mrr", "validation MRR, binary"),
    ("valid_recall@10", "validation recall@10"),
    ("valid_satisfied_ndcg@10", "validation satisfied NDCG@10"),
)
MODEL_FORMS = ("binary", "asymmetric", "relaxed", "fold_in")


def about(desk: Desk, metrics: Metrics, feedback: Sequence[ModelReport]) -> str:
    """All that is known of a model and of how it is used."""
    bundle: Bundle = desk.bundle
    figures = _figures(desk.model)
    return desk.render(
        "model.html",
        facts=_facts(desk),
        curves=[curve for name, label in CURVES if (curve := _curve(figures["epochs"], name, label))],
        tables=_tables(figures["evaluation"]),
        spread=_spread(str(bundle.path), bundle.fingerprint, bundle),
        files=_files(bundle),
        traffic=_traffic(metrics),
        feedback=feedback,
        kinds=KINDS,
    )


def _facts(desk: Desk) -> list[tuple[str, str]]:
    bundle = desk.bundle
    items = ", ".join(f"{len(bundle.items[item_type]):,} {item_type}" for item_type in bundle.types)
    trained = bundle.manifest.get("model", {})
    known = [
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in trained.items()
        if isinstance(value, str | int | float)
    ]
    return [
        ("bundle", f"{bundle.name}, fingerprint {bundle.fingerprint}"),
        ("generation", str(desk.model.generation or "the exported one")),
        ("codes", f"{bundle.num_bits} bits from {' and '.join(bundle.modalities)}, scored by {bundle.scoring}"),
        ("items", items),
        ("users", f"{len(bundle.users):,}, who liked {counted(len(bundle.history), 'outfit')}"),
        ("pool", counted(len(desk.recommender), "outfit")),
        ("answers", ", ".join(sorted({f"{how}" for how in bundle.answers.values()}))),
        (
            "words",
            "read by a request model, with what the catalogue says"
            if desk.bundle.has_tower
            else "read by what the catalogue says"
            if desk.can_search
            else "not read: build the bundle again",
        ),
        *known,
    ]


def _figures(model: Model) -> dict[str, Any]:
    """What lies beside a bundle in the folder of its run: a line an epoch, and an evaluation."""
    folder = model.path.parent
    figures: dict[str, Any] = {"epochs": [], "evaluation": {}}
    if model.path.name != "bundle":
        return figures
    for name, key in (("metrics.jsonl", "epochs"), ("evaluation.json", "evaluation")):
        try:
            path = folder / name
            text = path.read_text(encoding="utf-8") if path.stat().st_size <= MOST_BYTES else ""
            figures[key] = [json.loads(line) for line in text.splitlines()] if key == "epochs" else json.loads(text)
        except (OSError, ValueError, RecursionError):
            continue  # there is none, or somebody else's: the page says how to make one
    return figures


def _curve(epochs: Sequence[Any], name: str, label: str) -> dict[str, Any] | None:
    """A line over the epochs, in a box of 300 by 100."""
    numbers = [epoch.get(name) for epoch in epochs if isinstance(epoch, dict)]
    values = [float(value) for value in numbers if isinstance(value, int | float) and math.isfinite(value)]
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    points = " ".join(
        f"{4 + 292 * place / (len(values) - 1):.1f},{94 - 88 * (value - low) / ((high - low) or 1):.1f}"
        for place, value in enumerate(values)
    )
    return {"label": label, "points": points, "first": values[0], "last": values[-1], "epochs": len(values)}


def _tables(evaluation: Any) -> list[dict[str, Any]]:
    """Metrics beside those of the baselines, a table for each protocol."""
    protocols = evaluation.get("protocols") if isinstance(evaluation, dict) else None
    tables = []
    for name, protocol in protocols.items() if isinstance(protocols, dict) else ():
        if not isinstance(protocol, dict):
            continue
        baselines = protocol.get("baselines")
        scorers = {form: protocol[form] for form in MODEL_FORMS if isinstance(protocol.get(form), dict)}
        scorers |= {key: value for key, value in (baselines or {}).items() if isinstance(value, dict)}
        metrics = dict.fromkeys(
            key for values in scorers.values() for key, value in values.items() if isinstance(value, float)
        )
        rows = [
            (key, key in MODEL_FORMS, [_metric(values.get(metric)) for metric in metrics])
            for key, values in scorers.items()
        ]
        tables.append(
            {
                "name": str(name).replace("_", " "),
                "statement": str(protocol.get("statement", "")),
                "metrics": [metric.replace("_at_", "@").replace("_", " ") for metric in metrics],
                "rows": [(key.replace("_", " "), is_model, cells) for key, is_model, cells in rows],
            }
        )
    return [table for table in tables if table["metrics"]]


def _metric(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–"


def _spread(path: str, fingerprint: str, bundle: Bundle) -> list[dict[str, Any]]:
    key = (path, fingerprint)
    if key not in _SPREADS:
        if len(_SPREADS) > 8:
            _SPREADS.clear()
        _SPREADS[key] = [_spread_of(bundle, place, name) for place, name in enumerate(bundle.modalities)]
    return _SPREADS[key]


_SPREADS: dict[tuple[str, str], list[dict[str, Any]]] = {}


def _spread_of(bundle: Bundle, place: int, modality: str) -> dict[str, Any]:
    """How evenly the bits of the items are set, and how far items lie apart."""
    rng, parts = generator(0, "spread of codes"), []
    for item_type in bundle.types:
        codes = bundle.item_codes[item_type]
        rows = (
            np.unique(rng.integers(0, len(codes), min(SAMPLE, len(codes))))
            if len(codes)
            else np.zeros(0, dtype=np.int64)
        )
        parts.append(unpack(np.asarray(codes[rows, place])) > 0)
    bits = np.concatenate(parts)
    shares = bits.mean(axis=0) if len(bits) else np.zeros(bundle.num_bits)
    pairs = rng.integers(0, max(1, len(bits)), (2, SAMPLE)) if len(bits) else np.zeros((2, 0), dtype=np.int64)
    apart = (bits[pairs[0]] != bits[pairs[1]]).mean(axis=1) if len(bits) else np.zeros(0)
    counts, _ = np.histogram(apart, BINS, (0, 1))
    return {
        "modality": modality,
        "shares": [round(100 * float(share)) for share in shares],
        "even": float(np.mean((shares > 0.3) & (shares < 0.7))) if len(shares) else 0.0,
        "distances": [round(100 * count / max(1, counts.max())) for count in counts.tolist()],
        "apart": float(apart.mean()) if len(apart) else 0.0,
        "same": float((apart == 0).mean()) if len(apart) else 0.0,
    }


def _files(bundle: Bundle) -> dict[str, Any]:
    """What the bundle and its index weigh."""
    sizes: dict[str, int] = {}
    for path in bundle.path.rglob("*"):
        room, *rest = path.relative_to(bundle.path).parts
        name = room if rest else "files beside them" if room != "catalogue.sqlite" else "catalogue"
        if path.is_file() and "generations" not in path.parts[len(bundle.path.parts) :]:
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    total = sum(sizes.values())
    rows = sorted(sizes.items(), key=lambda each: -each[1])
    return {"total": _bytes(total), "rows": [(name, _bytes(size), 100 * size / max(1, total)) for name, size in rows]}


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _traffic(metrics: Metrics) -> list[dict[str, Any]]:
    """Requests by route, with how long they took: the bucket in which the median and the 99th percentile lie."""
    counts: dict[str, float] = {}
    failed: dict[str, float] = {}
    buckets: dict[str, list[tuple[float, float]]] = {}
    for name, labels, value in _samples(metrics):
        route = labels.get("route", "")
        if name == "fashion_hash_requests_total":
            counts[route] = counts.get(route, 0) + value
            failed[route] = failed.get(route, 0) + value * labels.get("status", "").startswith("5")
        elif name == "fashion_hash_request_seconds_bucket":
            buckets.setdefault(route, []).append((float(labels["le"]), value))
    rows = [
        {
            "route": route,
            "count": int(count),
            "failed": int(failed[route]),
            "median": _quantile(buckets.get(route, []), 0.5),
            "p99": _quantile(buckets.get(route, []), 0.99),
        }
        for route, count in counts.items()
        if route not in ("/healthz", "/readyz", "/metrics") and not route.startswith("/pages/")
    ]
    return sorted(rows, key=lambda row: -row["count"])


def _quantile(buckets: Sequence[tuple[float, float]], share: float) -> str:
    """The bound below which a share of the requests lies."""
    ordered = sorted(buckets)
    if not ordered or not ordered[-1][1]:
        return "–"
    bound = next(bound for bound, count in ordered if count >= share * ordered[-1][1])
    if math.isinf(bound):
        return f"over {1000 * ordered[-2][0]:,.0f} ms" if len(ordered) > 1 else "–"
    return f"{1000 * bound:g} ms"


def _samples(metrics: Metrics) -> list[tuple[str, Mapping[str, str], float]]:
    families = text_string_to_metric_families(metrics.text().decode())
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]
