"""What the service answers from: models, columns of the catalogue, reloading, health and metrics."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.errors import FashionHashError
from fashion_hash.serving.columns import columns_of
from fashion_hash.serving.http.access import CanRead, CanWrite
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import reply
from fashion_hash.serving.schemas.bodies import ReloadBody
from fashion_hash.serving.schemas.replies import Columns, ModelCards
from fashion_hash.serving.service import service_of
from fashion_hash.serving.workers.warm import warm

router = APIRouter(tags=["service"])
ModelName = Annotated[str | None, Query(alias="model")]


@router.get("/v1/model", response_model=ModelCards, dependencies=[CanRead])
async def models(request: Request) -> Response:
    """What each model is: its data, bits, figures and generation."""
    service = service_of(request)
    cards = await service.work.run(lambda: [card(model) for model in service.models])
    return reply({"models": cards})


@router.get("/v1/catalogue/columns", response_model=Columns, dependencies=[CanRead])
async def columns(request: Request, model: ModelName = None) -> Response:
    """The columns that filters may name, with what they hold: enough to draw a menu."""
    service = service_of(request)
    chosen = service.model_of(request, "", model)
    found = await service.work.run(lambda: columns_of(chosen.recommender))
    return reply({"model": chosen.name, "columns": found})


@router.post("/v1/model:reload", response_model=ModelCards, dependencies=[CanWrite])
async def reload(request: Request, body: ReloadBody) -> Response:
    """Opens a bundle again, checks all its files, and swaps it in without dropping a request."""
    service = service_of(request)
    await service.writes.run(lambda: service.models.reload(body.model, warm))
    await service.writes.run(lambda: service.watch.tell_reload(body.model))
    cards = await service.work.run(lambda: [card(model) for model in service.models])
    return reply({"models": cards})


@router.get("/healthz")
async def healthz() -> Response:
    """Whether the process answers at all."""
    return reply({"status": "alive"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether the process should be sent requests: models are open and warm, and it does not end."""
    ready = service_of(request).ready
    return reply({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus, of all processes added up."""
    service = service_of(request)
    for model in service.models:
        with suppress(FashionHashError, OSError):  # a bundle that is away: all else is still counted
            service.metrics.generation.labels(model.name).set(model.generation)
            service.metrics.log_entries.labels(model.name).set(model.recommender.live.now().num_changes)
    try:
        text = service.metrics.text()
    except ValueError:
        detail = "the folder that workers count in was removed: restart the service to count again"
        raise Problem(503, detail) from None
    return Response(text, media_type="text/plain; version=0.0.4")


def card(model: Model) -> dict[str, Any]:
    """What a model is."""
    bundle = model.recommender.bundle
    return {
        "name": model.name,
        "share": model.share,
        "generation": model.generation,
        "fingerprint": bundle.fingerprint,
        "scoring": bundle.scoring,
        "num_bits": bundle.num_bits,
        "slots": list(bundle.slot_names),
        "modalities": list(bundle.modalities),
        "users": len(bundle.users),
        "items": {item_type: len(bundle.items[item_type]) for item_type in bundle.types},
        "outfits": len(model.recommender),
        "answers": bundle.answers,
        "requests": bundle.reads_words,
        "facts": bundle.manifest.get("model", {}),
    }
