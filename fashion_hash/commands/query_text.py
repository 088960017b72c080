"""The part of the query command that answers a request in words: `--text WORDS`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_hash.commands.query_options import choice, likes, list_note, variety
from fashion_hash.errors import QueryError, shown, visible
from fashion_hash.presentation.json_answers import request_as_json, requests_as_json
from fashion_hash.presentation.printing import json_text
from fashion_hash.presentation.table import answer_notes, item_table, one_line, request_heading, request_table
from fashion_hash.presentation.tiles import ItemView, OutfitView, Request, item_view, outfit_view
from fashion_hash.retrieval.answers import ItemHits, OutfitsFor
from fashion_hash.retrieval.checks import REQUEST_WEIGHT
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.ask import readable

Answer = ItemHits | OutfitsFor
_OF_TEXT = (
    *("outfits", "rerank", "weight", "item_type", "explain", "encoder_weights"),
    *("facts", "drop", "make_hard", "make_soft"),
)


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of requests."""
    group = parser.add_argument_group("requests", "words instead of --user, or with it")
    group.add_argument("--text", metavar="WORDS", help='the request, such as "a linen shirt for a summer wedding"')
    group.add_argument(
        "--photo",
        metavar="FILE",
        help="items that look like a picture, where the bundle reads pictures",
    )
    group.add_argument("--outfits", action="store_true", help="show outfits around the best items, not the items")
    group.add_argument(
        "--weight", type=float, help=f"weight of the request in an outfit's total (default: {REQUEST_WEIGHT:g})"
    )
    group.add_argument("--type", dest="item_type", metavar="TYPE", help="only items of this type")
    group.add_argument(
        "--rerank", action="store_true", help="reorder a shortlist of items by their vectors before binarisation"
    )
    group.add_argument(
        "--facts", metavar="JSON", help="what the words are to mean: `understood` and `goes_with` of --json, changed"
    )
    for name, meaning in (
        ("--drop", "take the facts of a column out of what is understood"),
        ("--make-hard", "let the facts of a column decide"),
        ("--make-soft", "let the facts of a column only add to the score"),
    ):
        group.add_argument(name, action="append", default=[], metavar="COLUMN", help=f"{meaning}; may repeat")
    group.add_argument("--explain", action="store_true", help="also explain why the first answer comes first")
    group.add_argument(
        "--encoder-weights", metavar="PATH", help="where the weights of a pretrained text encoder are, if they moved"
    )


def check_text_options(options: argparse.Namespace) -> None:
    """Makes the words readable.

    Raises:
        QueryError: options are missing, or do not go together.
    """
    if options.photo is not None:
        _check_photo_options(options)
        return
    if options.text is None:
        if not (options.user or options.liked or options.disliked or options.popular):
            raise QueryError(
                'nothing to answer: give --user ID, --text "WORDS", or both; or --liked OUTFIT, or --popular'
            )
        if used := _used(options, _OF_TEXT):
            raise QueryError(f'{used[0]} needs a request: add --text "WORDS"')
        return
    options.text = readable(options.text)
    if options.include_liked:
        raise QueryError("--include-liked applies to outfits of the pool: leave it out with --text")
    if options.outfits and (used := _used(options, ("rerank", "item_type"))):
        raise QueryError(f"{used[0]} applies to items: leave it or --outfits out")
    if not options.outfits and (used := _used(options, ("weight",))):
        raise QueryError(f"{used[0]} applies to outfits: add --outfits")


def _check_photo_options(options: argparse.Namespace) -> None:
    """Raises QueryError for options that do not go with a picture."""
    others = ("outfits", "rerank", "weight", "explain", "user", "liked", "disliked", "popular", "include_liked")
    if used := _used(options, (*others, "exclude_outfit", "max_per", "half_life")):
        raise QueryError(f"{used[0]} does not go with --photo, which finds items for anyone: leave it out")
    if options.text is None and (used := _used(options, ("facts", "drop", "make_hard", "make_soft"))):
        raise QueryError(f'{used[0]} needs words beside the picture: add --text "WORDS"')
    options.text = None if options.text is None else readable(options.text)


def query_photo(
    recommender: Recommender, options: argparse.Namespace, where: Mapping[str, Any] | None
) -> tuple[str, Callable[[], Sequence[OutfitView | ItemView]]]:
    """The items that look like a picture, as text, and what gathers their view."""
    types = None if options.item_type is None else [options.item_type]
    facts = None if options.text is None else _facts(recommender, options)
    answer = recommender.search_picture(
        options.photo, types, options.k, text=options.text, facts=facts, where=where, **choice(options)
    )
    words = options.text or ""
    if options.json:
        values = [request_as_json(recommender, None, answer)]
        text = json_text(requests_as_json(recommender, words, values, options.k), sys.stdout.encoding)
    else:
        beside = f', beside "{one_line(words, 100)}"' if words else ""
        heading = f"like {visible(options.photo)}{beside}: {answer_notes(answer)}"
        text = f"{heading}\n{item_table(recommender, answer)}\n"
    photo = Path(options.photo).name
    request = Request(words, answer.by, answer.note, answer.understood, (), answer.by_bits, photo=photo)
    return text, lambda: [item_view(recommender, None, answer, request)]


def query_text(
    recommender: Recommender, options: argparse.Namespace, where: Mapping[str, Any] | None
) -> tuple[str, Callable[[], Sequence[OutfitView | ItemView]]]:
    """The answer to a request for each user, or for anyone, as text, and what gathers the views."""
    users: list[str | None] = list(dict.fromkeys(options.user)) or [None]
    answers = [(user, _answer(recommender, options, user, where)) for user in users]
    reasons = [_why(recommender, options, user, answer) if options.explain else "" for user, answer in answers]
    if options.json:
        values = [request_as_json(recommender, user, answer) for user, answer in answers]
        if options.explain:
            values = [{**value, "why": why} for value, why in zip(values, reasons)]
        text = json_text(requests_as_json(recommender, options.text, values, options.k), sys.stdout.encoding)
    else:
        text = "\n".join(
            f"{request_heading(options.text, user, answer)}\n{_table(recommender, answer)}\n"
            + (f"\nwhy the first:\n{why}\n" if why else "")
            for (user, answer), why in zip(answers, reasons)
        )
    return text, lambda: [_view(recommender, options, user, answer) for user, answer in answers]


def _table(recommender: Recommender, answer: Answer) -> str:
    return request_table(recommender, answer) if isinstance(answer, OutfitsFor) else item_table(recommender, answer)


def _answer(
    recommender: Recommender, options: argparse.Namespace, user: str | None, where: Mapping[str, Any] | None
) -> Answer:
    if options.outfits:
        asked = choice(options) | variety(options)
        facts = _facts(recommender, options)
        return recommender.outfits_for(
            options.text, user, options.k, weight=_weight(options), where=where, facts=facts, **asked
        )
    return recommender.search(
        options.text,
        user,
        options.k,
        facts=_facts(recommender, options),
        where=where,
        item_type=options.item_type,
        rerank=options.rerank,
        **choice(options),
    )


def _why(recommender: Recommender, options: argparse.Namespace, user: str | None, answer: Answer) -> str:
    """Why the first answer comes first; nothing if there is no answer."""
    if isinstance(answer, OutfitsFor):
        if not answer.hits:
            return ""
        first, weight = answer.hits[0], _weight(options)
        explanation = recommender.explain_request(
            options.text, user, first.items, weight=weight, anchor=first.anchor, facts=_facts(recommender, options)
        )
        return explanation.to_text()
    if not len(answer.ids):
        return ""
    item_id, item_type = str(answer.ids[0]), str(answer.types[0])
    facts = _facts(recommender, options)
    return recommender.explain_request(options.text, user, item_id, item_type=item_type, facts=facts).to_text()


def _facts(recommender: Recommender, options: argparse.Namespace) -> list[Mapping[str, Any]] | None:
    """What the words are to mean; None for what is understood.

    Raises:
        QueryError: the JSON does not fit, or nothing that is understood is about a column.
    """
    if not (options.facts or options.drop or options.make_hard or options.make_soft):
        return None
    if options.facts is not None:
        try:
            facts = json.loads(options.facts)
        except (ValueError, RecursionError) as error:
            raise QueryError(f"--facts {shown(options.facts)} is not JSON ({error})") from None
        if not isinstance(facts, list) or not all(isinstance(fact, dict) for fact in facts):
            raise QueryError(f"--facts must be a JSON list of facts, got {shown(options.facts)}")
    else:
        said = recommender.understand(options.text)
        facts = [fact.to_dict() for fact in said.facts] + [
            {**fact.to_dict(), "goes_with": True} for fact in said.partner
        ]
    columns = [str(fact.get("column")) for fact in facts]
    for name in (*options.drop, *options.make_hard, *options.make_soft):
        if name not in columns:
            raise QueryError(f"nothing that is understood is about {shown(name)}: it is about {', '.join(columns)}")
    hard = dict.fromkeys(options.make_hard, True) | dict.fromkeys(options.make_soft, False)
    kept = [fact for fact in facts if fact.get("column") not in options.drop]
    return [{**fact, "hard": hard[fact["column"]]} if fact.get("column") in hard else fact for fact in kept]


def _weight(options: argparse.Namespace) -> float:
    return REQUEST_WEIGHT if options.weight is None else float(options.weight)


def _view(
    recommender: Recommender, options: argparse.Namespace, user: str | None, answer: Answer
) -> OutfitView | ItemView:
    request = Request(options.text, answer.by, answer.note, answer.understood, answer.unknown_words, answer.by_bits)
    if isinstance(answer, OutfitsFor):
        note = list_note(options)
        return outfit_view(recommender, user, answer.hits, request=request, note=note, **likes(options))
    return item_view(recommender, user, answer, request)


def _used(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """The options among `names` that were set, as they are written on the command line."""
    flags = {"item_type": "--type"}
    values = {name: getattr(options, name) for name in names}
    used = [name for name, value in values.items() if not (value is None or value is False or value == [])]  # 0 is used
    return [flags.get(name, "--" + name.replace("_", "-")) for name in used]
