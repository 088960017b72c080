"""Yelp's reviews and businesses."""

import pytest

from fashion_hash.data.parsing.times import date_seconds
from fashion_hash.data.requests.load import load_requests
from fashion_hash.errors import DataError
from tests.worlds.request_files import REVIEWS, form_yelp, write_lines

BUSINESSES = [
    {"business_id": "i1", "name": "Café Løv", "categories": "Coffee, Cakes", "city": "Oslo", "stars": 4.5},
    {"business_id": "i2", "name": "Boot Shop", "categories": None, "city": "", "stars": 1.0},
    {"business_id": "elsewhere", "name": "Not reviewed"},
]


def test_reviews_with_businesses(tmp_path):
    write_lines(tmp_path / "yelp_academic_dataset_review.json", form_yelp())
    write_lines(tmp_path / "yelp_academic_dataset_business.json", BUSINESSES)
    whole = load_requests("yelp", tmp_path)
    alone = load_requests("yelp", tmp_path / "yelp_academic_dataset_review.json")
    assert whole.fingerprint == alone.fingerprint
    assert whole.name == "yelp/yelp_academic_dataset_review.json"
    assert {name: len(split) for name, split in whole.splits.items()} == {
        "train": len(REVIEWS) - 6,
        "valid": 3,
        "test": 3,
    }
    # averages of stars know the test reviews: they are left out
    assert whole.details["item"] == {
        "i1": {"title": "Café Løv", "categories": "Coffee, Cakes", "city": "Oslo"},
        "i2": {"title": "Boot Shop"},
    }
    first = whole.all_descriptions[whole.items["item"].row("i1")]
    assert first.startswith("Café Løv / Coffee, Cakes / Oslo / ")
    assert load_requests("yelp", tmp_path, min_rating=3).users.ids == ("anna", "cleo", "dora")


def test_dates():
    assert date_seconds("2018-07-07 22:09:11", "date") == 1531001351
    assert (
        date_seconds("2018-07-07T22:09:11+00:00", "date") == date_seconds("2018-07-07T22:09:11Z", "date") == 1531001351
    )
    assert date_seconds("2018-07-07", "date") == 1530921600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"date": "last week"}, r"review.json:3: date is 'last week': expected a date such as 2018-07-07 22:09:11"),
        ({"user_id": None}, r"review.json:3: user_id is empty"),
        ({"business_id": True}, r"review.json:3: business_id is True"),
    ],
)
def test_a_bad_line_is_named(tmp_path, change, message):
    rows = form_yelp()
    rows[2].update(change)
    with pytest.raises(DataError, match=message):
        load_requests("yelp", write_lines(tmp_path / "review.json", rows))


def test_files_that_cannot_be_meant(tmp_path):
    with pytest.raises(DataError, match=r"no file or folder"):
        load_requests("yelp", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected one file .review. .* found none"):
        load_requests("yelp", tmp_path)
    path = write_lines(tmp_path / "review.json", BUSINESSES)
    with pytest.raises(DataError, match=r"review.json:1: no Yelp review: no 'user_id' among the keys business_id"):
        load_requests("yelp", path)
    write_lines(path, form_yelp())
    write_lines(tmp_path / "business.json", [{"name": "x"}])
    with pytest.raises(DataError, match=r"business.json:1: no business_id among the keys name"):
        load_requests("yelp", tmp_path)
