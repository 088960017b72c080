"""One PNG sheet for each answer: what a person liked, and below it the outfits recommended to them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.ImageFont import FreeTypeFont

from fashion_hash.core.files import atomic_path
from fashion_hash.errors import MissingExtraError, naming
from fashion_hash.presentation.tiles import ItemView, OutfitView, Tile
from fashion_hash.retrieval.recommender import OutfitHit

PAPER, INK, QUIET, LINE = "#faf8f5", "#26221f", "#857d75", "#e4ded6"
PREFERENCE, COMPATIBILITY, REQUEST = "#b4654a", "#4f7a6d", "#4a5f8f"
PLACEHOLDERS = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
MARGIN, GAP, TILE, SMALL = 48, 12, 168, 92
RANK, FACTS = 72, 400
ABREAST = 5  # items a row


def draw_sheet(people: Sequence[OutfitView | ItemView], path: str | Path, subtitle: str = "") -> None:
    """Draws the answers of one person or several, one below the other, to a PNG file.

    Args:
        people: what to show; an item without a readable picture becomes a tile with its title.
        path: the file; it is written whole or not at all.
        subtitle: a line under each heading, such as the bundle's name.
    """
    sections = [
        _item_section(person, subtitle) if isinstance(person, ItemView) else _section(person, subtitle)
        for person in people
    ]
    width = max(section.width for section in sections)
    sheet = Image.new("RGB", (width, sum(section.height for section in sections)), PAPER)
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    with naming(path), atomic_path(path) as temporary, open(temporary, "wb") as stream:
        sheet.save(stream, format="PNG", optimize=True)


def _section(person: OutfitView, subtitle: str) -> Image.Image:
    most_tiles = max([len(tiles) for _, tiles in person.hits] + [2])
    width = max(1000, 2 * MARGIN + RANK + most_tiles * (TILE + GAP) + FACTS)
    row_height = TILE + 2 * GAP
    image, top = _begin(person, subtitle, width, max(1, len(person.hits)) * row_height)
    draw = ImageDraw.Draw(image)
    _heading(draw, "Recommended", f"best {len(person.hits)}", top, width)
    top += 44
    if not person.hits:
        draw.text((MARGIN, top), "No outfit of the pool is left to recommend.", QUIET, _font(15))
    longest = max([1e-9] + [max(abs(hit.preference), abs(hit.compatibility)) for hit, _ in person.hits])
    for rank, (hit, tiles) in enumerate(person.hits, start=1):
        draw.text((MARGIN, top + TILE // 2), str(rank), QUIET, _font(30), anchor="lm")
        anchor = hit.anchor if isinstance(hit, OutfitHit) else None
        for number, tile in enumerate(tiles):
            place = MARGIN + RANK + number * (TILE + GAP)
            image.paste(_tile(tile, TILE), (place, top))
            if tile.slot == anchor:
                draw.rectangle((place - 3, top - 3, place + TILE + 2, top + TILE + 2), outline=REQUEST, width=3)
        left = MARGIN + RANK + most_tiles * (TILE + GAP) + GAP
        right = width - MARGIN
        draw.text((left, top), f"{hit.total if isinstance(hit, OutfitHit) else hit.score:.3f}", INK, _font(30))
        _write(draw, (right, top + 12), hit.outfit_id, 14, QUIET, 160, "ra")
        down = top + 46
        if isinstance(hit, OutfitHit):
            _bar(draw, "request", hit.request, 1.0, REQUEST, left, down, right, sign="")
            down += 22
        _bar(draw, "preference", hit.preference, longest, PREFERENCE, left, down, right)
        _bar(draw, "compatibility", hit.compatibility, longest, COMPATIBILITY, left, down + 22, right)
        line = min(20, (top + TILE - down - 52) // max(1, len(tiles)))
        for number, tile in enumerate(tiles):
            size = max(9, min(14, round(line * 0.75)))
            _write(draw, (left, down + 52 + number * line), tile.label, size, INK, right - left)
        draw.line((MARGIN, top + TILE + GAP, right, top + TILE + GAP), LINE)
        top += row_height
    return image


def _begin(person: OutfitView | ItemView, subtitle: str, width: int, rows: int) -> tuple[Image.Image, int]:
    """A section with who asks for what and what they liked before, and where it goes on; `rows`: the height left."""
    tallest = max([len(outfit) for outfit in person.liked] + [1])
    liked_height = 0 if person.user_id is None else 68 + (tallest * (SMALL + 4) if person.liked else 32)
    image = Image.new("RGB", (width, 180 + liked_height + rows + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    who = "nobody in particular" if person.user_id is None else person.user_id
    heading, below = f"Outfits for {who}", subtitle
    if person.request is not None:
        heading = f"“{person.request.text}”" if person.request.text.strip() else f"What {who} likes"
        note = f" ({person.request.note})" if person.request.note else ""
        below = f"for {who}, by {person.request.by}{note}  ·  {subtitle}"
    _write(draw, (MARGIN, 40), heading, 34, INK, width - 2 * MARGIN)
    _write(draw, (MARGIN, 86), below, 15, QUIET, width - 2 * MARGIN)
    if person.user_id is None:
        return image, 128
    shown = f"{len(person.liked)} of {person.num_liked}" if person.num_liked else ""
    _heading(draw, "Liked before", shown, 128, width)
    left, top = MARGIN, 170
    for outfit in person.liked:
        if left + SMALL > width - MARGIN:
            break
        for number, tile in enumerate(outfit):
            image.paste(_tile(tile, SMALL), (left, top + number * (SMALL + 4)))
        left += SMALL + 2 * GAP
    if not person.liked:
        draw.text((MARGIN, top), "No liked outfit is known.", QUIET, _font(15))
    return image, 128 + liked_height


def _item_section(person: ItemView, subtitle: str) -> Image.Image:
    """The items that a request found, some abreast, with their share of agreeing bits."""
    width, row_height = 2 * MARGIN + ABREAST * (TILE + 2 * GAP) - 2 * GAP, TILE + 84
    image, top = _begin(person, subtitle, width, max(1, -(-len(person.items) // ABREAST)) * row_height)
    draw = ImageDraw.Draw(image)
    _heading(draw, "Found", "share of the bits that agree with the request", top, width)
    top += 44
    if not person.items:
        draw.text((MARGIN, top), "No item is left.", QUIET, _font(15))
    for rank, (score, tile) in enumerate(person.items, start=1):
        left, high = MARGIN + (rank - 1) % ABREAST * (TILE + 2 * GAP), top + (rank - 1) // ABREAST * row_height
        image.paste(_tile(tile, TILE), (left, high))
        draw.text((left, high + TILE + 8), str(rank), QUIET, _font(14))
        draw.text((left + TILE, high + TILE + 6), f"{score:.1%}", INK, _font(16), anchor="ra")
        draw.rectangle((left, high + TILE + 30, left + TILE, high + TILE + 36), LINE)
        length = round(TILE * min(1.0, max(0.0, score)))
        draw.rectangle((left, high + TILE + 30, left + length, high + TILE + 36), REQUEST)
        _write(draw, (left, high + TILE + 42), tile.label, 13, INK, TILE)
        _write(draw, (left, high + TILE + 60), tile.item_id, 11, QUIET, TILE)
    return image


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: str,
    width: int,
    anchor: str = "la",
) -> None:
    """Writes text on one line, shortened to a width."""
    text = _fit(text, size, width)
    draw.text(place, text, colour, _font(size, text), anchor=anchor)


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
    sign: str = "+",
) -> None:
    draw.text((left, top), name, QUIET, _font(13))
    draw.text((right, top), f"{value:{sign}.3f}", INK, _font(13), anchor="ra")
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
    _write(draw, (side / 2, side / 2 - size), tile.slot, size, QUIET, side - 12, "mm")
    _write(draw, (side / 2, side / 2 + size), tile.label, size, INK, side - 12, "mm")
    return image


def _fit(text: str, size: int, width: int) -> str:
    """The text on one line, shortened with an ellipsis until it fits."""
    text = " ".join(text.split())
    if _font(size, text).getlength(text) <= width:
        return text
    while text and _font(size, text).getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


@cache
def _pillows_font(size: int) -> FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise MissingExtraError("a sheet needs a Pillow built with FreeType: install Pillow from its wheel")
    return font


@cache
def _wider_font(size: int) -> FreeTypeFont | None:
    """A font of more letters: Noto CJK where the machine has it, else the one that matplotlib brings."""
    names = ["NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"]
    if (spec := find_spec("matplotlib")) is not None and spec.origin is not None:
        names.append(str(Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"))
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue  # not on this machine: try the next
    return None


def _font(size: int, text: str = "") -> FreeTypeFont:
    """Pillow's own font, which every machine has, for ASCII; another one for what it cannot write."""
    return (None if text.isascii() else _wider_font(size)) or _pillows_font(size)
