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
from fashion_hash.presentation.details import counted, fact_words
from fashion_hash.presentation.reasons import Reason
from fashion_hash.presentation.tiles import ItemView, OutfitView, Request, Tile, headed, laid_out, total_price
from fashion_hash.retrieval.answers import Hit, OutfitHit

PAPER, INK, QUIET, LINE = "#faf8f5", "#26221f", "#6b635c", "#e4ded6"
COLOURS = {"": QUIET, "taste": "#a6543a", "harmony": "#3f6d60", "request": "#43588a"}
PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
MARGIN, GAP, TILE, SMALL = 48, 12, 168, 92
RANK, FACTS = 72, 460
ABREAST = 5  # items in a row
LONGEST = 500  # letters of a text, before it is measured


class _Style(NamedTuple):
    """How a text is written; `anchor` as Pillow reads it, "la" for the upper left corner."""

    size: int
    colour: str
    anchor: str = "la"


class _Bar(NamedTuple):
    """A term of an outfit: its share of the bar, 0 to 1, and what is written behind it."""

    name: str
    share: float
    text: str
    colour: str


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
    _heading(draw, counted(len(view.hits), "outfit"), view.note, top, width)
    top += 44
    if not view.hits:
        draw.text((MARGIN, top), "No outfits found.", QUIET, _font(15))
    facts = MARGIN + RANK + most_tiles * (TILE + GAP) + GAP
    for rank, (hit, tiles) in enumerate(view.hits, start=1):
        draw.text((MARGIN, top + TILE // 2), str(rank), QUIET, _font(30), anchor="lm")
        anchor = hit.anchor if isinstance(hit, OutfitHit) else None
        for number, tile in enumerate(laid_out(tiles)):
            left = MARGIN + RANK + number * (TILE + GAP)
            image.paste(_tile(tile, TILE), (left, top))
            if tile.slot == anchor:
                draw.rectangle(
                    (left - 3, top - 3, left + TILE + 2, top + TILE + 2), outline=COLOURS["request"], width=3
                )
        _facts(draw, hit, tiles, view.reason(rank - 1), (facts, top, width - MARGIN), view.request)
        draw.line((MARGIN, top + TILE + GAP, width - MARGIN, top + TILE + GAP), LINE)
        top += row_height
    return image


def _facts(
    draw: ImageDraw.ImageDraw,
    hit: Hit,
    tiles: Sequence[Tile],
    reason: Reason,
    place: tuple[int, int, int],
    request: Request | None,
) -> None:
    """Why, where the terms stand, and the items with their prices; `place` is left, top and right."""
    left, top, right = place
    down = top
    for line in _lines(reason.text, 14, right - left, 3):
        draw.text((left, down), line, INK, _font(14, line))
        down += 18
    down += 4 * (down > top)
    bars = [
        _Bar(name, 1 - percent / 100, f"top {percent} %", COLOURS[about]) for name, percent, about in reason.shown_ranks
    ]
    if isinstance(hit, OutfitHit) and request is not None and request.by_bits:
        bars.insert(0, _Bar("request", hit.request, f"{hit.request:.0%}", COLOURS["request"]))
    for bar in bars:
        _draw_bar(draw, bar, left, down, right)
        down += 19
    down += 4
    texts = [" · ".join(filter(None, [tile.label, tile.line])) for tile in tiles]
    if price := total_price(tiles):
        texts.append(f"together {price}")
    line_height = min(18, (top + TILE - down) // max(1, len(texts)))
    size = max(9, min(13, round(line_height * 0.8)))
    for number, text in enumerate(texts):
        _write(draw, (left, down + number * line_height), text, right - left, _Style(size, INK))


def _lines(text: str, size: int, width: int, most: int) -> list[str]:
    """A text on several lines of a width; the last is shortened."""
    words, lines = visible(text).split(), [""]
    for number, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if _font(size, longer).getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = _fit(" ".join([lines[-1], *words[number:]]), size, width)
            break
    return [_fit(line, size, width) for line in lines if line]


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
    heading, about = headed(view.user_id), [view.about]
    if view.tastes:
        about.append(f"more than usual: {', '.join(view.tastes)}")
    if view.request is not None:
        heading, about = view.request.heading(view.user_id), [view.request.asked(view.user_id)]
        if view.request.understood:
            about.insert(0, "understood: " + ", ".join(map(fact_words, view.request.understood)))
    below = "  ·  ".join(filter(None, [*about, subtitle]))
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
        for number, tile in enumerate(laid_out(outfit)):
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
    note = "with the share of bits that agree with the request" if view.by_bits else ""
    _heading(draw, counted(len(view.items), "item"), note, top, width)
    top += 44
    if not view.items:
        draw.text((MARGIN, top), "No items found.", QUIET, _font(15))
    for rank, (score, tile) in enumerate(view.items, start=1):
        left, high = MARGIN + (rank - 1) % ABREAST * (TILE + 2 * GAP), top + (rank - 1) // ABREAST * row_height
        image.paste(_tile(tile, TILE), (left, high))
        draw.text((left, high + TILE + 8), str(rank), QUIET, _font(14))
        if view.by_bits:
            draw.text((left + TILE, high + TILE + 6), f"{score:.1%}", INK, _font(16), anchor="ra")
            draw.rectangle((left, high + TILE + 30, left + TILE, high + TILE + 36), LINE)
            length = round(TILE * min(1.0, max(0.0, score)))
            draw.rectangle((left, high + TILE + 30, left + length, high + TILE + 36), COLOURS["request"])
        _write(draw, (left, high + TILE + 42), tile.label, TILE, _Style(13, INK))
        _write(draw, (left, high + TILE + 60), tile.line or tile.item_id, TILE, _Style(11, QUIET))
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
    draw.text((right, top), bar.text, INK, _font(13), anchor="ra")
    start, room = left + 98, right - left - 98 - 72
    draw.rectangle((start, top + 3, start + room, top + 11), LINE)
    length = round(room * min(1.0, max(0.0, bar.share)))
    draw.rectangle((start, top + 3, start + length, top + 11), bar.colour)


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
