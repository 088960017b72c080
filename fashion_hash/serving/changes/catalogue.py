"""Items and outfits come, change and go, in batches: each is one transaction, all or nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fashion_hash.errors import FashionHashError, FeatureError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.changes.call import Made
from fashion_hash.serving.http.problems import Problem, as_problem
from fashion_hash.serving.http.uploads import reencoded
from fashion_hash.serving.models import Model
from fashion_hash.serving.service import Service

Items = Sequence[Mapping[str, Any]]
IdsByType = Mapping[str, Sequence[str]]
Outfits = Mapping[str, Mapping[str, str]]
Result = TypeVar("Result")


def upsert_items(service: Service, items: Items, model: str | None) -> Made:
    """Adds items that are unknown and changes the others; pictures are base64."""
    read = [_item(place, entry) for place, entry in enumerate(items)]
    return _changed(service, model, lambda recommender: recommender.upsert_items(read))


def update_items(service: Service, items: Items, model: str | None) -> Made:
    """Changes items that are known; pictures are base64."""
    read = [_item(place, entry) for place, entry in enumerate(items)]
    return _changed(service, model, lambda recommender: recommender.update_items(read))


def remove_items(service: Service, items: IdsByType, model: str | None) -> Made:
    """Removes items, and every outfit of the pool that holds one of them."""
    models = _models(service, model)
    return Made({"outfits": of_each(models, lambda recommender: recommender.remove_items(items))})


def hide_items(service: Service, items: IdsByType, model: str | None) -> Made:
    """Takes items out of all answers until they are shown again."""
    return _changed(service, model, lambda recommender: recommender.hide_items(items))


def show_items(service: Service, items: IdsByType, model: str | None) -> Made:
    """Brings hidden items back."""
    return _changed(service, model, lambda recommender: recommender.show_items(items))


def upsert_outfits(service: Service, outfits: Outfits, model: str | None) -> Made:
    """Adds outfits to the pool that are unknown and changes the others."""
    return _changed(service, model, lambda recommender: recommender.upsert_outfits(outfits))


def update_outfits(service: Service, outfits: Outfits, model: str | None) -> Made:
    """Changes outfits of the pool that are known."""
    for each in _models(service, model):
        for outfit_id in outfits:
            each.recommender.outfit(outfit_id)  # raises where it is unknown
    return upsert_outfits(service, outfits, model)


def remove_outfits(service: Service, outfits: Sequence[str], model: str | None) -> Made:
    """Removes outfits from the pool."""

    def remove(recommender: Recommender) -> int:
        recommender.remove_outfits(outfits)
        return len(outfits)

    return _changed(service, model, remove)


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


def _models(service: Service, name: str | None) -> list[Model]:
    """The models that a change of the catalogue is made to: all, unless one is named."""
    return list(service.models) if name is None else [service.models.of("", name)]


def _changed(service: Service, model: str | None, change: Callable[[Recommender], int]) -> Made:
    return Made({"changed": of_each(_models(service, model), change)})


def _item(place: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An item as the Recommender takes it: a picture is its bytes, never the name of a file."""
    item = dict(entry)
    if item.get("picture") is not None:
        try:
            item["picture"] = reencoded(base64.b64decode(item["picture"], validate=True))
        except (binascii.Error, ValueError, FeatureError) as error:
            detail = f"the picture of {item['item_id']!r} cannot be used: {error}"
            raise Problem(422, detail, f"/items/{place}/picture") from None
    return item
