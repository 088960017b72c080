"""How routes hand changes over: by name, with plain arguments that were checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from fashion_hash.serving.changes.call import Call, Key
from fashion_hash.serving.changes.make import make
from fashion_hash.serving.http.problems import Problem, request_id_of
from fashion_hash.serving.service import service_of

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Names the change: sent again within a week it is not made again and gets the same reply.",
    ),
]


async def change(request: Request, key: str | None, name: str, arguments: Mapping[str, Any]) -> Response:
    """Makes a change and replies with what it returns.

    Args:
        request: the request.
        key: its idempotency key.
        name: of the change, in serving/changes.
        arguments: of the change, as JSON can hold them.
    """
    named = None if key is None else Key(key, await _digest(request))
    kept = await make(service_of(request), Call(name, arguments, named, request_id_of(request)))
    return Response(kept.content, kept.status, {"cache-control": "no-store"}, "application/json")


async def _digest(request: Request) -> str:
    """A digest of what was sent: the method, the path, the parameters and the body."""
    about = (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"])
    return hashlib.sha256(b" ".join(about) + b"\n" + await request.body()).hexdigest()


async def change_catalogue(
    request: Request, key: str | None, model: str | None, name: str, arguments: Mapping[str, Any]
) -> Response:
    """Changes the catalogue of all models, or of one that is named; see `change`."""
    if model is not None:
        service_of(request).model_of(request, None, model)  # raises where no model has this name
    return await change(request, key, name, {**arguments, "model": model})


def plain(entry: BaseModel) -> dict[str, Any]:
    """The fields of an entry that were sent, as plain values. Raises Problem for one that cannot be written again."""
    try:
        return entry.model_dump(exclude_unset=True)
    except ValueError:
        raise Problem(422, "a field is nested too deeply: send fewer levels") from None
