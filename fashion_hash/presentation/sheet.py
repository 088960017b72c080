"""Answers as one PNG sheet: what users liked, and below it what is recommended to them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.ImageFont import FreeTypeFont

from fashion_hash.core.files import atomic_path
from fashion_hash.data.stores.decoding import decode
from fashion_hash.errors import FeatureError, MissingExtraError, naming, visible
from fashion_hash.presentation.tiles import ItemView, OutfitView, Tile
from fashion_hash.retrieval.answers import Hit, OutfitHit

PAPER, INK, QUIET, LINE = "#faf8f5", "#26221f", "#857d75", "#e4ded6"
PREFERENCE, COMPATIBILITY, REQUEST = "#b4654a", "#4f7a6d", "#4a5f8f"
PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
MARGIN, GAP, TILE, SMALL = 48, 12, 168, 92
RANK, FACTS = 72, 400
ABREAST = 5  # items in a row
LONGEST = 500  # letters of a text, before it is measured


class _Style(NamedTuple):
    """How a text is written; `anchor` as Pillow reads it, "la" for the upper left corner."""

    size: int
    colour: str
    anchor: str = "la"


class _Bar(NamedTuple):
    """A term of a score; its bar is full at `longest`, and its number is written with a `sign`."""

    name: str
    value: float
    longest: float
    colour: str
    sign: str = "+"


def draw_sheet(views: Sequence[OutfitView | ItemView], path: str | Path, subtitle: str = "") -> None:
    """Draws the answers for one or several users, one below the other, to a PNG file.

    Args:
        views: the answers; an item without a readable picture becomes a tile with its title.
        path: the file; it is written completely or not at all.
        subtitle: a line under each heading, such as the bundle's name.
    """
    sections = [
        _item_section(view, subtitle) if isinstance(view, ItemView) else _outfit_section(view, subtitle)
        for view in views
    ]
    width = max(section.width for section in sections)
    sheet = Image.new("RGB", (width, sum(section.height for section in sections)), PAPER)
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    with naming(path), atomic_path(path) as temporary, open(temporary, "wb") as stream:
        sheet.save(stream, format="PNG", optimize=True)


def _outfit_section(view: OutfitView, subtitle: str) -> Image.Image:
    """The outfits of an answer, one below the other, with their terms beside them."""
    most_tiles = max([len(tiles) for _, tiles in view.hits] + [2])
    width = max(1000, 2 * MARGIN + RANK + most_tiles * (TILE + GAP) + FACTS)
    row_height = TILE + 2 * GAP
    image, top = _begin(view, subtitle, width, max(1, len(view.hits)) * row_height)
    draw = ImageDraw.Draw(image)
    _heading(draw, "Recommended", f"best {len(view.hits)}", top, width)
    top += 44
    if not view.hits:
        draw.text((MARGIN, top), "No outfits found.", QUIET, _font(15))
    longest = max([1e-9] + [max(abs(hit.preference), abs(hit.compatibility)) for hit, _ in view.hits])
    facts = MARGIN + RANK + most_tiles * (TILE + GAP) + GAP
    for rank, (hit, tiles) in enumerate(view.hits, start=1):
        draw.text((MARGIN, top + TILE // 2), str(rank), QUIET, _font(30), anchor="lm")
        anchor = hit.anchor if isinstance(hit, OutfitHit) else None
        for number, tile in enumerate(tiles):
            left = MARGIN + RANK + number * (TILE + GAP)
            image.paste(_tile(tile, TILE), (left, top))
            if tile.slot == anchor:
                draw.rectangle((left - 3, top - 3, left + TILE + 2, top + TILE + 2), outline=REQUEST, width=3)
        _facts(draw, hit, tiles, longest, (facts, top, width - MARGIN))
        draw.line((MARGIN, top + TILE + GAP, width - MARGIN, top + TILE + GAP), LINE)
        top += row_height
    return image


def _facts(
    draw: ImageDraw.ImageDraw, hit: Hit, tiles: Sequence[Tile], longest: float, place: tuple[int, int, int]
) -> None:
    """The score of an outfit, its terms and titles; `place` is left, top and right."""
    left, top, right = place
    total = hit.total if isinstance(hit, OutfitHit) else hit.score
    draw.text((left, top), f"{total:.3f}", INK, _font(30))
    _write(draw, (right, top + 12), hit.outfit_id, 160, _Style(14, QUIET, "ra"))
    bars = [
        _Bar("preference", hit.preference, longest, PREFERENCE),
        _Bar("compatibility", hit.compatibility, longest, COMPATIBILITY),
    ]
    if isinstance(hit, OutfitHit):
        bars.insert(0, _Bar("request", hit.request, 1.0, REQUEST, sign=""))
    down = top + 46
    for bar in bars:
        _draw_bar(draw, bar, left, down, right)
        down += 22
    down += 8
    line = min(20, (top + TILE - down) // max(1, len(tiles)))
    size = max(9, min(14, round(line * 0.75)))
    for number, tile in enumerate(tiles):
        _write(draw, (left, down + number * line), tile.label, right - left, _Style(size, INK))


def _begin(view: OutfitView | ItemView, subtitle: str, width: int, rows: int) -> tuple[Image.Image, int]:
    """An image with the request, the user, and what that user liked before.

    Args:
        view: the answer.
        subtitle: a line under the heading.
        width: of the image.
        rows: the height to leave for the answer itself.

    Returns:
        The image, and where the answer begins in it.
    """
    tallest = max([len(outfit) for outfit in view.liked] + [1])
    liked_height = 0 if view.user_id is None else 68 + (tallest * (SMALL + 4) if view.liked else 32)
    image = Image.new("RGB", (width, 180 + liked_height + rows + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    who = "anyone" if view.user_id is None else view.user_id
    heading, below = f"Outfits for {who}", subtitle
    if view.request is not None:
        heading = f"“{view.request.text}”" if view.request.text.strip() else f"What {who} likes"
        note = f" ({view.request.note})" if view.request.note else ""
        below = f"for {who}, by {view.request.by}{note}  ·  {subtitle}"
    _write(draw, (MARGIN, 40), heading, width - 2 * MARGIN, _Style(34, INK))
    _write(draw, (MARGIN, 86), below, width - 2 * MARGIN, _Style(15, QUIET))
    if view.user_id is None:
        return image, 128
    shown = f"{len(view.liked)} of {view.num_liked}" if view.num_liked else ""
    _heading(draw, "Liked before", shown, 128, width)
    left, top = MARGIN, 170
    for outfit in view.liked:
        if left + SMALL > width - MARGIN:
            break
        for number, tile in enumerate(outfit):
            image.paste(_tile(tile, SMALL), (left, top + number * (SMALL + 4)))
        left += SMALL + 2 * GAP
    if not view.liked:
        draw.text((MARGIN, top), "No liked outfits are known.", QUIET, _font(15))
    return image, 128 + liked_height


def _item_section(view: ItemView, subtitle: str) -> Image.Image:
    """The items that a request found, several in a row, with their share of agreeing bits."""
    width, row_height = 2 * MARGIN + ABREAST * (TILE + 2 * GAP) - 2 * GAP, TILE + 84
    image, top = _begin(view, subtitle, width, max(1, -(-len(view.items) // ABREAST)) * row_height)
    draw = ImageDraw.Draw(image)
    _heading(draw, "Found", "share of bits that agree with the request", top, width)
    top += 44
    if not view.items:
        draw.text((MARGIN, top), "No items found.", QUIET, _font(15))
    for rank, (score, tile) in enumerate(view.items, start=1):
        left, high = MARGIN + (rank - 1) % ABREAST * (TILE + 2 * GAP), top + (rank - 1) // ABREAST * row_height
        image.paste(_tile(tile, TILE), (left, high))
        draw.text((left, high + TILE + 8), str(rank), QUIET, _font(14))
        draw.text((left + TILE, high + TILE + 6), f"{score:.1%}", INK, _font(16), anchor="ra")
        draw.rectangle((left, high + TILE + 30, left + TILE, high + TILE + 36), LINE)
        length = round(TILE * min(1.0, max(0.0, score)))
        draw.rectangle((left, high + TILE + 30, left + length, high + TILE + 36), REQUEST)
        _write(draw, (left, high + TILE + 42), tile.label, TILE, _Style(13, INK))
        _write(draw, (left, high + TILE + 60), tile.item_id, TILE, _Style(11, QUIET))
    return image


def _write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, width: int, style: _Style) -> None:
    """Writes a text on one line, shortened to a width."""
    text = _fit(text, style.size, width)
    draw.text(place, text, style.colour, _font(style.size, text), anchor=style.anchor)


def _heading(draw: ImageDraw.ImageDraw, text: str, note: str, top: int, width: int) -> None:
    draw.text((MARGIN, top), text, INK, _font(19))
    draw.text((width - MARGIN, top + 4), note, QUIET, _font(14), anchor="ra")
    draw.line((MARGIN, top + 27, width - MARGIN, top + 27), LINE, width=2)


def _draw_bar(draw: ImageDraw.ImageDraw, bar: _Bar, left: int, top: int, right: int) -> None:
    draw.text((left, top), bar.name, QUIET, _font(13))
    draw.text((right, top), f"{bar.value:{bar.sign}.3f}", INK, _font(13), anchor="ra")
    start, room = left + 98, right - left - 98 - 64
    draw.rectangle((start, top + 3, start + room, top + 11), LINE)
    length = round(room * min(1.0, abs(bar.value) / bar.longest))
    if bar.value >= 0:
        draw.rectangle((start, top + 3, start + length, top + 11), bar.colour)
    else:  # below zero: an outline, so that a bad match never looks like a good one
        draw.rectangle((start, top + 3, start + length, top + 11), PAPER, outline=bar.colour)


def _tile(tile: Tile, side: int) -> Image.Image:
    """A square picture of an item, or a quiet square with its words."""
    if tile.picture is not None:
        try:
            return ImageOps.pad(decode(tile.picture), (side, side), color="white")
        except FeatureError:
            pass  # an unreadable picture is shown as a missing one
    colour = PLACEHOLDERS[zlib.crc32(tile.item_id.encode()) % len(PLACEHOLDERS)]
    image = Image.new("RGB", (side, side), colour)
    draw = ImageDraw.Draw(image)
    size = max(11, side // 12)
    _write(draw, (side / 2, side / 2 - size), tile.slot, side - 12, _Style(size, QUIET, "mm"))
    _write(draw, (side / 2, side / 2 + size), tile.label, side - 12, _Style(size, INK, "mm"))
    return image


def _fit(text: str, size: int, width: int) -> str:
    """The text on one line, shortened with an ellipsis until it fits."""
    text = visible(" ".join(text[:LONGEST].split()))
    if _font(size, text).getlength(text) <= width:
        return text
    while text and _font(size, text).getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


@cache
def _pillows_font(size: int) -> FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise MissingExtraError("a sheet needs Pillow with FreeType: install Pillow from its wheel")
    return font


@cache
def _wider_font(size: int) -> FreeTypeFont | None:
    """A font with more letters: Noto CJK if it is installed, else the one that matplotlib brings."""
    names = ["NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"]
    if (spec := find_spec("matplotlib")) is not None and spec.origin is not None:
        names.append(str(Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"))
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue  # not installed: try the next
    return None


def _font(size: int, text: str = "") -> FreeTypeFont:
    """Pillow's own font, which every machine has, for ASCII; a font with more letters for other texts."""
    return (None if text.isascii() else _wider_font(size)) or _pillows_font(size)
