"""Amazon reviews of 2014, 2018 and 2023: one meaning, whatever the form; every bad line is named."""

import gzip
import json

import pytest

from fashion_hash.data.checks.requests import leaks
from fashion_hash.data.requests.load import load_requests
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.request_files import REVIEWS, form_2014, form_2018, form_2023, write_lines

FORMS = {"2014": form_2014, "2018": form_2018, "2023": form_2023}


def load(path, **options):
    return load_requests("amazon_reviews", path, **options)


def events(data):
    return {
        name: [
            (data.users.ids[user], data.item_id(item), text, int(when))
            for user, item, text, when in zip(split.users, split.items, split.texts, split.times)
        ]
        for name, split in data.splits.items()
    }


@pytest.mark.parametrize("form", FORMS)
def test_every_form_means_the_same(tmp_path, form):
    data = load(write_lines(tmp_path / "Clothes_5.json", FORMS[form]()))
    held = events(data)
    assert held["test"] == [
        ("anna", "i4", "A hat. Straw hat & ribbon, blue", 1_430_000_000),
        ("bo", "i3", "Gift. A skirt for my sister's birthday", 1_430_000_001),
        ("cleo", "i1", "Cosy. I live in this jumper", 1_425_000_000),
    ]
    assert [one[:3] for one in held["valid"]] == [
        ("anna", "i3", "Too short. The linen skirt ends above my knees"),
        ("bo", "i4", "Fine"),
        ("cleo", "i4", "Shade für die Augen ☀"),
    ]
    assert ("anna", "i2", "Boots for long walks in the rain", 1_410_000_000) in held["train"]  # without "Five Stars"
    assert len(held["train"]) == len(REVIEWS) - 6
    assert data.types == ("item",)
    assert data.users.ids == ("anna", "bo", "cleo", "dora")


def test_gzip_and_folder_and_metadata_beside(tmp_path):
    text = "".join(json.dumps(row) + "\n" for row in form_2018())
    (tmp_path / "Clothes_5.json.gz").write_bytes(gzip.compress(text.encode()))
    meta = [
        {
            "asin": "i1",
            "title": "Grey jumper",
            "brand": "Fjord",
            "price": "$1,012.99",
            "category": ["Clothing", "Knits"],
        },
        {"asin": "i1", "title": "twice in the file"},
        {"asin": "nobody reviewed this", "title": "Sock"},
        {"asin": "i2", "title": "Boots", "price": ".a-box-inner{...}", "description": ["Waxed", "leather"]},
    ]
    write_lines(tmp_path / "meta_Clothes.json", meta)
    for root in (tmp_path, tmp_path / "Clothes_5.json.gz"):
        data = load(root)
        assert data.num_items == 4
        details = data.details["item"]
        assert details["i1"] == {
            "title": "Grey jumper",
            "brand": "Fjord",
            "price": 1012.99,
            "categories": "Clothing / Knits",
        }
        assert details["i2"] == {"title": "Boots", "description": "Waxed leather"}
        assert "i3" not in details
        assert data.descriptions["item"][0].startswith("Grey jumper / Fjord / Clothing / Knits / Fog / ")


def test_metadata_of_2014_are_python_literals_and_of_2023_lists(tmp_path):
    path = write_lines(tmp_path / "reviews" / "Old.json", form_2014())
    literal = tmp_path / "old_meta.json"
    literal.write_text("{'asin': 'i3', 'title': \"Anna's skirt\", 'price': 7.5, 'categories': [['A', 'B']]}\n")
    known = load(path, metadata=literal).details["item"]["i3"]
    assert known == {"title": "Anna's skirt", "price": 7.5, "categories": "A / B"}
    newer = {"parent_asin": "i3", "title": "Skirt", "features": ["Linen"], "description": ["Cool"], "store": "Fjord",
             "price": None, "categories": [], "main_category": "Fashion"}  # fmt: skip
    known = load(path, metadata=write_lines(tmp_path / "new.jsonl", [newer])).details["item"]["i3"]
    assert known == {"title": "Skirt", "brand": "Fjord", "categories": "Fashion", "description": "Cool Linen"}


def test_keys_may_be_missing_ids_numbers_and_dates_words(tmp_path):
    rows = [
        {"reviewerID": 7, "asin": 12, "reviewTime": "09 4, 2015"},
        {"reviewerID": 7, "asin": 13, "summary": "Good", "reviewText": None, "unixReviewTime": 1441500000},
        {"reviewerID": "8", "asin": "12", "reviewText": "Nur eine", "unixReviewTime": "1441324800"},
    ]
    held = events(load(write_lines(tmp_path / "r.json", rows)))
    assert held == {
        "train": [("7", "12", "", 1441324800), ("8", "12", "Nur eine", 1441324800)],
        "test": [("7", "13", "Good", 1441500000)],
    }


def test_duplicates_are_kept_once_and_counted(tmp_path):
    rows = form_2018()
    data = load(write_lines(tmp_path / "r.json", [*rows, *rows[:3], rows[0]]))
    assert data.counts["lines"] == len(rows) + 4
    assert data.counts["duplicates"] == 4
    assert data.fingerprint == load(write_lines(tmp_path / "s.json", rows)).fingerprint


def test_filters(tmp_path):
    path = write_lines(tmp_path / "r.json", form_2023())
    assert load(path, min_rating=4).users.ids == ("anna", "cleo", "dora")
    assert load(path, min_events=2).users.ids == ("anna", "bo", "cleo")
    assert load(path, min_events=4).users.ids == ("anna", "bo")
    with pytest.raises(DataError, match=r"min_events 9: no user has so many events .the most is 4"):
        load(path, min_events=9)
    with pytest.raises(DataError, match=r"amazon_reviews/r.json holds no events"):
        load(path, min_rating=6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"reviewerID": "u", "asin": ', r"r\.json:2: not JSON: .* \(column 28\)"),
        ("[1, 2]", r"r\.json:2: no JSON object but list: one object a line is expected"),
        ('{"user": "u", "stars": 3}', r"r\.json:2: no Amazon review of 2014, 2018 .* the keys are user, stars"),
        (
            '{"user_id": "u", "parent_asin": "a", "timestamp": 1}',
            r"r\.json:2: a review of the form 2023 .* split",
        ),
        ('{"reviewerID": "", "asin": "a", "unixReviewTime": 1}', r"r\.json:2: reviewerID is empty"),
        ('{"reviewerID": "u", "asin": null, "unixReviewTime": 1}', r"r\.json:2: asin is empty"),
        ('{"reviewerID": "u", "asin": "a"}', r"r\.json:2: unixReviewTime is None: expected a time"),
        ('{"reviewerID": "u", "asin": "a", "unixReviewTime": "soon"}', r"r\.json:2: unixReviewTime is 'soon'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = write_lines(tmp_path / "r.json", form_2018())
    first, _, rest = path.read_text().partition("\n")
    path.write_text(f"{first}\n{line}\n{rest}")
    with pytest.raises(DataError, match=message):
        load(path)


def test_files_that_cannot_be_meant(tmp_path):
    with pytest.raises(DataError, match=r"no file or folder .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected one file of reviews .* found none"):
        load(tmp_path)
    path = write_lines(tmp_path / "a.json", form_2018())
    write_lines(tmp_path / "b.jsonl", form_2023())
    with pytest.raises(DataError, match=r"found a.json, b.jsonl; name the file"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"metadata: no file .*absent"):
        load(path, metadata=tmp_path / "absent")
    (tmp_path / "empty.json").write_text("\n\n")
    with pytest.raises(DataError, match=r"empty.json is empty"):
        load(tmp_path / "empty.json")
    cut = gzip.compress(path.read_bytes())[:-20]
    (tmp_path / "cut.json.gz").write_bytes(cut)
    with pytest.raises(DataError, match=r"cut.json.gz:\d+: broken gzip file"):
        load(tmp_path / "cut.json.gz")
    (tmp_path / "latin.json").write_bytes('{"reviewerID": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.json:1: not JSON: not UTF-8 text"):
        load(tmp_path / "latin.json")
    with pytest.raises(ConfigError, match=r"unknown data format 'amazon' .nearest: 'amazon_reviews'"):
        load_requests("amazon", path)


@pytest.mark.data
def test_the_real_file(amazon_root):
    """3,176 reviews by 406 users of 31 items, of which most users wrote one, shown under eight sister items."""
    data = load(amazon_root)
    assert (data.counts["lines"], data.counts["duplicates"]) == (3176, 88)
    assert (len(data.users), data.num_items) == (406, 31)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 2983, "valid": 10, "test": 34}
    assert data.counts["users in training only: one review on several items"] == 371
    assert leaks(data) == []
    kept = load(amazon_root, copies="blank")
    assert len(kept.split("test")) == 405
    assert len({leak.row for leak in leaks(kept) if leak.split == "test"}) > 350
