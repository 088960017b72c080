"""Search: items for words, and outfits around them; what was understood can be taken away or made a condition."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.errors import QueryError, shown
from fashion_hash.presentation.details import fact_words
from fashion_hash.presentation.tiles import Tile
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.search.similar_items import PictureCode
from fashion_hash.serving.pages.desk import Desk, Elsewhere
from fashion_hash.serving.pages.visit import Visit
from fashion_hash.serving.routes.search import photo_code

SHOWN, OUTFITS, EXAMPLES = 24, 9, 6
MOST_LETTERS = 2_000
OLD_BUNDLE = (
    "This bundle was built before catalogues were read for searches: build it again with `fashion-hash build-index`"
)


class Found(NamedTuple):
    """An item that was found.

    Attributes:
        tile: the item.
        share: of the bits that agree with the words; None where more than bits decided.
        complete: whether it has all that is asked.
    """

    tile: Tile
    share: float | None
    complete: bool = True


class Chip(NamedTuple):
    """A fact that was understood.

    Attributes:
        words: that say it.
        hard: whether it decides before taste orders.
        removed: the address of the search without it.
        turned: the address on which it decides, or no longer does.
    """

    words: str
    hard: bool
    removed: str
    turned: str


def search(desk: Desk) -> str:
    """Items or outfits for words; without words, what a search could begin with."""
    text = words_of(desk.visit)
    if desk.visit.rest.get("photo"):
        return _like_photo(desk, text, desk.visit.rest["photo"])
    outfits = desk.visit.rest.get("show") == "outfits" and desk.can_search
    if not desk.can_search:
        return _page(desk, text, problem=OLD_BUNDLE)
    if not text and not desk.visit.filters:
        return _page(desk, text, examples=_examples(desk))
    began = time.perf_counter()
    asked = bool(text) or "facts" in desk.visit.rest
    if not asked and desk.visit.user is None and not any(desk.visit.likes.values()):
        return _page(desk, text, items=_passing(desk), milliseconds=_since(began))
    user = desk.visit.user if text or desk.visit.user is not None else None
    options: dict[str, Any] = {"where": desk.where, **desk.visit.likes}
    try:
        if "facts" in desk.visit.rest:
            options["facts"] = _facts(desk.visit.rest["facts"])
        answer = desk.recommender.search(text, user, SHOWN, item_type=desk.visit.rest.get("type") or None, **options)
        looks = []
        if outfits:
            caps: dict[str, Any] = {"max_per": {"item": 1}, "seconds": 2.0}
            looks = [
                desk.look(hit) for hit in desk.recommender.outfits_for(text, user, OUTFITS, **options, **caps).hits
            ]
    except QueryError as error:
        return _page(desk, text, problem=str(error), examples=_examples(desk))
    return _page(
        desk,
        text,
        items=_found(desk, answer),
        looks=looks if outfits else None,
        chips=_chips(desk, text, answer),
        changed=desk.visit.address("/search", q=text, **_kept(desk.visit)) if "facts" in options else "",
        by=answer.by,
        note=answer.note,
        milliseconds=_since(began),
    )


def words_of(visit: Visit) -> str:
    """The words of a search."""
    return " ".join(visit.rest.get("q", "")[:MOST_LETTERS].split())


def photo(desk: Desk, uploaded: bytes) -> str | Elsewhere:
    """The address of the items that look like an uploaded picture, or a page that says why there are none.

    The address holds the code of the picture, from which it cannot be drawn again; nothing is kept.
    """
    kept = {**_kept(desk.visit), "photo": photo_code(desk.model, uploaded).to_text(), "show": None}
    return Elsewhere(desk.visit.address("/search", q=words_of(desk.visit) or None, **kept))


def _like_photo(desk: Desk, text: str, code: str) -> str:
    """Items that look like a picture, with words beside it."""
    began = time.perf_counter()
    options: dict[str, Any] = {"where": desk.where, "text": text or None}
    try:
        if "facts" in desk.visit.rest:
            options["facts"] = _facts(desk.visit.rest["facts"])
        types = [desk.visit.rest["type"]] if desk.visit.rest.get("type") else None
        picture = PictureCode.from_text(desk.bundle, code)
        answer = desk.recommender.search_picture(picture, types, SHOWN, **options)
    except QueryError as error:
        return _page(desk, text, problem=str(error))
    return _page(
        desk,
        text,
        items=_found(desk, answer),
        chips=_chips(desk, text, answer),
        changed=desk.visit.address("/search", q=text, **_kept(desk.visit)) if "facts" in options else "",
        by="bits that agree" if answer.by_bits else answer.by,
        note=answer.note,
        milliseconds=_since(began),
    )


def _page(desk: Desk, text: str, **values: Any) -> str:
    defaults: dict[str, Any] = {
        "items": [],
        "looks": None,
        "chips": [],
        "changed": "",
        "by": "",
        "note": "",
        "problem": "",
        "examples": [],
        "milliseconds": 0.0,
    }

    def at(**changes: str | None) -> str:
        """The address of this search with other parameters."""
        kept = {**_kept(desk.visit), "facts": desk.visit.rest.get("facts"), **changes}
        return desk.visit.address("/search", q=text or None, **kept)

    values = {**defaults, "types": desk.bundle.types, "photo": desk.visit.rest.get("photo"), **values}
    return desk.render("search.html", text=text, at=at, **values)


def _since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)


def _found(desk: Desk, answer: ItemHits) -> list[Found]:
    """The items, with the share of bits where bits alone decided."""
    rows = zip(answer.types.tolist(), answer.ids.tolist(), answer.scores.tolist(), answer.complete.tolist())
    return [
        Found(desk.tile(item_type, item_id), score if answer.by_bits else None, complete)
        for item_type, item_id, score, complete in rows
    ]


def _passing(desk: Desk) -> list[Found]:
    """The first items that pass the filters, for a search without words."""
    passing: list[Found] = []
    snapshot, masks = desk.recommender.live.now(), desk.allowed()
    for item_type, ids in snapshot.bundle.items.items():
        if desk.visit.rest.get("type") in (None, "", item_type):
            mask = masks.get(item_type)
            rows = range(len(ids)) if mask is None else np.flatnonzero(mask[: len(ids)]).tolist()
            passing += [Found(desk.tile(item_type, ids.id(row)), None) for row in rows[: SHOWN - len(passing)]]
    return passing


def _facts(text: str) -> Any:
    """The facts of an address; what does not fit is refused where they are read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise QueryError(f"the facts of this address are not JSON: {shown(text)}") from None


def _chips(desk: Desk, text: str, answer: ItemHits) -> list[Chip]:
    """What was understood, each with the searches that change it."""
    asked, partner = answer.understood, answer.goes_with
    plain = [fact.to_dict() for fact in asked] + [{**fact.to_dict(), "goes_with": True} for fact in partner]
    chips = []
    for place, fact in enumerate((*asked, *partner)):
        words = f"to go with {fact_words(fact)}" if place >= len(asked) else fact_words(fact)
        without = plain[:place] + plain[place + 1 :]
        turned = [*plain[:place], {**plain[place], "hard": not fact.hard}, *plain[place + 1 :]]
        chips.append(Chip(words, fact.hard, _changed(desk.visit, text, without), _changed(desk.visit, text, turned)))
    return chips


def _changed(visit: Visit, text: str, facts: Sequence[dict[str, Any]]) -> str:
    return visit.address("/search", q=text, facts=json.dumps(facts, ensure_ascii=False), **_kept(visit))


def _kept(visit: Visit) -> dict[str, str | None]:
    return {name: visit.rest.get(name) for name in ("show", "type", "photo", "model")}


def _examples(desk: Desk) -> list[tuple[str, str]]:
    """Searches to begin with, from the commonest values of the catalogue."""
    chips = [menu for menu in desk.menus() if menu.kind in ("chips", "search")]
    texts: Sequence[str] = [menu.values[0][0] for menu in chips[:EXAMPLES]]
    pairs = [f"{chips[-1].values[1][0]} {text}" for text in texts[:3]] if len(chips) > 1 else []
    return [(text, desk.page("/search", q=text)) for text in dict.fromkeys([*texts, *pairs])]
