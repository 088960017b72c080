import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content, Dataset, Groups, Split
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.formats.recbole.export import export_recbole
from fashion_hash.data.load import load_dataset
from fashion_hash.errors import ConfigError, DataError
from tests.worlds import catalogues

COLUMNS = {
    "title": 'A "long" coat,\twith\nlines',
    "price": 59.9,
    "stock": 7,
    "sizes": ["S", "extra large", "100%"],
    "widths": [38, 39.5],
    "active": True,
    "since": "2026-01-31",
    "price:eur": 3,
    "price eur": 4.5,
    "type": "knit",
    "type_": "woven",
}


def made(pool=False):
    """A data set with two tops, awkward ids and every kind of column."""
    slots = ("top", "top", "bottom")
    items = {"top": Vocabulary(["t 1", "t%202", "t3"], "top"), "bottom": Vocabulary(["t 1", "007"], "bottom")}
    train = Outfits.of(slots, [0, 1, 0], [[0, 1, 0], [2, -1, 1], [1, 0, 0]])
    facts = OutfitFacts.of(
        ["a", "b", "c"] if pool else None, [5, NO_TIME, 7], [1.0, 0.25, np.nan], ["bought", "", "liked"]
    )
    test = Outfits.of(slots, [2], [[0, -1, 1]])
    details = {"top": {"t 1": COLUMNS, "t3": {"price": 1}}}
    splits = {"train": Split(train, facts=facts), "test": Split(test)}
    return Dataset(
        "made", slots, Vocabulary(["u1", "ü 2", "3", "idle"], "user"), items, splits, Content(details=details)
    )


def assert_same(read, written):
    assert read.fingerprint == written.fingerprint
    assert (read.name, read.slots, read.users) == (written.name, written.slots, written.users)
    assert dict(read.items) == dict(written.items)
    assert set(read.splits) == set(written.splits)
    for name, part in written.splits.items():
        other = read.splits[name]
        assert np.array_equal(other.positives.users, part.positives.users)
        assert np.array_equal(other.positives.items, part.positives.items)
        assert (other.facts is None) == (part.facts is None)
        if part.facts is not None:
            for column in ("ids", "times", "weights", "kinds"):
                ours, theirs = getattr(other.facts, column), getattr(part.facts, column)
                assert (ours is None) == (theirs is None), column
                assert ours is None or ours.tolist() == theirs.tolist() or np.allclose(ours, theirs, equal_nan=True)
    assert (read.pool is None) == (written.pool is None)
    assert np.array_equal(read.outfits.items, written.outfits.items)
    if written.pool is not None:
        assert read.pool.ids == written.pool.ids
    assert read.content.details == {kind: rows for kind, rows in written.content.details.items() if rows}
    assert dict(read.content.names) == dict(written.content.names)


@pytest.mark.parametrize("pool", [False, True])
def test_round_trip_of_awkward_ids_and_columns(tmp_path, pool):
    written = made(pool)
    exported = export_recbole(written, tmp_path / "made")
    assert exported[:5] == ("made", 4, 5, 4, {"train": 3, "test": 1})
    assert_same(load_dataset("recbole", tmp_path / "made"), written)


@pytest.mark.parametrize("name", ["polyvore_outfits", "maryland", "iqon_json", "shift15m", "hm"])
def test_round_trip_of_catalogues(tmp_path, name):
    getattr(catalogues, name)(tmp_path / "data")
    written = load_dataset(name, tmp_path / "data")
    exported = export_recbole(written, tmp_path / name)
    assert ("questions" in exported.left_out) == (name in ("polyvore_outfits", "maryland"))
    assert_same(load_dataset("recbole", tmp_path / name), written)


def test_what_has_no_place_in_the_files_is_named(tmp_path):
    written = made()
    test = written.splits["test"]
    asked = replace(test, retrieval={written.slots[0]: Groups(test.positives, 1)})
    exported = export_recbole(replace(written, splits={**written.splits, "test": asked}), tmp_path / "made")
    assert exported.left_out == ("retrieval questions",)


def test_the_files_are_those_that_recbole_reads(tmp_path):
    export_recbole(made(), tmp_path / "made")
    folder = tmp_path / "made"
    assert sorted(path.name for path in folder.iterdir()) == [
        "about.json",
        "made.garment",
        "made.item",
        "made.test.inter",
        "made.train.inter",
        "made.user",
        "made.yaml",
    ]
    lines = (folder / "made.train.inter").read_text().splitlines()
    assert lines[0] == "user_id:token\titem_id:token\ttimestamp:float\tweight:float\tkind:token"
    user, outfit, *rest = lines[1].split("\t")
    assert (user, rest) == ("u1", ["5", "1.0", "bought"])
    assert (folder / "made.test.inter").read_text().splitlines()[0] == "user_id:token\titem_id:token"
    items = (folder / "made.item").read_text().splitlines()
    assert items[0] == "item_id:token\titems:token_seq\tslots:token_seq"
    assert f"{outfit}\tt%201 t%25202 t%201\ttop top_2 bottom" in items
    header = (folder / "made.garment").read_text().splitlines()[0]
    assert header.startswith("garment_id:token\ttype:token\ttitle:token\tprice:float\tstock:float\tsizes:token_seq")
    assert "widths:float_seq" in header
    assert 'benchmark_filename: ["train", "test"]' in (folder / "made.yaml").read_text()


def test_a_data_set_without_splits_is_one_file(tmp_path):
    written = made()
    written = replace(written, splits={"train": written.splits["train"]})
    export_recbole(written, tmp_path / "whole")
    assert (tmp_path / "whole" / "whole.inter").is_file()
    assert_same(load_dataset("recbole", tmp_path / "whole"), written)


def test_a_folder_of_somebody_else_stays(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="exists and was not written by this export"):
        export_recbole(made(), tmp_path / "other")
    assert (tmp_path / "other" / "notes.txt").read_text() == "mine"
    export_recbole(made(), tmp_path / "ours")
    export_recbole(made(True), tmp_path / "ours")
    assert load_dataset("recbole", tmp_path / "ours").split("train").facts.ids.tolist() == ["a", "b", "c"]


def test_one_id_for_two_outfits_is_refused(tmp_path):
    written = made(True)
    train = written.split("train")
    facts = OutfitFacts.of(["a", "a", "c"])
    with pytest.raises(DataError, match="outfit 'a' stands for different items"):
        export_recbole(replace(written, splits={"train": Split(train.positives, facts=facts)}), tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_slots_that_the_files_say_cannot_be_chosen(tmp_path):
    export_recbole(made(), tmp_path / "made")
    assert load_dataset("recbole", tmp_path / "made", slots=["top", "top", "bottom"]).slots == made().slots
    with pytest.raises(ConfigError, match=r"says what its slots are: leave out \['top', 'bottom'\], or give \['top',"):
        load_dataset("recbole", tmp_path / "made", slots=["top", "bottom"])
    with pytest.raises(ConfigError, match=r"each item of .*ml is an outfit of its own: leave out \['film'\]"):
        load_dataset("recbole", foreign(tmp_path), slots=["film"])


MOVIES = "item_id:token\tmovie_title:token_seq\trelease_year:float\n1\tToy Story\t1995\n2\tJumanji\t1995\n"
RATINGS = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t1\t5\t978300760\n8\t2\t1\t978302109.0\n"


def foreign(root, **files):
    folder = root / "ml"
    folder.mkdir(exist_ok=True)
    for name, text in {"inter": RATINGS, "item": MOVIES, **files}.items():
        (folder / f"ml.{name.replace('_', '.')}").write_text(text)
    return folder


def test_files_of_others_become_outfits_of_one_item(tmp_path):
    data = load_dataset("recbole", foreign(tmp_path))
    assert (data.name, data.slots, data.users.ids) == ("recbole/ml", ("item",), ("7", "8"))
    assert data.items["item"].ids == ("1", "2")
    assert data.content.details["item"]["1"] == {"movie_title": "Toy Story", "release_year": 1995}
    train = data.split("train")
    assert train.facts.times.tolist() == [978300760, 978302109]
    assert train.facts.ids.tolist() == ["1", "2"]


def test_benchmark_files_go_before_the_whole_and_outfits_may_come_without_about(tmp_path):
    folder = foreign(
        tmp_path,
        train_inter=RATINGS,
        val_inter="user_id:token\titem_id:token\n9\t2\n",
        item="item_id:token\titems:token_seq\tslots:token_seq\n1\ta b%20 c\ttop top_2 bottom\n2\ta c\ttop bottom\n",
    )
    data = load_dataset("recbole", folder)
    assert {name: len(part.positives) for name, part in data.splits.items()} == {"train": 2, "valid": 1}
    assert data.slots == ("top", "top", "bottom")
    assert data.items["top"].ids == ("a", "b%20")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"inter": "user_id\titem_id:token\n"}, r"ml\.inter:1: column 'user_id': expected NAME:TYPE"),
        ({"inter": "user_id:token\titem_id:text\n"}, r"ml\.inter:1: column 'item_id:text'"),
        ({"inter": "user_id:token\tuser_id:token\n"}, "the column 'user_id' occurs twice"),
        ({"inter": "user_id:token\tx:token\n"}, r"ml\.inter:1: no column item_id; the columns are user_id, x"),
        ({"inter": RATINGS + "7\t1\n"}, r"ml\.inter:4: row too short: 2 cells, expected 4"),
        ({"inter": RATINGS + "7\t\t1\t2\n"}, r"ml\.inter:4: item_id is empty"),
        ({"inter": RATINGS + "7\t1\t1\tnoon\n"}, r"ml\.inter:4: timestamp is 'noon': expected a finite number"),
        ({"inter": RATINGS + "7\t1\t1\tnan\n"}, r"ml\.inter:4: timestamp is 'nan'"),
        ({"inter": RATINGS.replace("rating", "weight").replace("\t5\t", "\t-5\t")}, r"ml\.inter:2: weight is '-5'"),
        ({"inter": RATINGS + '7\t"1\t1\t2\n'}, r"ml\.inter:4: a cell begins with a quotation mark"),
        ({"inter": ""}, r"ml\.inter is empty: expected a header"),
        ({"item": MOVIES + "1\tAgain\t1995\n"}, r"ml\.item:4: item_id '1' occurs twice"),
        ({"item": MOVIES + "3\tAgain\tsoon\n"}, r"ml\.item:4: release_year is 'soon'"),
        ({"item": "id:token\n1\n"}, r"ml\.item:1: no column item_id"),
        ({"item": "item_id:token\titems:token_seq\n1\ta b\n"}, r"ml\.item:1: no column slots:token_seq"),
        ({"user": "user_id:token\n7\n7\n"}, r"ml\.user:3: user_id '7' occurs twice"),
    ],
)
def test_damaged_files_name_file_and_line(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        load_dataset("recbole", foreign(tmp_path, **files))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\ta b\ttop\n", "2 items and 1 slot: each item needs its slot"),
        ("1\ta b\ttop top\n", "the slot top is filled twice"),
        ("1\t\ttop\n", "items is empty"),
        ("2\ta c\ttop bottom\n2\ta c\ttop bottom\n", "item_id '2' occurs twice"),
        ("2\ta c\ttop bottom\n", r"ml\.inter:2: item_id '1' is not in the file of items"),
    ],
)
def test_damaged_outfits_name_file_and_line(tmp_path, row, message):
    item = f"item_id:token\titems:token_seq\tslots:token_seq\n9\ta c\ttop bottom\n{row}"
    with pytest.raises(DataError, match=message):
        load_dataset("recbole", foreign(tmp_path, item=item))


def test_what_was_exported_is_read_strictly(tmp_path):
    folder = tmp_path / "made"
    export_recbole(made(), folder)
    text = (folder / "made.garment").read_text()
    (folder / "made.garment").write_text(text.replace("t3\ttop", "t4\ttop"))
    with pytest.raises(DataError, match=r"made\.item:\d+: 't3' is not among the garments of the type 'top'"):
        load_dataset("recbole", folder)
    (folder / "made.garment").write_text(text.replace("\ttrue\t", "\tmaybe\t"))
    with pytest.raises(DataError, match=r"made\.garment:2: active is 'maybe': expected true or false"):
        load_dataset("recbole", folder)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "format_version": 2}))
    with pytest.raises(DataError, match="of another version of fashion_hash"):
        load_dataset("recbole", folder)


def test_folders_without_files_or_of_several_data_sets(tmp_path):
    with pytest.raises(DataError, match=r"holds no NAME\.inter or NAME\.train\.inter \(it holds nothing\)"):
        load_dataset("recbole", tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.inter").write_text(RATINGS)
    with pytest.raises(DataError, match="holds several data sets: a, b"):
        load_dataset("recbole", tmp_path)
    with pytest.raises(ConfigError, match="no subsets"):
        load_dataset("recbole", tmp_path, subset="a")
