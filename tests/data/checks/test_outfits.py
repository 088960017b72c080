import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_hash.commands.data.import_data import main
from fashion_hash.data.checks.outfits import Finding, check_dataset
from fashion_hash.data.load import load_dataset
from fashion_hash.data.stores.lmdb_files import write_lmdb
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.catalogues import maryland, shift15m

TRAIN = "tuples_3/tuples_train_posi"
TEST = "tuples_3/tuples_test_posi"


def check(root: Path, **options):
    return check_dataset("polyvore_u", root, **options)


def find(report, words: str) -> Finding:
    found = [finding for finding in report.findings if words in finding.what]
    assert len(found) == 1, [finding.what for finding in report.findings]
    return found[0]


def absent(report, words: str) -> bool:
    return not any(words in finding.what for finding in report.findings)


def drop_negatives(root: Path) -> None:
    for path in [*root.glob("*/*_nega*"), *root.glob("*/fill_in*")]:
        path.unlink()


def test_what_it_holds(tiny_root):
    report = check(tiny_root)
    assert report.ok
    assert report.holds["items"] == {"top": 4, "bottom": 3, "shoe": 2}
    assert report.holds["users"] == 3
    assert report.holds["splits"]["train"] == {
        "outfits": 4,
        "users": 3,
        "negatives": {"random": 2, "hard": 1},
        "questions": 0,
        "empty": {},
    }
    assert report.holds["splits"]["test"]["questions"] == 2
    shared = find(report, "bottom items of test that occur in train")
    assert (shared.count, shared.severity) == (2, "note")
    assert find(report, "top items of test that occur in train as well (0.0%)").count == 0
    assert find(report, "users of train without an outfit in test").examples == ["10"]
    assert find(report, "no pictures").severity == "note"
    assert "train  4        3      2 random, 1 hard" in str(report)
    assert str(report).endswith("nothing wrong")


def test_bad_lines_are_counted_and_the_rest_goes_on(tiny_root):
    drop_negatives(tiny_root)
    bad = "".join(f"0,{7 + i},0,0\n" for i in range(30))
    (tiny_root / TRAIN).write_text(f"user,top,bottom,shoe\n0,0,0,0\n0,1\n0,x,0,0\n{bad}2,1,1,1\n")
    report = check(tiny_root)
    assert not report.ok
    faults = find(report, "faults in the files")
    assert faults.count == 32
    assert len(faults.examples) == 20
    assert "tuples_train_posi:3: row too short" in faults.examples[0]
    assert "tuples_train_posi:4: 'x' in column 2" in faults.examples[1]
    assert "tuples_train_posi:5: top 7 in column 2 is out of range" in faults.examples[2]
    assert report.holds["splits"]["train"]["outfits"] == 2
    assert "... and 12 more" in str(report)


def test_a_bad_negative_takes_its_positive_along(tiny_root):
    path = tiny_root / "tuples_3/tuples_train_nega"
    path.write_text(path.read_text().replace("0,2,1,0\n", "0,9,1,0\n"))
    report = check(tiny_root)
    assert find(report, "faults").count == 1
    assert report.holds["splits"]["train"]["outfits"] == 3


def test_duplicates_new_users_and_leaks(tiny_root):
    drop_negatives(tiny_root)
    (tiny_root / TRAIN).write_text("0,0,0,0\n0,1,1,1\n0,0,0,0\n2,0,0,0\n")
    (tiny_root / TEST).write_text("0,1,1,1\n9,1,1,1\n")
    report = check(tiny_root)
    double = find(report, "train: outfits that the same user has twice")
    assert (double.severity, double.count) == ("warning", 1)
    assert double.examples == ["user 0: top t0.jpg, bottom b0.jpg, shoe s0.jpg"]
    assert find(report, "users of test without an outfit in train").examples == ["9"]
    leak = find(report, "outfits of test that the same user has in train")
    assert leak.examples == ["user 0: top t1.jpg, bottom b1.jpg, shoe s1.jpg"]
    assert report.ok  # warnings only
    assert find(report, "top items that occur in no outfit").count == 2


def test_swapped_tops_are_the_same_outfit(tiny_root):
    drop_negatives(tiny_root)
    (tiny_root / TRAIN).write_text("0,0,1,0,0\n")
    (tiny_root / TEST).write_text("0,1,0,0,0\n")
    assert find(check(tiny_root), "outfits of test that the same user has in train").count == 1


def test_negatives_and_questions_that_are_positives(tiny_root):
    path = tiny_root / "tuples_3/tuples_train_nega_hard"
    path.write_text("user,top,bottom,shoe\n0,1,1,1\n0,1,0,1\n2,0,0,0\n10,2,2,0\n")
    (tiny_root / "tuples_3/fill_in_blank_test").write_text("0,3,2,1,0,3,2,1\n2,1,0,0,2,3,1,0\n")
    report = check(tiny_root)
    assert find(report, "train: hard negatives that are positives of their user").count == 1
    assert absent(report, "train: random negatives that are positives")
    assert find(report, "the truth, is not a positive").examples == ["user 2: top t1.jpg, bottom b0.jpg, shoe s0.jpg"]
    assert find(report, "the truth among the wrong candidates").count == 1


def test_retrieval_questions_are_checked_like_the_others(tiny_root):
    rows = "0,3,2,1,0,0,2,1\n2,3,0,0,2,2,1,0\n2,1,0,0,2,1,0,0\n"
    (tiny_root / "tuples_3/retrieval_top_all").write_text(rows)
    report = check(tiny_root)
    assert find(report, "questions of retrieval_top whose candidates differ in another slot").examples == [
        "user 2: top t3.jpg, bottom b0.jpg, shoe s0.jpg"
    ]
    assert find(report, "questions of retrieval_top whose first candidate, the truth, is not a positive").count == 1
    assert find(report, "questions of retrieval_top with the truth among the wrong candidates").count == 1


def test_pictures(tiny_root):
    folder = tiny_root / "images/291x291"
    folder.mkdir(parents=True)
    for name in ("t0", "t1", "t2", "t3", "b0", "b1", "b2", "s0"):
        Image.new("L", (4, 4)).save(folder / f"{name}.jpg")
    (folder / "b1.jpg").write_bytes(b"torn")
    report = check(tiny_root)
    missing = find(report, "items without a picture")
    assert (missing.severity, missing.examples) == ("warning", ["s1.jpg"])
    assert absent(report, "cannot be decoded")
    broken = find(check(tiny_root, decode_pictures=True), "cannot be decoded")
    assert broken.count == 1
    assert "b1.jpg: cannot decode" in broken.examples[0]
    Image.new("L", (4, 4)).save(folder / "b1.jpg")
    Image.new("L", (4, 4)).save(folder / "s1.jpg")
    assert find(check(tiny_root, decode_pictures=True), "items, all of them, with a picture").count == 9


def test_no_usable_picture_at_all_is_an_error(tiny_root):
    write_lmdb(tiny_root / "images/lmdb", [("other.jpg", b"")])
    assert find(check(tiny_root), "items without a picture").severity == "error"
    data = tiny_root / "images/lmdb/data.mdb"
    data.write_bytes(data.read_bytes()[:5000])
    report = check(tiny_root)
    assert "truncated" in find(report, "the pictures cannot be read").examples[0]
    assert not report.ok


def test_text_vectors(tiny_root):
    path = tiny_root / "sentence_vector/semantic.pkl"
    path.parent.mkdir()
    names = [f"{kind}{i}.jpg" for kind, count in (("t", 4), ("b", 3), ("s", 2)) for i in range(count)]
    path.write_bytes(pickle.dumps({name: np.ones(5) for name in names[1:]}))
    assert find(check(tiny_root), "items without a text vector").examples == ["t0.jpg"]
    path.write_bytes(pickle.dumps({name: np.ones(5) for name in names}))
    assert find(check(tiny_root), "with a text vector of 5 numbers").count == 9
    path.write_bytes(pickle.dumps({"t0.jpg": print}))
    assert "print, which is refused" in find(check(tiny_root), "text vectors cannot be read").examples[0]


def test_a_missing_file_is_an_error_in_the_report(tiny_root):
    (tiny_root / "tuples_3/image_list_shoe").unlink()
    report = check(tiny_root)
    assert not report.ok
    assert "no image_list_shoe" in report.findings[0].examples[0]


def test_wrong_question(tmp_path):
    with pytest.raises(ConfigError, match="unknown data format 'csv'"):
        check_dataset("csv", tmp_path)
    with pytest.raises(DataError, match="no folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no tuples"):
        check(tmp_path)


def test_any_damage_ends_in_a_report(tiny_root):
    rng = np.random.default_rng(0)
    files = [path for path in sorted(tiny_root.rglob("*")) if path.is_file()]
    whole = {path: path.read_bytes() for path in files}
    noise = np.frombuffer(b",\n-19x \xff", dtype=np.uint8)
    errors = 0
    for _ in range(150):
        path = files[rng.integers(len(files))]
        damaged = bytearray(whole[path])
        for at in rng.integers(0, len(damaged), rng.integers(1, 6)):
            damaged[at] = rng.choice(noise)
        path.write_bytes(damaged)
        report = check(tiny_root)
        str(report)
        json.dumps(report.to_dict())
        errors += not report.ok
        path.write_bytes(whole[path])
    assert errors > 100
    assert check(tiny_root).ok


def test_command(tiny_root, capsys, tmp_path):
    assert main(["check", "polyvore_u", str(tiny_root)]) == 0
    assert "polyvore_u/tuples_3" in capsys.readouterr().out
    assert main(["check", "polyvore_u", str(tiny_root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"]["users"] == 3
    (tiny_root / TRAIN).write_text("0,0\n")
    assert main(["check", "polyvore_u", str(tiny_root), "--slots", "top,bottom,shoe", "--pictures"]) == 1
    assert "tuples_train_posi:1: row too short" in capsys.readouterr().out
    assert main(["check", "polyvore_u", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: no folder")
    assert main(["check", "iqon3000", str(tiny_root)]) == 2  # another format's folder: nothing was checked
    assert "holds no train.csv, valid.csv or test.csv (it holds items.csv, tuples_3)" in capsys.readouterr().err
    assert main(["check", "polivore_u", str(tiny_root)]) == 2
    assert "nearest: 'polyvore_u'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.data
def test_the_real_one(iqon_root):
    report = check_dataset("iqon3000", iqon_root)
    assert report.ok
    assert absent(report, "same user")
    assert absent(report, "negatives that are positives")


def test_a_table_of_items_of_another_shop_is_a_warning(tiny_root):
    (tiny_root / "items.csv").write_text("item_id,type,title\nA-1,top,Shirt\nA-2,bottom,Skirt\n")
    finding = find(check(tiny_root), "none of the 2 rows of")
    assert finding.severity == "warning"
    assert "its rows name 'top A-1', 'bottom A-2'" in finding.what
    known = next(iter(load_dataset("polyvore_u", tiny_root).items["top"]))
    (tiny_root / "items.csv").write_text(f"item_id,type,title\nA-1,top,Shirt\n{known},top,Skirt\n")
    report = check(tiny_root)
    assert absent(report, "names an item of the data set, so nothing")
    assert find(report, "that name no item of the data set").examples == ["top A-1"]


def test_labelled_outfits_are_counted_and_what_is_odd_is_said_once(tmp_path, capsys, caplog):
    assert main(["check", "maryland", str(maryland(tmp_path))]) == 0
    printed = capsys.readouterr().out
    header, *splits = (line.split() for line in printed.splitlines()[4:8])
    assert header[-4:] == ["questions", "labelled", "empty", "slots"]
    dataset = load_dataset("maryland", tmp_path)
    assert dataset.notes
    assert [row[5] for row in splits] == ["0", "0", str(len(dataset.split("test").labelled.outfits))]
    caplog.clear()
    main(["check", "maryland", str(tmp_path)])
    assert printed.count("the data names no users") == 1
    assert not caplog.records


def test_data_that_is_not_divided_says_what_divides_it(tmp_path):
    report = check_dataset("shift15m", shift15m(tmp_path))
    assert find(report, "no split but train: data.split").severity == "note"
    with pytest.raises(DataError, match=r"shift15m has no split 'test'; it has train: divide it with data\.split$"):
        load_dataset("shift15m", tmp_path).split("test")
