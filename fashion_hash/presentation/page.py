"""Answers as one HTML file: what users liked and what is recommended to them, pictures included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from fashion_hash.core.files import write_text
from fashion_hash.errors import naming
from fashion_hash.presentation.templating import STYLE, static_templates
from fashion_hash.presentation.tiles import ItemView, OutfitView


def write_page(views: Sequence[OutfitView | ItemView], path: str | Path, subtitle: str = "") -> None:
    """Writes the answers for one or several users as one self-contained HTML file.

    Args:
        views: the answers; an item without a picture becomes a tile with its title.
        path: the file; it is written completely or not at all.
        subtitle: a line at the foot, such as the bundle's name.
    """
    heading = "Items found" if any(isinstance(view, ItemView) for view in views) else "Recommended outfits"
    style = Markup(STYLE.read_text(encoding="utf-8"))
    template = static_templates().get_template("page.html")
    text = template.render(views=views, heading=heading, subtitle=subtitle, style=style)
    with naming(path):
        write_text(path, text)
