"""Users come, tell more, and leave."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.errors import UnknownIdError
from fashion_hash.live.forgetting.remove import ERASE
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
    chosen = service_of(request).model_of(request, user_id, model)

    def make() -> dict[str, Any]:
        new = chosen.recommender.put_user(user_id, body.liked, body.disliked, again=body.again)
        return {"model": chosen.name, "new": new}

    return await change(request, key, make, lambda facts: 201 if facts["new"] else 200)


@router.patch("/v1/users/{user_id}", response_model=UserChanged, dependencies=[CanWrite])
async def patch_user(
    request: Request, user_id: PathId, body: PatchUserBody, key: IdempotencyKey = None, model: ModelName = None
) -> Response:
    """Adds to what a user told; their code is fitted again at once."""
    chosen = service_of(request).model_of(request, user_id, model)

    def make() -> dict[str, Any]:
        chosen.recommender.update_user(user_id, body.liked, body.disliked, neutral=body.neutral)
        return {"model": chosen.name, "new": False}

    return await change(request, key, make)


@router.delete("/v1/users/{user_id}", response_model=UserRemoved, dependencies=[CanWrite])
async def delete_user(request: Request, user_id: PathId, key: IdempotencyKey = None) -> Response:
    """Removes a user from all models: code, likes, dislikes and feedback, and their traces in the files."""
    service = service_of(request)

    def make() -> dict[str, Any]:
        removed, unknown = [], None
        for model in service.models:
            try:
                model.recommender.remove_user(user_id)
                removed.append(model)
            except UnknownIdError as error:
                unknown = error
        events = service.feedback.forget([user_id])
        if not removed and not events and unknown is not None:
            raise unknown
        erased = True
        for model in removed:
            model.recommender.compact()
            erased &= model.recommender.live.ask(lambda store: store.meta(ERASE)) is None
        return {"models": [model.name for model in removed], "events": events, "erased": erased}

    return await change(request, key, make)
