"""Everything a bundle is asked, as JSON: the same questions when it was made and ever after."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from fashion_hash.retrieval.recommender import Recommender


def ask(bundle: Path, copy: Path) -> dict[str, Any]:
    """Asks a copy of a bundle, so that the golden files stay as they are."""
    shutil.copytree(bundle, copy)
    recommender = Recommender.load(copy)
    users = recommender.bundle.users.all()[:3]
    slots = recommender.bundle.slot_names
    answers: dict[str, Any] = {"types": list(recommender.bundle.slots)}
    if len(slots) > 1:
        answers["outfits"] = {str(user): _outfits(recommender, user) for user in [*users, None]}
        _learn(recommender, answers)
    if recommender.bundle.requests is not None:
        answers["search"] = {
            str(user): [_pairs(recommender.search(text, user, 5, rerank=rerank)) for text, rerank in TEXTS]
            for user in [*users, None]
        }
    return answers


TEXTS = (("something red please", False), ("a blue one of wool", True))


def _pairs(hits: Any) -> list[list[Any]]:
    return [[str(item), float(score)] for item, score in zip(hits.ids.tolist(), hits.scores.tolist())]


def _found(hits: Any) -> list[dict[str, Any]]:
    return [
        {"items": hit.items, "score": hit.score, "parts": [hit.preference, hit.compatibility, hit.bias]} for hit in hits
    ]


def _outfits(recommender: Recommender, user: str | None) -> dict[str, Any]:
    item = recommender.bundle.items["top"].id(1)
    filtered = (
        {"where": {"price": {"<=": 18.0}}} if "price" in recommender.bundle.catalogue.item("top", 1).details else {}
    )
    composed = recommender.compose(user, 5)
    ids, _ = recommender.recommend(user, 1)
    return {
        "recommend": _pairs(recommender.recommend(user, 10)),
        "liked too": _pairs(recommender.recommend(user, 5, include_liked=True)),
        "varied": _pairs(recommender.recommend(user, 5, diversity=0.5, max_per={"item": 2})),
        "filtered": _pairs(recommender.recommend(user, 5, **filtered)),
        "compose": _found(composed.hits),
        "proven": [composed.proven, composed.gap],
        "complete": _found(recommender.complete(user, {"top": item}, 3).hits),
        "similar": _pairs(recommender.similar_items(item, 3)),
        "explain": re.findall(r"[-+]?\d+\.\d+", recommender.explain(user, str(ids[0])).to_text()),
    }


def _learn(recommender: Recommender, answers: dict[str, Any]) -> None:
    """A new user, folded in from two outfits."""
    ids, _ = recommender.recommend(None, 2)
    recommender.add_user("golden-new", liked=[str(one) for one in ids])
    answers["new user"] = _pairs(recommender.recommend("golden-new", 5))
