"""Events of feedback are kept, and likes and dislikes fit the codes of their users again."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import TypedDict

from fashion_hash.errors import FashionHashError, UnknownIdError
from fashion_hash.feedback.store import Event, Kind
from fashion_hash.live.users import OutfitRef, Told
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.changes.call import Made
from fashion_hash.serving.http.problems import Problem, as_problem
from fashion_hash.serving.service import Service

OPINIONS = {"liked": "liked", "bought": "liked", "disliked": "disliked", "undone": "neutral"}


class ItemSent(TypedDict):
    """An item by type and id."""

    type: str
    item_id: str


class EventSent(TypedDict):
    """An event as it was sent: of an outfit or of an item; `time` in seconds since 1970, None for now."""

    user: str
    kind: Kind
    outfit: OutfitRef | None
    item: ItemSent | None
    time: float | None
    recommendation_id: str | None
    event_id: str | None


def keep_events(service: Service, events: Sequence[EventSent]) -> Made:
    """Checks all events, folds what users tell by those that are new, and writes these.

    The reply comes after both. A process that is killed in between has folded likes whose events nobody acknowledged;
    sent again they change nothing.
    """
    read = []
    for place, sent in enumerate(events):
        try:
            read.append(_event(service, service.models.of(sent["user"]).recommender, sent, place))
        except FashionHashError as error:
            problem = as_problem(error)
            if problem.status >= 500:
                raise
            pointer = problem.pointer or f"/events/{place}"
            raise Problem(422 if problem.status == 404 else problem.status, problem.detail, pointer) from error
    known = service.feedback.known([event.event_id for event in read])
    new = list({event.event_id: event for event in reversed(read) if event.event_id not in known}.values())[::-1]
    told = _told(new)
    for model in service.models:
        theirs = {user: each for user, each in told.items() if service.models.of(user).name == model.name}
        model.recommender.tell_users(theirs)
    stored = service.feedback.append(new)
    for event in new:
        service.metrics.feedback.labels(event.kind, event.model).inc()
    return Made({"stored": stored, "folded": len(told)})


def keep_likes(service: Service, user: str, events: Sequence[EventSent], new: bool, model: str | None) -> Made:
    """Keeps what was said on a visit.

    Args:
        service: that was asked.
        user: who said it.
        events: of this user.
        new: whether the user must be unknown.
        model: that answers the user, where the visit names one.

    Raises:
        Problem: the name is taken, or an outfit is unknown.
    """
    if new and service.models.of(user, model).recommender.knows_user(user):
        raise Problem(409, f"a person with the name {user!r} already exists: choose another one")
    return keep_events(service, events) if events else Made({"stored": 0, "folded": 0})


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


def _event(service: Service, recommender: Recommender, sent: EventSent, place: int) -> Event:
    outfit, item = sent["outfit"], sent["item"]
    if (outfit is None) == (item is None):
        detail = "an event is about either an outfit or an item: give one of them"
        raise Problem(422, detail, f"/events/{place}")
    items = _items_of_outfit(recommender, outfit) if item is None else _items_of_item(recommender, item)
    return Event(
        event_id=sent["event_id"] or uuid.uuid4().hex,
        time=time.time() if sent["time"] is None else sent["time"],
        user_id=sent["user"],
        kind=sent["kind"],
        outfit_id=outfit if isinstance(outfit, str) else None,
        items=items,
        item_type=item["type"] if item else None,
        item_id=item["item_id"] if item else None,
        recommendation_id=sent["recommendation_id"],
        model=_model_of(service, sent),
    )


def _items_of_item(recommender: Recommender, item: ItemSent) -> dict[str, str]:
    """A single item stands in the first slot of its type."""
    bundle = recommender.bundle
    if item["type"] not in bundle.types:
        raise UnknownIdError(f"unknown item type {item['type']!r}: there are {', '.join(bundle.types)}")
    slot = bundle.slot_names[bundle.slots.index(item["type"])]
    recommender.score(None, {slot: item["item_id"]})  # raises where the item is unknown
    return {slot: item["item_id"]}


def _items_of_outfit(recommender: Recommender, outfit: OutfitRef | None) -> dict[str, str]:
    """The items by slot name of an outfit."""
    if isinstance(outfit, str):
        return recommender.outfit(outfit)
    assert outfit is not None
    recommender.score(None, outfit)
    return dict(outfit)


def _model_of(service: Service, sent: EventSent) -> str:
    """The model that gave the answer which an event names."""
    name = (sent["recommendation_id"] or "").partition("~")[0]
    return name if any(model.name == name for model in service.models) else service.models.of(sent["user"]).name
