"""`tools/query.py BUNDLE --text WORDS`: items, or outfits around them, for a request."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fashion_hash.errors import QueryError
from fashion_hash.presentation.tiles import ItemView, OutfitView, Request, item_view, outfit_view, tiles
from fashion_hash.retrieval.answers import ItemHits, OutfitsFor
from fashion_hash.retrieval.checks import REQUEST_WEIGHT
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.ask import readable

Answer = ItemHits | OutfitsFor
_OF_TEXT = ("outfits", "rerank", "weight", "item_type", "explain", "encoder_weights")


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """The options of requests."""
    group = parser.add_argument_group("requests", "words in the place of --user, or beside it")
    group.add_argument("--text", metavar="WORDS", help='what is wanted, such as "a linen shirt for a summer wedding"')
    group.add_argument("--outfits", action="store_true", help="outfits around the best items, not the items")
    group.add_argument("--weight", type=float, help=f"of the request in an outfit (default {REQUEST_WEIGHT:g})")
    group.add_argument("--type", dest="item_type", metavar="TYPE", help="items of this type only")
    group.add_argument("--rerank", action="store_true", help="order a shortlist of items by float")
    group.add_argument("--explain", action="store_true", help="also say why the first answer is the first")
    group.add_argument(
        "--encoder-weights", metavar="PATH", help="weights of a pretrained text encoder, if they were moved"
    )


def check_text_options(options: argparse.Namespace) -> None:
    """Makes the words readable. Raises QueryError for options that do not go together."""
    if options.text is None:
        if not options.user:
            raise QueryError('nobody asks, and for nothing: give --user ID, --text "WORDS", or both')
        if given := _given(options, _OF_TEXT):
            raise QueryError(f"--{_option(given[0])} goes with --text: give the words of a request")
        return
    options.text = readable(options.text)
    if options.include_liked:
        raise QueryError("--include-liked is of outfits of the pool: leave it out with --text")
    wrong = ("rerank", "item_type") if options.outfits else ("weight",)
    if given := _given(options, wrong):
        what = "items, not with --outfits" if options.outfits else "outfits: add --outfits"
        raise QueryError(f"--{_option(given[0])} is of {what}")


def query_text(recommender: Recommender, options: argparse.Namespace, where: Mapping[str, Any] | None) -> int:
    """Answers a request for each user, or for nobody in particular."""
    users: list[str | None] = list(dict.fromkeys(options.user)) or [None]
    weight = REQUEST_WEIGHT if options.weight is None else options.weight
    answers: list[tuple[str | None, Answer]] = []
    for user in users:
        if options.outfits:
            found: Answer = recommender.outfits_for(options.text, user, options.k, weight=weight, where=where)
        else:
            found = recommender.search(
                options.text, user, options.k, where=where, item_type=options.item_type, rerank=options.rerank
            )
        answers.append((user, found))
    written = show(
        recommender, lambda: [_looks(recommender, options.text, user, found) for user, found in answers], options
    )
    if options.json:
        print(json.dumps(_as_json(recommender, options, answers, weight), ensure_ascii=False, indent=2))
    else:
        for user, found in answers:
            print(_heading(options.text, user, found))
            print(_outfits(recommender, found) if isinstance(found, OutfitsFor) else _items(recommender, found))
            if options.explain and (why := _why(recommender, options.text, user, found, weight)):
                print(f"\nwhy the first:\n{why}")
            print()
    for path in written:
        print(f"wrote {path}", file=sys.stderr if options.json else sys.stdout)
    return 0


def show(
    recommender: Recommender, gather: Callable[[], Sequence[OutfitView | ItemView]], options: argparse.Namespace
) -> list[str]:
    """Draws what was asked for; returns the files. A plain query starts without Pillow."""
    if not (options.sheet or options.page):
        return []
    people, subtitle = gather(), f"{recommender.bundle.name}, bundle {recommender.bundle.fingerprint}"
    if options.sheet:
        from fashion_hash.presentation.sheet import draw_sheet

        draw_sheet(people, options.sheet, subtitle)
    if options.page:
        from fashion_hash.presentation.page import write_page

        write_page(people, options.page, subtitle)
    return [path for path in (options.sheet, options.page) if path]


def short(title: str, at_most: int = 40) -> str:
    """A title on one line, without what could steer a terminal."""
    title = "".join(letter for letter in " ".join(title.split()) if letter.isprintable())
    return title if len(title) <= at_most else title[: at_most - 1].rstrip() + "…"


def _heading(text: str, user: str | None, found: Answer) -> str:
    who = "nobody in particular" if user is None else user
    line = f'"{short(text, 100)}" for {who}: by {found.by}' + (f" ({short(found.note, 300)})" if found.note else "")
    if isinstance(found, OutfitsFor) and not found.proven:
        line += f"; not proven: an outfit may be {found.gap:.4f} better than the last"
    return line + (f"\n{found.shortfall.reason}" if found.shortfall else "")


def _items(recommender: Recommender, found: ItemHits) -> str:
    catalogue, items = recommender.bundle.catalogue, recommender.bundle.items
    kinds = max([4] + [len(kind) for kind in found.types])
    ids = max([4] + [len(one) for one in found.ids])
    lines = [f"{'':>4}  {'score':>7}  {'type':<{kinds}}  {'item':<{ids}}  title"]
    for rank, (one, kind, score) in enumerate(zip(found.ids, found.types, found.scores), start=1):
        title = catalogue.item(kind, items[kind].row(str(one))).title or ""
        lines.append(f"{rank:>4}  {score:7.4f}  {kind:<{kinds}}  {one:<{ids}}  {short(title, 60)}".rstrip())
    return "\n".join(lines)


def _outfits(recommender: Recommender, found: OutfitsFor) -> str:
    sizes = f"{'total':>8} = {'score':>8} + {found.weight:g} x request"
    lines = [f"{'':>4}  {sizes}  (preference + compatibility + bias)  items, * what the request is about"]
    width = len(f"{found.weight:g} x request") - 7
    for rank, hit in enumerate(found.hits, start=1):
        items = " | ".join(
            f"{'*' if tile.slot == hit.anchor else ''}{tile.slot} {tile.item_id}"
            + (f" ({short(tile.title)})" if tile.title else "")
            for tile in tiles(recommender.bundle, hit.items)
        )
        terms = f"({hit.preference:10.4f}   {hit.compatibility:13.4f}   {hit.bias:4.2f})"
        lines.append(
            f"{rank:>4}  {hit.total:8.4f}   {hit.score:8.4f}   {'':{width}}{hit.request:7.4f}  {terms}  {items}"
        )
    return "\n".join(lines)


def _why(recommender: Recommender, text: str, user: str | None, found: Answer, weight: float) -> str:
    if isinstance(found, OutfitsFor):
        if not found.hits:
            return ""
        first = found.hits[0]
        return recommender.explain_request(text, user, first.items, weight=weight, anchor=first.anchor).to_text()
    if not len(found.ids):
        return ""
    return recommender.explain_request(text, user, str(found.ids[0]), item_type=str(found.types[0])).to_text()


def _as_json(
    recommender: Recommender,
    options: argparse.Namespace,
    answers: Sequence[tuple[str | None, Answer]],
    weight: float,
) -> dict[str, object]:
    catalogue, items = recommender.bundle.catalogue, recommender.bundle.items
    out = []
    for user, found in answers:
        one: dict[str, object] = {"user": user, "by": found.by, "note": found.note}
        one |= {"known_words": list(found.known_words), "unknown_words": list(found.unknown_words)}
        one["shortfall"] = found.shortfall.to_dict() if found.shortfall else None
        if isinstance(found, OutfitsFor):
            gap = found.gap if found.gap < float("inf") else None  # JSON knows no infinity
            one |= {"weight": found.weight, "proven": found.proven, "gap": gap}
            one["outfits"] = [asdict(hit) for hit in found.hits]
        else:
            one["reranked"] = found.reranked
            one["items"] = [
                {
                    "item_id": item_id,
                    "type": kind,
                    "score": score,
                    "title": catalogue.item(kind, items[kind].row(item_id)).title,
                }
                for item_id, kind, score in zip(found.ids.tolist(), found.types.tolist(), found.scores.tolist())
            ]
        if options.explain:
            one["why"] = _why(recommender, options.text, user, found, weight)
        out.append(one)
    about = {"bundle": str(recommender.bundle.path), "fingerprint": recommender.bundle.fingerprint, "k": options.k}
    return {**about, "text": options.text, "answers": out}


def _looks(recommender: Recommender, text: str, user: str | None, found: Answer) -> OutfitView | ItemView:
    request = Request(text, found.by, found.note)
    if isinstance(found, OutfitsFor):
        return outfit_view(recommender, user, found.hits, request=request)
    return item_view(recommender, user, found, request)


def _given(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(options, name) is not None and getattr(options, name) is not False]


def _option(name: str) -> str:
    return {"item_type": "type"}.get(name, name).replace("_", "-")
