"""Bad filters of every kind: each is one short QueryError that names the place."""

from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import QueryError
from fashion_hash.retrieval.filters.apply import read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.retrieval.filters.shortfall import explain_shortfall

TYPES = ("top", "bottom", "shoe")
LONG = "a" * 10**6
ENDLESS: dict[str, Any] = {}
ENDLESS["not"] = ENDLESS


def tables(count: int = 40, seed: int = 0) -> dict[str, ItemColumns]:
    rng = np.random.default_rng(seed)
    return {
        kind: ItemColumns(
            [{"price": int(rng.integers(0, 10000)) / 100, "colour": str(rng.choice(["r", "g"]))} for _ in range(count)]
        )
        for kind in TYPES
    }


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ([], r"where must be a mapping such as .*, got \[\] \(list\)"),
        ({3: 4}, "where: 3 is not a name"),
        (
            {"prize": 3},
            r"where\.prize: no column 'prize' \(nearest: 'price'\); the columns of top, .* items are: colour, price",
        ),
        ({"top": {"heel": 3}}, r"where\.top\.heel: no column 'heel'.*; the columns of top items are: colour, price"),
        ({"top": {}}, r"where\.top is empty: name a column"),
        ({"tops": {"price": 3}}, r"where\.tops: 'tops' is not an item type \(nearest: 'top'\), and its value does"),
        ({"price": {}}, r"where\.price compares with nothing: use ="),
        ({"price": {"=<": 3}}, r"where\.price\.=<: no operator '=<' \(nearest: .*<="),
        ({"price": {"<": [3]}}, r"where\.price\.< must be one value, got \[3\] \(list\)"),
        ({"price": {"<": True}}, r"where\.price\.< must be a number or a text, got True"),
        ({"price": {"<": float("nan")}}, r"where\.price\.< must be a number from -2\^53 to 2\^53, got nan"),
        ({"price": 2**60}, r"where\.price must be a number from -2\^53 to 2\^53, got \d+"),
        ({"price": {"<": "cheap"}}, r"where\.price\.<: 'cheap' is text, but column 'price' holds numbers"),
        ({"price": None}, r"where\.price is None: write .*exists"),
        ({"price": b"3"}, r"where\.price must be a text, a number or true / false, got b'3' \(bytes\)"),
        ({"colour": True}, r"where\.colour: true is true or false, but column 'colour' holds texts"),
        ({"colour": ["r", "g"]}, r'where\.colour is a list: write {"in": \[\.\.\.\]}'),
        ({"colour": {"in": "red"}}, r"where\.colour\.in must be a list of values, got 'red' \(str\)"),
        ({"colour": {"in": ["r", None]}}, r"where\.colour\.in\[1\] is None"),
        ({"colour": {"in": ["r", 3]}}, r"where\.colour\.in: 3 is a number, but"),
        ({"colour": {"contains": ""}}, r"where\.colour\.contains must be a number or a text that is not empty, got ''"),
        (
            {"colour": {"contains": True}},
            r"where\.colour\.contains must be a number or a text that is not empty, got",
        ),
        ({"colour": {"contains": 3}}, r"where\.colour\.contains: 3 is a number, but column 'colour' holds texts"),
        ({"colour": {"exists": 1}}, r"where\.colour\.exists must be True or False, got 1 \(int\)"),
        ({"colour": "\udc80"}, r"where\.colour: .* cannot be written in UTF-8"),
        ({"any": {"colour": "r"}}, r"where\.any must be a list of one or more filters, got {'colour': 'r'} \(dict\)"),
        ({"any": [{"colour": "r"}, {}]}, r"where\.any\[1\] is an empty filter"),
        ({"any": [{"colour": {"?": 1}}]}, r"where\.any\[0\]\.colour\.\?: no operator"),
        ({"not": {}}, r"where\.not is an empty filter"),
        ({"top": {"total": {"price": {"<": 3}}}}, r"where\.top\.total: totals apply to whole outfits"),
        ({"total": {}}, r"where\.total is empty"),
        ({"total": {"price": 3}}, r"where\.total\.price must be a comparison such as"),
        ({"total": {"price": {"=": 3}}}, r"where\.total\.price: no operator '=' for a total"),
        ({"total": {"price": {"<": "3"}}}, r"where\.total\.price\.< must be a number, got '3' \(str\)"),
        ({"total": {"colour": {"<": 3}}}, r"where\.total\.colour\.<: column 'colour' holds texts: only numbers have"),
        ({"total": {"pric": {"<": 3}}}, r"where\.total\.pric\.<: no column 'pric' \(nearest: 'price'\)"),
        # contradictions
        ({"price": {"<": 10, ">": 20}}, r"where\.price\.<, where\.price\.>: price < 10 and price > 20 exclude"),
        ({"price": {"<": 10, ">=": 10}}, "price < 10 and price >= 10 exclude each other"),
        ({"price": {"=": 3, "in": [4, 5]}}, r"price = 3 and price in \[4, 5\] exclude each other"),
        ({"price": {"=": 3, ">": 4}}, "price = 3 and price > 4 exclude each other"),
        ({"price": {"=": 3, ">": "4"}}, "price = 3 and price > 4 exclude each other"),
        ({"colour": {"=": 3, "<": "4"}}, "colour = 3 and colour < '4' exclude each other"),
        ({"price": {"=": 3, "!=": 3}}, "price = 3 and price != 3 exclude each other"),
        ({"price": {"exists": False, "<": 3}}, "price does not exist and price < 3 exclude each other"),
        (
            {"price": {"exists": False}, "columns": {"price": {"exists": True}}},
            "does not exist and price exists exclude",
        ),
        ({"colour": {"in": []}}, r"where\.colour\.in is an empty list: nothing can be in it"),
        ({"colour": {"=": "r", "contains": "g"}}, "colour = 'r' and colour contains 'g' exclude each other"),
        (
            {"colour": {"in": ["r", "g"], "not in": ["g", "r"]}},
            r"colour in \['r', 'g'\] and colour not in \['g', 'r'\] exclude each other",
        ),
        (
            {"price": {"<": 10}, "top": {"price": {">": 20}}},
            r"where\.price\.<, where\.top\.price\.>: price .* exclude each other for items of type top",
        ),
        (
            {"any": [{"colour": "r"}, {"price": {"<": 1, ">": 2}}]},
            r"where\.any\[1\]\.price\.<.* price > 2 exclude each",
        ),
        (
            {"total": {"price": {"<": 1, ">": 2}}},
            r"where\.total\.price\.<.*: total price < 1 and total price > 2 exclude",
        ),
    ],
)
def test_bad_filters_name_the_place(where: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read_filter(where, tables())


def nested(depth: int, word: str = "not") -> dict[str, Any]:
    where: dict[str, Any] = {"price": 1}
    for _ in range(depth):
        where = {word: where if word == "not" else [where]}
    return where


@pytest.mark.parametrize(
    "where",
    [
        {"price": 10**400},
        {"price": {"<": -(10**5000)}},
        {"price": {"in": [1, 10**400]}},
        {"total": {"price": {"<": 10**400}}},
        {"price": float("inf")},
        {"price": np.array([1, 2])},
        {"colour": np.array(["r", "g"])},
        {"price": np.zeros((3, 3))},
        {"price": {"<": np.array([1, 2])}},
        {"price": {"in": np.array([1, 2])}},
        {"colour": {"contains": np.array(["r"])}},
        {"colour": bytearray(b"r")},
        {"colour": {"in": bytearray(b"r")}},
        {"any": {1}},
        {"any": {"r"}},
        {"any": np.array([1])},
        {"colour": {"r", "g"}},
        {"colour": {"=": {"r"}}},
        {"not": {1, 2}},
        {"total": {1}},
        {"price": object()},
        {"price": np.datetime64("2024-05-01")},
        {"price": 1j},
        {1: 2},
        {("price",): 2},
        nested(51),
        nested(900),
        nested(900, "any"),
        {"top": nested(900)},
        ENDLESS,
        [LONG],
        {LONG: 1},
        {"price": LONG},
        {"price": {LONG: 1}},
        {"price": {"<": LONG}},
        {"price": {"in": [LONG]}},
        {"price": {"=": 3, "<": LONG}},
        {"colour": {"=": LONG, "!=": LONG}},
        {"any": [{LONG: LONG}]},
        {"any": LONG},
        {"total": {LONG: {"<": 1}}},
        {"total": {"price": {LONG: 1}}},
        {"total": {"price": {"<": LONG}}},
        {"colour": [LONG] * 1000},
        np.array([1, 2]),
        "price",
        0,
        False,
    ],
)
def test_whatever_comes_is_one_short_error(where: Any) -> None:
    with pytest.raises(QueryError) as raised:
        read_filter(where, tables())
    message = str(raised.value)
    assert message.startswith("where")
    assert len(message) < 500
    assert "a" * 100 not in message
    assert "\n" not in message


@pytest.mark.parametrize("word", ["not", "any"])
def test_filters_may_be_nested(word: str) -> None:
    columns = tables()
    for depth in (1, 2, 49, 50):
        chosen = read_filter(nested(depth, word), columns)
        direct = columns["top"].mask(parse({"price": 1}, TYPES).of("top"))
        expected = ~direct if word == "not" and depth % 2 else direct
        assert np.array_equal(chosen.masks.get("top", np.ones(40, dtype=bool)), expected)


def test_a_long_value_is_short_in_a_shortfall() -> None:
    columns = tables()
    where = {"any": [{"colour": LONG}] * 100}
    reason = explain_shortfall(3, 0, read_filter(where, columns), columns).reason
    assert "the strictest condition is (colour = 'aaa" in reason
    assert len(reason) < 500


@pytest.mark.parametrize(
    "where",
    [
        {"not": {"colour": {"in": []}}},
        {"price": {">=": 10, "<=": 10}},
        {"price": {"=": 10, "in": [9, 10], "<": 11}},
        {"top": {"price": {"<": 1}}, "shoe": {"price": {">": 2}}},
        {"any": [{"price": {"<": 1}}, {"price": {">": 2}}]},
        {"price": {">=": 10, "not in": [11, 12]}},
    ],
)
def test_what_may_hold_is_no_contradiction(where: dict[str, Any]) -> None:
    read_filter(where, tables())
