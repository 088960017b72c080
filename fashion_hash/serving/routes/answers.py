"""What every answer says about itself, and pages of longer answers."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from fashion_hash.errors import shown
from fashion_hash.retrieval.answers import Hit
from fashion_hash.retrieval.filters.shortfall import Shortfall
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Model
from fashion_hash.serving.schemas.fields import MOST_SKIPPED
from fashion_hash.serving.service import service_of

_NO_STORE = {"cache-control": "no-store"}
_NOT_ASKED = {"cursor", "k", "timeout_ms"}  # fields that may differ from page to page


def reply(value: object, status: int = 200) -> Response:
    """A reply in JSON."""
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, _NO_STORE, "application/json")


def answer(
    request: Request,
    model: Model,
    facts: Mapping[str, Any],
    *,
    personal: bool,
    exact: bool,
    shortfall: Shortfall | None = None,
) -> Response:
    """An answer with what is said about each: its id, the model, and how it was made."""
    service_of(request).metrics.answers.labels(model.name, str(personal).lower(), str(exact).lower()).inc()
    generation = model.generation
    about = {
        "recommendation_id": f"{model.name}~{generation}~{secrets.token_hex(8)}",
        "model": model.name,
        "generation": generation,
        "personal": personal,
        "exact": exact,
        "shortfall": shortfall.to_dict() if shortfall else None,
    }
    milliseconds = round(1000 * (time.perf_counter() - request.scope["began"]), 3)
    return reply({**about, **facts, "milliseconds": milliseconds})


def hit_facts(hit: Hit) -> dict[str, Any]:
    """An outfit as plain values."""
    return {
        "outfit_id": hit.outfit_id or None,
        "items": hit.items,
        "score": hit.score,
        "preference": hit.preference,
        "compatibility": hit.compatibility,
        "bias": hit.bias,
    }


class Page(NamedTuple):
    """Where a page of an answer begins, and who reads it.

    Attributes:
        skip: how many hits the pages before had.
        reader: stays the same from page to page where neither a user nor a session is named: it decides which model
            answers, and in which order.
    """

    skip: int
    reader: str


def page_of(request: Request, body: BaseModel, cursor: str | None) -> Page:
    """The page that a cursor names; the first without one. Raises Problem for a cursor of another question."""
    if cursor is None:
        return Page(0, request.scope["request_id"])
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
        page, question = Page(read["skip"], read["reader"]), read["question"]
        if type(page.skip) is not int or not isinstance(page.reader, str):
            raise ValueError(cursor)
    except (ValueError, TypeError, KeyError):
        raise Problem(422, f"the cursor {shown(cursor)} is not one of this service", "/cursor") from None
    if question != _question(request, body):
        raise Problem(422, "the cursor belongs to another question: send the same fields with it", "/cursor")
    if not 0 <= page.skip <= MOST_SKIPPED:
        raise Problem(422, f"the pages end after {MOST_SKIPPED:,} hits: ask a narrower question", "/cursor")
    return page


def next_cursor(request: Request, body: BaseModel, page: Page, count: int, k: int) -> str | None:
    """The cursor of the page after one with `count` hits; None after the last."""
    if count < k:
        return None
    read = {"skip": page.skip + count, "reader": page.reader, "question": _question(request, body)}
    text = json.dumps(read, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _question(request: Request, body: BaseModel) -> str:
    """A digest of everything that the pages of an answer share: the route, the user, the model and the fields."""
    try:
        fields = body.model_dump_json(exclude=_NOT_ASKED)
    except ValueError:
        raise Problem(422, "a field is nested too deeply, or holds a text that cannot be written in UTF-8") from None
    asked = (request.scope["path"], request.query_params.get("model", ""), fields)
    return hashlib.sha256("\n".join(asked).encode("utf-8", "replace")).hexdigest()[:12]
