"""Requests that speak of several items: "a red skirt and black boots", "to go with my blue jeans"."""

import pytest

from fashion_hash.understanding.lexicon import CatalogueValues, Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.words import read_words

VALUES = CatalogueValues(
    types=("top", "bottom", "shoe"),
    texts={
        "kind": {"skirt": 9, "jeans": 7, "shirt": 6, "ankle boot": 8, "dress": 5},
        "colour": {"red": 5, "black": 9, "white": 4, "blue": 6},
        "material": {"leather": 8, "wool": 4},
        "pattern": {"dotted": 5, "plain": 20},
    },
    numbers={"price": [10.0, 20.0, 90.0]},
    num_items=40,
)
LEXICON = Lexicon(read_words(), VALUES)


def read(text):
    """The values of each item that is asked for, and of each that it goes with; excluded ones with a "-"."""
    said = understand(text, LEXICON)
    return [_values(item.facts) for item in said.items], [_values(item.facts) for item in said.companions], said


def _values(facts):
    return [f"-{fact.value}" if fact.excluded else fact.value for fact in facts]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a red skirt and black boots", [["red", "skirt"], ["black", "ankle boot"]]),
        ("red skirt, black boots", [["red", "skirt"], ["black", "ankle boot"]]),
        ("red skirt & black boots & a white shirt", [["red", "skirt"], ["black", "ankle boot"], ["white", "shirt"]]),
        ("skirt and top", [["skirt"], ["top"]]),
        ("black and white skirt", [[["black", "white"], "skirt"]]),
        ("skirt in black and white", [["skirt", ["black", "white"]]]),
        ("skirt in black and white and boots", [["skirt", ["black", "white"]], ["ankle boot"]]),
        ("skirt or dress in red", [[["skirt", "dress"], "red"]]),
        ("red skirt, not wool", [["red", "skirt", "-wool"]]),
        ("red skirt and black boots, not leather", [["red", "skirt"], ["black", "ankle boot", "-leather"]]),
        ("red skirt, under 50", [["red", "skirt", {"<=": 50}]]),
        ("no boots, red", [["-ankle boot", "red"]]),
    ],
)
def test_items_asked_for(text, asked):
    assert read(text)[0] == asked
    assert read(text)[2].partner == ()


@pytest.mark.parametrize(
    ("text", "asked", "companions", "about"),
    [
        ("a red skirt with black boots", [["red", "skirt"]], [["black", "ankle boot"]], "a red skirt"),
        ("red top to go with my blue jeans", [["red", "top"]], [["blue", "jeans"]], "red top"),
        ("red top to go with my blue jeans under 20", [["red", "top", {"<=": 20}]], [["blue", "jeans"]], "red top"),
        ("to go with my blue jeans, a red top", [["red", "top"]], [["blue", "jeans"]], ", a red top"),
        (
            "a red skirt to wear with boots and a white shirt",
            [["red", "skirt"]],
            [["ankle boot"], ["white", "shirt"]],
            "a red skirt",
        ),
        ("a black dress with white dots", [["black", "dress", "dotted"]], [], "a black dress with white dots"),
        ("something for my blue jeans", [["-jeans"]], [["blue", "jeans"]], "something for my blue jeans"),
        ("something blue for my sister", [["blue"]], [], "something blue for my sister"),
        ("what goes with my blue jeans", [["-jeans"]], [["blue", "jeans"]], "what goes with my blue jeans"),
        (
            "shoes matching my red dress but not leather",
            [["shoe", "-leather"]],
            [["red", "dress"]],
            "shoes but not leather",
        ),
        (
            "red skirt and black boots",
            [["red", "skirt"], ["black", "ankle boot"]],
            [["black", "ankle boot"]],
            "red skirt and black boots",
        ),
    ],
)
def test_what_an_item_goes_with(text, asked, companions, about):
    items, beside, said = read(text)
    assert items == asked
    assert beside == companions
    assert said.about == about


def test_companions_are_hard():
    [boots] = read("red skirt with black leather boots")[2].companions
    assert [(fact.value, fact.hard) for fact in boots.facts] == [
        ("black", True),
        ("leather", True),
        ("ankle boot", True),
    ]
