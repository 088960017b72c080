"""Answers as one HTML file: what users liked and what is recommended to them, pictures included."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

from fashion_hash.core.files import write_text
from fashion_hash.errors import naming
from fashion_hash.presentation.tiles import ItemView, OutfitView, Tile
from fashion_hash.retrieval.recommender import Hit, OutfitHit

_STYLE = """
:root { --paper: #faf8f5; --card: #fff; --ink: #26221f; --quiet: #857d75; --line: #e4ded6;
        --preference: #b4654a; --compatibility: #4f7a6d; --request: #4a5f8f; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 40px 32px 80px; background: var(--paper);
       color: var(--ink);
       font: 15px/1.45 system-ui, "Helvetica Neue", Arial, "Hiragino Sans", "Noto Sans CJK JP", sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: baseline;
       justify-content: space-between; }
h1 { margin: 0; font-size: 26px; font-weight: 600; }
h2 { margin: 56px 0 0; padding-top: 20px; border-top: 2px solid var(--ink); font-size: 21px;
       font-weight: 600; }
h3 { margin: 24px 0 12px; font-size: 12px; font-weight: 600; letter-spacing: .09em; text-transform: uppercase;
     color: var(--quiet); }
p, header span { margin: 0; color: var(--quiet); }
p.asked { margin-top: 4px; overflow-wrap: anywhere; }
ol.items { grid-template-columns: repeat(auto-fill, minmax(176px, 1fr)); }
.term.alone { grid-template-columns: 1fr 52px; }
.liked { display: flex; flex-wrap: wrap; gap: 16px; }
.liked .outfit { display: flex; gap: 3px; }
.liked .tile { width: 76px; height: 76px; font-size: 10px; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(262px, 1fr)); gap: 20px;
       margin: 0; padding: 0;
     list-style: none; }
li { display: flex; flex-direction: column; padding: 14px; background: var(--card);
       border: 1px solid var(--line);
     border-radius: 6px; }
.outfit .tile { display: flex; flex-direction: column; align-items: center;
       justify-content: center; padding: 4px;
        overflow: hidden; border-radius: 3px; text-align: center; line-height: 1.25; }
.tile small { color: var(--quiet); }
.tile img { width: 100%; height: 100%; object-fit: contain; }
li .outfit { display: grid; grid-template-columns: repeat(var(--columns), 1fr); gap: 6px;
       margin: 10px 0; }
li .tile { aspect-ratio: 1; font-size: 11px; overflow-wrap: anywhere; }
.tile.pictured { padding: 0; background: #fff; }
.tile.anchor { outline: 2px solid var(--request); outline-offset: 1px; }
.facts { display: flex; align-items: baseline; gap: 10px; }
.facts .id { margin-left: auto; color: var(--quiet); font-size: 12px; overflow-wrap: anywhere; }
.facts .score { font-size: 19px; font-variant-numeric: tabular-nums; }
.facts .rank { color: var(--quiet); }
.term { display: grid; grid-template-columns: 96px 1fr 52px; gap: 8px; align-items: center; font-size: 12px;
        color: var(--quiet); }
.term b { font-weight: 400; text-align: right; color: var(--ink); font-variant-numeric: tabular-nums; }
.bar { height: 7px; background: var(--line); border-radius: 4px; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 4px; }
.bar i.below { background: none !important; border: 1.5px solid; }
ul { margin: 10px 0 0; padding: 0; list-style: none; font-size: 12.5px; }
li li { display: block; padding: 0; border: 0; overflow: hidden; text-overflow: ellipsis;
       white-space: nowrap; }
"""
_PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
_FORMATS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"))


def write_page(views: Sequence[OutfitView | ItemView], path: str | Path, subtitle: str = "") -> None:
    """Writes the answers for one or several users as one self-contained HTML file.

    Args:
        views: the answers; an item without a picture becomes a tile with its title.
        path: the file; it is written completely or not at all.
        subtitle: a line beside the heading, such as the bundle's name.
    """
    body = "\n".join(map(_section, views))
    heading = "Items found" if any(isinstance(view, ItemView) for view in views) else "Recommended outfits"
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{heading}</h1><span>{escape(subtitle)}</span></header>\n"
        f"{body}\n</body>\n</html>\n"
    )
    with naming(path):
        write_text(path, text)


def _section(view: OutfitView | ItemView) -> str:
    answer = _items(view) if isinstance(view, ItemView) else _hits(view)
    return f"<section>\n{_heading(view)}{answer}\n</section>"


def _heading(view: OutfitView | ItemView) -> str:
    """The request, the user, and what that user liked before."""
    who = "anyone" if view.user_id is None else view.user_id
    if view.request is None:
        lines = f"<h2>{escape(f'Outfits for {who}')}</h2>\n"
    else:
        asked = f"for {who}, by {view.request.by}" + (f" ({view.request.note})" if view.request.note else "")
        words = f"“{shortened(view.request.text)}”" if view.request.text.strip() else f"What {who} likes"
        lines = f'<h2>{escape(words)}</h2>\n<p class="asked">{escape(asked)}</p>\n'
    if view.user_id is None:
        return lines
    liked = "".join(map(_outfit, view.liked)) or "<p>No liked outfits are known.</p>"
    shown = f"{len(view.liked)} of {view.num_liked}" if view.num_liked else "none"
    return f'{lines}<h3>Liked before ({shown})</h3>\n<div class="liked">{liked}</div>\n'


def shortened(text: str, at_most: int = 160) -> str:
    """A text on one line, shortened to a number of letters."""
    text = " ".join(text.split())
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def _items(view: ItemView) -> str:
    cards = "\n".join(
        f'<li><div class="facts"><span class="rank">{rank}</span><span class="score">{score:.0%}</span>'
        f'<span class="id">{escape(tile.item_id)}</span></div>'
        f'<div class="outfit">{_tile(tile)}</div>{_term("", score, 1.0, "request")}'
        f'<ul><li title="{escape(tile.label)}">{escape(tile.label)}</li></ul></li>'
        for rank, (score, tile) in enumerate(view.items, start=1)
    )
    best = f'<ol class="items" style="--columns: 1">\n{cards}\n</ol>' if cards else "<p>No items found.</p>"
    return f"<h3>Found, with the share of bits that agree with the request</h3>\n{best}"


def _hits(view: OutfitView) -> str:
    most = max([len(outfit) for _, outfit in view.hits] + [2])
    columns = 2 if most in (2, 4) else 3
    longest = max([1e-9] + [max(abs(hit.preference), abs(hit.compatibility)) for hit, _ in view.hits])
    hits = "\n".join(_hit(rank, hit, outfit, longest) for rank, (hit, outfit) in enumerate(view.hits, start=1))
    best = f'<ol style="--columns: {columns}">\n{hits}\n</ol>' if hits else "<p>No outfits found.</p>"
    return f"<h3>Recommended</h3>\n{best}"


def _hit(rank: int, hit: Hit, outfit: Sequence[Tile], longest: float) -> str:
    titles = "".join(f'<li title="{escape(tile.label)}">{escape(tile.label)}</li>' for tile in outfit)
    total, request, anchor = hit.score, "", ""
    if isinstance(hit, OutfitHit):
        total, request, anchor = hit.total, _term("request", hit.request, 1.0), hit.anchor
    return (
        f'<li><div class="facts"><span class="rank">{rank}</span><span class="score">{total:.3f}</span>'
        f'<span class="id">{escape(hit.outfit_id)}</span></div>{_outfit(outfit, anchor)}{request}'
        f"{_term('preference', hit.preference, longest)}{_term('compatibility', hit.compatibility, longest)}"
        f"<ul>{titles}</ul></li>"
    )


def _term(label: str, value: float, longest: float, name: str = "") -> str:
    name = name or label
    length = 100 * abs(value) / longest
    below = ' class="below"' if value < 0 else ""
    style = f"width:{length:.1f}%;background:var(--{name});border-color:var(--{name})"
    bar = f'<span class="bar"><i{below} style="{style}"></i></span>'
    if not label:
        return f'<div class="term alone">{bar}<b>{value:.3f}</b></div>'
    number = f"{value:.3f}" if name == "request" else f"{value:+.3f}"
    return f'<div class="term"><span>{label}</span>{bar}<b>{number}</b></div>'


def _outfit(outfit: Sequence[Tile], anchor: str = "") -> str:
    return f'<div class="outfit">{"".join(_tile(tile, tile.slot == anchor) for tile in outfit)}</div>'


def _tile(tile: Tile, anchor: bool = False) -> str:
    label, marked = escape(tile.label), " anchor" * anchor
    format_name = next((name for magic, name in _FORMATS if (tile.picture or b"").startswith(magic)), None)
    if tile.picture is not None and format_name is not None:
        data = base64.b64encode(tile.picture).decode()
        image = f'<img src="data:image/{format_name};base64,{data}" alt="{label}" loading="lazy">'
        return f'<span class="tile pictured{marked}" title="{label}">{image}</span>'
    colour = _PLACEHOLDERS[zlib.crc32(tile.item_id.encode()) % len(_PLACEHOLDERS)]
    words = f"<small>{escape(tile.slot)}</small>{label}"
    return f'<span class="tile{marked}" style="background:{colour}" title="{label}">{words}</span>'
