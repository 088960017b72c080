"""The outlines of the garments that `drawing` paints: layers of cloth and strokes of thread.

Coordinates run from 0 to 100, x to the right and y down. A path is a sequence of points; (x, y) is a
straight line to that point, (cx, cy, x, y) a curve bent by the control point (cx, cy).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Point = tuple[float, ...]
STEPS = np.linspace(0, 1, 17)[1:, None]


@dataclass(frozen=True)
class Layer:
    """A piece of cloth: (N, 2) outline, brightness, turn of the pattern in degrees, and what it is cut from.

    `cloth` is "pattern" (the item's colour and pattern), "plain" (its colour), "light" (soles, linings) or
    "dark" (soles, belts).
    """

    points: np.ndarray
    tone: float = 1.0
    turn: float = 0.0
    cloth: str = "pattern"


@dataclass(frozen=True)
class Stroke:
    """A seam, a button or a lace: (N, 2) points, width, dashed or not, "seam" or "light" thread."""

    points: np.ndarray
    width: float = 0.7
    dashed: bool = False
    thread: str = "seam"


Drawing = list[Layer | Stroke]


def path(*points: Point) -> np.ndarray:
    """(N, 2) A path as a polyline, its curves flattened."""
    flat = [np.array([points[0][:2]], dtype=float)]
    for point in points[1:]:
        start, end = flat[-1][-1], np.array(point[-2:], dtype=float)
        if len(point) == 2:
            flat.append(end[None])
        else:
            control = np.array(point[:2])
            flat.append((1 - STEPS) ** 2 * start + 2 * STEPS * (1 - STEPS) * control + STEPS**2 * end)
    return np.concatenate(flat)


def flip(points: np.ndarray) -> np.ndarray:
    """Mirrored left to right."""
    return points * (-1, 1) + (100, 0)


def whole(*half: Point) -> np.ndarray:
    """A symmetric outline from its left half, which starts and ends on the middle line x = 50."""
    left = path(*half)
    return np.concatenate([left, flip(left)[::-1]])


def both(one: Layer | Stroke) -> Drawing:
    """A left part and its mirror image on the right."""
    right = replace(one, points=flip(one.points))
    if isinstance(right, Layer):
        right = replace(right, turn=-right.turn)
    return [one, right]


def dot(x: float, y: float, radius: float) -> np.ndarray:
    """A small circle, for buttons."""
    angle = np.linspace(0, 2 * np.pi, 13)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def buttons(x: float, ys: tuple[float, ...], radius: float = 0.7) -> Drawing:
    """A column of buttons."""
    return [Stroke(dot(x, y, radius / 2), radius, thread="light") for y in ys]


def _back_neck(depth: float = 17) -> Layer:
    return Layer(whole((50, depth - 1.5), (42, depth - 2, 40, 13), (43, depth + 5, 50, depth + 6)), 0.72, 0, "plain")


def _torso(neck: float, hem: float, wide: float = 28.5, waist: float = 1.5) -> Layer:
    half = ((50, neck), (43.5, neck, 40, 13), (27, 18.5), (30.5, 29, wide, 40))
    return Layer(whole(*half, (wide + waist, 62, wide - 0.5, hem), (40, hem + 2.5, 50, hem + 2.5)))


def _hem(y: float, wide: float = 28.5) -> Stroke:
    return Stroke(path((wide, y), (50, y + 5, 100 - wide, y)), 0.5, dashed=True)


def _short_sleeves(cuff: float = 0.0) -> Drawing:
    sleeve = path((27.5, 18.3), (20, 21, 17, 29), (8.5, 43), (14, 49, 22, 50.5), (29, 40), (31, 28, 27.5, 18.3))
    drawn = both(Layer(sleeve, 0.95, 32))
    band = path((8.5, 43), (14, 49, 22, 50.5), (23.4, 48.3), (15.5, 46.8, 9.9, 40.7))
    return drawn + (both(Layer(band, 0.85, 32, "plain")) if cuff else both(Stroke(band[-17:], 0.5, True)))


def _long_sleeves(puff: float = 0.0, cuff: str = "plain") -> Drawing:
    outer = ((27.5, 18.3), (19.5 - puff / 2, 21, 17 - puff, 34), (12 - puff, 60, 10.5, 76))
    sleeve = path(*outer, (15, 79, 19.5, 78), (22.5 - puff / 3, 62, 29, 42), (31, 28, 27.5, 18.3))
    band = path((10.6, 75.5), (15, 78.5, 19.6, 77.5), (19, 83.5), (14, 84.5, 10.4, 82))
    return both(Layer(sleeve, 0.95, 12)) + both(Layer(band, 0.88, 12, cuff))


def t_shirt() -> Drawing:
    """The drawing of a T-shirt."""
    neck = path((40, 13), (43.5, 22, 50, 22), (56.5, 22, 60, 13))
    return [*_short_sleeves(), _back_neck(), _torso(22, 84), Stroke(neck, 2.0), _hem(82.5)]


def tank_top() -> Drawing:
    """The drawing of a tank top."""
    half = (
        (50, 30),
        (40, 29, 38, 13),
        (32.5, 13),
        (34, 32, 27.5, 40),
        (29.5, 62, 27, 83),
        (40, 85.5, 50, 85.5),
    )
    body = Layer(whole(*half))
    back = Layer(whole((50, 20), (40, 20, 38, 13), (41, 30, 50, 30)), 0.72, 0, "plain")
    neck = Stroke(path((38, 13), (40, 29, 50, 30), (60, 29, 62, 13)), 1.4)
    arms = both(Stroke(path((32.5, 13), (34, 32, 27.5, 40)), 1.4))
    return [back, body, neck, *arms, _hem(81, 27.5)]


def _collar(drop: float = 27) -> Drawing:
    inside = Layer(whole((50, 15.5), (43, 15, 41, 11), (44, 21, 50, drop - 4)), 0.62, 0, "plain")
    leaf = path((40.8, 10.5), (36.5, 15), (41, drop), (50, drop - 6), (43.5, 19, 40.8, 10.5))
    return [inside, *both(Layer(leaf, 1.04, 20))]


def polo_shirt() -> Drawing:
    """The drawing of a polo shirt."""
    placket = Layer(path((48, 22), (52, 22), (52, 40), (48, 40)), 1.04, 0, "plain")
    return [*_short_sleeves(1), _torso(22, 84), placket, *_collar(26), *buttons(50, (27, 32, 37)), _hem(82.5)]


def shirt() -> Drawing:
    """The drawing of a shirt."""
    hem = (28, 84, 33, 90)
    half = (
        (50, 20),
        (43.5, 20, 40, 13),
        (27, 18.5),
        (30.5, 29, 28.5, 40),
        (30, 62, 28, 80),
        hem,
        (42, 92.5, 50, 92.5),
    )
    placket = [Stroke(path((x, 22), (x, 92)), 0.5) for x in (47.8, 52.2)]
    pocket = Stroke(path((57, 38), (67, 38), (67, 47), (62, 50), (57, 47), (57, 38)), 0.6)
    front = [Layer(whole(*half)), *placket, pocket, *_collar()]
    return [*_long_sleeves(), *front, *buttons(50, (30, 40, 50, 60, 70, 80))]


def blouse() -> Drawing:
    """The drawing of a blouse."""
    half = ((50, 23), (43, 22, 40, 13), (28, 17.5), (31, 29, 29, 40), (34, 56, 29, 63), (24, 76, 22, 84))
    body = Layer(whole(*half, (36, 89, 50, 88)))
    bow = [
        *both(Layer(path((50, 22), (43, 14, 38, 19), (37, 27, 50, 23)), 1.05, 30)),
        *both(Layer(path((49.5, 23), (46, 32, 41, 41), (44, 42.5), (46.5, 41), (49, 33, 50.5, 23)), 0.97, 10)),
        Layer(dot(50, 22.5, 2.1), 0.92, 0, "plain"),
    ]
    folds = both(Stroke(path((33, 62), (32, 74, 29, 84)), 0.6)) + both(Stroke(path((42, 63), (42, 74, 41, 86)), 0.5))
    waist = Stroke(path((31, 61), (50, 66, 69, 61)), 1.0)
    return [*_long_sleeves(4.5), _back_neck(), body, *folds, waist, *bow]


def jumper() -> Drawing:
    """The drawing of a jumper."""
    rib = Layer(whole((50, 82), (38, 82, 28, 79.5), (29.5, 87.5), (40, 90, 50, 90)), 0.9, 0, "plain")
    ticks: Drawing = [Stroke(path((x, 83.2), (x, 89.2)), 0.45) for x in range(33, 70, 3)]
    collar = Layer(whole((50, 16.5), (43, 16, 40.5, 10.5), (38, 14), (41.5, 23, 50, 23.5)), 0.9, 0, "plain")
    back = Layer(whole((50, 13.5), (44, 13, 40.5, 10.5), (43, 17, 50, 17)), 0.66, 0, "plain")
    ticks += both(Stroke(path((44, 16.3), (42.6, 20)), 0.45)) + both(Stroke(path((47.2, 17), (46.5, 22)), 0.45))
    return [*_long_sleeves(1.5), _torso(22, 82, 27.5), rib, back, collar, *ticks]


def hoodie() -> Drawing:
    """The drawing of a hoodie."""
    hood = Layer(whole((50, 6), (36, 5, 33.5, 18), (38, 26, 50, 29)), 0.93, 0)
    inside = Layer(whole((50, 10.5), (40.5, 10, 39.5, 18), (42, 24, 50, 27)), 0.6, 0, "plain")
    pocket = Layer(whole((50, 60), (40, 60), (33.5, 70), (33.5, 78.5), (50, 79.5)), 0.97, 0)
    rib = Layer(whole((50, 83), (38, 83, 27.5, 80.5), (29, 88), (40, 90.5, 50, 90.5)), 0.87, 0, "plain")
    cords = both(Stroke(path((46, 26.5), (45, 34, 45.6, 41)), 0.9, thread="light"))
    return [*_long_sleeves(2), _torso(23, 83, 27, 0.5), pocket, rib, hood, inside, *cords]


def blazer() -> Drawing:
    """The drawing of a blazer."""
    half = ((50, 54), (45, 30, 40, 13), (26, 18), (30, 29, 28, 40), (33, 58, 27.5, 84), (40, 91, 48, 89))
    body = Layer(whole(*half, (51, 70, 50, 54)))
    shirt_front = Layer(whole((50, 13), (41, 13), (45, 35, 50, 56)), 0.97, 0, "light")
    lapel = path((40.3, 11.5), (35.5, 17), (36.5, 29), (39.5, 29.5), (37.5, 32), (50, 56), (46, 30, 40.3, 11.5))
    pockets = both(Layer(path((32, 66), (42, 67), (42, 70), (31.8, 69)), 0.86, 0, "plain"))
    breast = Stroke(path((59, 40), (66, 38.5)), 1.1)
    collar = Stroke(path((50, 15), (45, 15, 41, 12)), 0.6)
    front = [shirt_front, collar, flip_stroke(collar), body, *both(Layer(lapel, 1.06, 25)), *pockets, breast]
    return [*_long_sleeves(0, "pattern"), *front, *buttons(49, (60, 70), 1.1)]


def flip_stroke(one: Stroke) -> Stroke:
    """The mirror image of a stroke."""
    return replace(one, points=flip(one.points))


def _legs(hem: float, ankle: float, inner: float, hip: float = 31, rise: float = 40) -> Layer:
    out = 50 - inner - ankle
    half = ((50, 9), (36, 9), (32.5, 22, hip, 34), (out + 1, 62, out, hem), (out + ankle, hem + 1.2))
    return Layer(whole(*half, (50 - inner + 1.5, 62, 50, rise)))


def _waistband(cloth: str = "plain", loops: bool = True) -> Drawing:
    band = Layer(whole((50, 7), (36, 6.5), (35.4, 12), (50, 12.6)), 0.9, 0, cloth)
    inside = Layer(whole((50, 5.2), (42, 5, 36, 6.5), (43, 8, 50, 7.8)), 0.66, 0, "plain")
    return [inside, band] + ([Stroke(path((x, 6.2), (x, 12.8)), 1.0) for x in (39.5, 60.5)] if loops else [])


def _fly() -> Drawing:
    return [
        Stroke(path((50, 12.6), (50, 38)), 0.6),
        Stroke(path((54, 12.6), (54.5, 25), (54, 29, 50, 30)), 0.5, True),
    ]


def trousers() -> Drawing:
    """The drawing of trousers."""
    creases = both(Stroke(path((41.5, 22), (38, 60, 36.5, 92)), 0.6))
    pockets = both(Stroke(path((38.5, 12.6), (34.5, 23)), 0.8))
    return [_legs(93, 13.5, 7), *_waistband(), *_fly(), *creases, *pockets, *buttons(50, (9.8,), 0.9)]


def jeans() -> Drawing:
    """The drawing of jeans."""
    pockets = both(Stroke(path((42, 12.4), (41, 19, 33.2, 20)), 0.8, thread="light"))
    coin = Stroke(path((36.5, 16), (36.8, 19.2)), 0.6, thread="light")
    seams = both(Stroke(path((33.5, 34), (34, 64, 33.4, 91)), 0.35, True, "light"))
    turn_ups = both(Layer(path((31.6, 88.5), (43.2, 89.5), (42.8, 94.6), (31.4, 93.6)), 1.22, 0, "plain"))
    fade = both(Layer(path((39, 30), (35.5, 46, 38, 62), (41.5, 46, 39, 30)), 1.13, 0, "faded"))
    body = [_legs(92, 11, 7.5), *fade, *_waistband(), *_fly(), *pockets, coin, *seams, *turn_ups]
    return [*body, *buttons(50, (9.8,), 0.9)]


def joggers() -> Drawing:
    """The drawing of joggers."""
    cuffs = both(Layer(path((33.4, 87.5), (42.4, 88.5), (42, 94.5), (34.4, 93.8)), 0.85, 0, "plain"))
    gathers = [Stroke(path((x, 7.4), (x, 12.2)), 0.5) for x in (38.5, 42, 45.5, 54.5, 58, 61.5)]
    cords = both(Stroke(path((49, 12), (47.5, 20, 46.5, 24)), 0.9, thread="light"))
    pockets = both(Stroke(path((37.5, 12.6), (33.5, 26, 35.5, 30)), 0.8))
    return [_legs(88, 9, 7.5, 30), *cuffs, *_waistband(loops=False), *gathers, *cords, *pockets]


def shorts() -> Drawing:
    """The drawing of shorts."""
    half = ((50, 25), (35.5, 25), (29, 44, 23.5, 69), (46, 72.5), (48.5, 62, 50, 56))
    move = np.array([0, 16])
    band = [*_waistband(), Stroke(path((50, 12.6), (50, 38)), 0.6)]
    top = [replace(one, points=one.points + move) for one in band]
    pockets = both(Stroke(path((38.5, 28.6), (32.5, 39)), 0.8))
    hems = both(Stroke(path((24.4, 66), (46.4, 69.5)), 0.5, True))
    return [Layer(whole(*half)), *top, *pockets, *hems, *buttons(50, (25.8,), 0.9)]


def skirt() -> Drawing:
    """The drawing of a skirt."""
    half = ((50, 20), (36, 20), (30, 44, 25, 74), (37, 79, 50, 79))
    band = Layer(whole((50, 17.5), (36.5, 17), (35.4, 22.5), (50, 23.3)), 0.88, 0, "plain")
    inside = Layer(whole((50, 15.6), (42, 15.5, 36.5, 17), (43, 18.5, 50, 18.3)), 0.66, 0, "plain")
    darts = both(Stroke(path((42, 23), (40.5, 32)), 0.7))
    hem = Stroke(path((25.6, 71), (50, 80.5, 74.4, 71)), 0.5, dashed=True)
    return [Layer(whole(*half)), inside, band, *darts, *buttons(50, (31, 42, 53, 64), 0.9), hem,
            Stroke(path((47.6, 23.3), (47.6, 78.8)), 0.5)]  # fmt: skip


def pleated_skirt() -> Drawing:
    """The drawing of a pleated skirt."""
    tops, hems = np.linspace(36.5, 63.5, 10), np.linspace(18, 82, 10)
    drawn: Drawing = []
    for i in range(9):  # every pleat reaches under its neighbour
        low = 84 + 3.5 * (1 - ((i - 4) / 4.5) ** 2)
        pleat = path((tops[i], 16), (tops[i + 1], 16), (hems[i + 1] + 0.5, low - 0.6), (hems[i] - 0.5, low + 1.2))
        drawn.append(Layer(pleat, 1.03 if i % 2 else 0.87, (i - 4) * -4.0))
    band = Layer(whole((50, 12), (36.8, 11.5), (36, 17), (50, 17.6)), 0.84, 0, "plain")
    inside = Layer(whole((50, 10), (42, 10, 36.8, 11.5), (43, 13, 50, 12.8)), 0.62, 0, "plain")
    return [*drawn, inside, band]


TOPS_AND_BOTTOMS: dict[str, Callable[[], Drawing]] = {
    "t-shirt": t_shirt,
    "tank top": tank_top,
    "polo shirt": polo_shirt,
    "shirt": shirt,
    "blouse": blouse,
    "jumper": jumper,
    "hoodie": hoodie,
    "blazer": blazer,
    "trousers": trousers,
    "jeans": jeans,
    "joggers": joggers,
    "shorts": shorts,
    "skirt": skirt,
    "pleated skirt": pleated_skirt,
}
