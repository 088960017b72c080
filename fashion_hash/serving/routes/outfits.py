"""Outfits by name: scores and explanations; many users at once; what is popular."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.retrieval.answers import Hits
from fashion_hash.serving.http.access import CanRead
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Model
from fashion_hash.serving.routes.answers import answer
from fashion_hash.serving.routes.search import check_requests
from fashion_hash.serving.routes.users import known_user
from fashion_hash.serving.schemas.bodies import BatchBody, ExplainBody, ScoreBody
from fashion_hash.serving.schemas.fields import MOST_HITS, MOST_SKIPPED
from fashion_hash.serving.schemas.replies import BatchAnswer, ExplainAnswer, OutfitsAnswer, ScoresAnswer
from fashion_hash.serving.service import service_of

router = APIRouter(tags=["outfits"], dependencies=[CanRead])
ModelName = Annotated[str | None, Query(alias="model")]
BATCH_OPTIONS = ("where", "exclude", "exclude_outfits", "include_liked")


@router.post("/v1/score", response_model=ScoresAnswer)
async def score(request: Request, body: ScoreBody, model: ModelName = None) -> Response:
    """The scores of outfits, in the pool or not, with the terms that add up to them."""
    service = service_of(request)
    chosen = service.model_of(request, body.user, model)

    def ask() -> tuple[bool, list[dict[str, float]]]:
        user = known_user(chosen, body.user, body.if_unknown)
        scores = [chosen.recommender.score(user, outfit)._asdict() for outfit in body.outfits]
        return user is not None, scores

    personal, scores = await service.pool.run(lambda: of_one_generation(chosen.recommender, ask))
    return answer(request, chosen, {"scores": scores}, personal=personal, exact=True)


@router.post("/v1/explain", response_model=ExplainAnswer)
async def explain(request: Request, body: ExplainBody, model: ModelName = None) -> Response:
    """Why an outfit has its score; with `text`, why a request in words finds an item or an outfit."""
    service = service_of(request)
    chosen = service.model_of(request, body.user, model)
    of = body.outfit if body.item is None else body.item
    if of is None or (body.outfit is not None and body.item is not None):
        raise Problem(422, "name either an outfit or an item", "/outfit")
    if body.item is not None and not body.text:
        raise Problem(422, "an item is explained for a request in words: give a text", "/text")
    if body.text:
        check_requests(chosen)
        if body.taste != AS_TRAINED:
            raise Problem(422, "taste weighs the score of an outfit: leave it or the text out", "/taste")

    def ask() -> tuple[bool, dict[str, Any]]:
        user = known_user(chosen, body.user, body.if_unknown)
        if body.text:
            options = {"item_type": body.item_type, "weight": body.weight, "neighbours": body.neighbours}
            return user is not None, chosen.recommender.explain_request(body.text, user, of, **options).to_dict()  # type: ignore[arg-type]
        likes: Any = {"liked": body.liked, "disliked": body.disliked}
        explained = chosen.recommender.explain(user, of, neighbours=body.neighbours, taste=body.taste, **likes)
        return user is not None or bool(body.liked), explained.to_dict()

    personal, explanation = await service.work.run(ask)
    return answer(request, chosen, {"explanation": explanation}, personal=personal, exact=True)


@router.post("/v1/batch", response_model=BatchAnswer)
async def batch(request: Request, body: BatchBody, model: ModelName = None) -> Response:
    """The best outfits of the pool for many users at once. Users of another model are answered by this one, too."""
    service = service_of(request)
    chosen = service.model_of(request, body.users[0], model)
    options: Any = {option: getattr(body, option) for option in BATCH_OPTIONS}

    def ask() -> tuple[Hits, list[dict[str, Any]]]:
        users = [known_user(chosen, user, body.if_unknown) for user in body.users]
        hits = chosen.recommender.recommend(users, body.k, **options)
        lists = [
            {"user": user, "personal": bool(personal), "outfits": _named(chosen, ids.tolist(), scores.tolist())}
            for user, personal, ids, scores in zip(body.users, hits.personal, hits.ids, hits.scores)  # type: ignore[arg-type]
        ]
        return hits, lists

    hits, lists = await service.work.run(lambda: of_one_generation(chosen.recommender, ask))
    exact = chosen.recommender.bundle.answers.get("pool") == "exact"
    personal = all(each["personal"] for each in lists)
    return answer(request, chosen, {"users": lists}, personal=personal, exact=exact, shortfall=hits.shortfall)


@router.get("/v1/popular", response_model=OutfitsAnswer)
async def popular(
    request: Request,
    k: Annotated[int, Query(ge=1, le=MOST_HITS)] = 10,
    skip: Annotated[int, Query(ge=0, le=MOST_SKIPPED)] = 0,
    half_life: Annotated[float | None, Query(gt=0, description="Days after which a like counts half.")] = None,
    model: ModelName = None,
) -> Response:
    """What most users like: the score of an outfit is how many users like its items, on average."""
    service = service_of(request)
    chosen = service.model_of(request, None, model)

    def ask() -> list[dict[str, Any]]:
        hits = chosen.recommender.recommend(None, k, skip=skip, by="popular", half_life=half_life)
        return _named(chosen, hits.ids.tolist(), hits.scores.tolist())

    outfits = await service.pool.run(lambda: of_one_generation(chosen.recommender, ask))
    zeros = {"preference": 0.0, "compatibility": 0.0, "bias": 0.0}
    facts = {"outfits": [{**outfit, **zeros} for outfit in outfits], "next": None}
    return answer(request, chosen, facts, personal=False, exact=True)


def _named(model: Model, ids: list[str], scores: list[float]) -> list[dict[str, Any]]:
    """Outfits with their items; "" fills up the lists of users with fewer."""
    return [
        {"outfit_id": outfit_id, "items": model.recommender.outfit(outfit_id), "score": value}
        for outfit_id, value in zip(ids, scores)
        if outfit_id
    ]
