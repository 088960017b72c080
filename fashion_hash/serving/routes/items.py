"""Items of the catalogue: what they are, what resembles them, and their pictures."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.bundle.lookup import find_item_of_any_type
from fashion_hash.errors import FashionHashError
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.paths import PathId, PathType, path_of
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import answer, reply
from fashion_hash.serving.schemas.fields import MOST_HITS
from fashion_hash.serving.schemas.replies import Item, SimilarAnswer
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["items"], dependencies=[CanRead])
ModelName = Annotated[str | None, Query(alias="model")]
CACHED = "public, max-age=86400, stale-while-revalidate=604800"
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


@router.get("/v1/items/{item_type}/{item_id}", response_model=Item)
async def item(request: Request, item_type: PathType, item_id: PathId, model: ModelName = None) -> Response:
    """The catalogue entry of an item."""
    service = service_of(request)
    chosen = await _model_with(request, item_type, item_id, model)
    facts = await service.pool.run(
        lambda: of_one_generation(chosen.recommender, lambda: _facts(chosen, item_type, item_id))
    )
    return reply(facts)


@router.get("/v1/items/{item_type}/{item_id}/similar", response_model=SimilarAnswer)
async def similar(
    request: Request,
    item_type: PathType,
    item_id: PathId,
    k: Annotated[int, Query(ge=1, le=MOST_HITS)] = 10,
    model: ModelName = None,
) -> Response:
    """Items of the same type that resemble an item."""
    service = service_of(request)
    chosen = await _model_with(request, item_type, item_id, model)

    def ask() -> list[dict[str, Any]]:
        hits = chosen.recommender.similar_items(item_id, k, item_type=item_type)
        bundle = chosen.recommender.bundle
        items = bundle.items[item_type]
        return [
            {
                "item_id": each,
                "type": item_type,
                "title": bundle.catalogue.item(item_type, items.row(each)).title,
                "score": score,
            }
            for each, score in zip(hits.ids.tolist(), hits.scores.tolist())
        ]

    found = await service.pool.run(lambda: of_one_generation(chosen.recommender, ask))
    return answer(request, chosen, {"items": found}, personal=False, exact=True)


@router.get(
    "/v1/items/{item_type}/{item_id}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}}, 304: {"description": "It has not changed."}},
)
async def picture(request: Request, item_type: PathType, item_id: PathId, model: ModelName = None) -> Response:
    """The picture of an item, by its id alone; its ETag is the digest of its bytes."""
    service = service_of(request)
    chosen = await _model_with(request, item_type, item_id, model)

    def read() -> bytes | None:
        bundle = chosen.recommender.bundle
        kind, row = find_item_of_any_type(bundle, item_id, item_type)
        return bundle.catalogue.picture(kind, row)

    content = await service.pool.run(lambda: of_one_generation(chosen.recommender, read))
    if content is None:
        raise Problem(404, f"the {item_type} {item_id!r} has no picture")
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": CACHED, "content-disposition": "inline"}
    if request.headers.get("if-none-match", "").strip() == "*" or tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_media_type(content))


async def _model_with(request: Request, item_type: str, item_id: str, name: str | None) -> Model:
    """The model that is named; otherwise one that has the item, and for the same item always the same."""
    service = service_of(request)
    chosen = service.model_of(request, item_id, name)
    models = list(service.models)
    if name is not None or len(models) == 1:
        return chosen

    def search() -> Model:
        for model in (chosen, *models):
            with suppress(FashionHashError):
                find_item_of_any_type(model.recommender.bundle, item_id, item_type)
                return model
        return chosen  # which says that it is unknown

    return service.model_of(request, item_id, (await service.pool.run(search)).name)


def _facts(model: Model, item_type: str, item_id: str) -> dict[str, Any]:
    bundle = model.recommender.bundle
    kind, row = find_item_of_any_type(bundle, item_id, item_type)
    entry = bundle.catalogue.item(kind, row)
    path = f"/v1/items/{path_of(kind)}/{path_of(item_id)}/picture"
    shown = path if bundle.catalogue.picture(kind, row) is not None else None
    return {"item_id": item_id, "type": kind, "title": entry.title, "details": entry.details, "picture": shown}


def _media_type(content: bytes) -> str:
    """What a picture says it is by its first bytes; never what could be run."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), "application/octet-stream")
