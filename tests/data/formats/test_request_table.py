"""A shop's own log of requests, as CSV, TSV and JSON lines, with and without its items."""

import datetime
import decimal

import numpy as np
import pytest

from fashion_hash.data.checks.requests import check_requests
from fashion_hash.data.formats.request_table import read_item_table
from fashion_hash.data.requests.load import load_requests
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.request_files import write_lines

REQUESTS = """user,item,text,time
anna,s1,"warm, for the coast",2024-01-05T10:00:00
anna,b1,boots,2024-01-06
,s2,anything striped,2024-01-07
bo,s2,etwas Gestreiftes,2024-01-05
anna,s2,stripes again,2024-01-08
bo,b1,,2024-01-09
"""
ITEMS = """item_id,type,title,description,colour,price
s1,shirt,Wool shirt,Warm and grey,grey,40
s2,shirt,Striped shirt,,navy,30
b1,boot,Boots,"Waxed, black",black,120
b2,boot,Never taken,,,
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "requests.csv").write_text(REQUESTS, encoding="utf-8-sig")
    (tmp_path / "items.csv").write_text(ITEMS)
    return tmp_path


def test_table_with_items(shop):
    data = load_requests("request_table", shop)
    assert data.types == ("shirt", "boot")
    assert data.items["boot"].ids == ("b1", "b2")
    assert data.num_items == 4
    test = data.split("test")
    assert [data.item_id(item) for item in test.items] == ["s2", "b1"]
    assert test.texts == ("stripes again", "")
    assert data.split("valid").texts == ("boots",)
    train = data.split("train")
    assert train.users.tolist() == [0, -1, 1]
    assert train.times[0] == 1704448800
    assert data.details["shirt"]["s1"]["price"] == 40
    assert "colour" not in data.details["boot"]["b2"]
    assert data.descriptions["boot"] == ("Boots / black / Waxed, black", "Never taken")
    assert data.descriptions["shirt"][0] == "Wool shirt / grey / Warm and grey / warm, for the coast"


def test_the_same_as_tsv_and_json_lines(shop, tmp_path):
    known = load_requests("request_table", shop)
    tsv = tmp_path / "log.tsv"
    tsv.write_text(
        REQUESTS.replace('"warm, for the coast"', "warm; for the coast").replace(",", "\t").replace(";", ",")
    )
    assert load_requests("request_table", tsv, metadata=shop / "items.csv").fingerprint == known.fingerprint
    lines = [
        {"user_id": "anna", "item_id": "s1", "query": "warm, for the coast", "timestamp": 1704448800},
        {"user_id": "anna", "item_id": "b1", "query": "boots", "timestamp": 1704499200000},
        {"user_id": None, "item_id": "s2", "query": "anything striped", "timestamp": 1704585600},
        {"user_id": "bo", "item_id": "s2", "query": "etwas Gestreiftes", "timestamp": 1704412800},
        {"user_id": "anna", "item_id": "s2", "query": "stripes again", "timestamp": "1704672000"},
        {"user_id": "bo", "item_id": "b1", "query": None, "timestamp": 1704758400},
    ]
    jsonl = write_lines(tmp_path / "log.jsonl", lines)
    assert load_requests("request_table", jsonl, metadata=shop / "items.csv").fingerprint == known.fingerprint


def test_table_without_items_and_with_given_splits(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,text,split\n1,7,red,train\n1,8,blue,val\n2,7,green,test\n2,7,grey,train\n")
    data = load_requests("request_table", path)
    assert data.types == ("item",)
    assert data.items["item"].ids == ("7", "8")
    assert {name: split.texts for name, split in data.splits.items()} == {
        "train": ("red", "grey"),
        "valid": ("blue",),
        "test": ("green",),
    }
    assert data.all_descriptions == ("grey / red", "") or data.all_descriptions == ("red / grey", "")
    assert not np.any(data.split("test").times)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bo,s2,", "bo,s9,", r"requests.csv:5: item 's9' is not in the table of items"),
        ("bo,s2,", "bo,,", r"requests.csv:5: the item is empty"),
        ("bo,s2,", "bo,", r"requests.csv:5: row too short: 3 cells, expected 4 \(user,item,text,time\)"),
        ("boots,2024-01-06", "boots,", r"requests.csv:3: the time is empty"),
        ("2024-01-06", "06/01/2024", r"requests.csv:3: time is '06/01/2024': expected a date"),
        ("user,item,text", "user,sku,text", r"requests.csv:2: no column item or item_id; there are user, sku"),
        (REQUESTS, "", r"requests.csv is empty"),
    ],
)
def test_a_bad_line_is_named(shop, old, new, message):
    (shop / "requests.csv").write_text(REQUESTS.replace(old, new))
    with pytest.raises(DataError, match=message):
        load_requests("request_table", shop)


def test_bad_tables(shop, tmp_path):
    (shop / "items.csv").write_text(ITEMS + "s1,boot,Twice,,,\n")
    with pytest.raises(DataError, match=r"items.csv:6: item 's1' occurs twice, first in line 2"):
        load_requests("request_table", shop)
    (shop / "items.csv").write_bytes("item_id,title\nx,Bl\xe4u\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"items.csv:\d: not UTF-8"):
        load_requests("request_table", shop)
    (shop / "items.csv").write_text("item_id,title\n")
    with pytest.raises(DataError, match=r"items.csv holds no items"):
        load_requests("request_table", shop)
    (shop / "items.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"several tables of items .items.csv, items.jsonl.; keep one"):
        load_requests("request_table", shop)
    (shop / "items.csv").unlink()
    (shop / "items.jsonl").unlink()
    path = tmp_path / "given.csv"
    path.write_text("user,item,text,split\n1,7,red,train\n1,8,blue,later\n")
    with pytest.raises(DataError, match=r"unknown split 'later': the splits are train, valid and test"):
        load_requests("request_table", path)
    path.with_suffix(".xlsx").write_text("x")
    with pytest.raises(DataError, match=r"tables of requests and items end with .csv"):
        load_requests("request_table", path.with_suffix(".xlsx"))
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"holds no requests.csv"):
        load_requests("request_table", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"request_table does not take min_rating"):
        load_requests("request_table", path, min_rating=3)


def test_parquet_is_read(tmp_path):
    path = tmp_path / "requests.parquet"
    path.write_bytes(b"no parquet")
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"requests.parquet: not a readable Parquet file"):
        load_requests("request_table", path)
    rows = {"user": [1, 1, None], "item": ["a", "b", "a"], "text": ["x", None, "z"], "time": [5, 6, 7]}
    pandas.DataFrame(rows).astype({"user": "Int64"}).to_parquet(path)
    data = load_requests("request_table", path)
    assert data.users.ids == ("1",)
    assert data.split("test").texts == ("",)


@pytest.mark.parametrize("cell", ['{"$oid": "5f"}', "[10]", "true", "1.5", '"a\\u0000b"', '"a\\u001bb"', "1e300"])
def test_cells_that_are_no_ids_are_refused_with_file_and_line(tmp_path, cell):
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"user": 1, "item": 5, "text": "a"}}\n{{"user": 1, "item": {cell}, "text": "b"}}\n')
    with pytest.raises(DataError, match=r"r\.jsonl:2: item"):
        load_requests("request_table", path)
    path.write_text(f'{{"user": {cell}, "item": 5, "text": "b"}}\n')
    with pytest.raises(DataError, match=r"r\.jsonl:1: user"):
        load_requests("request_table", path)


def test_whole_numbers_keep_their_digits(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"user": 1.0, "item": 12345678901234567890, "text": "a"}\n{"user": 1, "item": "007", "text": "b"}\n'
        '{"user": "1", "item": "1.0", "text": "c"}\n{"user": null, "item": 7, "text": "d"}\n'
    )
    data = load_requests("request_table", path)
    assert data.users.ids == ("1",)
    assert data.items["item"].ids == ("12345678901234567890", "007", "1.0", "7")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user,user_id,item,text", r"requests\.csv:1: the columns 'user' and 'user_id' mean the same"),
        ("user,item,item,text", r"requests\.csv:1: the column 'item' occurs twice"),
        ("user;sku;text", r"requests\.csv:2: no column item or item_id; there are user, sku, text"),
    ],
)
def test_columns_that_cannot_be_told_apart_are_refused(tmp_path, header, message):
    (tmp_path / "requests.csv").write_text(f"{header}\n{header}\n")
    with pytest.raises(DataError, match=message):
        load_requests("request_table", tmp_path)


def test_rival_keys_of_json_lines_are_refused(tmp_path):
    (tmp_path / "requests.jsonl").write_text('{"user": 1, "user_id": 2, "item": 3, "text": "a"}\n')
    with pytest.raises(DataError, match=r"requests\.jsonl:1: the columns 'user' and 'user_id' mean the same"):
        load_requests("request_table", tmp_path)


def test_parquet_ids_stay_whole_numbers(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"user": [1, 2, None, 1], "item": [10, 11, 10, 11], "text": list("abcd")})
    table.to_parquet(tmp_path / "requests.parquet")
    pandas.DataFrame({"item_id": [10, 11], "title": ["x", "y"]}).to_parquet(tmp_path / "items.parquet")
    data = load_requests("request_table", tmp_path)
    assert data.users.ids == ("1", "2")
    assert data.items["item"].ids == ("10", "11")
    table = pandas.DataFrame({"user": [1, 2], "item": [10, None], "text": list("ab")})
    table.to_parquet(tmp_path / "requests.parquet")
    with pytest.raises(DataError, match=r"requests\.parquet:2: the item is empty"):
        load_requests("request_table", tmp_path)


def test_parquet_columns_that_json_lacks(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    columns = {
        "tags": [["a", "b"], None],
        "added": [pandas.Timestamp("2020-01-01", tz="UTC"), pandas.NaT],
        "day": [datetime.date(2020, 1, 1), None],
        "price": [decimal.Decimal("9.90"), None],
        "ean": pandas.array([4006381333931000000, None], dtype="Int64"),
    }
    table = pandas.DataFrame({"item_id": ["1", "2"], "title": ["x", "y"], **columns}).set_index("item_id")
    table.to_parquet(tmp_path / "items.parquet")
    first, second = read_item_table(tmp_path / "items.parquet")["item"].values()
    assert first == {
        "title": "x",
        "tags": ["a", "b"],
        "added": "2020-01-01T00:00:00Z",
        "day": "2020-01-01",
        "price": 9.9,
        "ean": "4006381333931000000",
    }
    assert second == {"title": "y"}
    for value, problem in (
        ({"eu": 38}, r"\{'eu': 38\} \(dict\)"),
        (b"x", r"b'x' \(bytes\)"),
        ([["a"]], r"\[\['a'\]\] \(list\)"),
    ):
        table["size"] = [value, None]
        table.to_parquet(tmp_path / "items.parquet")
        with pytest.raises(DataError, match=rf"items.parquet:1: column 'size' cannot hold {problem}: give a text"):
            read_item_table(tmp_path / "items.parquet")


def test_numbers_that_json_has_not_never_reach_the_catalogue(shop):
    (shop / "items.csv").unlink()
    rows = [{"item_id": name, "title": name, "price": float("nan")} for name in ("s1", "s2", "b1")]
    write_lines(shop / "items.jsonl", rows)  # Python writes NaN, which is not JSON
    assert load_requests("request_table", shop).details["item"]["s1"] == {"title": "s1"}
    write_lines(shop / "items.jsonl", [rows[0], {**rows[1], "price": float("inf")}, rows[2]])
    with pytest.raises(
        DataError, match=r"items.jsonl:2: column 'price' cannot hold inf \(float\): give a text, a finite"
    ):
        load_requests("request_table", shop)


def test_training_requests_that_keep_no_words(tmp_path):
    """Everybody writes the same, so each training request repeats the words of a held-out one."""
    rows = "".join(f"u{user},i{(user + day) % 3},good,{1577836800 + day}\n" for user in range(3) for day in range(3))
    (tmp_path / "requests.csv").write_text(f"user,item,text,time\n{rows}")
    (tmp_path / "items.csv").write_text("item_id,title\ni0,red shirt\ni1,blue coat\ni2,green hat\n")
    with pytest.raises(DataError, match="none of the 3 training requests has words of its own: 3 repeat the words of"):
        load_requests("request_table", tmp_path)
    report = check_requests("request_table", tmp_path)
    assert not report.ok
    assert "none of the 3 training requests" in str(report)


def test_splits_without_a_training_request(tmp_path):
    (tmp_path / "requests.csv").write_text("user,item,text,split\na,i0,red,test\nb,i1,blue,valid\n")
    report = check_requests("request_table", tmp_path)
    assert "the split train is empty: nothing to train on" in str(report)
