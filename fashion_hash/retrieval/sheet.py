"""One PNG sheet for each answer: what a person liked, and below it the outfits recommended to them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from fashion_hash.files import atomic_path
from fashion_hash.retrieval.looks import Looks, Tile

PAPER, INK, QUIET, LINE = "#faf8f5", "#26221f", "#857d75", "#e4ded6"
PREFERENCE, COMPATIBILITY = "#b4654a", "#4f7a6d"
PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
MARGIN, GAP, TILE, SMALL = 48, 12, 168, 92
RANK, FACTS = 72, 400


def draw_sheet(people: Sequence[Looks], path: str | Path, subtitle: str = "") -> None:
    """Draws the answers of one person or several, one below the other, to a PNG file.

    Args:
        people: what to show; an item without a readable picture becomes a tile with its title.
        path: the file; it is written whole or not at all.
        subtitle: a line under each heading, such as the bundle's name.
    """
    sections = [_section(person, subtitle) for person in people]
    width = max(section.width for section in sections)
    sheet = Image.new("RGB", (width, sum(section.height for section in sections)), PAPER)
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        sheet.save(stream, format="PNG", optimize=True)


def _section(person: Looks, subtitle: str) -> Image.Image:
    most_tiles = max([len(tiles) for _, tiles in person.hits] + [2])
    width = max(1000, 2 * MARGIN + RANK + most_tiles * (TILE + GAP) + FACTS)
    tallest = max([len(outfit) for outfit in person.liked] + [1])
    liked_height = tallest * (SMALL + 4) if person.liked else 32
    row_height = TILE + 2 * GAP
    height = 232 + liked_height + max(1, len(person.hits)) * row_height + MARGIN
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)

    draw.text((MARGIN, 40), _fit(f"Outfits for {person.user_id}", 34, width - 2 * MARGIN), INK, _font(34))
    draw.text((MARGIN, 86), _fit(subtitle, 15, width - 2 * MARGIN), QUIET, _font(15))
    _heading(draw, "Liked before", f"{person.num_liked} outfits", 128, width)
    left, top = MARGIN, 164
    for outfit in person.liked:
        if left + SMALL > width - MARGIN:
            break
        for number, tile in enumerate(outfit):
            image.paste(_tile(tile, SMALL), (left, top + number * (SMALL + 4)))
        left += SMALL + 2 * GAP
    if not person.liked:
        draw.text((MARGIN, top), "No liked outfit is known.", QUIET, _font(15))

    top += liked_height + 24
    _heading(draw, "Recommended", f"best {len(person.hits)}", top, width)
    top += 36
    if not person.hits:
        draw.text((MARGIN, top), "No outfit of the pool is left to recommend.", QUIET, _font(15))
    longest = max([1e-9] + [max(abs(hit.preference), abs(hit.compatibility)) for hit, _ in person.hits])
    for rank, (hit, tiles) in enumerate(person.hits, start=1):
        draw.text((MARGIN, top + TILE // 2), str(rank), QUIET, _font(30), anchor="lm")
        for number, tile in enumerate(tiles):
            image.paste(_tile(tile, TILE), (MARGIN + RANK + number * (TILE + GAP), top))
        left = MARGIN + RANK + most_tiles * (TILE + GAP) + GAP
        right = width - MARGIN
        draw.text((left, top), f"{hit.score:.3f}", INK, _font(30))
        draw.text((right, top + 12), _fit(hit.outfit_id, 14, 160), QUIET, _font(14), anchor="ra")
        _bar(draw, "preference", hit.preference, longest, PREFERENCE, left, top + 46, right)
        _bar(draw, "compatibility", hit.compatibility, longest, COMPATIBILITY, left, top + 68, right)
        line = min(20, (TILE - 98) // max(1, len(tiles)))
        for number, tile in enumerate(tiles):
            size = max(9, line - 6)
            text = _fit(tile.label, size, right - left)
            draw.text((left, top + 98 + number * line), text, INK, _font(size))
        draw.line((MARGIN, top + TILE + GAP, right, top + TILE + GAP), LINE)
        top += row_height
    return image


def _heading(draw: ImageDraw.ImageDraw, text: str, note: str, top: int, width: int) -> None:
    draw.text((MARGIN, top), text, INK, _font(19))
    draw.text((width - MARGIN, top + 4), note, QUIET, _font(14), anchor="ra")
    draw.line((MARGIN, top + 27, width - MARGIN, top + 27), LINE, width=2)


def _bar(
    draw: ImageDraw.ImageDraw,
    name: str,
    value: float,
    longest: float,
    colour: str,
    left: int,
    top: int,
    right: int,
) -> None:
    draw.text((left, top), name, QUIET, _font(13))
    draw.text((right, top), f"{value:+.3f}", INK, _font(13), anchor="ra")
    start, room = left + 98, right - left - 98 - 64
    draw.rectangle((start, top + 3, start + room, top + 11), LINE)
    length = round(room * min(1.0, abs(value) / longest))
    if value >= 0:
        draw.rectangle((start, top + 3, start + length, top + 11), colour)
    else:  # below zero: an outline, so that a bad match never looks like a good one
        draw.rectangle((start, top + 3, start + length, top + 11), PAPER, outline=colour)


def _tile(tile: Tile, side: int) -> Image.Image:
    """A square picture of an item, or a quiet square with its words."""
    if tile.picture is not None:
        try:
            with Image.open(io.BytesIO(tile.picture)) as picture:
                flat = Image.new("RGB", picture.size, "white")
                flat.paste(picture.convert("RGB"), mask=picture.convert("RGBA").getchannel("A"))
            return ImageOps.pad(flat, (side, side), color="white")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            pass  # an unreadable picture is shown as a missing one
    colour = PLACEHOLDERS[zlib.crc32(tile.item_id.encode()) % len(PLACEHOLDERS)]
    image = Image.new("RGB", (side, side), colour)
    draw = ImageDraw.Draw(image)
    size = max(11, side // 12)
    draw.text((side / 2, side / 2 - size), _fit(tile.slot, size, side - 12), QUIET, _font(size), anchor="mm")
    draw.text((side / 2, side / 2 + size), _fit(tile.label, size, side - 12), INK, _font(size), anchor="mm")
    return image


def _fit(text: str, size: int, width: int) -> str:
    """The text on one line, shortened with an ellipsis until it fits."""
    text = " ".join(text.split())
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


_FONTS: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which every machine has."""
    return _FONTS.setdefault(size, ImageFont.load_default(size))
