"""The format `shop`: what tables say becomes outfits, and what is odd in them is named or counted."""

import gzip
import json

import pytest

from fashion_hash.config.shop import ShopConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.checks.outfits import check_dataset
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.load import load_dataset
from fashion_hash.errors import ConfigError, DataError

ITEMS = """item_id,type,title,price
t1,top,Shirt,20
t2,top,Sweater,30
b1,bottom,Jeans,40
b2,bottom,Skirt,50
s1,shoe,Boots,60
"""
OUTFITS = """outfit_id,user_id,item_ids,timestamp
o1,ann,t1 b1 s1,2026-01-01
o2,bob,t2 b1,2026-01-02
o3,ann,t1 b2,2026-01-03
"""
SLOTS = ("top", "bottom", "shoe")


@pytest.fixture
def shop(tmp_path):
    """A folder, and a function that writes tables into it."""

    def write(**tables):
        for name, text in {"items_csv": ITEMS, "outfits_csv": OUTFITS, **tables}.items():
            stem, _, suffix = name.rpartition("_")
            if text is not None:
                (tmp_path / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
            else:
                (tmp_path / f"{stem}.{suffix}").unlink(missing_ok=True)
        return tmp_path

    return write


def read(root, slots=SLOTS, **config):
    return load_dataset("shop", root, slots=slots, shop=ShopConfig(**config) if config else None)


def rows(dataset, split="train"):
    """The outfits of a split as (user, item ids), in order."""
    outfits = dataset.split(split).positives
    return [
        (dataset.users.ids[user], [dataset.items[slot].ids[at] for slot, at in zip(dataset.slots, row) if at != EMPTY])
        for user, row in outfits
    ]


def noted(dataset):
    return {note.what: (note.count, note.examples) for note in dataset.notes}


EXPECTED = [("ann", ["t1", "b1", "s1"]), ("bob", ["t2", "b1"]), ("ann", ["t1", "b2"])]


def test_items_and_outfits(shop):
    dataset = read(shop())
    assert rows(dataset) == EXPECTED
    assert dataset.slots == SLOTS
    assert dataset.split("train").facts.ids.tolist() == ["o1", "o2", "o3"]
    assert dataset.split("train").facts.times.tolist() == [1767225600, 1767312000, 1767398400]
    assert dataset.pool.ids == ("o1", "o2", "o3")
    assert dataset.content.details["top"]["t1"] == {"title": "Shirt", "price": 20}
    assert dataset.notes == ()
    assert check_dataset("shop", shop(), slots=SLOTS).ok


def test_every_form_of_outfits_says_the_same(shop, tmp_path):
    forms = {
        "commas": 'outfit_id,user_id,item_ids\no1,ann,"t1,b1,s1"\no2,bob,"t2, b1"\no3,ann,t1|b2\n',
        "json": 'outfit_id;user_id;item_ids\no1;ann;["t1","b1","s1"]\no2;bob;["t2", "b1"]\no3;ann;["t1", "b2"]\n',
        "long": "look,user,sku\no1,ann,t1\no2,bob,t2\no1,ann,b1\no2,bob,b1\no1,ann,s1\no3,ann,t1\no3,ann,b2\n",
        "slots": "outfit_id,user_id,top,bottom,shoe\no1,ann,t1,b1,s1\no2,bob,t2,b1,\no3,ann,t1,b2,-1\n",
    }
    for text in forms.values():
        dataset = read(shop(outfits_csv=text))
        assert rows(dataset) == EXPECTED
        assert dataset.pool.ids == ("o1", "o2", "o3")
    (tmp_path / "outfits.csv").unlink()
    lines = [
        {"outfit_id": f"o{at}", "user_id": user, "item_ids": items} for at, (user, items) in enumerate(EXPECTED, 1)
    ]
    raw = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (tmp_path / "outfits.jsonl.gz").write_bytes(gzip.compress(raw))
    assert rows(read(tmp_path)) == EXPECTED


def test_outfits_in_two_tables_one_for_the_items_and_one_for_the_users(shop):
    tables = {
        "outfits_csv": None,
        "lines_csv": "order_id,sku\n1,t1\n1,b1\n1,s1\n2,t2\n2,b1\n3,t1\n3,b2\n",
        "orders_csv": "order_id,customer_id,ordered_at\n1,ann,2026-01-01\n2,bob,2026-01-02\n3,ann,2026-01-03\n",
    }
    assert rows(read(shop(**tables))) == EXPECTED


def test_slots_are_chosen_from_what_is_worn_together(shop):
    rare = "x1,hat,Hat,5\nl1,lamp,Lamp,9\n"
    more = "".join(f"p{n},bob,t1 t2 b{n % 2 + 1},2026-02-01\n" for n in range(8))
    dataset = read(
        shop(items_csv=ITEMS + rare, outfits_csv=OUTFITS + more + "o9,ann,x1 t1 b1,2026-02-02\n"), slots=None
    )
    assert dataset.slots == ("top", "top", "bottom")
    assert noted(dataset)["items of outfits whose type has no slot, left out of their outfit"] == (2, ())
    assert rows(dataset)[-1] == ("ann", ["t1", "b1"])


def test_columns_are_mapped_and_types_renamed(shop):
    items = ITEMS.replace("item_id,type", "artno,art").replace("shoe", "boot")
    config = {
        "items": "items.csv",
        "outfits": "outfits.csv",
        "columns": {"item_id": "artno", "items.csv": {"type": "art"}},
        "types": {"boot": "shoe"},
    }
    assert rows(read(shop(items_csv=items), **config)) == EXPECTED


def test_what_the_shop_calls_columns_of_items_is_known(shop):
    items = ITEMS.replace("item_id,type,title,price", "ArtNr,Art,Titel,Preis")
    columns = {"price": "Preis", "items.csv": {"item_id": "ArtNr", "type": "Art"}, "outfits.csv": {"user_id": "kunde"}}
    outfits = OUTFITS.replace("user_id", "kunde")
    data = read(shop(items_csv=items, outfits_csv=outfits), items="items.csv", outfits="outfits.csv", columns=columns)
    assert data.content.names == {"Preis": "price", "ArtNr": "item_id", "Art": "type", "Titel": "title"}
    assert read(shop()).content.names == {}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": "itemid"}, r"data\.shop\.columns\.item_id: no table has a column 'itemid' \(nearest: 'item_id'"),
        (
            {"items.csv": {"type": "typ"}},
            r"columns\.items\.csv\.type: .*no column 'typ' \(nearest: 'type'.*it has item_id,",
        ),
        ({"item.csv": {"type": "type"}}, r"columns\.item\.csv: no table of that name is read \(nearest: 'items\.csv'"),
        ({"itemid": "item_id"}, r"data\.shop\.columns: unknown column 'itemid' \(nearest: 'item_id'"),
        ({"items.csv": {"titel": "title"}}, r"columns\.items\.csv: unknown column 'titel' \(nearest: 'title'"),
    ],
)
def test_a_mapping_to_a_column_that_is_not_there(shop, columns, message):
    with pytest.raises(ConfigError, match=message):
        read(shop(), items="items.csv", outfits="outfits.csv", columns=columns)


def test_equal_outfits_under_two_ids_stay_two(shop):
    dataset = read(shop(outfits_csv=OUTFITS + "o4,bob,t1 b1 s1,2026-01-04\no1,bob,s1 b1 t1,2026-01-05\n"))
    assert dataset.pool.ids == ("o1", "o2", "o3", "o4")
    assert len(dataset.outfits) == 4
    assert rows(dataset)[3:] == [("bob", ["t1", "b1", "s1"])] * 2
    assert dataset.split("train").facts.ids.tolist() == ["o1", "o2", "o3", "o4", "o1"]


def test_splits_weights_and_kinds_are_kept(shop):
    text = "outfit_id,user_id,item_ids,split,weight,kind\no1,ann,t1 b1,train,2,bought\no2,bob,t2 b1,val,,liked\n"
    dataset = read(shop(outfits_csv=text + "o3,ann,t1 b2,test,0.5,save\n"))
    assert {name: rows(dataset, name) for name in dataset.splits} == {
        "train": [("ann", ["t1", "b1"])],
        "valid": [("bob", ["t2", "b1"])],
        "test": [("ann", ["t1", "b2"])],
    }
    assert dataset.split("test").facts.weights.tolist() == [0.5]
    assert dataset.split("test").facts.kinds.tolist() == ["liked"]
    with pytest.raises(DataError, match=r"outfits\.csv:2: split is 'later': expected train, valid or test"):
        read(shop(outfits_csv="outfit_id,user_id,item_ids,split\no1,ann,t1 b1,later\n"))


CLICKS = """user_id,item_id,kind,timestamp
ann,t1,bought,2026-01-01T10:00:00
ann,b1,clicked,2026-01-01T10:10:00
ann,b2,bought,2026-01-01T10:12:00
ann,s1,shown,2026-01-01T10:13:00
ann,t2,clicked,2026-01-01T12:00:00
bob,t2,liked,2026-01-02T09:00:00
bob,b1,liked,2026-01-02T09:29:00
bob,s1,clicked,2026-01-02T09:58:00
"""


def test_outfits_are_formed_from_sessions(shop):
    dataset = read(shop(outfits_csv=None, clicks_csv=CLICKS))
    assert rows(dataset) == [("ann", ["t1", "b2"]), ("bob", ["t2", "b1", "s1"])]
    assert dataset.split("train").facts.kinds.tolist() == ["bought", "liked"]
    counts = {what: count for what, (count, _) in noted(dataset).items()}
    assert counts["interactions that were only shown, left out"] == 1
    assert counts["items beyond the slots of their type, left out of their outfit"] == 1
    assert counts["sets of items without two items of the slots' types, left out"] == 1
    tables = {"items": "items.csv", "interactions": "clicks.csv"}
    longer = read(
        shop(outfits_csv=None, clicks_csv=CLICKS), slots=("top", "top", "bottom"), session_minutes=120, **tables
    )
    assert rows(longer)[0] == ("ann", ["t1", "t2", "b2"])


def test_orders_come_before_sessions_and_days_are_sessions(shop, tmp_path):
    text = "customer_id,article_id,basket,t_dat\nann,t1,7,2026-01-01\nann,b1,8,2026-01-01\nann,b2,7,2026-01-05\n"
    dataset = read(shop(outfits_csv=None, transactions_csv=text))
    assert rows(dataset) == [("ann", ["t1", "b2"])]
    dataset = read(shop(outfits_csv=None, transactions_csv=text.replace("basket", "till")))
    assert rows(dataset) == [("ann", ["t1", "b1"])]


def test_outfits_of_the_shop_and_interactions_of_its_users(shop):
    editorial = "outfit_id,item_ids\nlook,t2 b2 s1\n"
    dataset = read(shop(outfits_csv=editorial, clicks_csv=CLICKS))
    assert dataset.pool.ids[0] == "look"
    assert len(dataset.pool.ids) == 3
    assert [user for user, _ in rows(dataset)] == ["ann", "bob"]


def test_without_users_everybody_is_answered_alike(shop):
    dataset = read(shop(outfits_csv="outfit_id,item_ids\no1,t1 b1\no2,t2 b1 s1\n"))
    assert dataset.users.ids == ("everybody",)
    assert len(dataset.split("train").positives) == 2


def test_single_items_of_one_type(shop):
    text = "user_id,item_id,timestamp\nann,t1,1767225600\nbob,t2,1767225600\n"
    dataset = read(shop(outfits_csv=None, clicks_csv=text), slots=("top",))
    assert rows(dataset) == [("ann", ["t1"]), ("bob", ["t2"])]


def test_pictures_are_found_by_column_and_by_id(shop, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("t1.jpg", "x.png", "b1"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    header, *lines = ITEMS.splitlines()
    images = ("", "photos/x.png", "", "https://cdn.shop/a/none.jpg?w=3", "missing.jpg")
    text = "\n".join([f"{header},image", *(f"{line},{image}" for line, image in zip(lines, images))]) + "\n"
    dataset = read(shop(items_csv=text))
    assert dataset.content.pictures == tmp_path / "photos"
    assert dataset.content.picture_keys == {"t1": "t1.jpg", "t2": "x.png", "b1": "b1"}
    assert noted(dataset)[f"items without a picture in {tmp_path / 'photos'}"] == (2, ("b2", "s1"))
    assert dataset.content.details["bottom"]["b2"]["image"].startswith("https://")
    assert "image" not in dataset.content.details["shoe"]["s1"]


def test_ids_that_do_not_meet(shop):
    with pytest.raises(
        DataError, match=r"outfits\.csv do not meet.*: 0 of 3 are known.*'T1'.*the 5 items 't1'.*capital"
    ):
        read(shop(outfits_csv="outfit_id,user_id,item_ids\no1,ann,T1 B1\no2,bob,S1\n"))
    zeros = ITEMS.replace("t1", "001").replace("b1", "002")
    with pytest.raises(
        DataError, match=r"clicks\.csv do not meet.*0 of 2 are known.*'1', '2'.*leading zeros: write both"
    ):
        read(shop(outfits_csv=None, items_csv=zeros, clicks_csv="user_id,item_id,time\nann,1,5\nann,2,6\n"))
    dataset = read(shop(outfits_csv=OUTFITS + "o4,ann,t1 b1 gone,2026-01-01\n"))
    assert noted(dataset) == {"items of outfits that no table of items has, left out of their outfit": (1, ("gone",))}


CASE = "ids that differ in case only: they stay different"
ODD = [
    ("items", "t1,top,Again,1", "item ids that occur more than once: the first row counts", "t1 (items.csv:7)"),
    ("items", "t1,bag,Bag,1", "items of two types: the first type counts", "t1 is top, and bag in items.csv:7"),
    ("items", "x,,Bag,1", "items without a type, left out", "x"),
    ("items", "T1,top,Other,1", f"item {CASE} items", "t1 and T1"),
    ("outfits", "o4,Ann,t1 b1,2026-01-01", f"user {CASE} users", "ann and Ann"),
    ("outfits", "o4,ann,t1,2026-01-01", "outfits without two items of the slots' types, left out", "o4"),
    (
        "outfits",
        "o1,bob,t2 b2,2026-01-01",
        "outfit ids with different items: the first row counts",
        "o1 (outfits.csv:5)",
    ),
    (
        "outfits",
        "o1,ann,t1 b1 s1,2026-01-01",
        "outfits that a user has more than once under one id: the first row counts",
        "ann: o1 (outfits.csv:5)",
    ),
    ("outfits", "o4,ann,t1 b1,", "rows of outfits.csv without a time", "line 5"),
    ("outfits", "o4,ann,,2026-01-01", "outfits without items, left out", "o4"),
]


@pytest.mark.parametrize(("table", "line", "what", "example"), ODD)
def test_what_is_odd_is_counted_with_an_example(shop, table, line, what, example):
    root = shop(**{f"{table}_csv": f"{ITEMS if table == 'items' else OUTFITS}{line}\n"})
    assert noted(read(root)) == {what: (1, (example,))}
    findings = check_dataset("shop", root, slots=SLOTS).findings
    assert (what, "warning", 1) in [(finding.what, finding.severity, finding.count) for finding in findings]


def test_weights_with_a_decimal_comma(shop):
    text = "outfit_id;user_id;item_ids;weight\no1;ann;t1 b1;1,25\no2;ann;t1 b2;0,5\n"
    assert read(shop(outfits_csv=text)).splits["train"].facts.weights.tolist() == [1.25, 0.5]
    with pytest.raises(DataError, match=r"outfits\.csv:2: weight is '1,250': expected a number"):  # or 1250?
        read(shop(outfits_csv=text.replace("1,25", "1,250")))


def test_negative_weights_and_unknown_kinds_are_left_out(shop):
    text = "outfit_id,user_id,item_ids,weight,event\no1,ann,t1 b1,-1,buy\no2,ann,t1 b2,1,return\no3,bob,t2 b1,1,buy\n"
    dataset = read(shop(outfits_csv=text))
    assert rows(dataset) == [("bob", ["t2", "b1"])]
    assert noted(dataset)["rows of a negative weight, left out"] == (1, ("-1 (outfits.csv:2)",))
    assert noted(dataset)["events of the unknown kind 'return', left out"] == (1, ("outfits.csv:3",))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"items_csv": "item_id,type\n"}, r"items\.csv holds no items"),
        ({"items_csv": ""}, r"items\.csv is empty"),
        ({"items_csv": None}, r"holds no table of items: expected columns item_id and type \(it holds outfits\.csv"),
        ({"outfits_csv": None}, r"holds no outfits, and no interactions to form them from"),
        ({"outfits_csv": "outfit_id,user_id,item_ids\n"}, r"holds no outfits, and no interactions"),
        ({"items_jsonl": "{}"}, r"items\.csv and items\.jsonl seem to be one table in two forms: remove one"),
        (
            {"outfits_csv": "outfit_id,user_id,item_ids\no1,ann,t1\n"},
            r"none of the 1 outfits has two items of the types",
        ),
        ({"outfits_csv": OUTFITS.replace("2026-01-02", "yesterday")}, r"outfits\.csv:3: timestamp is 'yesterday'"),
        (
            {"outfits_csv": OUTFITS.replace("2026-01-02", "02.01.2026")},
            r"outfits\.csv:3: timestamp is '02\.01\.2026', but",
        ),
        ({"outfits_csv": OUTFITS.replace("timestamp", "weight")}, r"outfits\.csv:2: weight is '2026-01-01': expected"),
        ({"outfits_csv": OUTFITS + "o4\n"}, r"outfits\.csv:5: row too short"),
        ({"outfits_csv": "outfit_id,item_ids\no1,[t1\n"}, r"outfits\.csv:2: item_ids is '\[t1': not a JSON list"),
    ],
)
def test_bad_tables(shop, tmp_path, tables, message):
    with pytest.raises(DataError, match=message):
        read(shop(**tables))


def test_bad_arguments(shop):
    with pytest.raises(ConfigError, match=r"no items of the type 'hat'; the types are top, bottom, shoe"):
        read(shop(), slots=("top", "hat"))
    with pytest.raises(ConfigError, match=r"data\.shop\.items: no file .*item\.csv \(nearest: 'items\.csv'"):
        read(shop(), items="item.csv", outfits="outfits.csv")
    with pytest.raises(ConfigError, match=r"the format shop has no subsets"):
        load_dataset("shop", shop(), subset="x")
    with pytest.raises(ConfigError, match=r"data\.shop belongs to the format shop, not to iqon3000"):
        load_dataset("iqon3000", shop(), shop=ShopConfig())
    with pytest.raises(DataError, match=r"clicks\.csv: a table of interactions needs a column user_id"):
        read(shop(clicks_csv="who,item_id\n"), items="items.csv", interactions="clicks.csv")


def test_times_in_four_formats_and_none(shop):
    """Each format in a column of its own gives the same times."""
    columns = {
        "iso": ("2026-01-01", "2026-01-13T00:00:00Z"),
        "seconds": ("1767225600", "1768262400"),
        "milliseconds": ("1767225600000", "1768262400000"),
        "days first": ("01.01.2026", "13.01.2026"),
        "months first": ("01/01/2026", "01/13/2026"),
    }
    for cells in columns.values():
        text = "outfit_id,user_id,item_ids,time\n" + "".join(
            f"o{at},ann,t1 b1,{cell}\n" for at, cell in enumerate(cells)
        )
        assert read(shop(outfits_csv=text)).split("train").facts.times.tolist() == [1767225600, 1768262400]
    dataset = read(shop(outfits_csv=OUTFITS.replace("timestamp", "remark")))
    assert dataset.split("train").facts.times is None
    dataset = read(shop(outfits_csv=OUTFITS.replace("2026-01-02", "")))
    assert dataset.split("train").facts.times[1] == NO_TIME


def test_enormous_ids_do_not_fill_the_notes(tmp_path):
    rows, long = [f"o{number},u1,i1 i2" for number in range(4)], "x" * 70_000
    (tmp_path / "items.csv").write_text("item_id,type\ni1,top\ni2,shoe\n")
    lines = ["outfit_id,user_id,item_ids", *rows, f"o9,u2,i1 i2 {long}"]
    (tmp_path / "outfits.csv").write_text("\n".join(lines))
    notes = load_dataset("shop", tmp_path).notes
    assert notes
    assert max(len(str(note)) for note in notes) < 1_000
