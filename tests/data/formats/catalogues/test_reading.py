"""What readers of published catalogues make of whole files."""

import gzip
import json

import numpy as np
import pytest

from fashion_hash.config.data import SplitConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.checks.outfits import check_dataset
from fashion_hash.data.formats.catalogues.gather import price
from fashion_hash.data.formats.catalogues.maryland import item_type
from fashion_hash.data.load import load_dataset
from fashion_hash.data.splits.make import split_dataset
from fashion_hash.errors import ConfigError, DataError
from fashion_hash.evaluation.protocols import compatibility, evaluate_split, statements
from tests.worlds import catalogues

WRITERS = {
    "polyvore_outfits": catalogues.polyvore_outfits,
    "maryland": catalogues.maryland,
    "iqon_json": catalogues.iqon_json,
    "shift15m": catalogues.shift15m,
    "hm": catalogues.hm,
}


def ids(dataset, outfits):
    return [
        tuple(dataset.items[kind].ids[item] for kind, item in zip(dataset.slots, row) if item != EMPTY)
        for row in outfits.items.tolist()
    ]


def test_polyvore_outfits(tmp_path):
    catalogues.polyvore_outfits(tmp_path)
    data = load_dataset("polyvore_outfits", tmp_path)
    assert data.name == "polyvore_outfits/disjoint"
    assert data.slots == ("tops", "bottoms", "shoes")
    assert data.users.ids == ("everybody",)
    assert {name: part.facts.ids.tolist() for name, part in data.splits.items()} == {
        name: list(names) for name, names in catalogues.SPLIT_OF.items()
    }
    assert ids(data, data.split("train").positives)[0] == ("111", "112", "113")
    test = data.split("test")
    # the truth stands first, though the file of the second question has it last
    assert ids(data, test.questions.outfits) == [
        ("171", "172", "173"),
        ("171", "182", "173"),
        ("181", "182", "183"),
        ("181", "172", "183"),
    ]
    assert test.labelled.compatible.tolist() == [True, True, False, False]
    assert ids(data, test.labelled.outfits)[2] == ("171", "182", "183")
    assert data.split("train").labelled is None
    details = data.content.details["tops"]
    assert details["111"] == {"title": "A tops of 11", "category": "mini skirts"}
    assert details["121"]["title"] == "tops 12"  # of its url_name, where the title is empty


def test_two_versions_of_polyvore_outfits_must_be_chosen_from(tmp_path):
    catalogues.polyvore_outfits(tmp_path, "disjoint")
    catalogues.polyvore_outfits(tmp_path, "nondisjoint")
    with pytest.raises(DataError, match="holds two versions: choose a subset, disjoint or nondisjoint"):
        load_dataset("polyvore_outfits", tmp_path)
    assert load_dataset("polyvore_outfits", tmp_path, subset="nondisjoint").name == "polyvore_outfits/nondisjoint"
    with pytest.raises(DataError, match=r"no subset 'dijoint' \(nearest: 'disjoint'"):
        load_dataset("polyvore_outfits", tmp_path, subset="dijoint")


def test_maryland(tmp_path):
    data = load_dataset("maryland", catalogues.maryland(tmp_path))
    assert data.slots == ("top", "bottom", "shoe")
    assert data.items["shoe"].ids == ("900",)  # one item, however many outfits have it
    assert data.content.details["bottom"]["112"] == {"title": "piece 112", "price": 20.0, "category": "Skinny Jeans"}
    test = data.split("test")
    assert test.labelled.compatible.tolist() == [True, False, False]
    # an answer of another type takes the slot of its type
    assert ids(data, test.questions.outfits)[2] == ("181", "900")
    (tmp_path / "label").mkdir()
    for path in [path for path in tmp_path.iterdir() if path.is_file()]:
        path.rename(tmp_path / "label" / path.name)
    assert load_dataset("maryland", tmp_path).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("Day Dresses", "dress"),
        ("Men's Skinny Jeans", "bottom"),
        ("Ankle Booties", "shoe"),
        ("Bracelets & Bangles", "jewellery"),
        ("Over-The-Knee Boots", "shoe"),
        ("Shoulder Bags", "bag"),
        ("Nail Polish", "nail polish"),
    ],
)
def test_types_out_of_the_categories_of_polyvore(category, expected):
    assert item_type(category) == expected


def test_iqon_json(tmp_path):
    root = catalogues.iqon_json(tmp_path)
    data = load_dataset("iqon_json", root)
    assert data.slots == ("top", "bottom", "shoe")
    assert data.users.ids == ("500", "501")
    assert data.split("train").positives.users.tolist() == [0] * 4 + [1] * 4
    assert data.content.details["bottom"]["112"] == {
        "title": "[L]112",
        "price": 12420,
        "category": "ロングパンツ",
        "colour": ["黒（ブラック）"],
        "brand": ["アンタイトル［UNTITLED］"],
    }
    assert data.content.picture_keys == {"111": "500/11/111_m.jpg"}


def test_iqon_json_without_the_line_of_category_and_colour(tmp_path):
    root = catalogues.iqon_json(tmp_path)

    def simple(document):
        document["user"] = int(document["user"])
        for item in document["items"]:
            del item["category x color"]
            item.update(categorys=["ニットワンピース"], colors=["白", "黒"], brands=[], price=None)
        document["items"][1]["categorys"] = ["skirt"]

    for path in root.glob("*/*/*.json"):
        catalogues.change(path, simple)
        path.write_bytes(path.read_text(encoding="utf-8").encode("cp932"))  # as some tools have saved them
    data = load_dataset("iqon_json", root)
    assert set(data.types) == {"dress", "bottom"}
    assert data.content.details["dress"]["111"] == {
        "title": "[L]111",
        "category": "ニットワンピース",
        "colour": ["白", "黒"],
    }


def test_shift15m_with_times_and_as_splits(tmp_path):
    root = catalogues.shift15m(tmp_path / "whole")
    data = load_dataset("shift15m", root)
    assert data.users.ids == ("u0", "u1", "u2")
    facts = data.split("train").facts
    assert facts.times[:2].tolist() == [1367366400, 1398988800]  # 2013-05-01 and 2014-05-02
    assert data.content.details["11"]["111"] == {"price": 2900, "category": "11001"}
    divided = split_dataset(data, SplitConfig(kind="time", valid=0.25, test=0.25))
    assert set(divided.splits) == {"train", "valid", "test"}
    sets = json.loads((root / "iqon_outfits.json").read_text())
    years = tmp_path / "set_matching" / "labels" / "2013-2014"
    for split, rows in (("train", sets[:4]), ("valid", sets[4:6]), ("test", sets[6:])):
        catalogues.write_json(years / f"{split}.json", rows, 2)
    by_years = load_dataset("shift15m", tmp_path, subset="2013-2014")
    assert {name: len(part.positives) for name, part in by_years.splits.items()} == {"train": 4, "valid": 2, "test": 2}
    (tmp_path / "label").mkdir()
    packed = gzip.compress((root / "iqon_outfits.json").read_bytes())
    (tmp_path / "label" / "iqon_outfits.json").write_bytes(packed)
    assert load_dataset("shift15m", tmp_path).fingerprint == data.fingerprint


def test_baskets_of_hm(tmp_path):
    data = load_dataset("hm", catalogues.hm(tmp_path))
    a, b, c, d, e, f = catalogues.ARTICLES
    assert data.slots == ("Garment Lower body", "Garment Upper body", "Shoes")
    assert sorted(map(sorted, ids(data, data.outfits))) == [[a, b, c], [b, f], [d, e], [d, e, f]]
    train = data.split("train")
    assert len(train.positives) == 5  # the first basket was bought by two customers: one outfit, two users
    assert len(set(train.facts.ids.tolist())) == len(data.pool.ids) == 4
    assert train.facts.times.min() == 1537401600
    assert data.content.details["Garment Upper body"][a] == {
        "title": "Piece 0",
        "description": "Soft, and warm.",
        "colour": "Black",
        "category": "Kind 0",
        "price": 0.05,
    }
    assert data.content.picture_keys[a] == f"010/{a}.jpg"
    assert any("one article on a day" in note.what for note in data.notes)


def test_equal_outfits_under_two_ids_stay_two(tmp_path):
    root = catalogues.shift15m(tmp_path)
    catalogues.change(root / "iqon_outfits.json", lambda sets: [*sets, {**sets[0], "set_id": "again"}])
    data = load_dataset("shift15m", root)
    assert data.pool.ids[0] == "11"
    assert data.pool.ids[-1] == "again"
    assert (data.pool.outfits.items[0] == data.pool.outfits.items[-1]).all()


@pytest.mark.parametrize("name", WRITERS)
def test_the_check_finds_no_error_and_slots_can_be_named(tmp_path, name):
    WRITERS[name](tmp_path)
    report = check_dataset(name, tmp_path)
    assert report.ok, str(report)
    slots = load_dataset(name, tmp_path).slots[:2]
    assert load_dataset(name, tmp_path, slots=slots).slots == slots
    with pytest.raises(ConfigError, match="no items of the type 'gloves'"):
        load_dataset(name, tmp_path, slots=("gloves", *slots))
    if name != "polyvore_outfits":
        with pytest.raises(
            (ConfigError, DataError), match=r"no subsets|holds no set_matching/labels/nothing/train\.json"
        ):
            load_dataset(name, tmp_path, subset="nothing")


def test_questions_and_labels_that_do_not_fit_the_slots_are_left_out_and_counted(tmp_path):
    catalogues.polyvore_outfits(tmp_path)
    data = load_dataset("polyvore_outfits", tmp_path, slots=("tops", "shoes"))
    test = data.split("test")
    assert test.questions is None  # every question asks for bottoms
    assert len(test.labelled.outfits) == 4
    assert any(note.what.startswith("questions of test") and note.count == 2 for note in data.notes)


def test_compatibility_is_the_auc_of_all_labelled_outfits(tmp_path):
    catalogues.polyvore_outfits(tmp_path)
    test = load_dataset("polyvore_outfits", tmp_path).split("test")

    def equal_rows(outfits):  # labelled: both compatible outfits are of one row each
        return np.where((outfits.items == outfits.items[:, :1]).all(axis=1), 1.0, 0.0)

    assert compatibility(equal_rows, test.labelled) == {"auc": 1.0, "rows": 4, "compatible": 2}
    assert compatibility(lambda outfits: np.zeros(len(outfits)), test.labelled)["auc"] == 0.5
    results = evaluate_split(equal_rows, test)
    assert results["fitb"]["accuracy"] == 1.0
    assert results["compatibility"]["auc"] == 1.0
    assert "4 outfits labelled as compatible or not" in statements("po", "test", test)["compatibility"]


@pytest.mark.parametrize(("value", "expected"), [("12,420", 12420), ("2900", 2900), (59.9, 59.9), (None, None), (0, 0)])
def test_prices(value, expected):
    assert price({"price": value}) == expected


@pytest.mark.parametrize("value", [-1, "-5", float("nan"), float("inf"), "nan", "1e999", True, [], "cheap", "12,42"])
def test_what_is_no_price(value):
    with pytest.raises(DataError, match="price must be a number of at least 0"):
        price({"price": value})
