"""What every answer says about itself, and pages of longer answers."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

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


def skipped(body: BaseModel, cursor: str | None) -> int:
    """How many hits the pages before a cursor had. Raises Problem for a cursor of another question."""
    if cursor is None:
        return 0
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
        skip, question = int(read["skip"]), str(read["question"])
    except (ValueError, TypeError, KeyError):
        raise Problem(422, f"the cursor {shown(cursor)} is not one of this service", "/cursor") from None
    if question != _question(body):
        raise Problem(422, "the cursor belongs to another question: send the same fields with it", "/cursor")
    if not 0 <= skip <= MOST_SKIPPED:
        raise Problem(422, f"the pages end after {MOST_SKIPPED:,} hits: ask a narrower question", "/cursor")
    return skip


def next_cursor(body: BaseModel, skip: int, count: int, k: int) -> str | None:
    """The cursor of the page after one with `count` hits; None after the last."""
    if count < k:
        return None
    text = json.dumps({"skip": skip + count, "question": _question(body)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _question(body: BaseModel) -> str:
    """A digest of everything that the pages of an answer share."""
    return hashlib.sha256(body.model_dump_json(exclude=_NOT_ASKED).encode()).hexdigest()[:12]
