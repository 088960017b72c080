"""`tools/query.py BUNDLE --user ID`: the best outfits for a user, from a bundle alone; with --text see query_text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fashion_hash.commands.query_text import add_text_options, check_text_options, query_text, short, show
from fashion_hash.commands.run_command import check_writable, run_command
from fashion_hash.errors import QueryError
from fashion_hash.presentation.tiles import outfit_view, tiles
from fashion_hash.retrieval.recommender import Hit, Recommender


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(_parser(), _query, argv)


def _query(options: argparse.Namespace) -> int:
    for option, path, suffix in (("--sheet", options.sheet, ".png"), ("--page", options.page, ".html")):
        if path is not None:
            check_writable(option, path, suffix)
    check_text_options(options)
    recommender = Recommender.load(
        options.bundle,
        verify=not options.no_verify,
        engine=options.engine,
        encoder_weights=options.encoder_weights,
    )
    where = _where(options.where)
    if options.text is not None:
        return query_text(recommender, options, where)
    answers = {
        user: recommender.answer(user, options.k, include_liked=options.include_liked, where=where)
        for user in options.user
    }
    written = show(
        recommender, lambda: [outfit_view(recommender, user, hits) for user, hits in answers.items()], options
    )
    if options.json:
        print(json.dumps(_as_json(recommender, answers, options.k), ensure_ascii=False, indent=2))
    else:
        for user, hits in answers.items():
            print(_table(recommender, user, hits, options.include_liked))
    for path in written:
        print(f"wrote {path}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _where(text: str | None) -> Mapping[str, Any] | None:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise QueryError(f"--where {text!r} is not JSON ({error})") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="query.py",
        description="The best outfits for one user or several, or items and outfits for words, from a bundle.",
    )
    parser.add_argument("bundle", help="bundle folder, such as runs/NAME/bundle")
    parser.add_argument("--user", action="append", default=[], metavar="ID", help="user id; may be repeated")
    parser.add_argument("-k", type=int, default=10, help="how many outfits, or items (default 10)")
    parser.add_argument("--include-liked", action="store_true", help="also answer outfits the user is known to like")
    parser.add_argument("--where", metavar="JSON", help='filter, such as \'{"price": {"<": 50}, "in_stock": true}\'')
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--sheet", metavar="FILE.png", help="also draw the answers on a sheet")
    parser.add_argument("--page", metavar="FILE.html", help="also write the answers as an HTML page")
    add_text_options(parser)
    parser.add_argument(
        "--engine",
        choices=("auto", "sums", "factored", "hamming", "scan"),
        default="auto",
        help="how to search; all give the same answer (default auto, the fastest)",
    )
    parser.add_argument("--no-verify", action="store_true", help="compare sizes of the files only, not their checksums")
    return parser


def _as_json(recommender: Recommender, answers: dict[str, list[Hit]], k: int) -> dict[str, object]:
    return {
        "bundle": str(recommender.bundle.path),
        "fingerprint": recommender.bundle.fingerprint,
        "k": k,
        "users": {user: {"hits": [asdict(hit) for hit in hits]} for user, hits in answers.items()},
    }


def _table(recommender: Recommender, user: str, hits: list[Hit], include_liked: bool) -> str:
    count = len(recommender.liked(user))
    liked = f"{count} liked outfit{'' if count == 1 else 's'} {'included' if include_liked else 'left out'}"
    lines = [f"{user}: best {len(hits)} of {len(recommender)} outfits, {liked}"]
    width = max([6] + [len(hit.outfit_id) for hit in hits])
    lines.append(f"{'':>4}  {'outfit':<{width}}  {'score':>8} = preference + compatibility +    bias  items")
    for rank, hit in enumerate(hits, start=1):
        items = " | ".join(
            f"{tile.slot} {tile.item_id}{f' ({short(tile.title)})' if tile.title else ''}"
            for tile in tiles(recommender.bundle, hit.items)
        )
        terms = f"{hit.score:8.4f}   {hit.preference:10.4f}   {hit.compatibility:13.4f}   {hit.bias:7.4f}"
        lines.append(f"{rank:>4}  {hit.outfit_id:<{width}}  {terms}  {items}")
    return "\n".join(lines) + "\n"
