"""iFashion as POG published it and in the form of HFGN: what is read, and every kind of broken file."""

import pytest

import fashion_hash as fh
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import DataError

OUTFITS = "o1,i1;i3\no2,i2;i4\no3,i1;i4;i5\no4,i1;i3\n"
USERS = "u1,i1;i9,o1\nu2,,o2\nu1,i2,o3\nu1,i2,o3\nu3,i7;i7,o9\nu2,i1,o4\n"
ITEMS = (
    "i1,top,http://pics/1.jpg,Shirt, linen, with stripes\n"
    "i2,top,http://pics/2.jpg,Blouse\n"
    "i3,shoe,http://pics/3.jpg,Boots\n"
    "i4,shoe,http://pics/4.jpg,Trainers\n"
    "i5,hat,,\n"
)
POG = {"outfit_data.txt": OUTFITS, "user_data.txt": USERS, "item_data.txt": ITEMS}

UO_TRAIN = "0 0 1\n1 1\n2 2 3\n"
UO_TEST = "0 2\n3 0\n"
OUTFIT_ITEM = "0 0 10\n1 1 10\n2 0 11 12\n3 1\n"
CATEGORY = "0 5\n1 5\n10 7\n11 7\n12 9\n"
HFGN = {
    "train_uo.txt": UO_TRAIN,
    "test_uo.txt": UO_TEST,
    "fltb_train_outfit_item.txt": OUTFIT_ITEM,
    "fltb_item_cate2.txt": CATEGORY,
}


def write(folder, files):
    for name, text in files.items():
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def worn(dataset, split):
    part = dataset.splits[split]
    rows = {}
    for (user, items), outfit_id in zip(part.positives, part.facts.ids):
        named = [dataset.items[slot].ids[at] for slot, at in zip(dataset.slots, items) if at != EMPTY]
        rows[dataset.users.ids[user], outfit_id] = set(named)
    return rows


def test_pog_keeps_ids_titles_and_clicks(tmp_path):
    dataset = fh.load_dataset("pog", write(tmp_path, POG))
    assert worn(dataset, "train") == {
        ("u1", "o1"): {"i1", "i3"},
        ("u2", "o2"): {"i2", "i4"},
        ("u1", "o3"): {"i1", "i4", "i5"},
        ("u2", "o4"): {"i1", "i3"},
    }
    assert dataset.pool.ids == ("o1", "o2", "o3", "o4")
    assert set(dataset.splits) == {"train"}
    assert len(dataset.slots) == len(set(dataset.slots)) == 3
    details = {key: row for by_id in dataset.content.details.values() for key, row in by_id.items()}
    assert details["i1"] == {"title": "Shirt, linen, with stripes", "category": "top", "image": "http://pics/1.jpg"}
    assert details["i5"] == {"category": "hat"}
    notes = {note.what: (note.count, note.examples) for note in dataset.notes}
    assert notes["clicks on outfits that outfit_data.txt does not have, left out"] == (1, ("o9 (user_data.txt:5)",))


def test_pog_does_without_the_table_of_items(tmp_path):
    dataset = fh.load_dataset("pog", write(tmp_path, {**POG, "item_data.txt": None}))
    assert dataset.slots == ("item", "item", "item")
    assert not dataset.content.details["item"]
    assert fh.check_dataset("pog", tmp_path).ok


def test_marks_of_other_systems_do_not_matter(tmp_path):
    (tmp_path / "dos").mkdir()
    plain = fh.load_dataset("pog", write(tmp_path, POG))
    dos = {name: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for name, text in POG.items()}
    again = fh.load_dataset("pog", write(tmp_path / "dos", dos))
    assert again.fingerprint == plain.fingerprint
    assert again.content.details == plain.content.details


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("outfit_data.txt", OUTFITS + "o5", r"outfit_data.txt:5: row too short: 1 cell, expected 2"),
        ("outfit_data.txt", OUTFITS + "o5,i1,i2", r"outfit_data.txt:5: row too long: 3 cells"),
        ("outfit_data.txt", OUTFITS + "o5,", r"outfit_data.txt:5: outfit 'o5' has no items"),
        ("outfit_data.txt", OUTFITS + ",i1", r"outfit_data.txt:5: the outfit_id is empty"),
        ("outfit_data.txt", "", r"outfit_data.txt holds no outfits"),
        ("outfit_data.txt", OUTFITS.encode() + b"o5,\xff\n", r"outfit_data.txt:5: not UTF-8"),
        ("user_data.txt", USERS + "u4,i1", r"user_data.txt:7: row too short: 2 cells, expected 3"),
        ("user_data.txt", USERS + "u4,i1,i2", r"user_data.txt:7: user 'u4': 'i2' is an item where an outfit is"),
        ("user_data.txt", USERS + "u4,i1,o1\0", r"user_data.txt:7: a NUL byte"),
        ("user_data.txt", "\n", r"user_data.txt holds no clicks"),
        ("item_data.txt", ITEMS + "i6,top,x", r"item_data.txt:6: row too short: 3 cells, expected 4"),
        ("item_data.txt", ITEMS + ",top,x,y", r"item_data.txt:6: the item_id is empty"),
        ("outfit_data.txt", None, r"holds no outfit_data.txt"),
    ],
)
def test_broken_files_of_pog_are_refused_with_file_and_line(tmp_path, name, text, words):
    write(tmp_path, {**POG, name: text})
    with pytest.raises(DataError, match=words):
        fh.load_dataset("pog", tmp_path)
    if text is not None:
        assert not fh.check_dataset("pog", tmp_path).ok


def test_hfgn_keeps_numbers_and_categories(tmp_path):
    dataset = fh.load_dataset("hfgn", write(tmp_path, HFGN))
    clicks = worn(dataset, "train") | (worn(dataset, "valid") if "valid" in dataset.splits else {})
    assert clicks == {
        ("0", "0"): {"0", "10"},
        ("0", "1"): {"1", "10"},
        ("1", "1"): {"1", "10"},
        ("2", "2"): {"0", "11", "12"},
        ("2", "3"): {"1"},
    }
    assert worn(dataset, "test") == {("0", "2"): {"0", "11", "12"}, ("3", "0"): {"0", "10"}}
    assert dataset.pool.ids == ("0", "1", "2", "3")
    assert {frozenset(vocabulary) for vocabulary in dataset.items.values()} == {
        frozenset({"0", "1"}),
        frozenset({"10", "11"}),
        frozenset({"12"}),
    }
    assert fh.check_dataset("hfgn", tmp_path).ok


def test_hfgn_without_categories_makes_sets(tmp_path):
    dataset = fh.load_dataset("hfgn", write(tmp_path, {**HFGN, "fltb_item_cate2.txt": None}))
    assert dataset.slots == ("item", "item", "item")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("train_uo.txt", UO_TRAIN + "4 -1", r"train_uo.txt:4: a negative number"),
        ("train_uo.txt", "", r"train_uo.txt holds no users"),
        ("test_uo.txt", UO_TEST.encode() + b"\0", r"test_uo.txt:3: a NUL byte"),
        ("fltb_train_outfit_item.txt", OUTFIT_ITEM + "9", r"item.txt:5: row too short: outfit 9 has no items"),
        ("fltb_train_outfit_item.txt", "\n", r"item.txt holds no outfits"),
        (
            "fltb_item_cate2.txt",
            CATEGORY + "14",
            r"cate2.txt:6: row too short: 1 number, expected 2 \(item category\)",
        ),
        ("fltb_item_cate2.txt", CATEGORY + "1" * 30 + " 2", r"cate2.txt:6: a number of more than 18 digits"),
        ("fltb_train_outfit_item.txt", None, r"holds no fltb_train_outfit_item.txt"),
    ],
)
def test_broken_files_of_hfgn_are_refused_with_file_and_line(tmp_path, name, text, words):
    write(tmp_path, {**HFGN, name: text})
    with pytest.raises(DataError, match=words):
        fh.load_dataset("hfgn", tmp_path)
