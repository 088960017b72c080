"""Answers as one PNG sheet: what users liked, and below it what is recommended to them, in the cards of the page.

It is drawn by Pillow and not from the templates: a sheet comes out the same everywhere, also on machines without a
browser.
"""

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
DARKER = "#4d4640"  # small words on a placeholder
MARGIN, GAP, SMALL, SPACE = 48, 6, 92, 20
CARD, ABREAST = 372, 3  # the width of the card of an outfit, and how many stand in a row
ITEM, ITEMS_ABREAST = 212, 5
INSET, RADIUS = 16, 10
LONGEST = 500  # letters of a text, before it is measured


class _Style(NamedTuple):
    """How a text is written; `anchor` as Pillow reads it, "la" for the upper left corner."""

    size: int
    colour: str
    anchor: str = "la"


class _Row(NamedTuple):
    """Cards of one width, and how many of them stand in a row."""

    cards: list[Image.Image]
    width: int
    abreast: int


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
    """The outfits of an answer."""
    cards = [_outfit_card(hit, tiles, view.reason(place), view.request) for place, (hit, tiles) in enumerate(view.hits)]
    return _section(view, subtitle, (counted(len(cards), "outfit"), view.note), _Row(cards, CARD, ABREAST))


def _item_section(view: ItemView, subtitle: str) -> Image.Image:
    """The items that a request found, with their share of agreeing bits where bits alone decided."""
    cards = [_item_card(tile, score if view.by_bits else None) for score, tile in view.items]
    note = "with the share of bits that agree" if view.by_bits else ""
    return _section(view, subtitle, (counted(len(cards), "item"), note), _Row(cards, ITEM, ITEMS_ABREAST))


def _section(view: OutfitView | ItemView, subtitle: str, heading: tuple[str, str], row: _Row) -> Image.Image:
    """A user, what they liked before, and the cards of an answer in rows of one height each."""
    cards, card_width, abreast = row
    rows = [cards[start : start + abreast] for start in range(0, len(cards), abreast)]
    heights = [max(card.height for card in of_row) for of_row in rows]
    width = 2 * MARGIN + abreast * (card_width + SPACE) - SPACE
    image, top = _begin(view, subtitle, width, max(40, sum(heights) + SPACE * len(rows)))
    draw = ImageDraw.Draw(image)
    _heading(draw, *heading, top, width)
    top += 44
    if not cards:
        draw.text((MARGIN, top), f"No {heading[0].partition(' ')[2]} found.", QUIET, _font(15))
    for of_row, height in zip(rows, heights):
        for number, card in enumerate(of_row):
            left = MARGIN + number * (card_width + SPACE)
            frame = (left, top, left + card_width - 1, top + height - 1)
            draw.rounded_rectangle(frame, RADIUS, "white", LINE)
            image.paste(card.crop((2, 2, card_width - 2, card.height - 2)), (left + 2, top + 2))
        top += height + SPACE
    return image


def _outfit_card(hit: Hit, tiles: Sequence[Tile], reason: Reason, request: Request | None) -> Image.Image:
    """An outfit laid flat; below it why, where its terms stand, and its items with their prices."""
    width, right = CARD, CARD - INSET
    image = Image.new("RGB", (width, round(width / 1.12) + 260 + 40 * len(tiles)), "white")
    draw = ImageDraw.Draw(image)
    anchor = hit.anchor if isinstance(hit, OutfitHit) else None
    for tile, (x, y, side_x, side_y) in zip(laid_out(tiles), _flat(len(tiles), width, round(width / 1.12))):
        image.paste(_tile(tile, (side_x, side_y)), (x, y))
        if tile.slot == anchor:
            draw.rectangle((x, y, x + side_x - 1, y + side_y - 1), outline=COLOURS["request"], width=3)
    down = round(width / 1.12) + 6
    for line in _lines(reason.text, 14, right - INSET, 4):
        draw.text((INSET, down), line, INK, _font(14, line))
        down += 19
    down += 5 * bool(reason.text)
    bars = [
        _Bar(name, 1 - percent / 100, f"top {percent} %", COLOURS[about]) for name, percent, about in reason.shown_ranks
    ]
    if isinstance(hit, OutfitHit) and request is not None and request.by_bits:
        bars.insert(0, _Bar("request", hit.request, f"{hit.request:.0%}", COLOURS["request"]))
    for bar in bars:
        _draw_bar(draw, bar, INSET, down, right)
        down += 21
    down += 6
    together = total_price(tiles)
    for tile in tiles:
        down = _line(draw, down, (tile.label, tile.price, tile.maker))
    if together and len(tiles) > 1:
        down = _line(draw, down, ("together", together, ""))
    return image.crop((0, 0, width, down + 10))


def _item_card(tile: Tile, share: float | None) -> Image.Image:
    """An item with its title, and what the catalogue says of it."""
    image = Image.new("RGB", (ITEM, ITEM + 110), "white")
    draw, right = ImageDraw.Draw(image), ITEM - INSET
    image.paste(_tile(tile, (ITEM - 12, ITEM - 12)), (6, 6))
    down = ITEM + 4
    for line in _lines(tile.label, 13, right - INSET, 2):
        draw.text((INSET, down), line, INK, _font(13, line))
        down += 18
    _write(draw, (INSET, down), tile.line or tile.item_id, right - INSET, _Style(12, QUIET))
    down += 22
    if share is not None:
        draw.rounded_rectangle((INSET, down + 5, right - 52, down + 11), 3, LINE)
        length = round((right - 52 - INSET) * min(1.0, max(0.0, share)))
        draw.rounded_rectangle((INSET, down + 5, INSET + length, down + 11), 3, COLOURS["request"])
        draw.text((right, down), f"{share:.0%}", INK, _font(13), anchor="ra")
        down += 22
    return image.crop((0, 0, ITEM, down + 8))


def _line(draw: ImageDraw.ImageDraw, top: int, words: tuple[str, str, str]) -> int:
    """A line of a card: a title, its price at the right, and small words below it; returns where the next begins."""
    (title, price, below), right = words, CARD - INSET
    draw.line((INSET, top, right, top), LINE)
    room = right - INSET - (_font(13, price).getlength(price) + 12 if price else 0)
    _write(draw, (INSET, top + 5), title, int(room), _Style(13, INK))
    draw.text((right, top + 5), price, QUIET, _font(13, price), anchor="ra")
    if below:
        _write(draw, (INSET, top + 22), below, right - INSET, _Style(12, QUIET))
    return top + (41 if below else 26)


def _flat(count: int, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Where the pieces of an outfit lie, the largest first: left, top, width and height of each, as on the page."""
    left, top, room_x, room_y = GAP, GAP, width - 2 * GAP, height - 2 * GAP
    if count < 2:
        return [(left, top, room_x, room_y)]
    columns = 1 if count < 5 else 2
    first = (room_x - columns * GAP) // 2 if count == 2 else round((room_x - columns * GAP) * 1.5 / (1.5 + columns))
    side = (room_x - first - columns * GAP) // columns
    rows = -(-(count - 1) // columns)
    tall = (room_y - (rows - 1) * GAP) // rows
    others = [
        (left + first + GAP + place % columns * (side + GAP), top + place // columns * (tall + GAP), side, tall)
        for place in range(count - 1)
    ]
    return [(left, top, first, room_y), *others]


def _lines(text: str, size: int, width: int, most: int) -> list[str]:
    """A text on several lines of a width; the last is shortened."""
    words, lines = visible(text[:LONGEST]).split(), [""]
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
            image.paste(_tile(tile, (SMALL, SMALL)), (left, top + number * (SMALL + 4)))
        left += SMALL + 24
    if not view.liked:
        draw.text((MARGIN, top), "No liked outfits are known.", QUIET, _font(15))
    return image, 128 + liked_height


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
    draw.text((right, top), bar.text, QUIET, _font(13), anchor="ra")
    start, room = left + 104, right - left - 104 - 68
    draw.rounded_rectangle((start, top + 5, start + room, top + 11), 3, LINE)
    length = round(room * min(1.0, max(0.0, bar.share)))
    draw.rounded_rectangle((start, top + 5, start + length, top + 11), 3, bar.colour)


def _tile(tile: Tile, size: tuple[int, int]) -> Image.Image:
    """A picture of an item on white, or a quiet field with its words."""
    if tile.picture is not None:
        try:
            return ImageOps.pad(decode(tile.picture), size, color="white")
        except FeatureError:
            pass  # an unreadable picture is shown as a missing one
    colour = PLACEHOLDERS[zlib.crc32(tile.item_id.encode()) % len(PLACEHOLDERS)]
    image, (width, height) = Image.new("RGB", size, colour), size
    draw = ImageDraw.Draw(image)
    letters = 13 if width > SMALL else 11
    lines = _lines(tile.label, letters, width - 12, max(1, min(4, height // (letters + 5) - 2)))
    down = (height - (len(lines) + 1) * (letters + 5)) / 2
    for text, colour in [(tile.slot, DARKER), *((line, INK) for line in lines)]:
        _write(draw, (width / 2, down), text, width - 8, _Style(letters, colour, "ma"))
        down += letters + 5
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
