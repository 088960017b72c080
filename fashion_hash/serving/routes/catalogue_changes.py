"""Items and outfits come, change and go, in batches: each is one transaction, all or nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.serving.http.access import CanWrite
from fashion_hash.serving.routes.changing import IdempotencyKey, change_catalogue, plain
from fashion_hash.serving.schemas.changes import (
    Changed,
    ItemIdsBody,
    ItemsBody,
    ItemsRemoved,
    OutfitIdsBody,
    OutfitsBody,
)

router = APIRouter(tags=["changes of the catalogue"], dependencies=[CanWrite])
ModelName = Annotated[str | None, Query(alias="model", description="By default all models are changed, in turn.")]


@router.post("/v1/items", response_model=Changed)
async def upsert_items(
    request: Request, body: ItemsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds items that are unknown and changes the others; the same again changes nothing."""
    items = [plain(entry) for entry in body.items]
    return await change_catalogue(request, key, model, "upsert_items", {"items": items})


@router.patch("/v1/items", response_model=Changed)
async def update_items(
    request: Request, body: ItemsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Changes items that are known. Fields that are left out stay; null empties one."""
    items = [plain(entry) for entry in body.items]
    return await change_catalogue(request, key, model, "update_items", {"items": items})


@router.delete("/v1/items", response_model=ItemsRemoved)
async def remove_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Removes items, and every outfit of the pool that holds one of them."""
    return await change_catalogue(request, key, model, "remove_items", {"items": body.items})


@router.post("/v1/items:hide", response_model=Changed)
async def hide_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Takes items out of all answers until they are shown again: they are out of stock, say."""
    return await change_catalogue(request, key, model, "hide_items", {"items": body.items})


@router.post("/v1/items:show", response_model=Changed)
async def show_items(
    request: Request, body: ItemIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Brings hidden items back."""
    return await change_catalogue(request, key, model, "show_items", {"items": body.items})


@router.post("/v1/outfits", response_model=Changed)
async def upsert_outfits(
    request: Request, body: OutfitsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds outfits to the pool that are unknown and changes the others; the same again changes nothing."""
    return await change_catalogue(request, key, model, "upsert_outfits", {"outfits": body.outfits})


@router.patch("/v1/outfits", response_model=Changed)
async def update_outfits(
    request: Request, body: OutfitsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Changes outfits of the pool that are known."""
    return await change_catalogue(request, key, model, "update_outfits", {"outfits": body.outfits})


@router.delete("/v1/outfits", response_model=Changed)
async def remove_outfits(
    request: Request, body: OutfitIdsBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Removes outfits from the pool."""
    return await change_catalogue(request, key, model, "remove_outfits", {"outfits": body.outfits})
