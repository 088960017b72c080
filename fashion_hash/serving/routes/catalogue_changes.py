"""Items and outfits come, change and go, in batches: each is one transaction, all or nothing."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.errors import FeatureError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.http.access import CanWrite
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.http.uploads import reencoded
from fashion_hash.serving.routes.changing import IdempotencyKey, change, models_to_change, of_each
from fashion_hash.serving.schemas.changes import (
    Changed,
    ItemEntry,
    ItemIdsBody,
    ItemsBody,
    ItemsRemoved,
    OutfitIdsBody,
    OutfitsBody,
)
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["changes of the catalogue"], dependencies=[CanWrite])
ModelName = Annotated[str | None, Query(alias="model", description="By default all models are changed, in turn.")]


@router.post("/v1/items", response_model=Changed)
async def upsert_items(
    request: Request, body: ItemsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds items that are unknown and changes the others; the same again changes nothing."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        items = [_item(place, entry) for place, entry in enumerate(body.items)]
        return {"changed": of_each(models, lambda recommender: recommender.upsert_items(items))}

    return await change(request, key, make)


@router.patch("/v1/items", response_model=Changed)
async def update_items(
    request: Request, body: ItemsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Changes items that are known. Fields that are left out stay; null empties one."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        items = [_item(place, entry) for place, entry in enumerate(body.items)]
        return {"changed": of_each(models, lambda recommender: recommender.update_items(items))}

    return await change(request, key, make)


@router.delete("/v1/items", response_model=ItemsRemoved)
async def remove_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Removes items, and every outfit of the pool that holds one of them."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        return {"outfits": of_each(models, lambda recommender: recommender.remove_items(body.items))}

    return await change(request, key, make)


@router.post("/v1/items:hide", response_model=Changed)
async def hide_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Takes items out of all answers until they are shown again: they are out of stock, say."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        return {"changed": of_each(models, lambda recommender: recommender.hide_items(body.items))}

    return await change(request, key, make)


@router.post("/v1/items:show", response_model=Changed)
async def show_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Brings hidden items back."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        return {"changed": of_each(models, lambda recommender: recommender.show_items(body.items))}

    return await change(request, key, make)


@router.post("/v1/outfits", response_model=Changed)
async def upsert_outfits(
    request: Request, body: OutfitsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds outfits to the pool that are unknown and changes the others; the same again changes nothing."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        return {"changed": of_each(models, lambda recommender: recommender.upsert_outfits(body.outfits))}

    return await change(request, key, make)


@router.patch("/v1/outfits", response_model=Changed)
async def update_outfits(
    request: Request, body: OutfitsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Changes outfits of the pool that are known."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        for each in models:
            for outfit_id in body.outfits:
                each.recommender.outfit(outfit_id)  # raises where it is unknown
        return {"changed": of_each(models, lambda recommender: recommender.upsert_outfits(body.outfits))}

    return await change(request, key, make)


@router.delete("/v1/outfits", response_model=Changed)
async def remove_outfits(
    request: Request, body: OutfitIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Removes outfits from the pool."""
    models = models_to_change(service_of(request), request, model)

    def make() -> dict[str, Any]:
        def remove(recommender: Recommender) -> int:
            recommender.remove_outfits(body.outfits)
            return len(body.outfits)

        return {"changed": of_each(models, remove)}

    return await change(request, key, make)


def _item(place: int, entry: ItemEntry) -> dict[str, Any]:
    """An item as the Recommender takes it: a picture is its bytes, never the name of a file."""
    item = entry.model_dump(exclude_unset=True)
    if item.get("picture") is not None:
        try:
            item["picture"] = reencoded(base64.b64decode(item["picture"], validate=True))
        except (binascii.Error, ValueError, FeatureError) as error:
            detail = f"the picture of {entry.item_id!r} cannot be used: {error}"
            raise Problem(422, detail, f"/items/{place}/picture") from None
    return item
