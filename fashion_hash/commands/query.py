"""Find the best outfits for a user, or items and outfits for a request, from a bundle alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fashion_hash.commands.query_options import (
    add_choice_options,
    check_choice_options,
    likes,
    list_note,
    pool_choice,
)
from fashion_hash.commands.query_text import add_text_options, check_text_options, query_photo, query_text
from fashion_hash.commands.run_command import Parser, check_writable, run_command
from fashion_hash.errors import QueryError, shown, visible
from fashion_hash.index.engines.open import ENGINES
from fashion_hash.presentation.json_answers import outfits_as_json
from fashion_hash.presentation.one_generation import of_one_generation
from fashion_hash.presentation.printing import json_text
from fashion_hash.presentation.table import outfit_table
from fashion_hash.presentation.tiles import ItemView, OutfitView, outfit_view
from fashion_hash.retrieval.recommender import Recommender


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    return run_command(_parser(prog), _query, argv)


def _parser(prog: str | None) -> argparse.ArgumentParser:
    parser = Parser(
        prog=prog,
        description="Find the best outfits for one or several users, or the best items and outfits for a request "
        "in words, from a bundle.",
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument("--user", action="append", default=[], metavar="ID", help="a user id; may be repeated")
    parser.add_argument("-k", type=int, default=10, help="how many outfits or items to show (default: 10)")
    parser.add_argument("--include-liked", action="store_true", help="also show outfits the user is known to like")
    parser.add_argument("--where", metavar="JSON", help='a filter, such as \'{"price": {"<": 50}, "in_stock": true}\'')
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--sheet", metavar="FILE.png", help="also draw the answers as a picture")
    parser.add_argument("--page", metavar="FILE.html", help="also write the answers as a web page")
    add_choice_options(parser)
    add_text_options(parser)
    parser.add_argument(
        "--engine",
        choices=("auto", *ENGINES),
        default="auto",
        help="how to search; all engines give the same answer (default: auto, the fastest)",
    )
    parser.add_argument(
        "--no-verify", action="store_true", help="check only the sizes of the bundle's files, not their checksums"
    )
    return parser


def _query(options: argparse.Namespace) -> int:
    for option, path, suffix in (("--sheet", options.sheet, ".png"), ("--page", options.page, ".html")):
        if path is not None:
            check_writable(option, path, suffix)
    check_text_options(options)
    check_choice_options(options)
    recommender = Recommender.load(
        options.bundle,
        verify=not options.no_verify,
        engine=options.engine,
        encoder_weights=options.encoder_weights,
    )
    where = _where(options.where)
    query = query_photo if options.photo else _query_users if options.text is None else query_text

    def answered() -> tuple[str, Sequence[OutfitView | ItemView], str]:
        text, gather = query(recommender, options, where)
        views = gather() if options.sheet or options.page else []
        return text, views, f"{recommender.bundle.name}, bundle {recommender.bundle.fingerprint}"

    text, views, subtitle = of_one_generation(recommender, answered)
    written = _draw(views, subtitle, options)
    print(text)
    for path in written:
        print(f"wrote {visible(path)}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _query_users(
    recommender: Recommender, options: argparse.Namespace, where: Mapping[str, Any] | None
) -> tuple[str, Callable[[], Sequence[OutfitView | ItemView]]]:
    """The best outfits of the pool for each user, as text, and what gathers their views."""
    users: list[str | None] = list(dict.fromkeys(options.user)) or [None]
    asked = pool_choice(options)
    asked |= {"include_liked": options.include_liked, "where": where}
    if len(users) > 1 and not likes(options):
        answers = dict(zip(users, recommender.answer_many(users, options.k, **asked)))
    else:
        answers = {user: recommender.answer(user, options.k, **asked) for user in users}
    if options.json:
        text = json_text(outfits_as_json(recommender, answers, options.k), sys.stdout.encoding)
    else:
        tables = [outfit_table(recommender, user, hits, options.include_liked) for user, hits in answers.items()]
        text = "\n".join(tables)
    note = list_note(options)
    told: dict[str, Any] = {"note": note, "taste": options.taste, **likes(options)}
    return text, lambda: [outfit_view(recommender, user, hits, **told) for user, hits in answers.items()]


def _where(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    try:
        where: Mapping[str, Any] | None = json.loads(text)
    except RecursionError:
        raise QueryError(f"--where {shown(text)} is nested too deep") from None
    except ValueError as error:
        raise QueryError(f"--where {shown(text)} is not JSON ({error})") from None
    return where


def _draw(views: Sequence[OutfitView | ItemView], subtitle: str, options: argparse.Namespace) -> list[str]:
    """Draws what was asked for; returns the files. Pillow is imported only if it is needed."""
    if options.sheet:
        from fashion_hash.presentation.sheet import draw_sheet

        draw_sheet(views, options.sheet, subtitle)
    if options.page:
        from fashion_hash.presentation.page import write_page

        write_page(views, options.page, subtitle)
    return [path for path in (options.sheet, options.page) if path]
