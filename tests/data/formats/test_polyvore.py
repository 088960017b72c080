from pathlib import Path

import numpy as np
import pytest

from fashion_hash.data.load import load_dataset
from fashion_hash.errors import ConfigError, DataError

TRAIN = "tuples_3/tuples_train_posi"


def load(root: Path, **options):
    return load_dataset("polyvore_u", root, **options)


def without_headers(root: Path) -> None:
    for path in [*root.glob("*/tuples_*"), *root.glob("*/fill_in_blank_*")]:
        path.write_text(path.read_text().split("\n", 1)[1])


def test_reads_everything(tiny_root):
    data = load(tiny_root)
    assert data.name == "polyvore_u/tuples_3"
    assert data.slots == ("top", "bottom", "shoe")
    assert data.users.ids == ("0", "2", "10")  # numeric order, not alphabetical
    assert data.items["bottom"].ids == ("b0.jpg", "b1.jpg", "b2.jpg")
    assert set(data.splits) == {"train", "test"}
    train = data.split("train")
    assert train.positives.users.tolist() == [0, 0, 1, 2]
    assert train.positives.items.tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 0], [1, 0, 1]]
    assert (train.negatives["random"].size, train.negatives["hard"].size) == (2, 1)
    assert train.negatives["random"].outfits.items[:2].tolist() == [[2, 0, 1], [1, 0, 0]]
    assert train.negatives["random"].outfits.users.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    questions = data.split("test").questions
    assert questions is not None
    assert questions.size == 2
    assert questions.outfits.items.tolist() == [[3, 2, 1], [0, 2, 1], [3, 0, 0], [3, 1, 0]]
    assert questions.outfits.users.tolist() == [0, 0, 1, 1]
    assert data.content.pictures is None
    assert data.content.details["top"] == {"t0.jpg": {"title": "Shirt, white", "price": 12.5, "in_stock": True}}
    assert data.content.details["bottom"]["b1.jpg"]["title"] == "501"
    assert "hat" not in data.content.details


def test_header_is_optional(tiny_root):
    expected = load(tiny_root)
    without_headers(tiny_root)
    found = load(tiny_root)
    assert found.fingerprint == expected.fingerprint
    assert np.array_equal(found.split("test").questions.outfits.items, expected.split("test").questions.outfits.items)


@pytest.mark.parametrize("header", ["user,top,top,bottom,shoe\n", ""])
def test_two_tops_and_an_empty_slot(tiny_root, header):
    for path in tiny_root.glob("tuples_3/*_nega*"):
        path.unlink()
    (tiny_root / "tuples_3/fill_in_blank_test").unlink()
    (tiny_root / TRAIN).write_text(header + "0,0,1,2,1\n0,2,-1,0,0\n")
    (tiny_root / "tuples_3/tuples_test_posi").write_text(header + "0,3,-1,2,1\n")
    data = load(tiny_root)
    assert data.slots == ("top", "top", "bottom", "shoe")
    assert data.types == ("top", "bottom", "shoe")
    assert data.split("train").positives.items.tolist() == [[0, 1, 2, 1], [2, -1, 0, 0]]
    assert data.split("train").positives.mask.tolist() == [[True] * 4, [True, False, True, True]]


def test_other_types_need_a_header_or_slots(tmp_path):
    folder = tmp_path / "tuples_1"
    folder.mkdir()
    for kind in ("hat", "coat", "bag"):
        (folder / f"image_list_{kind}").write_text("a\nb\n")
    (folder / "tuples_train_posi").write_text("ann,0,1,1,0,0\nbob,1,-1,-1,0,1\n")
    with pytest.raises(DataError, match=r"no header and 5 columns .*\['bag', 'coat', 'hat'\].*\(slots\)"):
        load(tmp_path)
    slots = ("hat", "coat", "coat", "bag", "bag")
    data = load(tmp_path, slots=slots)
    assert data.slots == slots
    assert data.users.ids == ("ann", "bob")
    assert data.split("train").positives.items.tolist() == [[0, 1, 1, 0, 0], [1, -1, -1, 0, 1]]
    (folder / "tuples_train_posi").write_text("user,bag,hat\nann,0,1\n")
    assert load(folder).slots == ("bag", "hat")


def test_users_keep_their_spelling(tiny_root):
    for path in tiny_root.glob("tuples_3/*_test*"):
        path.unlink()
    for path in tiny_root.glob("tuples_3/*_nega*"):
        path.unlink()
    (tiny_root / TRAIN).write_text("user,top,bottom,shoe\n007,0,0,0\n7,1,1,1\n\n7,1,1,0\n")
    assert load(tiny_root).users.ids == ("007", "7")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            TRAIN,
            "user,top,bottom,shoe\n0,0,0,0\n0,1,1\n",
            r"tuples_train_posi:3: row too short: 3 cells, expected 4",
        ),
        (TRAIN, "0,0,0,0\n0,1,1,1,1\n", r"tuples_train_posi:2: row too long: 5 cells"),
        (TRAIN, "0,0,0,0\n\n0,1,x,1\n", r"tuples_train_posi:3: 'x' in column 3 \(bottom\) is not a number"),
        (TRAIN, "0,0,0,0\n0,1,1.5,1\n", r"tuples_train_posi:2: '1.5' in column 3"),
        (
            TRAIN,
            "0,0,0,0\n0,1,3,1\n",
            r"posi:2: bottom 3 in column 3 is out of range: image_list_bottom has 3 l",
        ),
        (TRAIN, "0,0,0,0\n0,1,1,-2\n", r"tuples_train_posi:2: shoe -2 in column 4 is out of range"),
        (TRAIN, "0,0,0,0\n0,1,1,99999999999999999\n", r"posi:2: shoe 99999999999999999 in column 4"),
        (TRAIN, "0,0,0,0\n,1,1,1\n", r"tuples_train_posi:2: the user is empty"),
        (TRAIN, "0,0,0,0\n0,-1,-1,-1\n", r"tuples_train_posi:2: an outfit without items"),
        (
            TRAIN,
            "user,top,bottom,hat\n0,0,0,0\n",
            r"posi:1: column 'hat': no image_list_hat \(there is bottom, shoe",
        ),
        (TRAIN, "", r"tuples_train_posi holds no outfits"),
        (
            "tuples_3/tuples_test_posi",
            "user,bottom,top,shoe\n0,0,0,0\n",
            r"test_posi:1: columns \['bottom', ",
        ),
        (
            "tuples_3/tuples_train_nega",
            "0,0,0,1\n0,0,0,1\n",
            r"train_nega: 2 negatives for 4 positives .*divide",
        ),
        (
            "tuples_3/tuples_train_nega_hard",
            "0,2,2,0\n2,1,0,1\n2,0,0,0\n10,2,2,0\n",
            r"nega_hard:2: negative of user '2', but its positive \(tuples_train_posi:3\) is of user '0'",
        ),
        ("tuples_3/fill_in_blank_test", "0,3,2,1,2,0,2,1\n", r"fill_in_blank_test:1: .* different users"),
        (
            "tuples_3/fill_in_blank_test",
            "0,3,2,1,0,0,2,1\n0,3,2,1\n",
            r"blank_test:2: row too short: 4 cells, exp",
        ),
        (
            "tuples_3/image_list_top",
            "t0.jpg\nt1.jpg\nt0.jpg\n",
            r"list_top:3: 't0.jpg' occurs twice, first in line 1",
        ),
        ("tuples_3/image_list_top", "t0.jpg\n\nt1.jpg\n", r"image_list_top:2: empty line"),
        ("items.csv", "item_id,type,title\nt0.jpg,top\n", r"items.csv:2: row too short"),
    ],
)
def test_bad_files_name_file_and_line(tiny_root, file, text, message):
    (tiny_root / file).write_text(text)
    with pytest.raises(DataError, match=message):
        load(tiny_root)


def test_bytes_that_are_not_text(tiny_root):
    (tiny_root / TRAIN).write_bytes(b"0,0,0,0\n0,\xff,0,0\n")
    with pytest.raises(DataError, match=r"tuples_train_posi:2: not UTF-8"):
        load(tiny_root)


def test_what_is_missing_is_named(tiny_root, tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no subset 'tuples_4' .*nearest: 'tuples_3'"):
        load(tiny_root, subset="tuples_4")
    assert load(tiny_root, subset="3").name == "polyvore_u/tuples_3"
    (tiny_root / "tuples_9").mkdir()
    with pytest.raises(DataError, match="several subsets, choose one: tuples_3, tuples_9"):
        load(tiny_root)
    with pytest.raises(DataError, match="tuples_9 has no tuples_train_posi"):
        load(tiny_root, subset="9")
    (tiny_root / "tuples_3/tuples_test_posi").unlink()
    with pytest.raises(DataError, match="has tuples_test_nega but no tuples_test_posi"):
        load(tiny_root, subset="3")
    with pytest.raises(DataError, match=r"holds no tuples_\* folder \(it holds polyvore"):
        load(tmp_path)


def test_unknown_format():
    with pytest.raises(ConfigError, match=r"unknown data format 'polyvore' \(nearest: 'polyvore_u'"):
        load_dataset("polyvore", "anywhere")


def test_pictures_prefer_the_lmdb(tiny_root):
    (tiny_root / "images/150x150").mkdir(parents=True)
    assert load(tiny_root).content.pictures == tiny_root / "images/150x150"
    (tiny_root / "images/291x291").mkdir(parents=True)
    assert load(tiny_root).content.pictures == tiny_root / "images/291x291"
    (tiny_root / "images/lmdb").mkdir(parents=True)
    assert load(tiny_root).content.pictures == tiny_root / "images/lmdb"
    (tiny_root / "sentence_vector").mkdir()
    (tiny_root / "sentence_vector/semantic.pkl").touch()
    assert load(tiny_root).content.text_vectors == tiny_root / "sentence_vector/semantic.pkl"


def test_the_sample_loads(sample_root):
    for folder in sorted(sample_root.glob("tuples_*")):
        data = load(sample_root, subset=folder.name)
        assert len(data.split("train").positives)
        assert data.content.pictures is not None


RETRIEVAL = "tuples_3/retrieval_top_all"


def test_retrieval_questions_are_read_by_slot(tiny_root):
    header = ",".join(["user,top,bottom,shoe"] * 3)
    (tiny_root / RETRIEVAL).write_text(f"{header}\n0,3,2,1,0,0,2,1,0,1,2,1\n2,3,0,0,2,1,0,0,2,2,0,0\n")
    (tiny_root / "tuples_3/retrieval_shoe_all").write_text("2,3,0,0,2,3,0,1\n")  # without a header, as other files
    data = load(tiny_root)
    asked = data.split("test").retrieval
    assert list(asked) == ["top", "shoe"]  # in the order of the slots
    assert (asked["top"].size, asked["shoe"].size) == (3, 2)
    assert asked["top"].outfits.items[:, 0].tolist() == [3, 0, 1, 3, 1, 2]
    assert [data.users.ids[row] for row in asked["top"].outfits.users] == ["0"] * 3 + ["2"] * 3
    assert not data.split("train").retrieval
    without = load(tiny_root)
    (tiny_root / RETRIEVAL).unlink()
    assert load(tiny_root).fingerprint == without.fingerprint  # old runs keep their data


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (RETRIEVAL, "0,3,2,1,2,0,2,1\n", r"retrieval_top_all:1: .* different users"),
        (RETRIEVAL, "0,3,2,1,0,9,2,1\n", r"retrieval_top_all:1: top 9 in column 6 is out of range"),
        (RETRIEVAL, "0,3,2,1,0,0,2,1\n0,3,2,1\n", r"retrieval_top_all:2: row too short"),
        ("tuples_3/retrieval_tpo_all", "0,3,2,1,0,0,2,1\n", r"retrieval_tpo_all: no slot 'tpo' \(nearest: 'top'\)"),
    ],
)
def test_bad_retrieval_files_name_file_and_line(tiny_root, file, text, message):
    (tiny_root / file).write_text(text)
    with pytest.raises(DataError, match=message):
        load(tiny_root)


def test_what_the_sample_maker_writes_is_read(sample_root):
    split = load(sample_root, subset="630").split("test")
    assert list(split.retrieval) == ["top", "bottom", "shoe"]
    for position, groups in enumerate(split.retrieval.values()):
        assert (len(groups), groups.size) == (len(split.positives), 4)
        by_question = groups.outfits.items.reshape(-1, 4, 3)
        assert (by_question[:, 0] == split.positives.items).all()
        differs = (by_question != by_question[:, :1]).any(axis=(0, 1))
        assert differs.tolist() == [slot == position for slot in range(3)]
