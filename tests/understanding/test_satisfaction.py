"""Tiers of items by what a request says, against counting by hand."""

import numpy as np

from fashion_hash.understanding.said import Fact, Understanding
from fashion_hash.understanding.satisfaction import complete, missing, soft_shares, tiers

ITEMS = [
    {"kind": "skirt", "color": "red", "price": 40, "sizes": ["S", "M"]},
    {"kind": "skirt", "color": "navy", "price": 40, "sizes": ["L"]},
    {"kind": "pleated skirt", "color": "red", "price": 60, "sizes": []},
    {"kind": "jeans", "color": "red", "price": 40, "title": "with Buttons"},
    {"kind": "skirt"},
]
RED = Fact("color", "red", True, "red", importance=1)
SKIRT = Fact("kind", "skirt", True, "skirt", importance=9, nearly=("pleated skirt",))


def mask(where):
    """A plain reading of the filters that facts make."""
    if "word" in where:
        return np.array([where["word"] in item.get("title", "").casefold() for item in ITEMS])
    [(column, test)] = where["columns"].items()
    return np.array([holds(item.get(column), test) for item in ITEMS])


def holds(value, test):
    if value is None:
        return False
    if not isinstance(test, dict):
        return value == test
    checks = {
        "<=": lambda other: value <= other,
        ">=": lambda other: value >= other,
        "in": lambda other: value in other,
        "overlaps": lambda other: bool(set(value) & set(other)),
    }
    return all(checks[op](other) for op, other in test.items())


def of(*facts):
    return tiers(Understanding(tuple(facts)), "bottom", len(ITEMS), mask, frozenset({"sizes"})).tolist()


def test_the_most_important_fact_comes_first():
    assert of(RED, SKIRT) == [0b1111, 0b1010, 0b1101, 0b0101, 0b1010]
    assert complete(Understanding((RED, SKIRT)), np.array(of(RED, SKIRT))).tolist() == [True, False, True, False, False]


def test_missing_facts_are_named():
    understanding = Understanding((RED, SKIRT))
    assert missing(understanding, 0b1111) == missing(understanding, 0b1101) == ()
    assert missing(understanding, 0b1010) == (RED,)
    assert missing(understanding, 0b0101) == (SKIRT,)
    assert missing(understanding, 0) == (SKIRT, RED)


def test_exclusions_bounds_lists_and_titles():
    assert of(Fact("color", "red", True, "", excluded=True)) == [0, 3, 0, 0, 3]
    assert of(Fact("price", {"<=": 50}, True, "")) == [3, 3, 0, 3, 0]
    assert of(Fact("sizes", ["M", "L"], True, "")) == [3, 3, 0, 0, 0]
    assert of(Fact("title", {"contains": "buttons"}, True, "", excluded=True)) == [3, 3, 3, 0, 3]
    assert of(Fact("type", "bottom", True, "")) == [3] * 5
    assert of(Fact("type", "shoe", True, "")) == [0] * 5
    assert of() == [0] * 5


def test_soft_facts_are_a_share():
    soft = Understanding((Fact("color", "red", False, ""), Fact("kind", "skirt", False, "", nearly=("pleated skirt",))))
    assert soft_shares(soft, "bottom", 5, mask, frozenset()).tolist() == [1.0, 0.5, 0.75, 0.5, 0.5]
    assert soft_shares(Understanding(), "bottom", 5, mask, frozenset()).tolist() == [0.0] * 5


def test_facts_beyond_the_digits_of_a_tier_are_soft():
    many = tuple(Fact(f"c{number}", "x", True, "", importance=-number) for number in range(40))
    understanding = Understanding((RED, *many))
    size = len(ITEMS)
    tier = tiers(understanding, "bottom", size, mask, frozenset())
    assert tier[0] == 2**59 + 2**29
    assert soft_shares(Understanding(tuple([*many, RED])), "bottom", size, mask, frozenset()).tolist() == [0.0] * size
