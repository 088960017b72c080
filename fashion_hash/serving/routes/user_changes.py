"""Users come, tell more, and leave."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.serving.http.access import CanRead, CanWrite
from fashion_hash.serving.http.paths import PathId
from fashion_hash.serving.routes.answers import reply
from fashion_hash.serving.routes.changing import IdempotencyKey, change
from fashion_hash.serving.schemas.changes import PatchUserBody, PutUserBody, UserCard, UserChanged, UserRemoved
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["users"])
ModelName = Annotated[str | None, Query(alias="model", description="By default the model that the user belongs to.")]


@router.get("/v1/users/{user_id}", response_model=UserCard, dependencies=[CanRead])
async def user(request: Request, user_id: PathId, model: ModelName = None) -> Response:
    """The outfits that a user is known to like."""
    service = service_of(request)
    chosen = service.model_of(request, user_id, model)
    liked = await service.pool.run(lambda: chosen.recommender.liked(user_id))
    return reply({"model": chosen.name, "user": user_id, "liked": liked})


@router.put(
    "/v1/users/{user_id}",
    response_model=UserChanged,
    responses={201: {"model": UserChanged, "description": "The user is new."}},
    dependencies=[CanWrite],
)
async def put_user(
    request: Request, user_id: PathId, body: PutUserBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds a user, or replaces what they told. What the model was trained on stays."""
    service_of(request).model_of(request, user_id, model)
    told = {"liked": body.liked, "disliked": body.disliked, "again": body.again}
    return await change(request, key, "put_user", {"user_id": user_id, "model": model, **told})


@router.patch("/v1/users/{user_id}", response_model=UserChanged, dependencies=[CanWrite])
async def patch_user(
    request: Request, user_id: PathId, body: PatchUserBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds to what a user told; their code is fitted again at once."""
    service_of(request).model_of(request, user_id, model)
    told = {"liked": body.liked, "disliked": body.disliked, "neutral": body.neutral}
    return await change(request, key, "patch_user", {"user_id": user_id, "model": model, **told})


@router.delete("/v1/users/{user_id}", response_model=UserRemoved, dependencies=[CanWrite])
async def delete_user(request: Request, user_id: PathId, key: IdempotencyKey = None) -> Response:
    """Removes a user from all models: code, likes, dislikes and feedback, and their traces in the files."""
    return await change(request, key, "delete_user", {"user_id": user_id})
