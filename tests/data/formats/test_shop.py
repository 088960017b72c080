import json

import pytest

from fashion_hash.core.ids import IdTable
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.formats.shop import read_items_csv, read_outfits_file
from fashion_hash.errors import DataError

SLOTS = ("top", "top", "bottom")
ITEMS = {"top": Vocabulary(["t1", "t2", "same"], "top"), "bottom": IdTable.of("bottom", ["b1", "same"])}


def items_of(tmp_path, text):
    (tmp_path / "items.csv").write_text(text)
    return read_items_csv(tmp_path / "items.csv")


def test_columns_have_one_kind_each(tmp_path):
    found = items_of(
        tmp_path,
        "item_id,type,title,price,size,sku,in_stock,weight,description\n"
        '7,top,"Shirt, ""white""",9,38,007,true,1.5,\n'
        "8,top,501,12.50,M,12,FALSE,2,soft\n"
        "7,bottom,,,,,,-1e-3,3\n\n",
    )
    assert found == {
        "top": {
            "7": {"title": 'Shirt, "white"', "price": 9.0, "size": "38", "sku": "007", "in_stock": True, "weight": 1.5},
            "8": {
                "title": "501",
                "price": 12.5,
                "size": "M",
                "sku": "12",
                "in_stock": False,
                "weight": 2.0,
                "description": "soft",
            },
        },
        "bottom": {"7": {"weight": -0.001, "description": "3"}},
    }
    assert isinstance(items_of(tmp_path, "item_id,type,price\na,b,3\n")["b"]["a"]["price"], int)


def test_dates_lists_and_codes(tmp_path):
    found = items_of(
        tmp_path,
        "item_id,type,added,sizes,code,ean\n"
        'a,top,2026-01-31,"[""S"", ""M""]",12E4,12345678901234567890\n'
        "b,top,2026-01-31 18:00:00+01:00,[],7,8\n",
    )
    assert found == {
        "top": {
            "a": {"added": "2026-01-31", "sizes": ["S", "M"], "code": "12E4", "ean": "12345678901234567890"},
            "b": {"added": "2026-01-31T17:00:00Z", "sizes": [], "code": "7", "ean": "8"},
        }
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"items\.csv is empty: expected a header with item_id, type"),
        ("id,type\n", r"items\.csv:1: no column 'item_id'; the header is id,type"),
        ("item_id,type,x,x\n", r"items\.csv:1: the column 'x' occurs twice"),
        ('item_id,type,title\na,top,"two\nlines"\nb,top\n', r"items\.csv:4: row too short: 2 cells, expected 3"),
        ("item_id,type\na,top,x\n", r"items\.csv:2: row too long"),
        ("item_id,type\n,top\n", r"items\.csv:2: the item_id is empty"),
        ("item_id,type\na,\n", r"items\.csv:2: the type is empty"),
        ("item_id,type\na,top\na,bag\na,top\n", r"items\.csv:4: top 'a' occurs twice"),
        (
            "item_id,type,price\na,top,9.90\nb,top,NaN\n",
            r"items\.csv:3: column 'price' holds numbers such as 59\.90, got 'NaN'",
        ),
        ("item_id,type,added\na,top,2026-02-30\nb,top,2026-02-01\n", r"items\.csv:2: column 'added' holds dates"),
        ("item_id,type,sizes\na,top,[1]\nb,top,[NaN]\n", r"items\.csv:3: column 'sizes' holds lists of numbers"),
    ],
)
def test_bad_items(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        items_of(tmp_path, text)


def outfits_of(tmp_path, text, name="outfits.csv"):
    (tmp_path / name).write_text(text)
    return read_outfits_file(tmp_path / name, SLOTS, ITEMS)


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_every_form_says_the_same(tmp_path):
    expected = [[0, 1, 0], [1, EMPTY, 1]]
    ids, table = outfits_of(tmp_path, "outfit_id,top,top_2,bottom\no1,t1,t2,b1\no2,t2,,same\n")
    assert ids == ["o1", "o2"]
    assert table.items.tolist() == expected
    assert table.users.tolist() == [0, 0]
    _, table = outfits_of(tmp_path, "outfit_id,bottom,top_2,top\no1,b1,t2,t1\no2,same,-1,t2\n")
    assert table.items.tolist() == expected
    _, table = outfits_of(
        tmp_path,
        lines(
            {"outfit_id": "o1", "items": {"top": "t1", "top_2": "t2", "bottom": "b1"}},
            {"outfit_id": 2, "items": {"top": "t2", "bottom": "same", "top_2": None}},
        ),
        "outfits.jsonl",
    )
    assert table.items.tolist() == expected
    _, table = outfits_of(tmp_path, "outfit_id,user_id,item_ids\no1,ann,b1 t1 t2\no2,bob,t2\n")
    assert table.items.tolist() == [[0, 1, 0], [1, EMPTY, EMPTY]]
    _, table = outfits_of(tmp_path, lines({"outfit_id": "o1", "item_ids": ["b1", "t1", "t2"]}), "o.jsonl")
    assert table.items.tolist() == [[0, 1, 0]]
    _, table = outfits_of(tmp_path, lines({"outfit_id": "o1", "item_ids": "b1 t1 t2"}), "o.jsonl")  # as in CSV
    assert table.items.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outfit_id,top,bottom\no1,t1,b1\no2,t9,b1\n", r"csv:3: outfit 'o2': unknown top 't9' \(nearest: 't2', 't1'\)"),
        ("outfit_id,top,botom\no1,t1,b1\n", r"csv:2: outfit 'o1': no slot 'botom' \(nearest: 'bottom'.*slots are top"),
        (
            "outfit_id,item_ids\no1,t1 t2 t1\n",
            r"csv:2: outfit 'o1': too many items of type top: 't1' is one more than the 2",
        ),
        ("outfit_id,item_ids\no1,t1 x\n", r"csv:2: outfit 'o1': unknown item 'x'; the types are top, bottom"),
        (
            "outfit_id,item_ids\no1,t1 sam\n",
            r"csv:2: outfit 'o1': unknown item 'sam' \(nearest: 'same'.*\); the types are",
        ),
        (
            "outfit_id,item_ids\no1,same\n",
            r"csv:2: outfit 'o1': several item types have the id 'same' .top, bottom.: name the slots",
        ),
        ("outfit_id,item_ids\no1,\n", r"csv:2: outfit 'o1': no items"),
        ("outfit_id,top,bottom\no1,,-1\n", r"csv:2: outfit 'o1': no items"),
        ("outfit_id,top,bottom\no1,t1,b1\no1,t1,b1\n", r"csv:3: outfit 'o1' occurs twice, first in line 2"),
        ("outfit_id,top,bottom\n,t1,b1\n", r"csv:2: the outfit_id is empty"),
        ("outfit_id,top,bottom\no1,t1\n", r"csv:2: row too short"),
        ("top,bottom\nt1,b1\n", r"csv:1: no column 'outfit_id'"),
        ("outfit_id,top,bottom\n", r"outfits\.csv holds no outfits"),
    ],
)
def test_bad_outfits(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        outfits_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", r'jsonl:1: expected an object with "outfit_id"'),
        ('\n{"outfit_id": "a"\n', r"jsonl:2: not JSON: .* \(column"),
        ('{"outfit_id": "a"}\n', r'jsonl:1: expected "items"'),
        ('{"outfit_id": "a", "items": {"hat": "x"}}\n', r"jsonl:1: outfit 'a': no slot 'hat'"),
    ],
)
def test_bad_jsonl(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        outfits_of(tmp_path, text, "outfits.jsonl")


def test_other_files(tmp_path):
    with pytest.raises(DataError, match=r"outfits are read from \.csv or \.jsonl"):
        outfits_of(tmp_path, "", "outfits.txt")
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.csv: No such file"):
        read_outfits_file(tmp_path / "nowhere.csv", SLOTS, ITEMS)
