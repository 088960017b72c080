"""Feedback: what users did with answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from fashion_hash.feedback.report import report_feedback
from fashion_hash.serving.changes.feedback import EventSent
from fashion_hash.serving.http.access import CanRead, CanWrite
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.routes.answers import reply
from fashion_hash.serving.routes.changing import IdempotencyKey, change
from fashion_hash.serving.schemas.changes import EventBody, FeedbackBody, FeedbackKept
from fashion_hash.serving.schemas.replies import FeedbackReport
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["feedback"])
A_DAY = 24 * 3600.0


@router.post("/v1/feedback", response_model=FeedbackKept, dependencies=[CanWrite])
async def feedback(request: Request, body: FeedbackBody, key: IdempotencyKey = None) -> Response:
    """Keeps events durably; likes and dislikes fit the codes of their users again before the reply."""
    events = [_sent(event, place) for place, event in enumerate(body.events)]
    return await change(request, key, "keep_events", {"events": events})


@router.get("/v1/feedback/report", response_model=FeedbackReport, dependencies=[CanRead])
async def report(request: Request) -> Response:
    """What was shown, liked and bought, by model."""
    service = service_of(request)
    reports = await service.work.run(lambda: report_feedback(service.feedback.events()))
    return reply({"models": [each.to_dict() for each in reports]})


def _sent(body: EventBody, place: int) -> EventSent:
    return {
        "user": body.user,
        "kind": body.kind,
        "outfit": body.outfit,
        "item": None if body.item is None else {"type": body.item.type, "item_id": body.item.item_id},
        "time": None if body.time is None else _seconds(body.time, place),
        "recommendation_id": body.recommendation_id,
        "event_id": body.event_id,
    }


def _seconds(when: datetime, place: int) -> float:
    """Seconds since 1970; times without a zone are UTC."""
    seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    if not 0 <= seconds <= time.time() + A_DAY:
        raise Problem(422, f"the time {when} lies before 1970 or in the future", f"/events/{place}/time")
    return seconds
