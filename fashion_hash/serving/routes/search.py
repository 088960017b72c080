"""Requests in words: items, and outfits around them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from fashion_hash.errors import FeatureError, MissingExtraError, shown
from fashion_hash.presentation.json_answers import request_as_json
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.retrieval.answers import ItemHits, OutfitsFor
from fashion_hash.retrieval.filters.shortfall import Shortfall
from fashion_hash.retrieval.search.similar_items import NO_PICTURES, PictureCode
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.http.uploads import reencoded
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import answer, next_cursor, page_of
from fashion_hash.serving.routes.users import known_user, left_of, seconds_of
from fashion_hash.serving.schemas.bodies import OutfitsForBody, PhotoForm, SearchBody
from fashion_hash.serving.schemas.replies import OutfitsForAnswer, PhotoAnswer, SearchAnswer
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["requests in words"], dependencies=[CanRead])
ModelName = Annotated[str | None, Query(alias="model", description="By default the model that the user belongs to.")]
SEARCH_OPTIONS = ("item_type", "where", "exclude", "rerank", "facts", "liked", "disliked")
OUTFITS_FOR_OPTIONS = (
    *("weight", "anchors", "per_anchor", "types", "where", "include", "exclude", "max_per", "diversity"),
    *("facts", "liked", "disliked"),
)
IN_QUESTION = {"text", "item_types", "where", "facts"}


class PhotoQuestion(BaseModel):
    """What the pages of an answer to a picture share."""

    sent: str
    text: str
    item_types: list[str]
    where: str
    facts: str


@router.post("/v1/search", response_model=SearchAnswer)
async def search(request: Request, body: SearchBody, model: ModelName = None) -> Response:
    """The best items for a request in words and, with a user, for what the user likes."""
    return await _ask(request, body, model)


@router.post("/v1/outfits-for", response_model=OutfitsForAnswer)
async def outfits_for(request: Request, body: OutfitsForBody, model: ModelName = None) -> Response:
    """The best outfits around the best items for a request in words."""
    return await _ask(request, body, model)


@router.post("/v1/search/photo", response_model=PhotoAnswer)
async def search_by_photo(
    request: Request,
    form: Annotated[PhotoForm, Form(media_type="multipart/form-data")],
    model: ModelName = None,
) -> Response:
    """The items that look most like a picture; words beside it decide and order as in a search."""
    service = service_of(request)
    uploaded = b"" if form.picture is None else await form.picture.read()
    if (form.picture is None) == (not form.code):
        raise Problem(422, "send either a picture or the code of one", "/picture")
    options: dict[str, Any] = {"text": form.text or None, "where": _json("where", form.where)}
    options["facts"] = _json("facts", form.facts)
    asked = PhotoQuestion(
        sent=form.code or hashlib.sha256(uploaded).hexdigest(), **form.model_dump(include=IN_QUESTION)
    )
    page = page_of(request, asked, form.cursor)
    chosen = service.model_of(request, page.reader, model)

    def ask() -> tuple[str, dict[str, Any], Shortfall | None]:
        code = (
            photo_code(chosen, uploaded)
            if form.picture
            else PictureCode.from_text(chosen.recommender.bundle, form.code)
        )
        types = form.item_types or None
        hits = chosen.recommender.search_picture(code, types, form.k, skip=page.skip, **options)
        return code.to_text(), dict(request_as_json(chosen.recommender, None, hits)), hits.shortfall

    seconds = seconds_of(form.timeout_ms)
    text, facts, shortfall = await service.work.run(lambda: of_one_generation(chosen.recommender, ask), seconds)
    del facts["user"], facts["shortfall"], facts["reranked"]
    facts |= {"picture": text, "next": next_cursor(request, asked, page, len(facts["items"]), form.k)}
    return answer(request, chosen, facts, personal=False, exact=True, shortfall=shortfall)


def photo_code(model: Model, uploaded: bytes) -> PictureCode:
    """The code of an uploaded picture.

    Raises:
        Problem: 422, it is not a picture, or the model reads none; 503, a package is missing.
    """
    if not model.recommender.reads_pictures:
        raise Problem(422, f"the model {model.name} cannot be asked by a picture: {NO_PICTURES}", "/picture")
    try:
        return model.recommender.code_picture(reencoded(uploaded))
    except FeatureError as error:
        raise Problem(422, str(error), "/picture") from None
    except MissingExtraError as error:
        raise Problem(503, str(error)) from None


def _json(name: str, text: str) -> Any:
    """A field that is JSON in a text; None where it is empty."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Problem(422, f"{name} is not JSON: {shown(text)}", f"/{name}") from None


async def _ask(request: Request, body: SearchBody | OutfitsForBody, name: str | None) -> Response:
    service = service_of(request)
    page, seconds = page_of(request, body, body.cursor), seconds_of(body.timeout_ms)
    model, skip = service.model_of(request, body.user or page.reader, name), page.skip
    check_requests(model)
    names = OUTFITS_FOR_OPTIONS if isinstance(body, OutfitsForBody) else SEARCH_OPTIONS
    options: dict[str, Any] = {option: getattr(body, option) for option in names}
    if isinstance(body, OutfitsForBody):
        options["anchors"] = max(body.anchors, skip + body.k)

    def ask() -> tuple[dict[str, Any], bool, Shortfall | None]:
        user = known_user(model, body.user, body.if_unknown)
        if user is None and not (body.text.strip() or body.liked or body.facts):
            raise Problem(422, "nothing is asked for: give a text, a user, or liked outfits", "/text")
        hits: ItemHits | OutfitsFor
        if isinstance(body, OutfitsForBody):
            options["seconds"] = left_of(request, seconds) or service.settings.compose_seconds
            hits = model.recommender.outfits_for(body.text, user, body.k, skip=skip, **options)
        else:
            hits = model.recommender.search(body.text, user, body.k, skip=skip, **options)
        facts = dict(request_as_json(model.recommender, user, hits))
        return facts, not isinstance(hits, OutfitsFor) or hits.proven, hits.shortfall

    facts, exact, shortfall = await service.work.run(lambda: of_one_generation(model.recommender, ask), seconds)
    del facts["user"], facts["shortfall"]
    exact = bool(facts.pop("proven", exact)) and not facts.get("reranked")
    for outfit in facts.get("outfits", ()):
        del outfit["personal"]
        outfit["outfit_id"] = outfit["outfit_id"] or None
    count = len(facts["outfits"] if isinstance(body, OutfitsForBody) else facts["items"])
    facts["next"] = next_cursor(request, body, page, count, body.k)
    personal = facts["by"] != "words alone"
    return answer(request, model, facts, personal=personal, exact=exact, shortfall=shortfall)


def check_requests(model: Model) -> None:
    """Refuses a request in words where the bundle was made before its catalogue was read."""
    if not model.recommender.bundle.reads_words:
        detail = f"the model {model.name} does not read requests in words: build it again with fashion-hash build-index"
        raise Problem(422, detail)
