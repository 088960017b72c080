"""The templates of the pages: Jinja2 with autoescape, so that ids, titles and columns stay text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fashion_hash.errors import visible
from fashion_hash.presentation.details import counted, fact_words
from fashion_hash.presentation.tiles import Tile, laid_out, total_price

TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "style.css"
FORMATS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"))


def open_templates(
    source: Callable[[Tile], str], link: Callable[[Tile], str] = lambda tile: "", *folders: Path
) -> Environment:
    """The environment of a set of pages.

    Args:
        source: the address of a tile's picture; "" for a tile that is shown by its words.
        link: the address of the page of a tile's item; "" where items have no page.
        folders: of templates, before those that all pages share.
    """
    templates = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(source=source, link=link)
    templates.filters.update(counted=counted, fact_words=fact_words, laid_out=laid_out, total_price=total_price)
    return templates


def _shown(value: object) -> object:
    """A value as a page shows it: control characters and marks of direction become escapes, line ends spaces."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return visible(" ".join(value.split()))
    return value


@cache
def static_templates() -> Environment:
    """The templates of pages that hold their pictures."""
    return open_templates(picture_in_page)


def picture_format(picture: bytes | None) -> str | None:
    """The format of a picture that every browser shows, by its first bytes: "jpeg", "png", "gif" or None."""
    return next((name for magic, name in FORMATS if (picture or b"").startswith(magic)), None)


def picture_in_page(tile: Tile) -> str:
    """A tile's picture as an address that holds its bytes."""
    name = picture_format(tile.picture)
    return f"data:image/{name};base64,{base64.b64encode(tile.picture or b'').decode()}" if name else ""
