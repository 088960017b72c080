"""Every JSON file of a bundle has declared fields; a value of another kind or out of bounds is one error at once."""

import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.manifest import seal
from fashion_hash.encoders.open import open_encoder
from fashion_hash.encoders.pictures.open import NotExported, open_pictures_encoder
from fashion_hash.encoders.titles import TitleVectors
from fashion_hash.errors import BundleError, FashionHashError, FeatureError
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.sums.files import open_scan
from fashion_hash.inference.hash_heads import read_heads
from fashion_hash.inference.outfit_encoder import read_encoder
from fashion_hash.inference.request_weights import read_requests
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.facts import RequestFacts, read_facts, write_facts
from fashion_hash.understanding.terms import Terms
from fashion_hash.understanding.words import Words
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_bundle, random_pool

GOLDEN = PROJECT / "tests/golden/v1"
NUMBERS = [None, True, "1", [1], {}, -1, 10**30, float("nan"), float("inf"), 1.5]
TEXTS = [None, 3, "other", ["bits"], {}]
TRUTHS = [None, 0, 1, "true"]
LISTS = [None, 3, "text", {}, [3], [None], [["top"]]]


def open_index_scan(folder: Path) -> object:
    return open_scan(folder.parent, 32, 10**6)


def golden(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(GOLDEN / name, folder) and None


def a_network(folder: Path) -> None:
    NotExported("net", 4, "print").save(folder)


def an_onnx_network(folder: Path) -> None:
    a_network(folder)
    about = json.loads((folder / "encoder.json").read_text())
    about |= {"kind": "onnx", "size": 8, "crop": False, "filter": "bilinear", "source": "net"}
    (folder / "encoder.json").write_text(json.dumps(about))


def some_facts(folder: Path) -> None:
    write_facts(folder, RequestFacts(Words(), Terms.of({"top": ["red"]}, Words()), 0.5, 0.5))


# what makes the folder, the file in it, what reads it, and by field (the keys to it, with dots) values that are refused
FILES: dict[str, tuple[Callable[[Path], None], str, Callable[[Path], object], dict[str, list[Any]]]] = {
    "encoder": (
        golden("encoder/bundle/encoder"),
        "encoder.json",
        read_encoder,
        {
            "types": LISTS,
            **{key: [0, 3, *NUMBERS] for key in ("heads", "width", "num_bits")},
            "scale": [number for number in NUMBERS if number != 1.5],
            "distance": TEXTS,
            "output": ["Bits", *TEXTS],
            "bounded": TRUTHS,
        },
    ),
    "heads": (
        golden("fhn/bundle/heads"),
        "heads.json",
        read_heads,
        {
            "types": LISTS,
            "num_bits": [0, *NUMBERS],
            "modalities": [None, 3, [], "x", {"../x": {"kind": "id"}}, {"text": 3}],
            "modalities.text.kind": TEXTS,
            "modalities.text.takes": TEXTS,
            "modalities.text.source": [None, 3, []],
            "modalities.text.normalise": TEXTS,
            "modalities.text.layers": [0, 9, *NUMBERS],
            "modalities.text.shared": TRUTHS,
        },
    ),
    "requests": (
        golden("requests/bundle/requests"),
        "requests.json",
        read_requests,
        {
            "types": LISTS,
            "num_bits": [0, *NUMBERS],
            "output": TEXTS,
            "slope": [number for number in NUMBERS if number != 1.5],
            "layers": [None, 3, [], {}],
            "layers.request_mlp": [9, *NUMBERS],
        },
    ),
    "scan": (
        golden("fhn/bundle/index/scan"),
        "scan.json",
        open_index_scan,
        {
            "unit": [0, -1, None, True, "1", [1], float("nan"), float("inf")],
            "lowest": [None, "0", True, float("nan"), float("-inf"), 10**400],
            "planes": [0, *NUMBERS],
            "segments": [None, 3, [3], [[]], [["a", 0, 1]], [[1, 0, 10**30]], [[0, 0, 1]], [[1, 0, -1]], [[1, 0, 0.5]]],
        },
    ),
    "encoder of words": (
        golden("requests/bundle/requests/encoder"),
        "encoder.json",
        open_encoder,
        {"kind": TEXTS, "fingerprint": [None, 3, {}], "dim": [0, *NUMBERS], "format_version": [2, "1"]},
    ),
    "network": (
        a_network,
        "encoder.json",
        open_pictures_encoder,
        {"kind": TEXTS, "name": [None, 3, {}], "dim": [0, *NUMBERS]},
    ),
    "onnx network": (
        an_onnx_network,
        "encoder.json",
        open_pictures_encoder,
        {"size": [0, *NUMBERS], "crop": TRUTHS, "filter": TEXTS, "source": [None, 3]},
    ),
    "titles": (
        golden("fhn/bundle/heads/titles"),
        "titles.json",
        TitleVectors.load,
        {"words": LISTS, "letters": LISTS, "dim": [0, *NUMBERS], "version": [None, 2, "1"]},
    ),
    "facts": (
        some_facts,
        "facts.json",
        lambda folder: read_facts(folder, {"top": 1}),
        {"lexical": ["1", None, True, float("nan"), 10**400], "words": [None, [], {"synonyms": 3}]},
    ),
    "terms": (
        some_facts,
        "terms.json",
        lambda folder: read_facts(folder, {"top": 1}),
        {"words": LISTS, "mean_length": [0, -1, float("nan"), float("inf"), "1"]},
    ),
}


def refusal(read: Callable[[Path], object], folder: Path) -> FashionHashError | None:
    """The error that reading ends in; None when the file was taken."""
    try:
        read(folder)
    except (BundleError, FeatureError) as error:
        return error
    return None


@pytest.mark.parametrize("name", FILES)
def test_fields_of_another_kind_are_refused(tmp_path: Path, name: str) -> None:
    make, file, read, fields = FILES[name]
    folder = tmp_path / "scan"
    make(folder)
    read(folder)
    text = (folder / file).read_text()
    for field, values in fields.items():
        for value in values:
            content = part = json.loads(text)
            *keys, last = field.split(".")
            for key in keys:
                part = part[key]
            part[last] = value
            (folder / file).write_text(json.dumps(content))
            assert str(tmp_path) in str(refusal(read, folder)), (field, value)
    for content in ("[]", "3", "null", '"x"', "{", "[" * 100_000, "\xff"):
        (folder / file).write_text(content, encoding="latin-1")
        assert str(tmp_path) in str(refusal(read, folder)), content[:5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bundle = random_bundle(tmp_path / "bundle", num_items=8)
    build_index(bundle, random_pool(bundle, 20))
    return tmp_path / "bundle"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "UPDATE items SET item_id = 'other' WHERE type = 'top' AND row = 2",
            r"row 2 of type top holds 'other', .*'top-2'",
        ),
        ("DELETE FROM items WHERE type = 'top' AND row = 7", r"row 7 of type top holds None, .* say 'top-7'"),
        (
            "INSERT INTO items VALUES ('top', 8, 'more', NULL, '{}', NULL)",
            r"row 8 of type top holds 'more', .* say None",
        ),
        ("INSERT INTO items VALUES ('hat', 0, 'more', NULL, '{}', NULL)", r"holds 34 items, but the bundle 33"),
        ("UPDATE items SET row = row + 1 WHERE type = 'top' AND row = 7", r"row 7 of type top holds 'top-7'"),
        ("UPDATE items SET item_id = x'ff' WHERE type = 'top' AND row = 0", r"row 0 of type top holds b'\\xff'"),
    ],
)
def test_ids_of_the_catalogue_are_those_of_the_tables(path: Path, sql: str, message: str) -> None:
    with closing(sqlite3.connect(path / "catalogue.sqlite")) as connection:
        connection.execute(sql)
        connection.commit()
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").unlink()
    seal(path, {key: value for key, value in manifest.items() if key not in ("files", "fingerprint")})
    Bundle.open(path, verify=False)
    with pytest.raises(BundleError, match=message):
        Bundle.open(path)


def test_ids_that_are_not_text(path: Path) -> None:
    ids = np.load(path / "ids/users.ids.npy")
    ids[1] = b"\xff"
    np.save(path / "ids/users.ids.npy", ids)
    users = Bundle.open(path, verify=False).users
    for ask in (users.all, lambda: users.id(1), lambda: users.at([0, 1])):
        with pytest.raises(BundleError, match=r"a user id is not UTF-8 text \(b'\\xff'\)"):
            ask()


def test_a_bundle_pickles_as_path_and_options(path: Path) -> None:
    recommender = Recommender.load(path, verify=False)
    recommender.add_items([{"item_id": "new", "type": "top", "code": np.ones((1, 16))}])
    exported = Bundle.open(path, verify=False)
    impersonal = exported.view(preference_scale=0)
    sent = {"now": recommender.bundle, "exported": exported, "several": [impersonal]}
    received = pickle.loads(pickle.dumps(sent))
    assert "new" in received["now"].items["top"]
    assert "new" not in received["exported"].items["top"]
    assert received["several"][0].preference_scale == 0
    assert received["exported"].preference_scale == exported.preference_scale
    assert not received["exported"].verify
    assert len(pickle.dumps(sent)) < 2000
    assert impersonal.items is exported.items, "a view shares what it does not replace"
