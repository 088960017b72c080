"""Outfits for users and for strangers: out of the pool, put together, or around given items."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.retrieval.answers import Composed, HitList
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.paths import PathId
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import answer, hit_facts, next_cursor, page_of
from fashion_hash.serving.schemas.bodies import CompleteBody, ComposeBody, PoolBody
from fashion_hash.serving.schemas.replies import OutfitsAnswer
from fashion_hash.serving.service import service_of
from fashion_hash.serving.strangers import answer_stranger

router = APIRouter(tags=["outfits"], dependencies=[CanRead])
ModelName = Annotated[str | None, Query(alias="model", description="By default the model that the user belongs to.")]
POOL_OPTIONS = {
    *("where", "exclude", "exclude_outfits", "include_liked", "diversity", "max_per", "taste", "liked", "disliked"),
}
COMPOSE_OPTIONS = {
    *("types", "where", "include", "exclude", "max_repeats", "max_per", "diversity", "taste", "liked", "disliked"),
}


@router.post("/v1/users/{user_id}/outfits", response_model=OutfitsAnswer)
async def recommend(request: Request, user_id: PathId, body: PoolBody, model: ModelName = None) -> Response:
    """The best outfits of the pool for a user."""
    return await _recommend(request, user_id, body, model)


@router.post("/v1/recommend", response_model=OutfitsAnswer)
async def recommend_to_anyone(request: Request, body: PoolBody, model: ModelName = None) -> Response:
    """The best outfits of the pool for somebody without an id, by the likes that the body tells or the session."""
    return await _recommend(request, None, body, model)


@router.post("/v1/users/{user_id}/compose", response_model=OutfitsAnswer)
async def compose(request: Request, user_id: PathId, body: ComposeBody, model: ModelName = None) -> Response:
    """The best outfits that can be put together from all items, for a user."""
    return await _compose(request, user_id, body, model)


@router.post("/v1/compose", response_model=OutfitsAnswer)
async def compose_for_anyone(request: Request, body: ComposeBody, model: ModelName = None) -> Response:
    """The same for somebody without an id."""
    return await _compose(request, None, body, model)


@router.post("/v1/users/{user_id}/complete", response_model=OutfitsAnswer)
async def complete(request: Request, user_id: PathId, body: CompleteBody, model: ModelName = None) -> Response:
    """The best outfits that hold some items, for a user."""
    return await _compose(request, user_id, body, model)


@router.post("/v1/complete", response_model=OutfitsAnswer)
async def complete_for_anyone(request: Request, body: CompleteBody, model: ModelName = None) -> Response:
    """The same for somebody without an id."""
    return await _compose(request, None, body, model)


async def _recommend(request: Request, user_id: str | None, body: PoolBody, name: str | None) -> Response:
    service = service_of(request)
    page = page_of(request, body, body.cursor)
    skip, session = page.skip, user_id or body.session or page.reader
    model = service.model_of(request, session, name)
    options = {option: getattr(body, option) for option in POOL_OPTIONS}
    stranger = not body.liked and not body.disliked and not body.diversity and body.max_per is None

    def ask() -> HitList:
        user = known_user(model, user_id, body.if_unknown)
        if user is None and stranger:
            return answer_stranger(model.recommender, body.k, session, skip, options)
        return model.recommender.answer(user, body.k, skip=skip, **options)

    seconds = seconds_of(body.timeout_ms)
    if user_id is not None and body.if_unknown == "refuse" and _is_plain(body):
        recommender = model.recommender

        def together(users: list[str | None]) -> list[HitList]:
            return recommender.answer_many(users, body.k, skip=skip, include_liked=body.include_liked)

        kind = (id(recommender), body.k, skip, body.include_liked)
        hits = await service.batches.ask(kind, user_id, together, seconds)
    else:
        hits = await service.pool.run(ask, seconds)
    facts = {"outfits": [hit_facts(hit) for hit in hits], "next": next_cursor(request, body, page, len(hits), body.k)}
    exact = model.recommender.bundle.answers.get("pool") == "exact"
    return answer(request, model, facts, personal=hits.personal, exact=exact, shortfall=hits.shortfall)


def _is_plain(body: PoolBody) -> bool:
    """Whether a question says no more than who asks, so that many of them are answered together."""
    further = (body.where, body.exclude, body.max_per, body.exclude_outfits, body.liked, body.disliked, body.diversity)
    return not any(further) and body.taste == AS_TRAINED


async def _compose(request: Request, user_id: str | None, body: ComposeBody, name: str | None) -> Response:
    service = service_of(request)
    page = page_of(request, body, body.cursor)
    model = service.model_of(request, user_id or body.session or page.reader, name)
    seconds = seconds_of(body.timeout_ms)
    options: dict[str, Any] = {option: getattr(body, option) for option in COMPOSE_OPTIONS}
    options["skip"] = page.skip

    def ask() -> Composed:
        options["seconds"] = left_of(request, seconds) or service.settings.compose_seconds
        user = known_user(model, user_id, body.if_unknown)
        if isinstance(body, CompleteBody):
            return model.recommender.complete(user, body.items, body.k, **options)
        return model.recommender.compose(user, body.k, **options)

    composed = await service.work.run(ask, seconds)
    facts = {
        "outfits": [hit_facts(hit) for hit in composed.hits],
        "gap": finite(composed.gap),
        "next": next_cursor(request, body, page, len(composed.hits), body.k),
    }
    personal, exact, shortfall = composed.personal, composed.proven, composed.shortfall
    return answer(request, model, facts, personal=personal, exact=exact, shortfall=shortfall)


def known_user(model: Model, user_id: str | None, if_unknown: str) -> str | None:
    """The user to answer for; None for somebody without a name."""
    if user_id is None or if_unknown == "refuse" or model.recommender.knows_user(user_id):
        return user_id
    return None


def seconds_of(milliseconds: int | None) -> float | None:
    """A deadline in seconds."""
    return None if milliseconds is None else milliseconds / 1000


def left_of(request: Request, seconds: float | None) -> float | None:
    """What is left of a deadline when a question begins that may have waited for others; a millisecond at least."""
    return None if seconds is None else max(1e-3, seconds - (time.perf_counter() - request.scope["began"]))


def finite(value: float) -> float | None:
    """A number as JSON can write it."""
    return value if abs(value) < float("inf") else None
