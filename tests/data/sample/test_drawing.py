"""The drawings: shapes, colours and patterns that can be told apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from fashion_hash.data.sample.drawing import SIZE, draw_item
from fashion_hash.data.sample.garments import COLOURS, KINDS, PATTERNS
from fashion_hash.data.sample.shapes import TOPS_AND_BOTTOMS, path
from fashion_hash.data.sample.shoes import SHOES
from fashion_hash.errors import DataError


def pixels(*arguments: object, **options: object) -> np.ndarray:
    return np.asarray(draw_item(*arguments, **options), dtype=float)  # type: ignore[arg-type]


def painted(picture: np.ndarray) -> np.ndarray:
    """Where the garment is: what is far from white."""
    return picture.min(axis=2) < 200


def test_every_kind_has_a_shape() -> None:
    assert set(TOPS_AND_BOTTOMS) | set(SHOES) == set(KINDS)
    assert {name for name in SHOES} == {name for name, kind in KINDS.items() if kind.type == "shoe"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_garment_lies_on_white_inside_the_picture(kind: str) -> None:
    picture = pixels(kind, "teal", "plain", 1)
    assert picture.shape == (SIZE, SIZE, 3)
    border = np.concatenate(
        [picture[:2].ravel(), picture[-2:].ravel(), picture[:, :2].ravel(), picture[:, -2:].ravel()]
    )
    assert border.min() > 250
    share = painted(picture).mean()
    assert 0.08 < share < 0.6
    rows, columns = np.nonzero(painted(picture))
    assert abs(columns.mean() / SIZE - 0.5) < 0.08
    assert abs(rows.mean() / SIZE - 0.5) < 0.12


def test_kinds_can_be_told_apart() -> None:
    pictures = {kind: pixels(kind, "cobalt", "plain", 0, size=97) for kind in KINDS}
    for one, other in combinations(KINDS, 2):
        differs = np.abs(pictures[one] - pictures[other]).max(axis=2) > 25
        assert differs.mean() > 0.01, (one, other)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_is_the_named_one(colour: str) -> None:
    middle = pixels("t-shirt", colour)[140:200, 120:170]
    assert np.abs(middle.mean(axis=(0, 1)) - COLOURS[colour]).max() < 16


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_patterns_can_be_told_apart(colour: str) -> None:
    pictures = {pattern: pixels("t-shirt", colour, pattern, 0) for pattern in PATTERNS}
    for one, other in combinations(PATTERNS, 2):
        differs = np.abs(pictures[one] - pictures[other]).max(axis=2) > 40
        assert differs.mean() > 0.02, (one, other)
    stripes = pictures["striped"][110:220, 130:160].mean(axis=2)
    assert stripes.std(axis=0).mean() > 5 * stripes.std(axis=1).mean(), "stripes of a top run across"
    stripes = pixels("trousers", colour, "striped", 0)[100:250, 100:135].mean(axis=2)
    assert stripes.std(axis=1).mean() > stripes.std(axis=0).mean(), "stripes of trousers run down"


def test_same_seed_same_picture() -> None:
    one = pixels("hoodie", "olive", "checked", 5)
    assert (one == pixels("hoodie", "olive", "checked", 5)).all()
    assert (one != pixels("hoodie", "olive", "checked", 6)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kilt", "red"), "kind 'kilt'; it is one of t-shirt"),
        (("skirt", "octarine"), "colour 'octarine'"),
        (("skirt", "red", "tartan"), "pattern 'tartan'; it is one of plain, striped"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_item(*arguments)  # type: ignore[arg-type]


def test_path_bends_towards_its_control_point() -> None:
    points = path((0, 0), (10, 0), (20, 0, 20, 10))
    assert points[:2].tolist() == [[0, 0], [10, 0]]
    assert points[-1].tolist() == [20, 10]
    assert [17.5, 2.5] in points.tolist(), "half-way along a quadratic curve"
