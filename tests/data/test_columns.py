"""Columns are typed once: from the cells of a file, from values that have types, and one value at a time."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from fashion_hash.data.column_types import ColumnTypes
from fashion_hash.data.columns import date_text, microseconds, type_of, typed, types_of
from fashion_hash.data.parsing.cells import date_of
from fashion_hash.errors import DataError


def type_in_file(*cells):
    types = ColumnTypes()
    for cell in cells:
        types.see({"x": cell})
    return types.found().get("x")


@pytest.mark.parametrize(
    ("cells", "column_type"),
    [
        (["9", "12.50", "-1e-3", "1.5E+10", "0.1"], "number"),
        (["9", "007"], "text"),
        (["59,90", "7", "-0,5"], "number"),
        (["1.259,90", "12,5"], "number"),
        (["1,259.90", "12.5"], "number"),
        (["1,259", "12,5"], "text"),  # one thousand or one and a quarter
        (["01,5", "2"], "text"),
        (["9", "12E4"], "text"),  # the code of an article, not 120,000
        (["12345678901234567890", "1"], "text"),
        (["9007199254740992"], "number"),
        (["9007199254740993"], "text"),
        (["0.1234567890123456789"], "text"),
        (["1,5"], "number"),  # a decimal comma
        (["+1"], "text"),
        (["12", "NaN"], "number"),  # the cell is refused later
        (["NaN"], None),
        (["brand", "Infinity"], "text"),
        (["true", "FALSE"], "boolean"),
        (["true", "1"], "text"),
        (["2026-01-31", "2026-01-31 18:00", "2026-01-31T18:00:00.5+01:00", "2026-01-31T18:00:00Z"], "date"),
        (["2026-01-31", "2026-02-30"], "date"),  # refused later
        (["20260131"], "number"),
        (["2026-01-31", "soon"], "text"),
        (["31.01.2026", "9.2.2026 18:05"], "date"),
        (["09.02.2026"], "date"),  # with full stops the day stands first
        (["09.02.2026", "02.30.2026", "30.02.2026"], "text"),
        (["31.01.2026", "2026-02-09"], "text"),  # two ways in one column
        (["02/09/2026", "31/01/2026"], "date"),
        (["02/09/2026", "01/31/2026"], "date"),
        (["02-09-2026", "31-01-2026"], "date"),
        (["02/09/2026"], "text"),  # in February or in September?
        (["02/02/2026"], "date"),
        (["01/31/2026", "31/01/2026"], "text"),
        (["31.01.2026", "31.02.2026"], "text"),
        (["ja", "Nein"], "boolean"),
        (["oui", "non", "non"], "boolean"),
        (["sí", "no"], "boolean"),
        (["YES", "no"], "boolean"),
        (["WAHR", "FALSCH"], "boolean"),
        (["ja", "no"], "text"),
        (["no", "se", "dk"], "text"),  # countries
        (["no"], "text"),
        (["ja", "ja"], "text"),  # a language?
        (["S|M|L", "M", "L|S"], "texts"),
        (["S, M, L", "M", "L,S"], "texts"),
        (["navy; white", "white; navy"], "texts"),
        (["S, M", "M|L"], "text"),
        (["38|39.5", "39.5"], "numbers"),
        (["38, 39, 40", "39, 40", "38"], "numbers"),
        (["38|M", "38"], "texts"),
        (["Mai, Anna", "Lo, Ben"], "text"),  # nothing repeats
        (["M", "L", "S, M", "XL"], "text"),  # hardly any list
        (["80% wool, 20% silk", "80% silk, 20% wool"], "text"),
        (["soft, warm and never itching", "soft, warm"], "text"),
        (["1,259", "1,500"], "text"),
        (["1,5", "2,5"], "number"),
        (['["S", "M"]', "[]"], "texts"),
        (["[38, 39.5]", "[]"], "numbers"),
        (["[38]", '["M"]'], "texts"),
        (["[S, M]"], "text"),
        (["[1]", "[1, null]"], "numbers"),  # refused later
        ([5, 5.5], "number"),
        ([5, "5.5"], "number"),
        ([5, "M"], "text"),
        ([10**20, 5], "text"),
        ([True, False, None], "boolean"),
        ([True, 1], "text"),
        ([["S"], ["M"], []], "texts"),
        ([[38], ["M"]], "texts"),
        ([["S"], "M"], "texts"),
        (["", None], None),
    ],
)
def test_the_type_of_a_column_in_a_file(cells, column_type):
    assert type_in_file(*cells) == column_type
    assert type_in_file(*reversed(cells)) == column_type


def test_titles_stay_texts():
    types = ColumnTypes()
    types.see({"title": "501", "description": "true", "image": 7})
    assert types.found() == dict.fromkeys(("title", "description", "image"), "text")


@pytest.mark.parametrize(
    ("value", "column_type", "expected"),
    [
        ("59.90", "number", 59.9),
        (" 7 ", "number", 7),
        (7, "number", 7),
        (np.float32(0.5), "number", 0.5),
        (Decimal("59.90"), "number", 59.9),
        ("", "number", None),
        (None, "text", None),
        ("True", "boolean", True),
        ("Ja", "boolean", True),
        ("no", "boolean", False),
        ("31.01.2026", "date", "2026-01-31"),
        ("9.2.2026 8:05", "date", "2026-02-09T08:05:00Z"),
        ("31/01/2026", "date", "2026-01-31"),
        ("01/31/2026", "date", "2026-01-31"),
        ("S|M", "texts", ["S", "M"]),
        ("S, M", "texts", ["S", "M"]),
        ("S", "texts", ["S"]),
        ("38|39,5", "numbers", [38, 39.5]),
        ("39,5", "numbers", [39.5]),
        (np.True_, "boolean", True),
        ("2026-01-31", "date", "2026-01-31"),
        ("2026-01-31 18:00", "date", "2026-01-31T18:00:00Z"),
        ("2026-01-31T18:00:00+01:00", "date", "2026-01-31T17:00:00Z"),
        ("2026-01-31T00:30:00.25+0100", "date", "2026-01-30T23:30:00.250000Z"),
        (date(2026, 1, 31), "date", "2026-01-31"),
        (datetime(2026, 1, 31, 18, tzinfo=timezone(timedelta(hours=1))), "date", "2026-01-31T17:00:00Z"),
        (np.datetime64("2026-01-31"), "date", "2026-01-31"),
        (np.datetime64("2026-01-31T18:00", "ns"), "date", "2026-01-31T18:00:00Z"),
        ('["S", "M"]', "texts", ["S", "M"]),
        (("S", 38), "texts", ["S", "38"]),
        (np.array([38.5, 39]), "numbers", [38.5, 39.0]),
        (["38"], "numbers", [38]),
        (38, "text", "38"),
        (True, "text", "true"),
        ("", "text", ""),
        ("a", None, "a"),
        ([1, 2], None, [1, 2]),
    ],
)
def test_a_value_becomes_the_type_of_its_column(value, column_type, expected):
    result = typed("x", value, column_type)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "column_type", "message"),
    [
        ("cheap", "number", r"column 'x' holds numbers such as 59\.90, got 'cheap'"),
        ("59,901", "number", "holds numbers"),
        ("007", "number", "holds numbers"),
        ("12E4", "number", "holds numbers"),
        ("1e+400", "number", "holds numbers"),
        (10**20, "number", r"got 100000000000000000000 \(int\)"),
        (True, "number", r"got True \(bool\)"),
        (float("nan"), "number", r"column 'x' cannot hold nan \(float\): give a text, a finite number"),
        ([5], "number", r"got \[5\] \(list\)"),
        (1, "boolean", r"column 'x' holds true and false, got 1 \(int\)"),
        ("perhaps", "boolean", "got 'perhaps'"),
        ("02/09/2026", "date", "got '02/09/2026': nothing says which number is the day; write it as 2026-01-31"),
        ("30.02.2026", "date", r"got '30\.02\.2026'$"),
        ("S, M; L", "texts", "holds lists of texts"),
        ("S|M", "numbers", "holds lists of numbers"),
        (
            "2026-02-30",
            "date",
            r"column 'x' holds dates such as 2026-01-31 or 2026-01-31T18:00:00\+01:00, got '20",
        ),
        ("20260131", "date", "got '20260131'"),
        ("0001-01-01T00:00+01:00", "date", "holds dates"),
        (20260131, "date", r"got 20260131 \(int\)"),
        ("as long as a sentence", "texts", r"column 'x' holds lists of texts such as \[\"S\", \"M\"\], got 'as"),
        (["S", None], "texts", r"cannot hold \['S', None\] \(list\)"),
        ([["S"]], "texts", "cannot hold"),
        ({"S"}, "texts", r"\(set\)"),
        (["S"], "numbers", r"holds lists of numbers such as \[38, 39\.5\], got \['S'\] \(list\)"),
        ([float("inf")], "numbers", r"cannot hold \[inf\]"),
        (["S"], "text", "holds texts such as 'navy'"),
        ({"a": 1}, "text", r"cannot hold \{'a': 1\} \(dict\)"),
        ("\udc80", "text", "holds texts"),
        ({"a": 1}, None, r"column 'x' cannot hold {'a': 1} \(dict\): give a text, a finite number"),
        (float("inf"), None, "cannot hold inf"),
    ],
)
def test_other_values_are_refused(value, column_type, message):
    with pytest.raises(DataError, match=message):
        typed("x", value, column_type)


def test_a_new_column_gets_the_type_of_its_value():
    values = {"501": "text", "2026-01-31": "text", 5: "number", True: "boolean", date(2026, 1, 31): "date"}
    assert {value: type_of("x", value) for value in values} == values
    assert type_of("x", ["S"]) == "texts"
    assert type_of("x", [5]) == "numbers"
    assert type_of("title", 5) == "text"
    with pytest.raises(DataError, match=r"column 'x' cannot hold nan \(float\)"):
        type_of("x", float("nan"))


def test_values_that_have_types_already():
    rows = [
        {"price": 5, "code": "7", "added": "2026-01-31", "mixed": 5, "sizes": ["S"], "sale": True, "nested": {"a": 1}},
        {"price": 5.5, "code": "8", "added": "2026-02-01 18:00", "mixed": "M", "sizes": [], "sale": None},
    ]
    assert types_of(rows) == {
        "price": "number",
        "code": "text",
        "added": "date",
        "sizes": "texts",
        "sale": "boolean",
        "mixed": None,
        "nested": None,
    }


def columns_of(**columns):
    types = ColumnTypes()
    rows = [dict(zip(columns, cells)) for cells in zip(*columns.values())]
    for number, row in enumerate(rows):
        types.see(row, number)
    return types, rows


def test_a_row_is_typed_as_its_columns():
    types, rows = columns_of(
        price=["5", "6,50"],
        cost=["5,50", "6,50"],
        brand=["", "A"],
        size=[None, None],
        note=["a", "b"],
        sale=["ja", "nein"],
        since=["02/09/2026", "02/28/2026"],
        until=["01.02.2026", "13.02.2026"],
        sizes=["S|M", "M"],
        tags=[["x"], "y, z"],
    )
    assert types.typed_row(rows[0]) == {
        "price": 5,
        "cost": 5.5,
        "note": "a",
        "sale": True,
        "since": "2026-02-09",
        "until": "2026-02-01",
        "sizes": ["S", "M"],
        "tags": ["x"],
    }
    assert types.typed_row(rows[1])["tags"] == ["y", "z"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1", "2", "3", "4", "n/a", "6"], "5 of 6 cells are numbers, but 'n/a' (4) is not"),
        (["n/a", "1", "2", "3", "4"], "4 of 5 cells are numbers, but 'n/a' (0) is not"),
        (["1", "2", "3", "4", "007"], ""),  # codes
        (["38", "39", "M", "L"], ""),
        (["ja", "nein", "ja", "ja", "vielleicht"], "4 of 5 cells are true and false, but 'vielleicht' (4) is not"),
        (["ja", "ja"], "all of its cells are 'ja'"),
        (["02/09/2026", "03/09/2026"], "its cells are dates, and nothing says which number is the day"),
        (["31/01/2026", "01/31/2026"], "its cells are dates, and they differ in which number is the day"),
        (["31.01.2026"] * 4 + ["bald"], "4 of 5 cells are dates, but 'bald' (4) is not"),
        (["S|M", "M|L", "S|L|M", "S, L"], "3 of 4 cells are lists such as S|M|L, but 'S, L' (3) is not"),
        (["59,90", "49,95", "59,90", "49,95", "auf Anfrage"], "4 of 5 cells are numbers, but 'auf Anfrage' (4) is not"),
        (["navy", "white"], ""),
        (["a", "ja", "5"], ""),
    ],
)
def test_a_column_that_nearly_has_a_type_is_named(cells, said):
    types, _ = columns_of(x=cells)
    assert types.found() == {"x": "text"}
    assert [odd.words(None if odd.place is None else str(odd.place)) for odd in types.odd()] == [
        f"column 'x' stays text: {said}"
    ] * bool(said)


def test_the_millionth_cell_counts_as_the_first():
    types = ColumnTypes()
    for number in range(3000):
        types.see({"x": f"{number},50", "y": "brand"}, number)
    types.see({"x": "sold out", "y": "5"}, 3000)
    assert types.found() == {"x": "text", "y": "text"}
    assert [odd.words() for odd in types.odd()] == [
        "column 'x' stays text: its cells are numbers, but 'sold out' is not"
    ]


def test_moments():
    assert microseconds("1970-01-01T01:00:00.000001+01:00") == 1
    assert microseconds("1969-12-31") == -86400 * 10**6
    assert microseconds(date(1970, 1, 2)) == microseconds(datetime(1970, 1, 2)) == 86400 * 10**6
    assert date_text(date_of("2026-01-31")) == "2026-01-31"
    assert date_text(datetime(2026, 1, 31, 17, tzinfo=UTC)) == "2026-01-31T17:00:00Z"
    with pytest.raises(ValueError, match="'soon' is not an ISO date"):
        date_of("soon")
