from pathlib import Path

import pytest

from fashion_hash.data.load import load_dataset
from fashion_hash.errors import ConfigError, DataError

TRAIN = "user,top,bottom\n7,30,5\n7,4,5\n12,30,6\n"
TEST = "user,top,bottom,negative_bottom\n7,1,6,5\n12,30,2,9\n"


def write(root: Path, train: str = TRAIN, test: str = TEST) -> Path:
    (root / "train.csv").write_text(train)
    (root / "test.csv").write_text(test)
    return root


def test_reads_everything(tmp_path):
    data = load_dataset("iqon3000", write(tmp_path))
    assert data.slots == ("top", "bottom")
    assert data.users.ids == ("7", "12")
    # seen in train first, each part in numeric order
    assert data.items["top"].ids == ("4", "30", "1")
    assert data.items["bottom"].ids == ("5", "6", "2", "9")
    assert data.split("train").positives.items.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert not data.split("train").negatives
    negatives = data.split("test").negatives["random"]
    assert negatives.size == 1
    assert negatives.outfits.items.tolist() == [[2, 0], [1, 3]]
    assert negatives.outfits.users.tolist() == [0, 1]
    assert set(data.splits) == {"train", "test"}


def test_original_form_without_header_and_with_four_columns(tmp_path):
    expected = load_dataset("iqon3000", write(tmp_path))
    write(tmp_path, "7,30,5,777\n7,4,5,777\n12,30,6,777\n", TEST.split("\n", 1)[1])
    assert load_dataset("iqon3000", tmp_path).fingerprint == expected.fingerprint
    assert "777" not in load_dataset("iqon3000", tmp_path).items["bottom"]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("user,top,bottom\n7,30,5\n7,30\n", r"train.csv:3: row too short: 2 cells, expected 3"),
        ("7,30,5\n\n7,30,5,6\n", r"train.csv:3: row too long: 4 cells, expected 3"),
        ("7\n", r"train.csv:1: row too short: 1 cell, expected 3"),
        ("7,30,5\n7,,5\n", r"train.csv:2: the top is empty"),
        ("user,bottom,top\n7,30,5\n", r"train.csv:1: columns \['user', 'bottom', 'top'\], expected"),
        ("user,top,bottom\n", r"train.csv holds no outfits"),
    ],
)
def test_bad_files_name_file_and_line(tmp_path, train, message):
    with pytest.raises(DataError, match=message):
        load_dataset("iqon3000", write(tmp_path, train))


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "README").touch()
    with pytest.raises(DataError, match=r"holds no train.csv, valid.csv or test.csv \(it holds README\)"):
        load_dataset("iqon3000", tmp_path)
    with pytest.raises(DataError, match="no folder"):
        load_dataset("iqon3000", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no subsets"):
        load_dataset("iqon3000", tmp_path, subset="a")
    with pytest.raises(ConfigError, match="slots of iqon3000"):
        load_dataset("iqon3000", tmp_path, slots=("top", "shoe"))


@pytest.mark.slow
@pytest.mark.data
def test_the_real_one(iqon_root):
    data = load_dataset("iqon3000", iqon_root)
    assert len(data.users) == 3236
    assert {name: len(split.positives) for name, split in data.splits.items()} == {
        "train": 170_586,
        "valid": 23_093,
        "test": 23_093,
    }
    seen = data.split("train").positives.items.max(axis=0)
    test = data.split("test").positives.items
    assert 0.31 < (test[:, 0] > seen[0]).mean() < 0.33
    assert (test[:, 1] > seen[1]).sum() == 1


@pytest.mark.parametrize(
    "text",
    [
        "user_id,top_id,bottom_id\n1,10,20\n2,11,21\n",
        '"user","top","bottom"\n"1","10","20"\n"2","11","21"\n',
        "1.0,10.0,20.0\n2.0,11.0,21.0\n",
        '1, "10", "20"\n"2",   "11", 21\n',
        "User,Top,Bottom\r\n1,10,20\r\n2,11,21\r\n",
    ],
)
def test_headers_quotation_marks_and_trailing_zeros_are_no_ids(tmp_path, text):
    (tmp_path / "train.csv").write_text(text)
    (tmp_path / "valid.csv").write_text("1,10,21,20\n")
    data = load_dataset("iqon3000", tmp_path)
    assert data.users.ids == ("1", "2")
    assert (data.items["top"].ids, data.items["bottom"].ids) == (("10", "11"), ("20", "21"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user;top;bottom\n1;10;20\n", r"train\.csv:1: .*semicolons: save the file with commas"),
        ("1;10;20\n", r"train\.csv:1: row too short.*semicolons"),
        ("1,10\x00,20\n", r"train\.csv:1: .*control character"),
        ("user,top,bottom\n1,2,3\nuser,top,bottom\n4,5,6\n", r"train\.csv:3: the header again: files were joined"),
        ("top,user,bottom\n1,2,3\n", r"train\.csv:1: columns \['top', 'user', 'bottom'\], expected"),
    ],
)
def test_what_is_no_table_of_ids_is_refused(tmp_path, text, message):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_dataset("iqon3000", tmp_path)


def test_separators_of_unicode_do_not_end_a_line(tmp_path):
    (tmp_path / "train.csv").write_text("u\u2028x,10,20\nv,11,21\n", encoding="utf-8")
    assert load_dataset("iqon3000", tmp_path).users.ids == ("u\u2028x", "v")
