"""The wardrobe of the sample data set: kinds of garment, colours, materials, brands, and what goes together.

Plain tables; `synthetic` draws items and users from them and `drawing` paints them. Codes are positions
in these tuples, so the order is part of the sample's definition.
"""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

TYPES = ("top", "bottom", "shoe")

# Named colours: red, green, blue. The neutrals go with everything.
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (38, 38, 44),
    "white": (247, 246, 243),
    "grey": (146, 150, 156),
    "navy": (38, 52, 96),
    "cream": (242, 230, 206),
    "beige": (208, 186, 154),
    "brown": (110, 74, 50),
    "sky blue": (142, 190, 226),
    "cobalt": (44, 92, 188),
    "teal": (24, 126, 128),
    "mint": (168, 216, 192),
    "forest green": (42, 94, 68),
    "olive": (120, 122, 66),
    "mustard": (218, 168, 52),
    "rust": (184, 88, 48),
    "coral": (240, 128, 106),
    "red": (202, 48, 52),
    "burgundy": (118, 34, 54),
    "pink": (240, 170, 190),
    "lilac": (182, 162, 214),
}
NEUTRALS = frozenset({"black", "white", "grey", "navy", "cream", "beige", "brown"})
PATTERNS = ("plain", "striped", "checked", "dotted", "floral")
FORMALITIES = ("casual", "everyday", "smart", "formal")
SEASONS = ("spring", "summer", "autumn", "winter")
STYLES: dict[str, tuple[str, ...]] = {  # the words by which a title gives its style away
    "classic": ("tailored", "timeless", "refined"),
    "sporty": ("athletic", "relaxed", "active"),
    "romantic": ("delicate", "draped", "graceful"),
    "urban": ("oversized", "edgy", "utility"),
    "boho": ("artisan", "flowing", "folk"),
}


class Material(NamedTuple):
    """What a garment is made of: its season, a shift of formality and a factor of price."""

    season: str
    formality: int
    price: float


MATERIALS: dict[str, Material] = {
    "cotton": Material("spring", 0, 1.0),
    "jersey": Material("spring", 0, 0.9),
    "linen": Material("summer", 0, 1.2),
    "silk": Material("summer", 1, 1.9),
    "viscose": Material("summer", 0, 0.9),
    "denim": Material("autumn", 0, 1.1),
    "corduroy": Material("autumn", 0, 1.1),
    "fleece": Material("winter", 0, 1.0),
    "wool": Material("winter", 0, 1.5),
    "cashmere": Material("winter", 1, 2.4),
    "canvas": Material("spring", 0, 0.8),
    "raffia": Material("summer", 0, 0.9),
    "suede": Material("autumn", 0, 1.2),
    "leather": Material("autumn", 0, 1.4),
    "patent leather": Material("winter", 1, 1.6),
}


class Kind(NamedTuple):
    """A kind of garment: its type, formality (0 to 3), price, odds of styles and patterns, materials.

    `outer` marks a top that is worn over another one.
    """

    type: str
    formality: int
    price: float
    styles: tuple[int, int, int, int, int]
    patterns: tuple[int, int, int, int, int]
    materials: tuple[str, ...]
    outer: bool = False


KINDS: dict[str, Kind] = {
    "t-shirt": Kind("top", 0, 19, (2, 5, 1, 5, 2), (5, 4, 1, 2, 1), ("cotton", "jersey", "linen")),
    "tank top": Kind("top", 0, 15, (0, 5, 2, 3, 3), (5, 3, 0, 2, 2), ("cotton", "jersey", "linen")),
    "polo shirt": Kind("top", 1, 34, (4, 5, 0, 2, 0), (5, 4, 1, 1, 0), ("cotton", "jersey")),
    "shirt": Kind("top", 2, 45, (6, 1, 1, 2, 2), (4, 4, 4, 2, 1), ("cotton", "linen", "denim")),
    "blouse": Kind("top", 2, 49, (3, 0, 6, 0, 4), (4, 2, 1, 3, 4), ("silk", "viscose", "cotton")),
    "jumper": Kind("top", 1, 59, (4, 2, 3, 3, 3), (5, 4, 2, 1, 1), ("wool", "cashmere", "cotton"), True),
    "hoodie": Kind("top", 0, 45, (0, 5, 0, 6, 1), (7, 2, 1, 1, 0), ("fleece", "cotton", "jersey"), True),
    "blazer": Kind("top", 3, 119, (7, 0, 2, 2, 1), (5, 3, 4, 0, 0), ("wool", "linen", "corduroy"), True),
    "trousers": Kind("bottom", 2, 59, (6, 1, 2, 2, 2), (5, 3, 3, 0, 1), ("wool", "linen", "cotton", "corduroy")),
    "jeans": Kind("bottom", 1, 69, (3, 2, 1, 5, 2), (1, 0, 0, 0, 0), ("denim",)),
    "joggers": Kind("bottom", 0, 39, (0, 6, 0, 4, 0), (6, 3, 1, 0, 0), ("fleece", "jersey", "cotton")),
    "shorts": Kind("bottom", 0, 32, (2, 5, 1, 3, 3), (5, 3, 3, 1, 2), ("cotton", "linen", "denim")),
    "skirt": Kind("bottom", 1, 42, (4, 1, 4, 2, 3), (4, 2, 3, 3, 3), ("denim", "cotton", "wool", "corduroy")),
    "pleated skirt": Kind("bottom", 2, 55, (4, 0, 6, 1, 3), (4, 2, 3, 2, 3), ("silk", "viscose", "wool")),
    "sneaker": Kind("shoe", 0, 69, (1, 6, 0, 5, 1), (7, 2, 2, 1, 1), ("canvas", "leather", "suede")),
    "sandal": Kind("shoe", 0, 49, (1, 1, 3, 1, 6), (1, 0, 0, 0, 0), ("leather", "raffia", "suede")),
    "ankle boot": Kind("shoe", 1, 129, (3, 0, 1, 6, 4), (1, 0, 0, 0, 0), ("leather", "suede")),
    "ballet flat": Kind("shoe", 1, 59, (4, 0, 6, 0, 2), (6, 1, 2, 3, 2), ("leather", "suede", "canvas")),
    "loafer": Kind("shoe", 2, 99, (7, 0, 1, 3, 1), (6, 0, 1, 0, 0), ("leather", "suede", "patent leather")),
    "heel": Kind("shoe", 3, 109, (4, 0, 6, 1, 1), (6, 1, 1, 2, 2), ("leather", "suede", "patent leather")),
}
JEANS_COLOURS = ("black", "white", "grey", "navy", "sky blue", "cobalt")


class Brand(NamedTuple):
    """An invented brand: the style it is known for and how dear it is."""

    style: str
    price: float


BRANDS: dict[str, Brand] = {
    "Alder & Finch": Brand("classic", 1.3),
    "Plain Harbour": Brand("classic", 0.8),
    "Kestrel": Brand("sporty", 1.1),
    "Velo Nord": Brand("sporty", 0.7),
    "Maison Clair": Brand("romantic", 1.8),
    "Juniper Row": Brand("romantic", 0.9),
    "Block Nine": Brand("urban", 1.0),
    "Ostra": Brand("urban", 1.5),
    "Tidewater": Brand("boho", 0.9),
    "Wild Fennel": Brand("boho", 1.2),
}
BRANDS_OF_STYLE: dict[str, tuple[int, ...]] = {
    style: tuple(i for i, brand in enumerate(BRANDS.values()) if brand.style == style) for style in STYLES
}


def colour_harmony() -> np.ndarray:
    """(C, C) How well two colours go together, from -1 to 1.

    A neutral goes with everything; two colours go together when their hues are neighbours or opposite and
    clash when a quarter of the colour circle lies between them; some contrast of lightness helps.
    """
    names = list(COLOURS)
    hls = np.array([colorsys.rgb_to_hls(*(channel / 255 for channel in COLOURS[name])) for name in names])
    neutral = np.array([name in NEUTRALS for name in names])
    hue = 0.75 * np.cos(4 * np.pi * (hls[:, None, 0] - hls[None, :, 0]))
    harmony = np.where(neutral[:, None] | neutral[None, :], 0.3, hue)
    contrast = np.abs(hls[:, None, 1] - hls[None, :, 1])
    return np.asarray(np.clip(harmony + 0.5 * (contrast - 0.3), -1, 1))


def formality_match() -> np.ndarray:
    """(4, 4) Equal formality goes together, a step apart is fine, a hoodie with heels is not."""
    level = np.arange(len(FORMALITIES))
    return np.asarray(0.6 - 0.4 * np.abs(level[:, None] - level[None, :]) ** 1.5)


def season_match() -> np.ndarray:
    """(4, 4) The cosine between seasons on the circle of the year: winter is opposite summer."""
    turn = np.arange(len(SEASONS)) * np.pi / 2
    return 0.6 * np.cos(turn[:, None] - turn[None, :])


def pattern_match() -> np.ndarray:
    """(5, 5) One pattern beside plain is best; two different patterns clash."""
    count = len(PATTERNS)
    match = np.full((count, count), -0.9)
    np.fill_diagonal(match, -0.3)
    match[0, :] = match[:, 0] = 0.35
    match[0, 0] = 0.1
    return match


def style_match() -> np.ndarray:
    """(5, 5) A style goes with itself; sporty with urban, romantic with classic and boho a little."""
    names = list(STYLES)
    match = np.full((len(names), len(names)), -0.45)
    np.fill_diagonal(match, 0.8)
    for one, other, value in (
        ("sporty", "urban", 0.4),
        ("romantic", "boho", 0.4),
        ("classic", "romantic", 0.2),
        ("urban", "classic", 0.0),
    ):
        i, j = names.index(one), names.index(other)
        match[i, j] = match[j, i] = value
    return match
