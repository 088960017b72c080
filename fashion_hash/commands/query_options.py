"""The options of the query command that say what is told, left out and varied, and what a Recommender takes of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.errors import QueryError, shown

ONCE = {"item": 1}
"""The caps of a page and a sheet where none are asked for: nobody wants to see one garment three times."""


def add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("choice", "what is told, left out and varied")
    add = group.add_argument
    add(
        "--liked",
        action="append",
        default=[],
        metavar="OUTFIT",
        help="an outfit the user likes, not stored; may repeat",
    )
    add("--disliked", action="append", default=[], metavar="OUTFIT", help="an outfit the user dislikes, not stored")
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="TYPE=ITEM",
        help="an item to leave out, such as top=t-12; may repeat",
    )
    add("--exclude-outfit", action="append", default=[], metavar="OUTFIT", help="an outfit to leave out; may repeat")
    add("--skip", type=int, default=0, metavar="N", help="leave out the first N: the next page (default: 0)")
    add(
        "--max-per",
        action="append",
        metavar="NAME=N",
        help="at most N outfits with one item (item=1) or one value of a column (brand=2); may repeat. Page and sheet "
        "show each item once unless this says otherwise; none for no cap",
    )
    add(
        "--diversity", type=float, default=0.0, metavar="D", help="from 0, the best, to 1, the most varied (default: 0)"
    )
    add(
        "--taste",
        type=float,
        default=AS_TRAINED,
        metavar="T",
        help="from 0, what goes together, over 0.5, as trained, to 1, what the user likes (default: 0.5)",
    )
    add("--popular", action="store_true", help="what many users like, instead of what suits the user")
    add("--half-life", type=float, metavar="DAYS", help="with --popular: after so many days a like counts half")


def check_choice_options(options: argparse.Namespace) -> None:
    """Raises QueryError for options that do not go together."""
    if options.text is None or options.photo is not None:
        return
    of_pool = (
        ("--popular", options.popular),
        ("--exclude-outfit", options.exclude_outfit),
        ("--taste", options.taste != AS_TRAINED),
    )
    for name, used in of_pool:
        if used:
            raise QueryError(f"{name} applies to outfits of the pool: leave it out with --text")
    if not options.outfits and (options.max_per or options.diversity):
        raise QueryError("--max-per and --diversity apply to outfits: add --outfits")


def likes(options: argparse.Namespace) -> dict[str, Any]:
    """What is told with the question, as options of a Recommender."""
    return {name: value for name in ("liked", "disliked") if (value := getattr(options, name))}


def choice(options: argparse.Namespace) -> dict[str, Any]:
    """What every answer takes: likes, items that are left out, and the page."""
    asked: dict[str, Any] = {"skip": options.skip} if options.skip else {}
    exclude: dict[str, list[str]] = {}
    for text in options.exclude:
        item_type, item_id = _pair("--exclude", text, "TYPE=ITEM, such as top=t-12")
        exclude.setdefault(item_type, []).append(item_id)
    return asked | likes(options) | ({"exclude": exclude} if exclude else {})


def variety(options: argparse.Namespace) -> dict[str, Any]:
    """What answers with outfits take: caps and diversity."""
    caps = max_per(options)
    return ({"max_per": caps} if caps else {}) | ({"diversity": options.diversity} if options.diversity else {})


def pool_choice(options: argparse.Namespace) -> dict[str, Any]:
    """What answers out of the pool take."""
    asked = choice(options) | variety(options)
    if options.exclude_outfit:
        asked["exclude_outfits"] = options.exclude_outfit
    if options.popular:
        asked["by"] = "popular"
    if options.taste != AS_TRAINED:
        asked["taste"] = options.taste
    if options.half_life is not None:
        asked["half_life"] = options.half_life
    return asked


def max_per(options: argparse.Namespace) -> dict[str, int]:
    """The caps; for a page or a sheet each item once, unless the options say otherwise."""
    if options.max_per is None:
        drawn = options.page or options.sheet
        return dict(ONCE) if drawn else {}
    if options.max_per == ["none"]:
        return {}
    caps = {}
    for text in options.max_per:
        name, most = _pair("--max-per", text, "NAME=N, such as item=1")
        if not most.isdecimal():
            raise QueryError(f"--max-per {shown(text)}: {shown(most)} is not a whole number")
        caps[name] = int(most)
    return caps


def list_note(options: argparse.Namespace) -> str:
    """What a page should say about how its list was chosen; may be empty."""
    caps: Sequence[str] = [
        ("each item once" if name == "item" else f"each {name} once")
        if most == 1
        else f"each {name} at most {most} times"
        for name, most in max_per(options).items()
    ]
    notes = [*caps, *(["varied"] if options.diversity else []), *(["by popularity"] if options.popular else [])]
    if options.taste != AS_TRAINED:
        notes.append(f"{options.taste:.0%} by taste, {1 - options.taste:.0%} by what goes together")
    return ", ".join(notes + ([f"after the first {options.skip}"] if options.skip else []))


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise QueryError(f"{option} must be {form}, got {shown(text)}")
    return name, value
