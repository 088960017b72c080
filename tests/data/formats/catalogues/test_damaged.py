"""Corrupted twins of published catalogues: each fault is named with file and line, or file and key."""

import json

import pytest

from fashion_hash.data.checks.outfits import check_dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.errors import DataError
from tests.worlds import catalogues
from tests.worlds.catalogues import change


def cut(path, share=0.6):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])


def replaced(path, old, new, count=1):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def item(at, **values):
    """Changes the first item of the outfit at a place; None removes a key."""

    def edit(sets):
        first = sets[at]["items"][0]
        first.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del first[key]

    return edit


def outfit(at, **values):
    return lambda sets: sets[at].update(values)


POLYVORE = {
    "set twice": (
        lambda root: change(root / "disjoint/train.json", outfit(1, set_id="11")),
        r"train\.json:\d+: set '11': set id '11' occurs twice",
    ),
    "set in two splits": (
        lambda root: change(root / "disjoint/test.json", outfit(0, set_id="12")),
        r"test\.json:2: set '12': set id '12' occurs twice",
    ),
    "no set id": (
        lambda root: change(root / "disjoint/train.json", outfit(0, set_id="")),
        "set_id is missing or empty",
    ),
    "a split without outfits": (
        lambda root: change(root / "disjoint/valid.json", lambda sets: sets.clear()),
        r"disjoint/valid\.json holds no outfits$",
    ),
    "no items": (lambda root: change(root / "disjoint/train.json", outfit(2, items=[])), "items is empty: an outfit"),
    "items no list": (
        lambda root: change(root / "disjoint/train.json", outfit(2, items="none")),
        r"train\.json:\d+: set '13': items must be a list of objects, got a text",
    ),
    "item no object": (
        lambda root: change(root / "disjoint/train.json", outfit(2, items=[7])),
        r"items\[0\] must be an object, got a number",
    ),
    "no item id": (
        lambda root: change(root / "disjoint/train.json", item(0, item_id=None)),
        r"train\.json:2: set '11': items\[0\]: item_id is missing",
    ),
    "index twice": (
        lambda root: change(root / "disjoint/train.json", item(0, index=2)),
        "an index occurs twice: 2, 2, 3",
    ),
    "set no object": (
        lambda root: change(root / "disjoint/train.json", lambda sets: sets.append(3)),
        r"train\.json:\d+: expected an array of objects, got a number in it",
    ),
    "cut off": (lambda root: cut(root / "disjoint/train.json"), r"train\.json:\d+: not JSON"),
    "empty": (lambda root: (root / "disjoint/train.json").write_text(""), r"train\.json is empty"),
    "item without metadata": (
        lambda root: change(root / "polyvore_item_metadata.json", lambda all_of_them: all_of_them.pop("112") and None),
        r"train\.json:2: set '11': item '112' is not in polyvore_item_metadata\.json",
    ),
    "item without a type": (
        lambda root: change(root / "polyvore_item_metadata.json", lambda m: m["112"].update(semantic_category="")),
        r"metadata\.json:\d+: item '112': semantic_category is missing or empty",
    ),
    "title no text": (
        lambda root: change(root / "polyvore_item_metadata.json", lambda m: m["112"].update(title=[])),
        "item '112': title must be a text, got an array",
    ),
    "metadata cut off": (lambda root: cut(root / "polyvore_item_metadata.json"), r"metadata\.json:\d+: not JSON"),
    "metadata no object": (
        lambda root: (root / "polyvore_item_metadata.json").write_text("[]"),
        r"metadata\.json:1: expected one JSON object",
    ),
    "entry twice": (
        lambda root: replaced(root / "polyvore_item_metadata.json", '"121":', '"111":'),
        r"metadata\.json:\d+: item '111': the entry occurs twice",
    ),
    "no metadata": (
        lambda root: (root / "polyvore_item_metadata.json").unlink(),
        "holds no polyvore_item_metadata.json",
    ),
    "label": (
        lambda root: replaced(root / "disjoint/compatibility_test.txt", "0 17_1", "2 17_1"),
        r"compatibility_test\.txt:3: the label must be 1 \(compatible\) or 0, got '2'",
    ),
    "label alone": (
        lambda root: replaced(root / "disjoint/compatibility_test.txt", "1 17_1 17_2 17_3", "1"),
        r"compatibility_test\.txt:1: a label without items",
    ),
    "labelled item unknown": (
        lambda root: replaced(root / "disjoint/compatibility_test.txt", "17_2", "17_9"),
        r"compatibility_test\.txt:1: '17_9' is no item of any outfit",
    ),
    "answer unknown": (
        lambda root: change(
            root / "disjoint/fill_in_blank_test.json", lambda q: q[1]["answers"].__setitem__(0, "99_1")
        ),
        r"fill_in_blank_test\.json:\d+: '99_1' is no item of any outfit",
    ),
    "no right answer": (
        lambda root: change(root / "disjoint/fill_in_blank_test.json", lambda q: q[0].update(answers=["18_1", "18_2"])),
        r"fill_in_blank_test\.json:2: 0 of the answers .* belong to the outfit '17' of the question, not 1",
    ),
    "two right answers": (
        lambda root: change(root / "disjoint/fill_in_blank_test.json", lambda q: q[0].update(answers=["17_1", "17_2"])),
        "2 of the answers",
    ),
    "number of answers": (
        lambda root: change(root / "disjoint/fill_in_blank_test.json", lambda q: q[1]["answers"].append("17_1")),
        "answers: 3, expected 2 as in other questions",
    ),
    "answers no list": (
        lambda root: change(root / "disjoint/fill_in_blank_test.json", lambda q: q[0].update(answers="17_2")),
        "answers must be a list of names such as '119704139_1', got a text",
    ),
    "position": (
        lambda root: change(root / "disjoint/fill_in_blank_test.json", lambda q: q[0].update(blank_position="2")),
        "blank_position must be a whole number of at least 0, got '2'",
    ),
}
MARYLAND = {
    "a list is an object": (
        lambda root: (root / "test_no_dup.json").write_text('{"sets": []}'),
        r"test_no_dup\.json:1: set_id is missing or empty",
    ),
    "a split without outfits": (
        lambda root: (root / "test_no_dup.json").write_text("[]"),
        r"test_no_dup\.json holds no outfits$",
    ),
    "a category of two names": (
        lambda root: replaced(root / "category_id.txt", "43 Pumps", "43 Pumps\n43 Pumps\n21 Coats"),
        r"category_id\.txt:5: the category 21 occurs twice, before as 'T-Shirts'",
    ),
    "negative price": (
        lambda root: change(root / "train_no_dup.json", item(1, price=-2)),
        r"train_no_dup\.json:\d+: set '12': items\[0\]: price must be a number of at least 0, got -2",
    ),
    "price NaN": (
        lambda root: replaced(root / "train_no_dup.json", '"price": 10.0', '"price": NaN'),
        "price must be a number of at least 0, got nan",
    ),
    "no category": (lambda root: change(root / "valid_no_dup.json", item(0, categoryid=None)), "categoryid is missing"),
    "unknown category": (
        lambda root: change(root / "valid_no_dup.json", item(0, categoryid=77)),
        "categoryid '77' is not in category_id.txt",
    ),
    "index twice": (
        lambda root: change(root / "test_no_dup.json", item(0, index=2)),
        "index 2 occurs twice in the outfit",
    ),
    "broken category": (
        lambda root: replaced(root / "category_id.txt", "43 Pumps", "Pumps"),
        r"category_id\.txt:3: expected an id and a name",
    ),
    "no categories": (lambda root: (root / "category_id.txt").unlink(), r"no file .*category_id\.txt"),
    "no test": (lambda root: (root / "test_no_dup.json").unlink(), "holds no test_no_dup.json"),
    "set twice": (lambda root: change(root / "test_no_dup.json", outfit(0, set_id="12")), "set id '12' occurs twice"),
    "cut off": (lambda root: cut(root / "train_no_dup.json"), r"train_no_dup\.json:1: not JSON"),
    "Latin-1": (
        lambda root: (root / "train_no_dup.json").write_bytes('[{"set_id": "ü"}]'.encode("latin-1")),
        r"train_no_dup\.json:1: not UTF-8",
    ),
}
IQON = {
    "cut off": (lambda root: cut(root / "500/12/12_new.json"), r"12_new\.json:\d+: not JSON"),
    "other folder": (
        lambda root: change(root / "500/12/12_new.json", lambda d: d.update(setId="13")),
        r"12_new\.json: setId is '13', but the file lies in the folder '12'",
    ),
    "other user": (
        lambda root: change(root / "500/12/12_new.json", lambda d: d.update(user="9")),
        "user is '9', but the file lies in the folder '500'",
    ),
    "no category": (
        lambda root: change(
            root / "500/12/12_new.json", lambda d: d["items"][1].update({"category x color": "", "categorys": []})
        ),
        r"12_new\.json: items\[1\]: no category: neither 'category x color' nor 'categorys'",
    ),
    "price": (
        lambda root: change(root / "500/12/12_new.json", lambda d: d["items"][2].update(price="-3")),
        r"12_new\.json: items\[2\]: price must be a number of at least 0, got '-3'",
    ),
    "brands": (
        lambda root: change(root / "500/12/12_new.json", lambda d: d["items"][0].update(brands=[1])),
        "brands must hold texts, got a number",
    ),
    "list": (lambda root: (root / "500/12/12_new.json").write_text("[]"), "expected one JSON object, got an array"),
    "two files": (
        lambda root: (root / "500/12/12_old.json").write_text("{}"),
        r"12: expected one file 12_\*\.json, found 12_new\.json, 12_old\.json",
    ),
    "no file": (lambda root: (root / "500/12/12_new.json").unlink(), r"expected one file 12_\*\.json, found none"),
    "bytes": (
        lambda root: (root / "500/12/12_new.json").write_bytes(b"\xff\x81\x00\xfd"),
        "neither UTF-8 nor Shift-JIS",
    ),
}
SHIFT15M = {
    "set twice": (lambda root: change(root / "iqon_outfits.json", outfit(1, set_id="11")), "set id '11' occurs twice"),
    "day": (
        lambda root: change(root / "iqon_outfits.json", outfit(1, publish_date="2014-02-30")),
        r"iqon_outfits\.json:\d+: set '12': publish_date must be a day such as 2014-05-01, got '2014-02-30'",
    ),
    "no user": (
        lambda root: change(root / "iqon_outfits.json", outfit(1, user="u1")),
        "user must be an object, got a text",
    ),
    "no user id": (lambda root: change(root / "iqon_outfits.json", outfit(1, user={})), "user_id is missing or empty"),
    "no category": (
        lambda root: change(root / "iqon_outfits.json", item(2, category_id1="")),
        r"set '13': items\[0\]: category_id1 is missing or empty",
    ),
    "price": (
        lambda root: change(root / "iqon_outfits.json", item(2, price="-1")),
        "price must be a number of at least 0",
    ),
    "item id": (
        lambda root: change(root / "iqon_outfits.json", item(2, item_id=1.5)),
        r"item_id is 1\.5, of type float",
    ),
    "cut off": (lambda root: cut(root / "iqon_outfits.json"), r"iqon_outfits\.json:\d+: not JSON"),
    "not closed": (
        lambda root: replaced(root / "iqon_outfits.json", '"2016-05-08"}]', '"2016-05-08"}'),
        "the array is not closed: the file is cut off",
    ),
    "NUL": (
        lambda root: replaced(root / "iqon_outfits.json", '"set_id": "12"', '"set_id": "1\\u00002"'),
        "contains the control character",
    ),
    "huge": (
        lambda root: replaced(root / "iqon_outfits.json", '"set_id": "12"', f'"set_id": {"9" * 5000}'),
        r"iqon_outfits\.json:\d+: not JSON",
    ),
    "deep": (lambda root: (root / "iqon_outfits.json").write_text("[" * 100_000), r"iqon_outfits\.json:1: not JSON"),
    "nothing": (lambda root: (root / "iqon_outfits.json").unlink(), "holds no iqon_outfits.json, a list of outfits"),
    "no outfits": (lambda root: (root / "iqon_outfits.json").write_text("[]"), "holds no outfits"),
}
HM = {
    "article twice": (
        lambda root: replaced(root / "articles.csv", "0108775044,", "0108775015,"),
        r"articles\.csv:3: article_id '0108775015' occurs twice",
    ),
    "no type": (
        lambda root: replaced(root / "articles.csv", "Kind 2,Shoes", "Kind 2,"),
        r"articles\.csv:4: product_group_name is empty",
    ),
    "no column": (
        lambda root: replaced(root / "articles.csv", "product_group_name", "group"),
        r"articles\.csv: no column 'product_group_name'",
    ),
    "unknown article": (
        lambda root: replaced(root / "transactions_train.csv", ",0110065001", ",110065001"),
        r"transactions_train\.csv:4: article_id '110065001' is not in articles\.csv",
    ),
    "day": (
        lambda root: replaced(root / "transactions_train.csv", "2018-09-21", "21.09.2018"),
        r"transactions_train\.csv:\d+: t_dat must be a day such as 2020-09-22, got '21\.09\.2018'",
    ),
    "price": (
        lambda root: replaced(root / "transactions_train.csv", "0.05", "-0.05"),
        r"transactions_train\.csv:2: price must be a number of at least 0, got '-0\.05'",
    ),
    "price NaN": (lambda root: replaced(root / "transactions_train.csv", "0.05", "nan"), "price must be a number"),
    "short row": (lambda root: cut(root / "transactions_train.csv"), r"transactions_train\.csv:\d+: row too short"),
    "no customer": (
        lambda root: replaced(root / "transactions_train.csv", "00a1" * 16, ""),
        r"transactions_train\.csv:2: customer_id is empty",
    ),
    "no baskets": (
        lambda root: (root / "transactions_train.csv").write_text(
            "t_dat,customer_id,article_id,price\n"
            + "".join(f"2020-01-0{day},a,{catalogues.ARTICLES[0]},1\n" for day in (1, 1, 2))
        ),
        "holds no outfits: nobody bought two different articles on one day",
    ),
    "no purchases": (lambda root: (root / "transactions_train.csv").unlink(), "holds no transactions_train.csv"),
}
CASES = [
    pytest.param(name, fault, *what, id=f"{name}: {fault}")
    for name, faults in {
        "polyvore_outfits": POLYVORE,
        "maryland": MARYLAND,
        "iqon_json": IQON,
        "shift15m": SHIFT15M,
        "hm": HM,
    }.items()
    for fault, what in faults.items()
]


@pytest.mark.parametrize(("name", "fault", "damage", "message"), CASES)
def test_a_fault_is_named_and_nothing_is_half_read(tmp_path, name, fault, damage, message):
    getattr(catalogues, name)(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "damage", "faults"),
    [
        ("shift15m", lambda root: change(root / "iqon_outfits.json", item(2, price="-1")), 1),
        ("polyvore_outfits", lambda root: change(root / "disjoint/train.json", outfit(1, items=[])), 1),
        ("iqon_json", lambda root: cut(root / "500/12/12_new.json"), 1),
        ("hm", lambda root: replaced(root / "transactions_train.csv", "0.05", "-1", 2), 2),
    ],
)
def test_the_check_goes_on_after_a_fault(tmp_path, name, damage, faults):
    getattr(catalogues, name)(tmp_path)
    damage(tmp_path)
    report = check_dataset(name, tmp_path)
    assert not report.ok
    assert report.findings[0].count == faults
    assert report.holds["splits"]["train"]["outfits"] > 0


def test_records_are_counted_by_their_lines(tmp_path):
    root = catalogues.shift15m(tmp_path)
    sets = json.loads((root / "iqon_outfits.json").read_text())
    sets[6]["items"][1]["price"] = "x"
    path = root / "iqon_outfits.json"
    path.write_text("[\n" + ",\n".join(map(json.dumps, sets)) + "\n]")
    with pytest.raises(DataError, match=r"iqon_outfits\.json:8: set '17': items\[1\]: price"):
        load_dataset("shift15m", root)
    path.write_text("\n".join(map(json.dumps, sets)))  # JSON lines
    with pytest.raises(DataError, match=r"iqon_outfits\.json:7: set '17'"):
        load_dataset("shift15m", root)
