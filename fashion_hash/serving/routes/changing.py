"""How changes are made: in the lane of writers, once for each idempotency key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request
from starlette.responses import Response

from fashion_hash.errors import FashionHashError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.http.problems import Problem, as_problem
from fashion_hash.serving.idempotency import Kept
from fashion_hash.serving.models import Model
from fashion_hash.serving.service import Service, service_of

Result = TypeVar("Result")
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Names the change: sent again within a week it is not made again and gets the same reply.",
    ),
]


async def change(
    request: Request,
    key: str | None,
    make: Callable[[], dict[str, Any]],
    status: Callable[[dict[str, Any]], int] = lambda facts: 200,
) -> Response:
    """Makes a change and replies with what it returns.

    Args:
        request: the request.
        key: its idempotency key.
        make: makes the change.
        status: of the reply, from what `make` returned.
    """
    service = service_of(request)
    if service.writer is not None:
        return await service.hand_over(request)
    about = (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"])
    body = b" ".join(about) + b"\n" + await request.body()

    def run() -> Kept:
        facts = make()
        content = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return Kept(status(facts), content)

    kept = await service.writes.run(run if key is None else lambda: service.replies.once(key, body, run))
    if kept is None:
        detail = "this Idempotency-Key was used for another change: make a new one"
        raise Problem(422, detail, "header:Idempotency-Key")
    return Response(kept.content, kept.status, {"cache-control": "no-store"}, "application/json")


def of_each(models: Sequence[Model], make: Callable[[Recommender], Result]) -> dict[str, Result]:
    """What a change of each model returns, by its name; a change of one model is a transaction of its own.

    Raises:
        Problem: a model refused it after it was made to others, which the message names.
    """
    done: dict[str, Result] = {}
    for model in models:
        try:
            done[model.name] = make(model.recommender)
        except (FashionHashError, OSError) as error:
            if not done:
                raise
            problem = as_problem(error)
            detail = (
                f"model {model.name} refuses this: {problem.detail}; {', '.join(done)} took it already, so mend it and "
                "send all of it again"
            )
            raise Problem(problem.status, detail, problem.pointer, problem.headers) from error
    return done


def models_to_change(service: Service, request: Request, name: str | None) -> list[Model]:
    """The models that a change of the catalogue is made to: all, unless one is named."""
    if name is None:
        return list(service.models)
    return [service.model_of(request, None, name)]
