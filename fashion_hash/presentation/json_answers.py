"""Answers as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from fashion_hash.retrieval.answers import HitList, ItemHits, OutfitsFor
from fashion_hash.retrieval.recommender import Recommender


def outfits_as_json(recommender: Recommender, answers: Mapping[str | None, HitList], k: int) -> dict[str, object]:
    """The best outfits of the pool, and why there are fewer than k, by user; "" is anyone."""
    users = {
        user or "": {
            "hits": [asdict(hit) for hit in hits],
            "shortfall": hits.shortfall.to_dict() if hits.shortfall else None,
        }
        for user, hits in answers.items()
    }
    return {**_about(recommender, k), "users": users}


def requests_as_json(
    recommender: Recommender, text: str, answers: Sequence[Mapping[str, object]], k: int
) -> dict[str, object]:
    """The answers to a request; each is made by `request_as_json`."""
    return {**_about(recommender, k), "text": text, "answers": list(answers)}


def request_as_json(recommender: Recommender, user: str | None, answer: ItemHits | OutfitsFor) -> dict[str, object]:
    """The answer to a request of one user, or of anyone."""
    values: dict[str, object] = {
        "user": user,
        "by": answer.by,
        "note": answer.note,
        "known_words": list(answer.known_words),
        "unknown_words": list(answer.unknown_words),
        "shortfall": answer.shortfall.to_dict() if answer.shortfall else None,
    }
    values["understood"] = [fact.to_dict() for fact in answer.understood]
    values["goes_with"] = [{**fact.to_dict(), "goes_with": True} for fact in answer.goes_with]
    if isinstance(answer, OutfitsFor):
        gap = answer.gap if answer.gap < float("inf") else None  # JSON has no infinity
        outfits = [asdict(hit) for hit in answer.hits]
        return {**values, "weight": answer.weight, "proven": answer.proven, "gap": gap, "outfits": outfits}
    bundle = recommender.bundle
    items = [
        {
            "item_id": item_id,
            "type": item_type,
            "score": score,
            "title": bundle.catalogue.item(item_type, bundle.items[item_type].row(item_id)).title,
            "complete": complete,
        }
        for item_id, item_type, score, complete in zip(
            answer.ids.tolist(), answer.types.tolist(), answer.scores.tolist(), answer.complete.tolist()
        )
    ]
    return {**values, "reranked": answer.reranked, "items": items}


def _about(recommender: Recommender, k: int) -> dict[str, object]:
    return {"bundle": str(recommender.bundle.path), "fingerprint": recommender.bundle.fingerprint, "k": k}
