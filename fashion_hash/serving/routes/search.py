"""Requests in words: items, and outfits around them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.presentation.json_answers import request_as_json
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.retrieval.answers import ItemHits, OutfitsFor
from fashion_hash.retrieval.filters.shortfall import Shortfall
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import answer, next_cursor, skipped
from fashion_hash.serving.routes.users import known_user, seconds_of
from fashion_hash.serving.schemas.bodies import OutfitsForBody, SearchBody
from fashion_hash.serving.schemas.replies import OutfitsForAnswer, SearchAnswer
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["requests in words"], dependencies=[CanRead])
ModelName = Annotated[str | None, Query(alias="model", description="By default the model that the user belongs to.")]
SEARCH_OPTIONS = ("item_type", "where", "exclude", "rerank", "facts", "liked", "disliked")
OUTFITS_FOR_OPTIONS = (
    *("weight", "anchors", "per_anchor", "types", "where", "include", "exclude", "max_per", "diversity"),
    *("facts", "liked", "disliked"),
)


@router.post("/v1/search", response_model=SearchAnswer)
async def search(request: Request, body: SearchBody, model: ModelName = None) -> Response:
    """The best items for a request in words and, with a user, for what the user likes."""
    return await _ask(request, body, model)


@router.post("/v1/outfits-for", response_model=OutfitsForAnswer)
async def outfits_for(request: Request, body: OutfitsForBody, model: ModelName = None) -> Response:
    """The best outfits around the best items for a request in words."""
    return await _ask(request, body, model)


async def _ask(request: Request, body: SearchBody | OutfitsForBody, name: str | None) -> Response:
    service = service_of(request)
    model = service.model_of(request, body.user, name)
    skip, seconds = skipped(body, body.cursor), seconds_of(body.timeout_ms)
    check_requests(model)
    names = OUTFITS_FOR_OPTIONS if isinstance(body, OutfitsForBody) else SEARCH_OPTIONS
    options: dict[str, Any] = {option: getattr(body, option) for option in names}
    if isinstance(body, OutfitsForBody):
        options["seconds"] = seconds or service.settings.compose_seconds
        options["anchors"] = max(body.anchors, skip + body.k)

    def ask() -> tuple[dict[str, Any], bool, Shortfall | None]:
        user = known_user(model, body.user, body.if_unknown)
        if user is None and not (body.text.strip() or body.liked or body.facts):
            raise Problem(422, "nothing is asked for: give a text, a user, or liked outfits", "/text")
        hits: ItemHits | OutfitsFor
        if isinstance(body, OutfitsForBody):
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
    facts["next"] = next_cursor(body, skip, count, body.k)
    personal = facts["by"] != "words alone"
    return answer(request, model, facts, personal=personal, exact=exact, shortfall=shortfall)


def check_requests(model: Model) -> None:
    """Refuses a request in words where the bundle was made before its catalogue was read."""
    if not model.recommender.bundle.reads_words:
        detail = f"the model {model.name} does not read requests in words: build it again with fashion-hash build-index"
        raise Problem(422, detail)
