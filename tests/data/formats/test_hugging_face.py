"""The Hugging Face copy of Polyvore-U: both forms of its tables, its vectors, and every kind of broken file."""

import json

import numpy as np
import pytest

import fashion_hash as fh
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.stores.lmdb_files import write_lmdb
from fashion_hash.data.stores.vectors import given_vectors
from fashion_hash.errors import DataError

ITEMS = [["t0", "t1", "t2"], ["b0", "b1"], ["s0", "s1"]]
# user, (item, type) ...
TRAIN = [(0, [(0, 0), (0, 1), (1, 2)]), (0, [(1, 0), (2, 0), (1, 1), (0, 2)]), (1, [(2, 0), (0, 1), (0, 2)])]
NEGATIVE = [(user, [(0, 0), (1, 1), (0, 2)]) for user in (0, 0, 0, 0, 1, 1)]
VALID = [(1, [(1, 0), (1, 1), (1, 2)])]
TRUE, WRONG = [(0, [(0, 0), (0, 1), (0, 2)])], [(0, [(1, 0), (0, 1), (0, 2)]), (0, [(2, 0), (0, 1), (0, 2)])]


def line(user, worn, most=4, size=True):
    cells = [str(user), *([str(len(worn))] if size else [])]
    for column in (0, 1):
        cells += [str(pair[column]) for pair in worn] + ["-1"] * (most - len(worn))
    return ",".join(cells)


def write(folder, size=True, suffix="", **changes):
    files = {"train_pos": TRAIN, "train_neg": NEGATIVE, "valid_pos": VALID, "test_pos": VALID}
    files |= {"test_pos_fitb": TRUE, "test_neg_fitb": WRONG}
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        text = "".join(line(*row, size=size) + "\n" for row in rows)
        text = changes.get(name, lambda text: text)(text)
        if text is not None:
            (folder / f"{name}{suffix}").write_bytes(text if isinstance(text, bytes) else text.encode())
    items = changes.get("items", json.dumps(ITEMS))
    if items is not None:
        (folder / "items.json").write_text(items)
    return folder


def worn(outfits, dataset):
    return [
        (dataset.users.ids[user], [dataset.items[slot].ids[at] for slot, at in zip(dataset.slots, row) if at != EMPTY])
        for user, row in outfits
    ]


@pytest.mark.parametrize("size", [True, False])
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_both_forms_say_the_same(tmp_path, size, suffix):
    dataset = fh.load_dataset("outfit_datasets", write(tmp_path / "630", size, suffix))
    assert dataset.slots == ("top", "top", "bottom", "shoe")
    assert worn(dataset.splits["train"].positives, dataset) == [
        ("0", ["t0", "b0", "s1"]),
        ("0", ["t1", "t2", "b1", "s0"]),
        ("1", ["t2", "b0", "s0"]),
    ]
    negatives = dataset.splits["train"].negatives["random"]
    assert negatives.size == 2
    assert worn(negatives.outfits, dataset)[-1] == ("1", ["t0", "b1", "s0"])
    assert dataset.splits["valid"].questions is None
    questions = dataset.splits["test"].questions
    assert questions.size == 3
    assert [items[0] for _, items in worn(questions.outfits, dataset)] == ["t0", "t1", "t2"]
    assert fh.load_dataset("outfit_datasets", tmp_path, subset="630").fingerprint == dataset.fingerprint
    assert fh.check_dataset("outfit_datasets", tmp_path).ok


def test_the_older_name_of_the_phase_and_other_types(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "a/valid_pos").rename(tmp_path / "a/val_pos")
    dataset = fh.load_dataset("outfit_datasets", tmp_path / "a", slots=["shirt", "skirt", "boot"])
    assert dataset.slots == ("shirt", "shirt", "skirt", "boot")
    assert len(dataset.splits["valid"].positives) == 1
    four = fh.load_dataset("outfit_datasets", write(tmp_path / "b", items=json.dumps([*ITEMS, ["h0"]])))
    assert four.slots == ("type1", "type1", "type2", "type3")
    with pytest.raises(DataError, match="has 3 types: name each of them once"):
        fh.load_dataset("outfit_datasets", tmp_path / "a", slots=["top", "bottom"])
    with pytest.raises(DataError, match=r"b has no subsets, it holds items.json itself: leave out subset '630'"):
        fh.load_dataset("outfit_datasets", tmp_path / "b", subset="630")
    with pytest.raises(DataError, match="several subsets, choose one: a, b"):
        fh.load_dataset("outfit_datasets", tmp_path)


def test_vectors_of_an_lmdb_are_words(tmp_path):
    folder = write(tmp_path / "630")
    keys = [key for of_type in ITEMS for key in of_type]
    vectors = {key: np.full(8, at, dtype=np.float32) for at, key in enumerate(keys, start=1)}
    for name in ("image_alexnet", "text_semantic"):
        write_lmdb(folder / "features" / name, [(key, vectors[key].tobytes()) for key in keys])
    dataset = fh.load_dataset("outfit_datasets", folder)
    assert dataset.content.text_vectors == folder / "features" / "text_semantic"
    report = fh.check_dataset("outfit_datasets", folder)
    assert any("with a text vector of 8 numbers" in finding.what for finding in report.findings)
    found = given_vectors(dataset.content.text_vectors, [*keys, "none"])
    assert found.keys() == vectors.keys()
    np.testing.assert_array_equal(found["s1"], vectors["s1"])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\0" * 7, "'t0' has 7 bytes"),
        (b"\0" * 8, "'t1' has 3 numbers, the others have 2"),
        (np.array([np.nan, 1, 2], "<f4").tobytes(), "not finite"),
    ],
)
def test_broken_vectors_are_refused(tmp_path, value, words):
    write_lmdb(tmp_path / "lmdb", [("t0", value), ("t1", b"\0" * 12)])
    with pytest.raises(DataError, match=words):
        given_vectors(tmp_path / "lmdb", ["t0", "t1"])
    with pytest.raises(DataError, match="a vector for none of the 1 items"):
        given_vectors(tmp_path / "lmdb", ["other"])


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train_pos", lambda text: text + "5,3,0\n", r"train_pos:4: row too short: 3 cells, expected 10"),
        (
            "train_pos",
            lambda text: text.replace("0,3,0,0,1,", "0,3,9,0,1,"),
            r"train_pos:1: item_1 is 9: items.json has 3",
        ),
        (
            "train_pos",
            lambda text: text.replace(",0,1,2,-1\n", ",0,1,7,-1\n"),
            r"train_pos:1: type_3 is 7: items.json has 3",
        ),
        ("train_pos", lambda text: text.replace("0,3,", "0,4,", 1), r"train_pos:1: size is 4, but there are 3 items"),
        ("train_pos", lambda text: text + "5,0" + ",-1" * 8, r"train_pos:4: an outfit without items"),
        ("train_pos", lambda text: text + "5,x" + ",-1" * 8, r"train_pos:4: 'x' in column 2 \(size\) is not a number"),
        ("train_pos", lambda text: text.encode() + b"\xff", r"train_pos:4: not UTF-8"),
        ("train_pos", lambda text: None, r"has train_neg but no train_pos"),
        ("train_neg", lambda text: text.replace("1,3,", "0,3,", 1), r"train_neg:5: negative of user '0'"),
        ("train_neg", lambda text: text.partition("\n")[2], r"train_neg: 5 negatives for 3 positives"),
        ("test_neg_fitb", lambda text: text.replace("0,3,", "1,3,", 1), r"test_neg_fitb:1: a wrong answer of user '1'"),
        ("test_neg_fitb", lambda text: None, r"belong together: one is missing"),
        ("test_neg_fitb", lambda text: "", r"test_neg_fitb holds no outfits"),
    ],
)
def test_broken_tables_are_refused_with_file_and_line(tmp_path, name, change, words):
    write(tmp_path / "630", **{name: change})
    with pytest.raises(DataError, match=words):
        fh.load_dataset("outfit_datasets", tmp_path)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("[[1]]", "type 0, index 0: 1 is not a key"),
        ('[["a", "a"]]', "'a' occurs twice, at 0 and 1"),
        ('{"a": 1}', "expected a list of lists"),
        ('[["a"],\n', "items.json:2: not JSON"),
        (None, "holds no items.json"),
    ],
)
def test_broken_items_are_refused(tmp_path, items, words):
    write(tmp_path / "630", items=items)
    with pytest.raises(DataError, match=words):
        fh.load_dataset("outfit_datasets", tmp_path)
