"""iFashion in the form of KGAT and KGIN: what is read, which slots are chosen, and every kind of broken file."""

import numpy as np
import pytest

import fashion_hash as fh
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.click_world import ClickWorld, write_kgin

TRAIN = "0 0 1\n1 1\n2 2 3 3\n3 4\n5\n"
TEST = "0 2\n7 0\n1 5\n"
# outfits 0 to 5, items 10 to 15, categories 20 (tops: 10, 11), 21 (shoes: 12, 13), 22 (hats: 14), 23 (bags: 15)
INCLUDES = [(0, 10), (0, 12), (1, 11), (1, 13), (1, 14), (2, 10), (2, 12), (3, 12), (4, 11), (4, 15), (5, 13)]
CATEGORIES = {10: 20, 11: 20, 12: 21, 13: 21, 14: 22, 15: 23}
GRAPH = "\n".join(
    [*(f"{outfit} 0 {item}" for outfit, item in INCLUDES), *(f"{item} 1 {at}" for item, at in CATEGORIES.items())]
)


def write(folder, train=TRAIN, test=TEST, graph=GRAPH):
    for name, text in (("train.txt", train), ("test.txt", test), ("kg_final.txt", graph)):
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def worn(dataset, split):
    """{(user, outfit id): item ids} of a split."""
    rows = {}
    if split not in dataset.splits:
        return rows
    part = dataset.splits[split]
    for (user, items), outfit_id in zip(part.positives, part.facts.ids):
        named = [dataset.items[slot].ids[at] for slot, at in zip(dataset.slots, items) if at != EMPTY]
        rows[dataset.users.ids[user], outfit_id] = set(named)
    return rows


def test_users_outfits_and_items_keep_their_numbers(tmp_path):
    dataset = fh.load_dataset("ifashion_kgin", write(tmp_path))
    assert dataset.users.ids == ("0", "1", "2", "3", "5", "7")
    assert dataset.pool.ids == ("0", "1", "2", "3", "4", "5")
    clicks = worn(dataset, "train") | worn(dataset, "valid")
    assert clicks.keys() == {("0", "0"), ("0", "1"), ("1", "1"), ("2", "2"), ("2", "3"), ("3", "4")}
    assert clicks["0", "0"] == clicks["2", "2"] == {"10", "12"}  # equal outfits under two ids stay two
    assert worn(dataset, "test") == {("0", "2"): {"10", "12"}, ("7", "0"): {"10", "12"}, ("1", "5"): {"13"}}
    notes = {note.what: (note.count, note.examples) for note in dataset.notes}
    assert notes["train: clicks of a user on the same outfit again, left out"][0] == 1
    assert notes["users without an outfit"] == (1, ("5",))


def test_categories_that_never_meet_share_a_slot(tmp_path):
    dataset = fh.load_dataset("ifashion_kgin", write(tmp_path))
    # tops and shoes meet, hats meet both, bags meet tops: bags stand with the shoes or with the hats
    assert dataset.slots == ("type1", "type2", "type3")
    of_type = {frozenset(vocabulary) for vocabulary in dataset.items.values()}
    assert {"10", "11"} in of_type
    assert {"12", "13", "15"} in of_type or {"14", "15"} in of_type
    details = {key: row for by_id in dataset.content.details.values() for key, row in by_id.items()}
    assert details == {str(item): {"category": str(at)} for item, at in CATEGORIES.items()}


def test_relations_are_categories_where_each_has_its_own(tmp_path):
    lines = [f"{outfit} 0 {item}" for outfit, item in INCLUDES]
    lines += [f"{item} {at - 19} 30" for item, at in CATEGORIES.items()]
    (tmp_path / "other").mkdir()
    by_tail = fh.load_dataset("ifashion_kgin", write(tmp_path))
    by_relation = fh.load_dataset("ifashion_kgin", write(tmp_path / "other", graph="\n".join(lines)))
    assert by_relation.items == by_tail.items
    assert by_relation.content.details != by_tail.content.details


def test_items_without_categories_make_sets(tmp_path):
    graph = "\n".join(line for line in GRAPH.split("\n") if " 0 " in line)
    dataset = fh.load_dataset("ifashion_kgin", write(tmp_path, graph=graph))
    assert dataset.slots == ("item", "item", "item")
    assert worn(dataset, "test")["7", "0"] == {"10", "12"}


def test_categories_that_all_meet_make_sets(tmp_path):
    dataset = fh.load_dataset("ifashion_kgin", write_kgin(ClickWorld(colourable=False, users=300), tmp_path))
    assert dataset.slots == ("item",) * 4
    typed = fh.load_dataset("ifashion_kgin", write_kgin(ClickWorld(users=300), tmp_path / "typed"))
    assert typed.slots == ("type1", "type2", "type3", "type4")


def test_slots_may_be_left_out_by_choice(tmp_path):
    assert fh.load_dataset("ifashion_kgin", write(tmp_path), slots=["item"] * 4).slots == ("item",) * 4
    with pytest.raises(ConfigError, match='up to 8 times "item"'):
        fh.load_dataset("ifashion_kgin", tmp_path, slots=["top", "shoe"])
    with pytest.raises(ConfigError, match="no subsets"):
        fh.load_dataset("ifashion_kgin", tmp_path, subset="a")
    notes = [note.what for note in fh.load_dataset("ifashion_kgin", tmp_path, slots=["item"] * 2).notes]
    assert "items beyond the 2 slots, left out of their outfit" in notes


def test_the_validation_split_is_the_same_every_time(tmp_path):
    world = ClickWorld(users=200, seed=3)
    dataset, again = (fh.load_dataset("ifashion_kgin", write_kgin(world, tmp_path / name)) for name in "ab")
    assert dataset.fingerprint == again.fingerprint
    train, valid = dataset.splits["train"], dataset.splits["valid"]
    assert 0.05 < len(valid.positives) / (len(train.positives) + len(valid.positives)) < 0.15
    assert set(valid.positives.users) <= set(train.positives.users)
    # the order of lines does not matter
    lines = (tmp_path / "a/train.txt").read_text().splitlines()
    (tmp_path / "a/train.txt").write_text("\n".join(reversed(lines)))
    turned = fh.load_dataset("ifashion_kgin", tmp_path / "a")
    assert worn(turned, "valid") == worn(dataset, "valid")


def test_one_click_a_user_spares_none_for_validation(tmp_path):
    dataset = fh.load_dataset("ifashion_kgin", write(tmp_path, train="0 0\n1 1\n"))
    assert set(dataset.splits) == {"train", "test"}
    assert any("no validation split" in note.what for note in dataset.notes)


def test_without_a_test_split_the_configuration_divides(tmp_path):
    write_kgin(ClickWorld(users=200), tmp_path)
    (tmp_path / "test.txt").unlink()
    assert set(fh.load_dataset("ifashion_kgin", tmp_path).splits) == {"train"}
    data = {"format": "ifashion_kgin", "root": str(tmp_path), "split": {"kind": "per_user", "valid": 0.2}}
    divided = fh.load_data(fh.make_config({"name": "a", "data": data, "id": {}}))
    assert set(divided.splits) == {"train", "valid", "test"}


def test_marks_of_other_systems_do_not_matter(tmp_path):
    (tmp_path / "dos").mkdir()
    plain = fh.load_dataset("ifashion_kgin", write(tmp_path))
    dos = [b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for text in (TRAIN, TEST, GRAPH)]
    assert fh.load_dataset("ifashion_kgin", write(tmp_path / "dos", *dos)).fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train": TRAIN + "8 -1\n"}, r"train.txt:6: a negative number"),
        ({"train": TRAIN + "8 12\n"}, r"train.txt:6: user 8: 12 is an item where an outfit is expected"),
        ({"test": TEST + "8 99\n"}, r"test.txt:4: user 8: 99 is beyond the 24 entities"),
        ({"test": TEST + "8 1" + "0" * 30}, r"test.txt:4: a number of more than 18 digits"),
        ({"train": TRAIN.encode() + b"8 \x00\x00\n"}, r"train.txt:6: a NUL byte"),
        ({"train": "user,outfit\n" + TRAIN}, r"train.txt:1: 'user,outfit' is not a row of whole numbers"),
        ({"graph": GRAPH + "\n4 0"}, r"kg_final.txt:18: row too short: 2 numbers"),
        ({"graph": GRAPH + "\n12 0 13"}, r"kg_final.txt:18: 12 is an item where an outfit is expected"),
        ({"graph": GRAPH + "\n4 0 1"}, r"kg_final.txt:18: 1 is an outfit where an item is expected"),
        ({"graph": "1 1 2\n"}, r"kg_final.txt holds no outfits"),
        ({"graph": ""}, r"kg_final.txt holds no outfits"),
        ({"graph": None}, r"holds no kg_final.txt \(it holds test.txt, train.txt\)"),
        ({"train": ""}, r"train.txt holds no users"),
        ({"train": None}, r"holds no train.txt"),
        ({"train": "0\n1\n"}, r"no click on an outfit"),
    ],
)
def test_broken_files_are_refused_with_file_and_line(tmp_path, files, words):
    write(tmp_path, **files)
    with pytest.raises(DataError, match=words):
        fh.load_dataset("ifashion_kgin", tmp_path)


def test_a_check_goes_on_after_bad_lines(tmp_path):
    write(tmp_path, train=TRAIN + "8 -1\n8 12\n", test=TEST + "8 99\n", graph=GRAPH + "\n4 0\n12 0 13")
    report = fh.check_dataset("ifashion_kgin", tmp_path)
    assert not report.ok
    assert report.findings[0].count == 5
    assert report.holds["splits"]["test"]["outfits"] == 3
    assert fh.check_dataset("ifashion_kgin", write(tmp_path)).ok


def test_outfits_without_items_leave_with_their_clicks(tmp_path):
    dataset = fh.load_dataset("ifashion_kgin", write(tmp_path, train=TRAIN + "9 8 1\n"))
    assert "8" not in dataset.pool.ids
    notes = {note.what: note.examples for note in dataset.notes}
    assert notes["outfits without items, left out"] == ("8",)
    assert np.isin(["1"], [outfit for user, outfit in worn(dataset, "train") if user == "9"]).all()
