"""Feedback: what users did with answers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from fashion_hash.errors import FashionHashError, UnknownIdError
from fashion_hash.feedback.report import report_feedback
from fashion_hash.feedback.store import Event
from fashion_hash.live.users import OutfitRef, Told
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.http.access import CanRead, CanWrite
from fashion_hash.serving.http.problems import Problem, as_problem
from fashion_hash.serving.routes.answers import reply
from fashion_hash.serving.routes.changing import IdempotencyKey, change
from fashion_hash.serving.schemas.changes import EventBody, FeedbackBody, FeedbackKept
from fashion_hash.serving.schemas.replies import FeedbackReport
from fashion_hash.serving.service import Service, service_of

router = APIRouter(tags=["feedback"])
A_DAY = 24 * 3600.0
OPINIONS = {"liked": "liked", "bought": "liked", "disliked": "disliked", "undone": "neutral"}


@router.post("/v1/feedback", response_model=FeedbackKept, dependencies=[CanWrite])
async def feedback(request: Request, body: FeedbackBody, key: IdempotencyKey = None) -> Response:
    """Keeps events durably; likes and dislikes fit the codes of their users again before the reply."""
    service = service_of(request)

    def make() -> dict[str, Any]:
        return keep_events(service, body.events)

    return await change(request, key, make)


@router.get("/v1/feedback/report", response_model=FeedbackReport, dependencies=[CanRead])
async def report(request: Request) -> Response:
    """What was shown, liked and bought, by model."""
    service = service_of(request)
    reports = await service.work.run(lambda: report_feedback(service.feedback.events()))
    return reply({"models": [each.to_dict() for each in reports]})


def keep_events(service: Service, bodies: Sequence[EventBody]) -> dict[str, Any]:
    """Checks all events, folds what users tell by those that are new, and writes these.

    The reply comes after both. A process that is killed in between has folded likes whose events nobody acknowledged;
    sent again they change nothing.
    """
    events = []
    for place, body in enumerate(bodies):
        try:
            events.append(_event(service, service.models.of(body.user).recommender, body, place))
        except FashionHashError as error:
            problem = as_problem(error)
            if problem.status >= 500:
                raise
            pointer = problem.pointer or f"/events/{place}"
            raise Problem(422 if problem.status == 404 else problem.status, problem.detail, pointer) from error
    known = service.feedback.known([event.event_id for event in events])
    events = list({event.event_id: event for event in reversed(events) if event.event_id not in known}.values())[::-1]
    told = _told(events)
    for model in service.models:
        theirs = {user: each for user, each in told.items() if service.models.of(user).name == model.name}
        model.recommender.tell_users(theirs)
    stored = service.feedback.append(events)
    for event in events:
        service.metrics.feedback.labels(event.kind, event.model).inc()
    return {"stored": stored, "folded": len(told)}


def _told(events: Sequence[Event]) -> dict[str, Told]:
    """What users tell by events; the latest opinion about an outfit counts."""
    opinions: dict[str, dict[str, tuple[str, OutfitRef]]] = {}
    for event in events:
        if (opinion := OPINIONS.get(event.kind)) is not None and event.items:
            about = json.dumps(dict(event.items), sort_keys=True)
            opinions.setdefault(event.user_id, {})[about] = opinion, dict(event.items)
    return {
        user: Told(*([outfit for said, outfit in each.values() if said == kind] for kind in Told._fields))
        for user, each in opinions.items()
    }


def _event(service: Service, recommender: Recommender, body: EventBody, place: int) -> Event:
    pointer = f"/events/{place}"
    if (body.outfit is None) == (body.item is None):
        raise Problem(422, "an event is about either an outfit or an item: give one of them", pointer)
    now = time.time()
    when = now if body.time is None else body.time.replace(tzinfo=body.time.tzinfo or UTC).timestamp()
    if not 0 <= when <= now + A_DAY:
        raise Problem(422, f"the time {body.time} lies before 1970 or in the future", f"{pointer}/time")
    outfit_id = body.outfit if isinstance(body.outfit, str) else None
    items = _items(recommender, body)
    return Event(
        event_id=body.event_id or uuid.uuid4().hex,
        time=when,
        user_id=body.user,
        kind=body.kind,
        outfit_id=outfit_id,
        items=items,
        item_type=body.item.type if body.item else None,
        item_id=body.item.item_id if body.item else None,
        recommendation_id=body.recommendation_id,
        model=_model_of(service, body),
    )


def _items(recommender: Recommender, body: EventBody) -> dict[str, str]:
    """The items by slot name that an event is about; a single item stands in the first slot of its type."""
    if body.item is not None:
        bundle = recommender.bundle
        if body.item.type not in bundle.types:
            raise UnknownIdError(f"unknown item type {body.item.type!r}: there are {', '.join(bundle.types)}")
        slot = bundle.slot_names[bundle.slots.index(body.item.type)]
        recommender.score(None, {slot: body.item.item_id})  # raises where the item is unknown
        return {slot: body.item.item_id}
    if isinstance(body.outfit, str):
        return recommender.outfit(body.outfit)
    assert body.outfit is not None
    recommender.score(None, body.outfit)
    return dict(body.outfit)


def _model_of(service: Service, body: EventBody) -> str:
    """The model that gave the answer which an event names."""
    name = (body.recommendation_id or "").partition("~")[0]
    return name if any(model.name == name for model in service.models) else service.models.of(body.user).name
