"""Times in every accepted format give the same seconds; what may mean two things is refused, with its line."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.parsing.times import column_times, time_seconds
from fashion_hash.errors import DataError

DAY = 1706659200  # 2024-01-31
EVENING = DAY + 18 * 3600 + 5 * 60
FILE = Path("outfits.csv")


def times(*cells):
    return column_times(cells, "timestamp", FILE, range(2, len(cells) + 2)).tolist()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-01-31", DAY),
        (" 2024-01-31 ", DAY),
        ("2024-01-31T18:05", EVENING),
        ("2024-01-31 18:05:00", EVENING),
        ("2024-01-31T18:05:00Z", EVENING),
        ("2024-01-31 18:05:00.25", EVENING),
        ("2024-01-31T19:05:00+01:00", EVENING),
        ("2024-01-31 13:05:00 -0500", EVENING),
        ("2024-01-31 18:05:00 UTC", EVENING),
        (str(DAY), DAY),
        (DAY, DAY),
        (float(DAY), DAY),
        (f"{DAY}.5", DAY),
        (str(DAY * 1000 + 999), DAY),
        (DAY * 1000, DAY),
        ("31.01.2024", DAY),
        ("31/1/2024", DAY),
        ("01/31/2024", DAY),
        ("1/31/2024 18:05", EVENING),
        ("31.01.2024 18:05:00", EVENING),
        (date(2024, 1, 31), DAY),
        (datetime(2024, 1, 31, 18, 5), EVENING),
        (datetime(2024, 1, 31, 19, 5, tzinfo=timezone(timedelta(hours=1))), EVENING),
    ],
)
def test_every_format(cell, expected):
    assert times(cell) == [expected]
    assert times("", cell, None, float("nan")) == [NO_TIME, expected, NO_TIME, NO_TIME]


def test_the_whole_column_says_where_the_day_stands():
    def days(*cells):
        return [datetime.fromtimestamp(seconds, UTC).date() for seconds in times(*cells)]

    assert days("03/04/2024", "25/04/2024") == [date(2024, 4, 3), date(2024, 4, 25)]
    assert days("03/04/2024", "04/25/2024") == [date(2024, 3, 4), date(2024, 4, 25)]
    assert days("03.04.2024", "25.04.2024") == [date(2024, 4, 3), date(2024, 4, 25)]
    assert days("03-04-2024", "25-04-2024") == [date(2024, 4, 3), date(2024, 4, 25)]
    assert days("03.04.2024", "04.05.2024") == [date(2024, 4, 3), date(2024, 5, 4)]
    assert days("03.04.2024", "04.25.2024") == [date(2024, 3, 4), date(2024, 4, 25)]
    assert days("04/04/2024") == [date(2024, 4, 4)]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("2024-01-31", "yesterday"), r"outfits\.csv:3: timestamp is 'yesterday': expected a time such as 2024-01-31,"),
        (("31.01.24",), r"outfits\.csv:2: timestamp is '31\.01\.24': expected"),
        (("2024-02-30",), r"outfits\.csv:2: timestamp is '2024-02-30': day"),
        (("25/04/2024", "", "31/02/2024"), r"outfits\.csv:4: timestamp is '31/02/2024': day"),
        (
            ("25/04/2024", "04/25/2024"),
            r"outfits\.csv:3: timestamp: the day and the month have another order than in line 2",
        ),
        (
            ("04/04/2024", "03/04/2024"),
            r"outfits\.csv:3: timestamp: no line of the column says which number is the day",
        ),
        (("03-04-2024",), r"outfits\.csv:2: timestamp: no line"),
        (
            (DAY, "", "2024-01-31"),
            r"outfits\.csv:4: timestamp is '2024-01-31', but line 2 has 1706659200: ISO dates and seconds since 1970",
        ),
        ((DAY, DAY * 1000), r"outfits\.csv:3: .*milliseconds since 1970 and seconds since 1970 in one column"),
        (("25/04/2024", "25.04.2024"), r"dates with full stops and dates with slashes in one column"),
        (("20240131", "20240201"), r"outfits\.csv:2: timestamp is '20240131': seconds since 1970, or a date without"),
        ((20240131,), "a date without hyphens"),
        (("1.7e9",), "expected a time"),
        ((True,), "timestamp is True: expected"),
        (([1],), r"timestamp is \[1\]: expected"),
        ((DAY * 10**6,), "too large for seconds or milliseconds"),
        (("9" * 5000,), "expected a time"),
    ],
)
def test_what_is_refused(cells, message):
    with pytest.raises(DataError, match=message) as refused:
        times(*cells)
    assert len(str(refused.value)) < 400


def test_an_empty_column():
    assert times() == []
    assert times("", None) == [NO_TIME, NO_TIME]


def test_a_cell_by_itself():
    assert time_seconds("2024-01-31", "time") == time_seconds(DAY, "time") == DAY
    with pytest.raises(DataError, match="time is '31/01/2024': expected a date"):
        time_seconds("31/01/2024", "time")
