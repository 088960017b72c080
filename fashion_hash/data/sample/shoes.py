"""The outlines of the shoes that `drawing` paints, seen from the side, the toe to the right."""

from __future__ import annotations

from collections.abc import Callable

from fashion_hash.data.sample.shapes import Drawing, Layer, Stroke, buttons, path


def sneaker() -> Drawing:
    """The drawing of a sneaker."""
    upper = path((13, 66), (9, 54, 13, 43), (15, 37, 20, 40), (28, 49, 36, 40), (41, 35, 46, 37),
                 (57, 47, 70, 51), (88, 53, 89, 66))  # fmt: skip
    tongue = path((36, 42), (35, 31, 39, 29), (45, 27, 48, 31), (51, 36, 52, 42))
    sole = path(
        (10, 64),
        (50, 67, 91, 63),
        (95, 64, 93.5, 71),
        (92, 75, 86, 75.5),
        (50, 77, 14, 75.5),
        (7, 74, 10, 64),
    )
    toe = path((72, 65.3), (70, 55, 75, 52.3), (88, 54, 89, 64.6))
    heel = path((13, 65), (9.5, 54, 13, 43), (20, 50, 22, 65.2))
    flash = path((27, 64), (41, 60, 51, 47.5), (55.5, 50), (48, 61, 37, 65))
    laces = [
        Stroke(path((41 + 5.4 * i, 41 + 2.9 * i), (48 + 5.4 * i, 36.5 + 3.5 * i)), 1.3, thread="light")
        for i in range(5)
    ]
    cloths = [
        Layer(tongue, 0.85, 0, "plain"),
        Layer(upper),
        Layer(toe, 1, 0, "light"),
        Layer(heel, 0.82, 0, "plain"),
    ]
    line = Stroke(path((9.4, 71), (50, 73, 93, 70.5)), 0.8)
    return [*cloths, Layer(flash, 1, 0, "light"), *laces, Layer(sole, 1, 0, "light"), line]


def ankle_boot() -> Drawing:
    """The drawing of an ankle boot."""
    upper = path((20, 70), (18, 50, 21, 22), (36, 25, 49, 22), (49, 36, 53, 46), (62, 54, 76, 56),
                 (90, 59, 90, 70))  # fmt: skip
    elastic = path((31, 24.3), (40, 24.2), (40, 42, 37, 50), (33, 50), (30, 42, 31, 24.3))
    sole = path((19, 69), (91, 69), (92, 73), (42, 73), (40, 83), (19, 83))
    tab = path((18.5, 22), (20, 15), (23, 15), (23, 23))
    ribs = [Stroke(path((x, 25.5), (x, 48.5)), 0.5) for x in (32.7, 34.7, 36.7, 38.4)]
    rest = [Stroke(path((20, 65), (90, 65.5)), 0.6), Stroke(path((53, 46), (48, 56, 50, 66)), 0.6)]
    return [
        Layer(tab, 0.8, 0, "plain"),
        Layer(upper),
        Layer(elastic, 0.7, 0, "plain"),
        *ribs,
        *rest,
        Layer(sole, 1, 0, "dark"),
    ]


def heel() -> Drawing:
    """The drawing of a heel."""
    inside = path((18, 38), (34, 46, 62, 58), (44, 58, 20, 46))
    upper = path((15, 36), (17, 33, 20, 36), (30, 55, 50, 60), (60, 60, 66, 58), (76, 62, 94, 73),
                 (94, 75, 90, 75.5), (70, 77, 58, 74), (42, 66, 28, 52), (20, 50, 17, 52),
                 (13, 44, 15, 36))  # fmt: skip
    stiletto = path((15.6, 47), (19, 55, 18.6, 81), (22.4, 81), (23, 64, 29.5, 53), (22, 48, 15.6, 47))
    sole = Stroke(path((92, 75.4), (72, 77, 58, 74.4), (42, 66, 28.5, 52.6)), 1.1)
    return [Layer(inside, 1, 0, "light"), Layer(stiletto, 0.82, 0, "plain"), Layer(upper), sole]


def sandal() -> Drawing:
    """The drawing of a sandal."""
    footbed = path((10, 67), (30, 67, 48, 68), (66, 69, 92, 66), (93, 69, 90, 71), (50, 73, 11, 71))
    sole = path((10, 70), (50, 72, 91, 69.5), (93, 75, 89, 77), (50, 78, 12, 77), (9, 74, 10, 70))
    toe_strap = path((64, 70.5), (66, 56, 74, 54), (84, 55, 85, 69.5), (79, 70), (77, 62, 74, 60.5), (70, 62, 70, 70.5))
    mid_strap = path((42, 70.5), (46, 52, 56, 49), (61, 50, 60, 55), (52, 57, 50, 70.5))
    back = path((14, 68), (10, 52, 14, 42), (18, 42), (17, 54, 21, 69))
    ankle = path((13, 42), (26, 47, 42, 38), (44, 42.5), (28, 52, 13.5, 47))
    joint = path((42, 38), (46, 46, 56, 49), (54.5, 53), (44, 50, 40.5, 43))
    buckle = Stroke(path((29, 43.2), (34, 41.4), (35.6, 46), (30.4, 48), (29, 43.2)), 1.1, thread="light")
    straps: Drawing = [
        Layer(one, tone)
        for one, tone in ((back, 0.88), (joint, 0.93), (ankle, 1.0), (mid_strap, 1.0), (toe_strap, 1.0))
    ]
    return [Layer(footbed, 1, 0, "tan"), *straps, buckle, Layer(sole, 1, 0, "tan_dark")]


def loafer() -> Drawing:
    """The drawing of a loafer."""
    inside = path((14, 46), (30, 40, 50, 46), (36, 58, 18, 54))
    upper = path((12, 70), (8, 55, 12, 45), (15, 42, 18, 46), (28, 57, 42, 50), (46, 45, 51, 44),
                 (66, 49, 79, 54.5), (93, 59, 91, 70))  # fmt: skip
    apron = [
        Stroke(path((61, 57), (70, 50, 82, 58), (86, 60, 87, 64)), 0.9),
        Stroke(path((22, 50), (21, 60, 22, 69)), 0.6),
    ]
    strap = path((47, 46.5), (49, 43.6, 53, 44), (58, 45, 63, 47.6), (57, 56, 57, 69.5), (46, 69.5), (44, 58, 47, 46.5))
    slit = path((51, 52.5), (53.5, 50.5, 57, 52.5), (55.5, 54, 55.4, 56.5), (52, 55, 51, 52.5))
    sole = path((11, 69), (91.5, 69), (92.5, 73), (40, 73), (38.5, 79), (12, 79))
    cloths: Drawing = [Layer(inside, 0.6, 0, "plain"), Layer(upper), *apron, Layer(strap, 0.86, 0, "plain")]
    return [*cloths, Layer(slit, 0.5, 0, "plain"), Layer(sole, 1, 0, "dark")]


def ballet_flat() -> Drawing:
    """The drawing of a ballet flat."""
    inside = path((14, 50), (34, 54, 68, 57), (50, 64, 18, 60))
    upper = path((12, 72), (8, 58, 12, 49), (15, 47, 18, 51), (30, 63, 50, 62), (62, 61, 67, 56),
                 (80, 55, 88, 62), (92, 67, 90, 72))  # fmt: skip
    bow = [Layer(path((67, 56.5), (58, 50, 57, 55), (58, 61, 67, 57.5)), 0.9, 0, "plain"),
           Layer(path((67, 56.5), (76, 50, 77, 54), (77, 60, 67, 57.5)), 0.9, 0, "plain")]  # fmt: skip
    trim = Stroke(path((12, 49), (15, 47, 18, 51), (30, 63, 50, 62), (62, 61, 67, 56)), 1.0)
    sole = path((11, 71), (50, 73, 91, 71), (91, 74.5), (50, 75.5, 12, 75))
    return [
        Layer(inside, 1, 0, "tan"),
        Layer(upper),
        trim,
        *bow,
        *buttons(67, (57,), 1.6),
        Layer(sole, 1, 0, "dark"),
    ]


SHOES: dict[str, Callable[[], Drawing]] = {
    "sneaker": sneaker,
    "sandal": sandal,
    "ankle boot": ankle_boot,
    "ballet flat": ballet_flat,
    "loafer": loafer,
    "heel": heel,
}
