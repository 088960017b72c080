"""The tables of a bundle give the answers that its catalogue gives, whatever changed since they were written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.catalogue import Catalogue
from fashion_hash.bundle.tables.files import FOLDER, open_tables
from fashion_hash.errors import BundleError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.phrases.build import Phrases
from tests.worlds.words_world import words_bundle

REQUESTS = [
    "red skirt",
    "skirts by house 3 under 12",
    "silk shirt, not red",
    "Noon Atelier boots",
    "skirt by Noon Ateliers",
    "a crimson or teal dress",
    "cheap linen",
    "skrit, red",
    "teall shirt",
    "in stock boots in M",
    "brand new",
    "something with ruffles",
    "A00017",
    "A0001x",
]
BRANDS = ("House 3", "House 7", "Noon Atelier", "New", "Crimson Dress", "Other")
COLOURS = ("red", "blue", "teal", "crimson", "forest green", "green")


def further(row: int) -> dict:
    return {
        "brand": f"House {row % 9}",
        "article": f"A{row:05d}",
        "sizes": ["S", "M"][: 1 + row % 2],
        "fit": "loose" if row == 4 else "slim" if row % 2 else "wide",
        **({"in_stock": True} if row % 3 else {}),
        **({"since": f"2024-0{1 + row % 9}-01"} if row % 2 else {}),
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return words_bundle(tmp_path_factory.mktemp("tables") / "bundle", facts=(0.3, 0.2), further=further).path


def pair(exported: Path, folder: Path) -> tuple[Recommender, Recommender]:
    """The same bundle with its tables, and without."""
    for name in ("fast", "plain"):
        shutil.copytree(exported, folder / name)
    shutil.rmtree(folder / "plain" / FOLDER)
    fast, plain = Recommender.load(folder / "fast"), Recommender.load(folder / "plain")
    assert fast.bundle.tables is not None
    assert plain.bundle.tables is None
    return fast, plain


def told(recommender: Recommender, text: str) -> tuple:
    hits = recommender.search(text, "user-1", 12)
    understood = []
    for fact in hits.understood:  # alternatives are a set
        values = sorted(fact.value) if isinstance(fact.value, list) else fact.value
        understood.append({**fact.to_dict(), "value": values, "nearly": sorted(fact.nearly)})
    return hits.ids.tolist(), hits.scores.tolist(), hits.complete.tolist(), hits.note, understood


def lexicon_of(recommender: Recommender) -> object:
    moment = recommender._now()
    snapshot = moment.live.now()
    return moment.tower.facts.lexicon(snapshot, moment.columns.of(snapshot))


def check(fast: Recommender, plain: Recommender) -> None:
    for text in REQUESTS:
        assert told(fast, text) == told(plain, text), text
    ours, theirs = lexicon_of(fast), lexicon_of(plain)
    assert not isinstance(ours.phrases, Phrases)
    for phrase, meanings in theirs.phrases.meanings.items():
        first, expected = ours.phrases.get(phrase)[0], meanings[0]
        assert (first.column, first.role, first.exact) == (expected.column, expected.role, expected.exact), phrase
        assert (set(first.values), set(first.nearly)) == (set(expected.values), set(expected.nearly)), phrase
    for word in {word for phrase in (*theirs.phrases.meanings, ("teal",), ("crimson",)) for word in phrase}:
        assert (ours.phrases.rank(word) is None) == (theirs.phrases.rank(word) is None), word
    assert {letter: n for letter, n in ours.phrases.letters.items() if n} == dict(theirs.phrases.letters)
    for where in ({"brand": "Noon Atelier"}, {"sizes": {"contains": "M"}}, {"price": {"<": 9}}, {"fit": {">": "n"}}):
        try:
            expected = plain.search("skirt", None, 99, where=where).ids.tolist()
        except Exception as error:
            with pytest.raises(type(error), match=r"no column|fit"):
                fast.search("skirt", None, 99, where=where)
        else:
            assert fast.search("skirt", None, 99, where=where).ids.tolist() == expected


def change(recommender: Recommender, rng: np.random.Generator, number: int) -> None:
    """One random change; the same for the same state of the generator."""
    kind = str(rng.choice(["top", "bottom", "shoe"]))
    columns = {
        "brand": str(rng.choice(BRANDS)),
        "colour": str(rng.choice(COLOURS)),
        "price": float(rng.integers(40)),
        "sizes": ["M", "XL"][: rng.integers(1, 3)],
    }
    kept = {name: value for name, value in columns.items() if rng.random() < 0.7}
    ids = recommender.bundle.items[kind].all()
    item_id = str(ids[rng.integers(len(ids))])
    which = rng.integers(4)
    if which == 0:
        title = f"{columns['colour']} {rng.choice(['dress', 'skirt'])}"
        kept |= {"title": title, "kind": "dress", "code": np.ones((1, 16))}
        recommender.add_items([{"item_id": f"new-{number}", "type": kind, **kept}])
    elif which == 1:
        fit = None if rng.random() < 0.5 else "boxy"
        recommender.update_items([{"item_id": item_id, "type": kind, "fit": fit, **kept}])
    elif which == 2:
        recommender.update_items([{"item_id": item_id, "type": kind, "brand": None, "colour": columns["colour"]}])
    else:
        recommender.remove_items({kind: [item_id]})


def test_nothing_changed(exported: Path, tmp_path: Path) -> None:
    check(*pair(exported, tmp_path))


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.slow] * (seed > 0)) for seed in range(12)])
def test_random_changes(exported: Path, tmp_path: Path, seed: int) -> None:
    both = pair(exported, tmp_path)
    for number in range(12):
        for recommender in both:
            change(recommender, np.random.default_rng([seed, number]), number)
        if number in (0, 4, 11):
            check(*both)
    check(*(Recommender.load(tmp_path / name) for name in ("fast", "plain")))


def test_a_column_that_every_item_lost(exported: Path, tmp_path: Path) -> None:
    both = pair(exported, tmp_path)
    for recommender in both:
        items = [
            {"item_id": item_id, "type": kind, "fit": None}
            for kind in recommender.bundle.types
            for item_id in recommender.bundle.items[kind].all()
        ]
        recommender.update_items(items)
    check(*both)
    for recommender in both:
        recommender.update_items([{**items[0], "fit": "wide"}])
    check(*both)


def test_a_shops_own_words_are_read_anew(exported: Path, tmp_path: Path) -> None:
    both = pair(exported, tmp_path)
    for recommender, name in zip(both, ("fast", "plain")):
        (tmp_path / name / "words.yaml").write_text("synonyms: {colour: {scarlet: [red]}}\n")
        assert recommender.search("a scarlet skirt", None, 3).complete.all()
    assert told(both[0], "scarlet skirt") == told(both[1], "scarlet skirt")


def test_tables_of_another_bundle_and_damaged_ones_are_refused(exported: Path, tmp_path: Path) -> None:
    fast, _ = pair(exported, tmp_path)
    folder, sizes = fast.bundle.path, {kind: len(fast.bundle.items[kind]) for kind in fast.bundle.types}
    assert open_tables(folder, fast.bundle.fingerprint, sizes, verify=True)
    with pytest.raises(BundleError, match="belongs to bundle"):
        open_tables(folder, "another", sizes, verify=False)
    for name in ("0.0.values.npy", "phrases.bytes.npy", "spelled.ranks.npy", "terms.places.npy"):
        path = folder / FOLDER / name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BundleError, match="checksum"):
            Recommender.load(folder)
        path.write_bytes(data)
    manifest = json.loads((folder / FOLDER / "manifest.json").read_text())
    assert manifest["columns"]["top"][0]["name"] in fast.columns()["top"].names


@pytest.mark.parametrize(
    ("name", "damaged"),
    [("kinds", 127), ("kinds", -128), ("kinds", 4), ("values", -1.0), ("values", 1e18), ("values", np.nan)],
)
def test_kinds_and_places_that_a_column_does_not_have_are_refused_without_checksums(
    exported: Path, tmp_path: Path, name: str, damaged: float
) -> None:
    fast, _ = pair(exported, tmp_path)
    folder, sizes = fast.bundle.path, {kind: len(fast.bundle.items[kind]) for kind in fast.bundle.types}
    columns = json.loads((folder / FOLDER / "manifest.json").read_text())["columns"][fast.bundle.types[0]]
    [place] = [place for place, column in enumerate(columns) if column["name"] == "colour"]
    path = folder / FOLDER / f"0.{place}.{name}.npy"
    array = np.load(path)
    array[-1] = damaged
    np.save(path, array)
    with pytest.raises(BundleError, match=f"0.{place}.kinds.npy"):
        open_tables(folder, fast.bundle.fingerprint, sizes, verify=False)


def test_a_first_request_reads_no_catalogue(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast, plain = pair(exported, tmp_path)
    expected = told(plain, "red skirt by house 3 under 12")

    def read(*_: object) -> None:
        raise AssertionError("the catalogue is read through")

    monkeypatch.setattr(Catalogue, "details", read)
    assert told(fast, "red skirt by house 3 under 12") == expected
    assert not lexicon_of(fast).values.texts._made  # nor are the texts of a column collected
    with pytest.raises(AssertionError, match="read through"):
        Recommender.load(tmp_path / "plain").search("red skirt", None, 3)
