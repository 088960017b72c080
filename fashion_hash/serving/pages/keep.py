"""Keeping what was said on a visit: the one thing that a page can change."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request

from fashion_hash.serving.changes.call import Call
from fashion_hash.serving.changes.feedback import EventSent
from fashion_hash.serving.changes.make import make
from fashion_hash.serving.http.problems import Problem, request_id_of
from fashion_hash.serving.pages.desk import need
from fashion_hash.serving.pages.visit import Verdict, Visit, outfit_of
from fashion_hash.serving.service import Service


def check_same_origin(request: Request) -> None:
    """Refuses a form that a page of somebody else sent, or that does not say where it comes from.

    Browsers send Sec-Fetch-Site or Origin with every form; a page cannot change either.

    Raises:
        Problem: 403.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = site == "same-origin" if site is not None else _host(origin) == request.headers.get("host", "")
    if not same:
        raise Problem(403, "this form was not sent from a page of this service: open the page here and try again")


def _host(origin: str | None) -> str | None:
    return None if origin is None else urlsplit(origin).netloc


async def keep_likes(service: Service, request: Request, fields: Sequence[tuple[str, str]]) -> str:
    """Stores the verdicts of a visit as feedback, and fits the user's code to them.

    Args:
        service: that was asked.
        request: the form.
        fields: those of the visit, `token`, and for somebody new `name`.

    Returns:
        The address of the user's page.

    Raises:
        Problem: the token is unknown or only for reading, the name is taken, or an outfit is unknown.
    """
    visit = Visit.read([each for each in fields if each[0] not in ("token", "name")])
    values = dict(fields)
    allowed = service.tokens.allows(values.get("token", "").strip(), "write")
    if not allowed:
        detail = "the token is unknown: see that it is complete" if allowed is None else "the token is only for reading"
        raise Problem(403, detail)
    user, model = visit.user or need(values.get("name", "").strip(), "a name for this person"), visit.rest.get("model")
    service.model_of(request, user, model)
    events = [_event(user, verdict, text) for verdict, text in visit.said]
    arguments = {"user": user, "events": events, "new": visit.user is None, "model": model}
    await make(service, Call("keep_likes", arguments, None, request_id_of(request)))
    return visit.of(user).without_filters().address("/", model=model, kept=str(len(events)))


def _event(user: str, verdict: Verdict, text: str) -> EventSent:
    return {
        "user": user,
        "kind": "liked" if verdict == "like" else "disliked",
        "outfit": outfit_of(text),
        "item": None,
        "time": None,
        "recommendation_id": None,
        "event_id": None,
    }
