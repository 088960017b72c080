"""The application: routes, and what surrounds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from fashion_hash import __version__
from fashion_hash.serving.http.bodies import BoundedBodies
from fashion_hash.serving.http.frame import Frame
from fashion_hash.serving.http.paths import EscapedPaths
from fashion_hash.serving.http.problems import add_handlers
from fashion_hash.serving.models import Models
from fashion_hash.serving.pages.router import error_page
from fashion_hash.serving.pages.router import router as pages
from fashion_hash.serving.routes import catalogue_changes, feedback, items, model, outfits, search, user_changes, users
from fashion_hash.serving.schemas.replies import ProblemDetail
from fashion_hash.serving.security import Tokens, read_tokens
from fashion_hash.serving.service import Service
from fashion_hash.serving.settings import Settings
from fashion_hash.serving.workers.warm import warm

DESCRIPTION = """Personalised outfits in binary codes.

Every answer has a `recommendation_id`, which feedback names. Errors are problem+json (RFC 9457). Ids in paths are
escaped by percent signs: the item `a/b` is `a%2Fb`.
"""
PHOTO_PATHS = ("/v1/search/photo", "/search/photo")
_PROBLEM = {"model": ProblemDetail, "content": {"application/problem+json": {}}}
ERRORS: dict[int | str, dict[str, object]] = {
    status: {**_PROBLEM, "description": description}
    for status, description in (
        (400, "The body is not JSON."),
        (401, "A token is needed."),
        (403, "The token does not allow this."),
        (404, "An id is unknown."),
        (408, "The body took too long to arrive."),
        (409, "This contradicts what is there."),
        (413, "The body is too large."),
        (415, "The body is not JSON by its Content-Type."),
        (422, "A field is not valid."),
        (503, "The service is busy, or cannot read its files."),
        (507, "There is no space left to write."),
    )
}


def create_app(models: Models, settings: Settings | None = None, tokens: Tokens | None = None) -> FastAPI:
    """Makes the application of some open bundles.

    Args:
        models: the bundles.
        settings: of the service; `app.state.service` holds them with all else that routes share.
        tokens: who may write; by default those of `settings.tokens`.
    """
    settings = settings or Settings()
    if tokens is None:
        tokens = read_tokens(settings.tokens) if settings.tokens else Tokens()
    service = Service(models, settings, tokens)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for each in models:
            await asyncio.to_thread(warm, each.recommender)
        service.ready = True
        watching = asyncio.create_task(service.watch.run())
        yield
        watching.cancel()
        service.close()

    app = FastAPI(
        title="fashion_hash", version=__version__, description=DESCRIPTION, lifespan=lifespan, responses=ERRORS
    )
    app.state.service = service
    add_handlers(app, error_page)
    for room in (users, search, outfits, items, user_changes, catalogue_changes, feedback, model):
        app.include_router(room.router)
    app.include_router(pages)
    photos = dict.fromkeys(PHOTO_PATHS, settings.photo_bytes)
    app.add_middleware(
        BoundedBodies, most_bytes=settings.body_bytes, seconds=settings.body_seconds, larger=photos, page=error_page
    )
    app.add_middleware(EscapedPaths)
    app.add_middleware(
        Frame,
        metrics=service.metrics,
        hosts=settings.hosts,
        access_log=settings.access_log,
    )
    return app
