"""Dates and lists in filters: against plain Python, in every method, and in what is refused."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import QueryError
from fashion_hash.retrieval.filters.apply import read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.retrieval.filters.typed_values import with_typed_values
from fashion_hash.retrieval.recommender import Recommender
from tests.retrieval.filters.referee import passes
from tests.worlds.words_world import words_bundle

DATES = ("added",)
DAYS = ("2025-12-31", "2026-01-01", "2026-01-01T00:00:00Z", "2025-12-31T23:30:00Z", "2026-03-01T12:00:00.500000Z")
MOMENTS = (*DAYS, "2026-01-01T00:30:00+01:00", "2026-01-01 00:00", "1900-01-01", "2026-03-01T13:00:00.5+01:00")
TAGS = ("linen", "Summer", "SALE", "straße")


def random_item(rng: np.random.Generator) -> dict[str, Any]:
    item = {
        "added": str(rng.choice(DAYS)),
        "tags": rng.choice(TAGS, rng.integers(0, 4)).tolist(),
        "sizes": rng.integers(36, 40, rng.integers(0, 3)).tolist(),
        "sale": bool(rng.random() < 0.5),
        "price": float(rng.integers(0, 5)),
        "colour": str(rng.choice(["red", "Blue"])),
    }
    return {name: value for name, value in item.items() if rng.random() < 0.8}


def random_test(rng: np.random.Generator, name: str) -> Any:
    listed = rng.random() < 0.5
    if rng.random() < 0.1:
        return {"exists": bool(rng.random() < 0.5)}
    if name == "added":
        if listed:
            return {str(rng.choice(["in", "not in"])): rng.choice(MOMENTS, 2).tolist()}
        ops = rng.choice(["=", "!=", "<", "<=", ">", ">="], 2, replace=False)
        return {str(op): str(rng.choice(MOMENTS)) for op in ops}
    if name == "tags":
        words = [*TAGS, "LINEN", "strasse", "lin"]
        return {"overlaps": rng.choice(words, 2).tolist()} if listed else {"contains": str(rng.choice(words))}
    if name == "sizes":
        return {"overlaps": [int(rng.integers(35, 40)), 38.5]} if listed else {"contains": int(rng.integers(35, 40))}
    values = {"sale": True, "price": float(rng.integers(0, 5)), "colour": str(rng.choice(["red", "blue", "Blue"]))}
    return {str(rng.choice(["=", "!="])): values[name]}


def random_where(rng: np.random.Generator, depth: int = 0) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for name in rng.choice(["added", "tags", "sizes", "sale", "price", "colour"], rng.integers(1, 4), replace=False):
        where[str(name)] = random_test(rng, str(name))
    if depth < 2 and rng.random() < 0.4:
        where["not"] = random_where(rng, depth + 1)
    if depth < 2 and rng.random() < 0.4:
        where["any"] = [random_where(rng, depth + 1) for _ in range(2)]
    return where


@pytest.mark.parametrize("seed", [*range(24), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(24, 60))])
def test_columns_are_plain_python(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [random_item(rng) for _ in range(80)]
    whole, grown = ItemColumns(items, DATES), ItemColumns()
    for start in range(0, 80, 13):
        grown.append(items[start : start + 13], DATES)
    for _ in range(20):
        where = random_where(rng)
        expected = [row for row, item in enumerate(items) if passes(where, item, DATES)]
        for columns in (whole, grown):
            condition = with_typed_values(parse(where, ["top"]), {"top": columns}).everywhere
            assert np.flatnonzero(columns.mask(condition)).tolist() == expected, where


def further(row: int) -> dict[str, Any]:
    """Columns of an item, by its row: dates and tags, sizes on two of three items."""
    day = date(2026, 1, 1) + timedelta(days=row % 10)
    columns: dict[str, Any] = {"added": day.isoformat(), "tags": [TAGS[row % 4], TAGS[row % 3]]}
    return columns if row % 3 == 0 else {**columns, "sizes": [36 + row % 4, 40]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """A catalogue with dates and lists, in files and among the items that came later."""
    bundle = words_bundle(tmp_path_factory.mktemp("typed") / "bundle", further=further)
    recommender = Recommender.load(bundle.path)
    code = np.ones((1, 16), dtype=np.int8)
    new = {"code": code, "title": "new linen shirt", "price": "7.5"}
    dated = {"added": datetime(2026, 1, 9, 1, tzinfo=timezone(timedelta(hours=2))), "tags": ("linen",), "sizes": [36]}
    for item_type in bundle.types:
        recommender.add_items([{"item_id": f"{item_type}-new", "type": item_type, **new, **dated}])
    recommender.add_outfits({"new": {item_type: f"{item_type}-new" for item_type in bundle.types}})
    return recommender


WHERES: tuple[dict[str, Any], ...] = (
    {"added": {">=": "2026-01-08"}, "tags": {"contains": "LINEN"}},
    {"added": "2026-01-08T23:00:00Z"},
    {"sizes": {"overlaps": [36, 39]}, "not": {"tags": {"overlaps": ["sale", "straße"]}}},
    {"not": {"any": [{"added": {"<": "2026-01-07"}}, {"sizes": {"exists": True}}]}},
)


@pytest.mark.parametrize("where", WHERES)
def test_every_method_takes_dates_and_lists(shop: Recommender, where: dict[str, Any]) -> None:
    bundle, catalogue = shop.bundle, shop.bundle.catalogue

    def of_type(item_type: str) -> set[str]:
        items = (catalogue.item(item_type, row) for row in range(len(bundle.items[item_type])))
        return {item.item_id for item in items if passes(where, item.details, DATES)}

    allowed = {item_type: of_type(item_type) for item_type in bundle.types}
    assert all(0 < len(ids) < 30 for ids in allowed.values())

    def fits(outfit: dict[str, str]) -> bool:
        return all(item_id in allowed[slot] for slot, item_id in outfit.items())

    def set_of(outfits: Iterable[dict[str, str]]) -> set[frozenset[str]]:
        return {frozenset(outfit.values()) for outfit in outfits}

    pool = [shop.outfit(str(outfit_id)) for outfit_id in shop.recommend(None, 1000).ids]
    answers = [shop.outfit(str(outfit_id)) for outfit_id in shop.recommend(None, 1000, where=where).ids]
    assert set_of(answers) == set_of(outfit for outfit in pool if fits(outfit))
    assert set(shop.search("linen", k=1000, where=where).ids) == set.union(*allowed.values())
    similar = shop.similar_items("top-001", 1000, item_type="top", where=where)
    assert set(similar.ids) == allowed["top"] - {"top-001"}
    pairs = {"types": ["top", "bottom"], "where": where}
    every = {frozenset((top, bottom)) for top in allowed["top"] for bottom in allowed["bottom"]}
    assert set_of(hit.items for hit in shop.compose("user-0", 1000, **pairs).hits) == every  # type: ignore[arg-type]
    around = shop.outfits_for("linen", None, 1000, per_anchor=None, anchors=1000, **pairs)  # type: ignore[arg-type]
    assert set_of(hit.items for hit in around.hits) == every
    completed = shop.complete("user-0", {"shoe": "shoe-001"}, 1000, types=["top"], where=where).hits
    assert {hit.items["top"] for hit in completed} == allowed["top"]


COLUMNS = {
    "top": ItemColumns(
        [
            {
                "added": "2026-01-31",
                "tags": ["linen"],
                "sizes": [38],
                "sale": True,
                "price": 5,
                "colour": "red",
                "odd": {},
            }
        ],
        DATES,
    ),
    "shoe": ItemColumns([{"added": "2026-02-01T12:00:00Z", "tags": [], "price": 6}], DATES),
}


@pytest.mark.parametrize(
    ("where", "passing"),
    [
        ({"sale": "ja"}, True),
        ({"sale": {"!=": "NON"}}, True),
        ({"sale": {"in": ["no", False]}}, False),
        ({"price": "5,00"}, True),
        ({"price": {"<": "4.99"}}, False),
        ({"top": {"price": {"not in": ["5", "6"]}}}, False),
        ({"added": "31.01.2026"}, True),
        ({"any": [{"added": {">": "31/01/2026"}}, {"not": {"sale": "wahr"}}]}, False),
    ],
)
def test_texts_are_read_as_the_column(where: dict[str, Any], passing: bool) -> None:
    condition = with_typed_values(parse(where, ["top", "shoe"]), COLUMNS).of("top")
    assert COLUMNS["top"].mask(condition).tolist() == [passing]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            {"added": {">=": "summer"}},
            r"where\.added\.>=: 'summer' is not a date, but column 'added' holds dates such as 2026-01-31 or",
        ),
        ({"added": {">=": "2026"}}, r"where\.added\.>=: '2026' is not a date"),
        ({"added": {"in": ["2026-01-01", "2026-02-30"]}}, r"where\.added\.in: '2026-02-30' is not a date"),
        ({"top": {"added": "01.02.26"}}, r"where\.top\.added: '01\.02\.26' is not a date"),
        ({"added": "01/02/2026"}, r"where\.added: '01/02/2026' is not a date"),  # which of the two?
        ({"sale": "perhaps"}, r"'perhaps' is text, but column 'sale' holds true and false"),
        ({"price": "cheap"}, r"'cheap' is text, but column 'price' holds numbers"),
        ({"added": {"<": 2026}}, r"where\.added\.<: 2026 is a number, but column 'added' holds dates"),
        (
            {"added": {"contains": "2026"}},
            r"where\.added\.contains: contains does not fit column 'added', which holds dates: "
            r"use =, !=, <, <=, >, >=, in, not in, exists$",
        ),
        (
            {"tags": "linen"},
            r"where\.tags: = does not fit column 'tags', which holds lists: use contains, overlaps, exists$",
        ),
        ({"tags": {"<": "linen"}}, r"where\.tags\.<: < does not fit column 'tags', which holds lists"),
        ({"not": {"tags": {"in": ["linen"]}}}, r"where\.not\.tags\.in: in does not fit column 'tags'"),
        ({"tags": {"contains": 5}}, r"contains: 5 is a number, but the lists of column 'tags' hold texts"),
        ({"sizes": {"overlaps": ["S"]}}, r"overlaps: 'S' is text, but the lists of column 'sizes' hold numbers"),
        ({"tags": {"overlaps": "linen"}}, r"where\.tags\.overlaps must be a list of values, got 'linen' \(str\)"),
        ({"tags": {"overlaps": []}}, r"where\.tags\.overlaps is an empty list: nothing can overlap it"),
        (
            {"tags": {"overlaps": ["a", True]}},
            r"where\.tags\.overlaps must be a list of texts or numbers, got true",
        ),
        ({"tags": ["linen"]}, r"where\.tags is a list: write .*\"overlaps\""),
        ({"price": {"contains": 5}}, r"contains does not fit column 'price', which holds numbers: use =, !=, <"),
        ({"price": {"overlaps": [5]}}, r"overlaps does not fit column 'price', which holds numbers"),
        (
            {"colour": {"overlaps": ["red"]}},
            r"overlaps does not fit column 'colour', which holds texts: use =.*ns",
        ),
        (
            {"sale": {">": 1}},
            r"> does not fit column 'sale', which holds true and false: use =, !=, in, not in, ex",
        ),
        ({"odd": "x"}, r"= does not fit column 'odd', which holds mappings and nested lists: use exists"),
        (
            {"total": {"added": {"<": 5}}},
            r"where\.total\.added\.<: column 'added' holds dates: only numbers have",
        ),
        ({"total": {"tags": {"<": 5}}}, r"where\.total\.tags\.<: column 'tags' holds lists: only numbers have a total"),
        (
            {"added": {">=": "2026-02-01", "<": "2026-01-01T00:00+01:00"}},
            "added >= 2026-02-01 and added < 2025-12-31T23:00:00Z exclude each other",
        ),
    ],
)
def test_what_a_column_cannot_be_asked(where: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read_filter(where, COLUMNS)


def test_dates_that_only_look_contrary() -> None:
    # later as a text, earlier as a moment
    where = {"added": {">=": "2026-01-31T01:00:00+02:00", "<": "2026-01-31T00:00:00Z"}}
    assert not read_filter(where, COLUMNS).masks["top"].any()
    days = {"added": {"in": [date(2026, 1, 31), np.datetime64("2026-02-01T12:00", "ns")]}}
    assert read_filter(days, COLUMNS).masks == {}
    assert str(read_filter(days, COLUMNS).where.everywhere) == "added in [2026-01-31, 2026-02-01T12:00:00Z]"


def test_an_older_catalogue_compares_dates_as_texts() -> None:
    older = {"top": ItemColumns([{"added": "2026-01-31"}, {"added": "soon"}])}
    assert read_filter({"added": {"<": "2027"}}, older).masks["top"].tolist() == [True, False]
