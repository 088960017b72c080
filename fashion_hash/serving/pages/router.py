"""The routes of the pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fashion_hash.errors import FashionHashError
from fashion_hash.feedback.report import report_feedback
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.problems import Problem, as_problem
from fashion_hash.serving.pages import canvas as canvas_page
from fashion_hash.serving.pages import item as item_page
from fashion_hash.serving.pages import search as search_page
from fashion_hash.serving.pages import stylist as stylist_page
from fashion_hash.serving.pages.about import about
from fashion_hash.serving.pages.desk import FOLDER, Desk, Elsewhere, style, style_version, templates
from fashion_hash.serving.pages.keep import check_same_origin, keep_likes
from fashion_hash.serving.pages.visit import Visit
from fashion_hash.serving.service import Service, service_of

router = APIRouter(include_in_schema=False, dependencies=[CanRead])
_log = logging.getLogger("fashion_hash.serving.pages")
HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "private, no-cache",
}
HEADINGS = {
    400: "This address or form cannot be read",
    401: "A token is needed",
    403: "This is not allowed",
    404: "Nothing is here",
    408: "That took too long",
    409: "This contradicts what is there",
    413: "That is too large",
    422: "This cannot be answered",
    500: "Something went wrong here",
    503: "The service is busy",
    507: "There is no space left",
}
NO_PATH = "there is nothing at this path"
ASSET = {"cache-control": "public, max-age=31536000, immutable"}

Page = Callable[[Desk], "str | Elsewhere"]


@router.get("/")
async def stylist(request: Request) -> Response:
    """Outfits for a user, for somebody new, or who it should be for."""
    return await _page(request, stylist_page.stylist)


@router.get("/canvas")
async def canvas(request: Request) -> Response:
    """An outfit built slot by slot."""
    return await _page(request, canvas_page.canvas)


@router.get("/search")
async def search(request: Request) -> Response:
    """Items for words, and outfits around them."""
    return await _page(request, search_page.search)


@router.post("/search/photo")
async def photo(request: Request) -> Response:
    """Takes a picture and sends the visitor on to what looks like it. Only a form of this service may ask for it."""
    try:
        check_same_origin(request)
        form = await request.form(max_files=1, max_fields=1_000)
        sent = form.get("picture")
        uploaded = await sent.read() if isinstance(sent, UploadFile) else b""
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    except (Problem, HTTPException) as error:
        return error_page(error if isinstance(error, Problem) else Problem(400, str(error.detail)))
    return await _page(request, lambda desk: search_page.photo(desk, uploaded), fields)


@router.get("/item")
async def item(request: Request) -> Response:
    """An item, what resembles it, and outfits with it."""
    return await _page(request, item_page.item)


@router.get("/model")
async def model(request: Request) -> Response:
    """What answers, how good it is, and how it is used."""
    service = service_of(request)
    return await _page(request, lambda desk: about(desk, service.metrics, report_feedback(service.feedback.events())))


@router.post("/pages/keep")
async def keep(request: Request) -> Response:
    """Stores what was said on a visit. Only a form of this service may ask for it, with a token for writing."""
    service = service_of(request)
    form = await request.form(max_files=0, max_fields=1_000)
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    try:
        check_same_origin(request)
        text = await keep_likes(service, request, fields)
    except (FashionHashError, Problem, OSError) as error:
        return error_page(error if isinstance(error, Problem) else as_problem(error))
    return RedirectResponse(text, 303, HEADERS)


@router.get("/pages/style.css")
async def style_sheet() -> Response:
    """The style of all pages."""
    return Response(style(), headers=ASSET, media_type="text/css")


@router.get("/pages/htmx.js")
async def htmx() -> Response:
    """htmx, which replaces a part of a page instead of all of it; pages work without it."""
    return Response((FOLDER / "static/htmx.min.js").read_bytes(), headers=ASSET, media_type="text/javascript")


async def _page(request: Request, page: Page, fields: Sequence[tuple[str, str]] | None = None) -> Response:
    """A page of the model that the visitor belongs to, or one that says what is wrong.

    Args:
        request: the request.
        page: makes it.
        fields: of a form that was sent; by default the parameters of the address.
    """
    service = service_of(request)
    began = time.perf_counter()
    try:
        visit = Visit.read(request.query_params.multi_items() if fields is None else fields)
        model = service.model_of(request, visit.user or "somebody new", visit.rest.get("model"))

        def made() -> str | Elsewhere:
            return of_one_generation(model.recommender, lambda: page(_desk(service, visit, request, began)))

        text = await service.work.run(made)
    except (FashionHashError, Problem, OSError) as error:
        return error_page(error if isinstance(error, Problem) else as_problem(error))
    if isinstance(text, Elsewhere):
        return RedirectResponse(text, 303, HEADERS)
    return HTMLResponse(text, headers=HEADERS)


def _desk(service: Service, visit: Visit, request: Request, began: float) -> Desk:
    model = service.model_of(request, visit.user or "somebody new", visit.rest.get("model"))
    names = tuple(each.name for each in service.models)
    return Desk(model, visit, bool(service.tokens), names, str(request.base_url).rstrip("/"), began)


def error_page(problem: Problem) -> Response:
    """A page that says what is wrong and what to do. It asks nothing of a bundle, which may be what is wrong."""
    title = HEADINGS.get(problem.status, "This cannot be shown")
    detail = "There is no page at this address." if problem.status == 404 and NO_PATH in problem.detail else ""
    page = templates().get_template("error.html")
    style = f"/pages/style.css?v={style_version()}"
    text = page.render(title=title, detail=detail or _sentence(problem.detail), status=problem.status, style=style)
    return HTMLResponse(text, problem.status, {**HEADERS, **problem.headers})


def _sentence(text: str) -> str:
    """A message as a sentence."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
