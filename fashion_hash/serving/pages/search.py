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
from fashion_hash.retrieval.filters.columns import TEXT
from fashion_hash.serving.pages.desk import Desk
from fashion_hash.serving.pages.visit import Visit

SHOWN, OUTFITS, EXAMPLES = 24, 9, 6
MOST_LETTERS = 2_000


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
    text = " ".join(desk.visit.rest.get("q", "")[:MOST_LETTERS].split())
    outfits = desk.visit.rest.get("show") == "outfits" and desk.can_search
    if not text and not desk.visit.filters:
        return _page(desk, text, examples=_examples(desk))
    began = time.perf_counter()
    if not desk.can_search:
        items, total = _by_letters(desk, text)
        return _page(desk, text, items=items, shown=_counted(total, len(items)), milliseconds=_since(began))
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


def _page(desk: Desk, text: str, **values: Any) -> str:
    defaults: dict[str, Any] = {
        "items": [],
        "looks": None,
        "chips": [],
        "changed": "",
        "by": "",
        "note": "",
        "shown": "",
        "problem": "",
        "examples": [],
        "milliseconds": 0.0,
    }
    return desk.render("search.html", text=text, types=desk.bundle.types, **{**defaults, **values})


def _since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)


def _counted(total: int, shown: int) -> str:
    return f"{shown} of {total:,}" if total > shown else ""


def _found(desk: Desk, answer: ItemHits) -> list[Found]:
    """The items, with the share of bits where bits alone decided."""
    scores, by_bits = answer.scores.tolist(), not answer.understood and not (answer.scores > 1).any()
    rows = zip(answer.types.tolist(), answer.ids.tolist(), scores, answer.complete.tolist())
    return [
        Found(desk.tile(item_type, item_id), score if by_bits else None, complete)
        for item_type, item_id, score, complete in rows
    ]


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
    return {name: visit.rest.get(name) for name in ("show", "type", "model")}


def _by_letters(desk: Desk, text: str) -> tuple[list[Found], int]:
    """Items whose title or columns hold every word, in the order of the catalogue, and how many there are.

    For bundles without a model of requests.
    """
    words = text.casefold().split()
    tables, snapshot = desk.recommender.columns(), desk.recommender.live.now()
    masks = desk.allowed()
    found: list[tuple[str, int]] = []
    for item_type in desk.bundle.types:
        if desk.visit.rest.get("type") not in (None, "", item_type):
            continue
        table, count = tables[item_type], len(snapshot.bundle.items[item_type])
        holding = np.ones(count, dtype=bool) if masks.get(item_type) is None else masks[item_type][:count].copy()
        for word in words:
            holding &= _holding(table, word, count)
        found += [(item_type, row) for row in np.flatnonzero(holding).tolist()]
    items = snapshot.bundle.items
    return [Found(desk.tile(kind, items[kind].id(row)), None) for kind, row in found[:SHOWN]], len(found)


def _holding(table: Any, word: str, count: int) -> np.ndarray:
    """Which items have a text that holds a word."""
    holding = np.zeros(count, dtype=bool)
    for name in table.names:
        kinds, places, texts = table.column(name)
        having = np.array([word in each.casefold() for each in texts], dtype=bool)
        if having.any():
            is_text = kinds[:count] == TEXT
            holding |= is_text & having[np.where(is_text, places[:count], 0).astype(np.int64)]
    return holding


def _examples(desk: Desk) -> list[tuple[str, str]]:
    """Searches to begin with, from the commonest values of the catalogue."""
    chips = [menu for menu in desk.menus() if menu.kind in ("chips", "search")]
    texts: Sequence[str] = [menu.values[0][0] for menu in chips[:EXAMPLES]]
    pairs = [f"{chips[-1].values[1][0]} {text}" for text in texts[:3]] if len(chips) > 1 else []
    return [(text, desk.page("/search", q=text)) for text in dict.fromkeys([*texts, *pairs])]
