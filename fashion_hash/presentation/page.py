"""Answers as one HTML file: what users liked and what is recommended to them, pictures included."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

from fashion_hash.core.files import write_text
from fashion_hash.errors import naming
from fashion_hash.presentation.page_style import STYLE
from fashion_hash.presentation.reasons import Rank, Reason
from fashion_hash.presentation.tiles import ItemView, OutfitView, Tile, called, total_price
from fashion_hash.retrieval.recommender import Hit, OutfitHit

_PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
_FORMATS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"))


def write_page(views: Sequence[OutfitView | ItemView], path: str | Path, subtitle: str = "") -> None:
    """Writes the answers for one or several users as one self-contained HTML file.

    Args:
        views: the answers; an item without a picture becomes a tile with its title.
        path: the file; it is written completely or not at all.
        subtitle: a line at the foot, such as the bundle's name.
    """
    body = "\n".join(map(_section, views))
    heading = "Items found" if any(isinstance(view, ItemView) for view in views) else "Recommended outfits"
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{heading}</h1></header>\n<main>\n"
        f"{body}\n</main>\n<footer><p>{escape(subtitle)}</p></footer>\n</body>\n</html>\n"
    )
    with naming(path):
        write_text(path, text)


def _section(view: OutfitView | ItemView) -> str:
    answer = _items(view) if isinstance(view, ItemView) else _hits(view)
    return f"<section>\n{_heading(view)}{answer}\n</section>"


def _heading(view: OutfitView | ItemView) -> str:
    """The request, the user with what is known of them, and what they liked before."""
    who = called(view.user_id)
    about = view.about if isinstance(view, OutfitView) else ""
    if view.request is None:
        heading = who if who == view.user_id else who[:1].upper() + who[1:]
        lines = f"<h2>{escape(heading)}</h2>\n"
    else:
        asked = f"for {who}, by {view.request.by}" + (f" ({view.request.note})" if view.request.note else "")
        words = f"“{shortened(view.request.text)}”" if view.request.text.strip() else f"What {who} likes"
        lines = f'<h2>{escape(words)}</h2>\n<p class="about">{escape(asked)}</p>\n'
    if about:
        lines += f'<p class="about">{escape(about)}</p>\n'
    if view.user_id is None:
        return lines
    liked = "".join(map(_outfit, view.liked))
    shown = f"{len(view.liked)} of {view.num_liked}" if view.num_liked else "none"
    lines += f"<h3>Liked before ({shown})</h3>\n"
    if not liked:
        return f"{lines}<p>No liked outfits are known.</p>\n"
    return f'{lines}<div class="liked" tabindex="0" role="group" aria-label="Liked outfits">{liked}</div>\n'


def shortened(text: str, at_most: int = 160) -> str:
    """A text on one line, shortened to a number of letters."""
    text = " ".join(text.split())
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def _items(view: ItemView) -> str:
    cards = "\n".join(
        f'<li><div class="outfit of-1">{_tile(tile)}</div><div class="words">'
        f'<p class="title">{escape(tile.label)}</p><p class="line">{escape(tile.line)}</p>'
        f'<div class="term"><span>match</span>{_bar(100 * score, "request")}<span>{100 * score:.0f} %</span></div>'
        f'<p class="line"><span class="rank">{rank}</span> · {escape(tile.item_id)}</p></div></li>'
        for rank, (score, tile) in enumerate(view.items, start=1)
    )
    best = f'<ol class="items">\n{cards}\n</ol>' if cards else "<p>No items found.</p>"
    return f"<h3>Found, with the share of bits that agree with the request</h3>\n{best}"


def _hits(view: OutfitView) -> str:
    hits = "\n".join(_hit(place + 1, hit, outfit, view.reason(place)) for place, (hit, outfit) in enumerate(view.hits))
    note = f' <span class="note">{escape(view.note)}</span>' if view.note and hits else ""
    best = f"<ol>\n{hits}\n</ol>" if hits else "<p>No outfits found.</p>"
    return f"<h3>Recommended{note}</h3>\n{best}"


def _hit(rank: int, hit: Hit, outfit: Sequence[Tile], reason: Reason) -> str:
    anchor = hit.anchor if isinstance(hit, OutfitHit) else ""
    pieces = "".join(
        f'<li><span class="title">{escape(tile.label)}</span>'
        + (f'<span class="line">{escape(tile.line)}</span>' if tile.line else "")
        + "</li>"
        for tile in outfit
    )
    price = total_price(outfit)
    foot = f'<p class="foot"><span class="rank">{rank}</span>' + (
        f'<span class="price">{escape(price)}</span>' if price else ""
    )
    return (
        f"<li>{_outfit(outfit, anchor, len(outfit))}"
        f'<div class="words">{_sentence(reason)}{_match(hit)}{"".join(map(_rank, reason.ranks))}'
        f'<ul class="pieces">{pieces}</ul>{foot}</p>{_terms(hit)}</div></li>'
    )


def _sentence(reason: Reason) -> str:
    """Why, with taste and harmony underlined in their colours."""
    clauses = "".join(
        f'<span class="{clause.about}">{escape(clause.text)}</span>' if clause.about else escape(clause.text)
        for clause in reason.sentence
    )
    return f'<p class="why">{clauses}</p>' if clauses else ""


def _match(hit: Hit) -> str:
    if not isinstance(hit, OutfitHit):
        return ""
    bar = _bar(100 * hit.request, "request")
    return f'<div class="term"><span>request</span>{bar}<span>{100 * hit.request:.0f} %</span></div>'


def _rank(rank: Rank) -> str:
    bar = _bar(100 - rank.percent, rank.about or "all")
    return f'<div class="term"><span>{rank.name}</span>{bar}<span>top {rank.percent} %</span></div>'


def _bar(percent: float, name: str) -> str:
    length = min(100.0, max(0.0, percent))
    return f'<span class="bar" aria-hidden="true"><i class="{name}" style="width:{length:.0f}%"></i></span>'


def _terms(hit: Hit) -> str:
    """The terms that add up, for whoever wants to see them."""
    terms = [("preference", hit.preference), ("compatibility", hit.compatibility), ("bias", hit.bias)]
    rows = [f"{name} {value:+.3f}" for name, value in terms]
    total = f"score {hit.score:.3f} = {' '.join(rows)}"
    if isinstance(hit, OutfitHit):
        total = f"total {hit.total:.3f}, of it the request {hit.total - hit.score:.3f}; {total}"
    outfit = f"{hit.outfit_id}: " if hit.outfit_id else ""
    return f"<details><summary>All terms</summary><p>{escape(outfit + total)}</p></details>"


def _outfit(outfit: Sequence[Tile], anchor: str = "", count: int = 0) -> str:
    name = f"outfit of-{min(count, 8)}" if count else "outfit"
    return f'<div class="{name}">{"".join(_tile(tile, tile.slot == anchor) for tile in outfit)}</div>'


def _tile(tile: Tile, anchor: bool = False) -> str:
    label, marked = escape(tile.label), " anchor" * anchor
    format_name = next((name for magic, name in _FORMATS if (tile.picture or b"").startswith(magic)), None)
    if tile.picture is not None and format_name is not None:
        data = base64.b64encode(tile.picture).decode()
        image = f'<img src="data:image/{format_name};base64,{data}" alt="{label}" loading="lazy">'
        return f'<span class="tile pictured{marked}">{image}</span>'
    colour = _PLACEHOLDERS[zlib.crc32(tile.item_id.encode()) % len(_PLACEHOLDERS)]
    words = f"<small>{escape(tile.slot)}</small><span>{label}</span>"
    return f'<span class="tile{marked}" style="background:{colour}">{words}</span>'
