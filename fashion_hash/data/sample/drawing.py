"""Drawing garments: a shape, a colour and a pattern become a recognisable picture.

Pictures are painted at twice their size and scaled down, so that edges are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from fashion_hash.core.seeds import generator
from fashion_hash.data.sample.garments import COLOURS, KINDS, PATTERNS
from fashion_hash.data.sample.shapes import TOPS_AND_BOTTOMS, Drawing, Layer, Stroke
from fashion_hash.data.sample.shoes import SHOES
from fashion_hash.errors import DataError

SIZE = 291  # pixels, as the release has it
_FINE = 2
_CLOTHS = {"light": (238, 236, 230), "dark": (52, 44, 42), "tan": (214, 178, 134), "tan_dark": (150, 112, 78)}


def draw_item(kind: str, colour: str, pattern: str = "plain", seed: int = 0, size: int = SIZE) -> Image.Image:
    """Paints an item on white.

    Args:
        kind: one of garments.KINDS, such as "t-shirt".
        colour: one of garments.COLOURS, such as "navy".
        pattern: one of garments.PATTERNS.
        seed: of small differences between items of the same look (size, place, scale of the pattern).
        size: width and height in pixels.

    Raises:
        DataError: a kind, colour or pattern that cannot be drawn.
    """
    for what, name, known in (
        ("kind", kind, KINDS),
        ("colour", colour, COLOURS),
        ("pattern", pattern, PATTERNS),
    ):
        if name not in known:
            raise DataError(f"cannot draw {what} {name!r}; it is one of {', '.join(known)}")
    rng = generator(seed, "drawing")
    wide, tall = rng.uniform(0.94, 1.04, size=2)
    coarse = float(rng.uniform(0.85, 1.2))
    painter = _Painter(size * _FINE, COLOURS[colour], pattern, coarse, upright=KINDS[kind].type == "bottom")
    if kind in SHOES:
        shoe = SHOES[kind]()
        painter.paint(shoe, np.array([wide, tall]) * 0.86, np.array([7, -11]), dim=0.86)
        painter.paint(shoe, np.array([wide, tall]) * 0.9, np.array([-3, 6]))
    else:
        painter.paint(TOPS_AND_BOTTOMS[kind](), np.array([wide, tall]), np.zeros(2))
    return painter.finish(size)


class _Painter:
    """The canvas of one picture: paints layers and strokes in one colour and pattern."""

    def __init__(self, pixels: int, rgb: tuple[int, int, int], pattern: str, coarse: float, upright: bool) -> None:
        self.pixels, self.pattern, self.coarse, self.upright = pixels, pattern, coarse, upright
        self.rgb = rgb
        self.dark = np.dot(rgb, (0.3, 0.59, 0.11)) < 90
        self.canvas = Image.new("RGB", (pixels, pixels), "white")
        self.cover = Image.new("L", (pixels, pixels), 0)  # where something was painted, for the shadow
        self._shares: dict[float, Image.Image] = {}

    def paint(self, drawing: Drawing, scale: np.ndarray, move: np.ndarray, dim: float = 1.0) -> None:
        """Paints a drawing, scaled about the middle and moved, darker by `dim`."""
        for one in drawing:
            points = ((one.points - 50) * scale + 50 + move) * self.pixels / 100
            outline = [tuple(point) for point in points.tolist()]
            if isinstance(one, Layer):
                self._layer(one, outline, dim)
            else:
                self._stroke(one, points, outline, dim)

    def _layer(self, layer: Layer, outline: list[tuple[float, ...]], dim: float) -> None:
        pen = ImageDraw.Draw(self.canvas)
        pen.polygon(outline, fill=_shade(_CLOTHS.get(layer.cloth, self.rgb), layer.tone * dim))
        covered = ImageDraw.Draw(self.cover)
        covered.polygon(outline, fill=255)
        covered.line([*outline, outline[0]], fill=255, width=self._width(0.55), joint="curve")
        if layer.cloth == "pattern" and self.pattern != "plain":
            if layer.turn not in self._shares:
                self._shares[layer.turn] = Image.fromarray((255 * self._pattern(layer.turn)).astype(np.uint8))
            mask = Image.new("L", self.cover.size, 0)
            ImageDraw.Draw(mask).polygon(outline, fill=255)
            shown = ImageChops.multiply(mask, self._shares[layer.turn])
            self.canvas.paste(_shade(self._second(), layer.tone * dim), mask=shown)
        if layer.cloth != "faded":
            edge = self._edge(layer.cloth, dim)
            pen.line([*outline, outline[0]], fill=edge, width=self._width(0.55), joint="curve")

    def _stroke(self, stroke: Stroke, points: np.ndarray, outline: list[tuple[float, ...]], dim: float) -> None:
        pen, width = ImageDraw.Draw(self.canvas), self._width(stroke.width)
        if stroke.thread == "light":
            fill = _shade((236, 232, 224) if sum(self.rgb) < 615 else (150, 140, 128), dim)
        else:
            fill = self._edge("plain", dim)
        if not stroke.dashed:
            ImageDraw.Draw(self.cover).line(outline, fill=255, width=width)
            pen.line(outline, fill=fill, width=width, joint="curve")
            return
        length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        dash = 1.6 * self.pixels / 100
        for start in np.arange(0, length[-1], 2 * dash):
            ends = [np.interp([start, start + dash], length, points[:, axis]) for axis in (0, 1)]
            pen.line([(ends[0][0], ends[1][0]), (ends[0][1], ends[1][1])], fill=fill, width=width)

    def _width(self, units: float) -> int:
        return max(1, round(units * self.pixels / 100))

    def _edge(self, cloth: str, dim: float) -> tuple[int, ...]:
        if self.dark and cloth not in _CLOTHS:
            return _shade([value + 46 for value in self.rgb], dim)
        return _shade(_CLOTHS.get(cloth, self.rgb), 0.66 * dim)

    def _second(self) -> Sequence[float]:
        """The pattern's own colour: light on dark and strong colours, dark on pale ones."""
        if sum(self.rgb) < 495:
            return (244, 240, 230)
        return [0.2 * own + 0.8 * ink for own, ink in zip(self.rgb, (40, 46, 84))]

    def _pattern(self, turn: float) -> np.ndarray:
        """(pixels, pixels) How much of the second colour shows, from 0 to 1; `turn` in degrees."""
        sin, cos = math.sin(math.radians(turn)), math.cos(math.radians(turn))
        step = np.linspace(-50, 50, self.pixels, dtype=np.float32)
        u = step[None, :] * cos + step[:, None] * sin
        v = step[:, None] * cos - step[None, :] * sin
        if self.pattern == "striped":
            across, period = (u, 4.4) if self.upright else (v, 7.0)
            return (np.mod(across / (period * self.coarse), 1) < (0.26 if self.upright else 0.4)).astype(np.float32)
        if self.pattern == "checked":
            period = 8.0 * self.coarse
            rows, columns = np.mod(u / period, 1) < 0.5, np.mod(v / period, 1) < 0.5
            return 0.42 * rows.astype(np.float32) + 0.42 * columns
        period = (6.4 if self.pattern == "dotted" else 12.5) * self.coarse
        row = np.floor(v / period)
        column = np.floor(u / period + 0.5 * np.mod(row, 2))
        du = (u / period + 0.5 * np.mod(row, 2) - column - 0.5) * period
        dv = (v / period - row - 0.5) * period
        radius = np.hypot(du, dv)
        if self.pattern == "dotted":
            return (radius < 1.45 * self.coarse).astype(np.float32)
        petals = 4.1 * self.coarse * (0.62 + 0.38 * np.cos(5 * np.arctan2(dv, du) + 1.9 * row + column))
        return np.where(radius < 0.9 * self.coarse, 0.25, (radius < petals).astype(np.float32))

    def finish(self, size: int) -> Image.Image:
        """The picture at its own size, lit from the upper left, over a soft shadow."""
        small = self.canvas.resize((size, size), Image.Resampling.LANCZOS)
        cover = self.cover.resize((size, size), Image.Resampling.LANCZOS)
        step = np.linspace(0, 1, size, dtype=np.float32)
        light = 1.06 - 0.11 * step[None, :] - 0.06 * step[:, None]
        lit = Image.fromarray(np.clip(np.asarray(small) * light[:, :, None], 0, 255).astype(np.uint8))
        shadow = cover.filter(ImageFilter.GaussianBlur(size / 50)).point(lambda value: value * 0.28)
        ground = Image.new("RGB", (size, size), "white")
        ground.paste((70, 70, 84), box=(round(size * 0.008), round(size * 0.014)), mask=shadow)
        ground.paste(lit, mask=cover)
        return ground


def _shade(rgb: Sequence[float], tone: float) -> tuple[int, ...]:
    return tuple(min(255, max(0, round(value * tone))) for value in rgb)
