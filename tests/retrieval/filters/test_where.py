"""Filters: the columns in memory against SQL, pools against plain loops, and every kind of bad input."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.catalogue import write_catalogue
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.retrieval.filters import totals as pool_totals
from fashion_hash.retrieval.filters.apply import Filter, allowed_outfits, allowed_rows, first_passing, read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns, read_columns, read_details
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.retrieval.filters.shortfall import PoolOutfits, Shortfall, explain_shortfall
from fashion_hash.retrieval.filters.totals import PoolTotals
from tests.retrieval.filters.sql_oracle import compiled, matching_rows

TYPES = ("top", "bottom", "shoe")
NAMES = ("price", "brand", "in_stock", "odd 'name\"", "any", "top", "tags", "title")
WORDS = ("red", "Rot", "ROT", "straße", "Ünder", "'; DROP TABLE items; --", "", "2024-05-01", "5", "a_b%c")


def random_value(rng: np.random.Generator) -> Any:
    choice = rng.integers(0, 8)
    if choice == 0:
        return bool(rng.integers(0, 2))
    if choice == 1:
        return None
    if choice == 2:
        return [["red", 5], {"red": 5}, 1e300, 2**70][rng.integers(0, 4)]
    if choice in (3, 4):
        return [int(rng.integers(-3, 6)), float(rng.integers(-8, 12)) / 4][rng.integers(0, 2)]
    return WORDS[rng.integers(0, len(WORDS))]


def random_details(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    rows = []
    for _ in range(count):
        row = {name: random_value(rng) for name in NAMES if rng.random() < 0.7}
        row["title"] = None if rng.random() < 0.3 else WORDS[rng.integers(0, len(WORDS))]
        rows.append(row)
    return rows


def random_where(rng: np.random.Generator, depth: int = 0) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for _ in range(rng.integers(1, 4)):
        name = str(rng.choice(NAMES))
        kind = rng.integers(0, 10)
        if depth < 2 and kind == 0:
            where["any"] = [random_where(rng, depth + 1) for _ in range(rng.integers(1, 4))]
        elif depth < 2 and kind == 1:
            where["not"] = random_where(rng, depth + 1)
        else:
            where.setdefault("columns", {})[name] = random_test(rng)
    return where


def random_test(rng: np.random.Generator) -> Any:
    def scalar(*kinds: type) -> Any:
        while True:
            value = random_value(rng)
            if isinstance(value, kinds or (str, int, float, bool)) and value not in (1e300, 2**70):
                return value

    op = str(rng.choice(["", "=", "!=", "<", "<=", ">", ">=", "in", "not in", "contains", "overlaps", "exists"]))
    if op == "":
        return scalar()
    if op in ("in", "not in"):
        return {op: [scalar() for _ in range(rng.integers(1, 5))]}
    if op == "contains":
        return {op: ["o", "RED", "ü", "5", "%", "SS", 5][rng.integers(0, 7)]}
    if op == "overlaps":
        return {op: [["Red", "blue"], [5, 6.5], ["ROT"], ["x", 5]][rng.integers(0, 4)]}
    if op == "exists":
        return {op: bool(rng.integers(0, 2))}
    while op in ("<", "<=", ">", ">="):
        if not isinstance(value := scalar(str, int, float), bool):
            return {op: value}
    return {op: scalar()}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    details = random_details(np.random.default_rng(0), 400)
    path = tmp_path_factory.mktemp("where") / "catalogue.sqlite"
    ids = [f"top-{number}" for number in range(len(details))]
    write_catalogue(path, {"top": ids, "hat": ["hat-0"]}, {"top": dict(zip(ids, map(dict, details)))}, {})
    return path, details


@pytest.mark.parametrize("seed", [*range(60), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(60, 150))])
def test_columns_are_sql(catalogue: tuple[Path, list[dict[str, Any]]], seed: int) -> None:
    path, details = catalogue
    rng = np.random.default_rng(seed)
    where = parse(random_where(rng), ["top"])
    columns = read_columns(path, "top")
    expected = matching_rows(path, "top", where.of("top"))
    assert np.flatnonzero(columns.mask(where.of("top"))).tolist() == expected.tolist()
    # appended in pieces, as a catalogue that lives does
    pieces, at = ItemColumns(), 0
    while at < len(details):
        pieces.append(details[at : (at := at + int(rng.integers(1, 150)))])
    assert np.flatnonzero(pieces.mask(where.of("top"))).tolist() == expected.tolist()


def test_values_and_names_never_reach_the_text_of_a_statement() -> None:
    evil = "x'); DROP TABLE items; --"
    sql, parameters = compiled(parse({evil: {"=": evil, "in": [evil], "contains": evil}}, []).everywhere)
    assert "drop" not in sql.casefold()
    assert sum("drop" in str(one).casefold() for one in parameters) == 7


ITEMS = [
    {"price": 10, "colour": "red", "in_stock": True},
    {"price": 20.5, "colour": "Blue", "in_stock": False},
    {"price": None, "colour": 3},
    {"title": "Red shirt", "tags": ["red"]},
]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (None, [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"price": 10}, [0]),
        ({"price": {">": 10}}, [1]),
        ({"price": {">=": 10, "<": 20.5}}, [0]),
        ({"price": {"!=": 10}}, [1]),
        ({"not": {"price": 10}}, [1, 2, 3]),
        ({"price": {"exists": False}}, [2, 3]),
        ({"colour": {"!=": "red"}}, [1, 2]),
        ({"colour": {"not in": ["red", 3]}}, [1]),
        ({"colour": {"not in": []}}, [0, 1, 2]),
        ({"colour": {"contains": "BLU"}}, [1]),
        ({"title": {"contains": "red"}}, [3]),
        ({"tags": {"exists": True}}, [3]),
        ({"in_stock": True}, [0]),
        ({"any": [{"in_stock": False}, {"title": {"exists": True}}]}, [1, 3]),
        ({"price": np.float32(10), "in_stock": np.True_}, [0]),
        ({"top": {"price": 10}}, [0]),
    ],
)
def test_what_matches(where: dict[str, Any] | None, rows: list[int]) -> None:
    chosen = read_filter(where, {"top": ItemColumns(ITEMS)})
    assert np.flatnonzero(chosen.masks.get("top", np.ones(4, dtype=bool))).tolist() == rows


def tables(count: int = 40, seed: int = 0) -> dict[str, ItemColumns]:
    rng = np.random.default_rng(seed)
    return {
        kind: ItemColumns(
            [{"price": int(rng.integers(0, 10000)) / 100, "colour": str(rng.choice(["r", "g"]))} for _ in range(count)]
        )
        for kind in TYPES
    }


@pytest.mark.parametrize("compiled_loops", [True, False])
@pytest.mark.parametrize(
    "where",
    [
        {"colour": "r"},
        {"shoe": {"price": {"<": 1}}},
        {"colour": "r", "top": {"price": {">": 50}}, "total": {"price": {"<=": 150}}},
        {"total": {"price": {"<": 120, ">=": 80}}},
        {"price": {"<": -1}},
    ],
)
def test_outfits_of_allowed_items(monkeypatch: pytest.MonkeyPatch, compiled_loops: bool, where: dict[str, Any]) -> None:
    if not compiled_loops:
        monkeypatch.setattr(pool_totals, "find_spec", lambda name: None)
    columns, slots = tables(), ("top", "top", "bottom", "shoe")
    items = np.random.default_rng(1).integers(-1, 40, (9000, 4)).astype(np.int32)
    chosen = read_filter(where, columns)
    read = parse(where, TYPES)
    outfits = [[(kind, row) for kind, row in zip(slots, outfit) if row >= 0] for outfit in items.tolist()]
    masks = {kind: columns[kind].mask(read.of(kind)) for kind in TYPES}
    cents = {kind: np.rint(columns[kind].column("price")[1] * 100).astype(int) for kind in TYPES}

    def passes(worn: list[tuple[str, int]]) -> bool:
        total = sum(int(cents[kind][row]) for kind, row in worn) / 100
        tests = {"<": total < 120, ">=": total >= 80, "<=": total <= 150}
        asked = where.get("total", {}).get("price", {})
        return all(masks[kind][row] for kind, row in worn) and all(tests[op] for op in asked)

    expected = [passes(worn) for worn in outfits]
    allowed = allowed_outfits(chosen, slots, items)
    assert allowed.dtype == bool
    assert allowed.tolist() == expected
    totals = PoolTotals(slots)  # of a pool that grows
    for size in (0, 5, 5, 4000, 9000):
        assert allowed_outfits(chosen, slots, items[:size], totals).tolist() == expected[:size]


def test_columns_of_one_kind() -> None:
    rows = [{"price": 1.5, "colour": "b"}, {"price": 2.5, "colour": "a"}, {"price": float("nan"), "colour": "b"}]
    whole, grown = ItemColumns(rows), ItemColumns()
    for row in rows:
        grown.append([row])
    for columns in (whole, grown):
        for where, found in (({"price": {">": 1}}, [0, 1]), ({"colour": "b"}, [0, 2]), ({"colour": {"<": "b"}}, [1])):
            assert np.flatnonzero(columns.mask(parse(where, []).everywhere)).tolist() == found
    assert ItemColumns([{"price": float("nan")}]).held("price") == frozenset()


def test_totals_add_up_as_people_do() -> None:
    columns = {"top": ItemColumns([{"price": 0.1}]), "shoe": ItemColumns([{"price": 0.2}, {}])}
    items = np.array([[0, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.int32)
    chosen = read_filter({"total": {"price": {"<=": 0.3}}}, columns)
    assert 0.1 + 0.2 > 0.3
    assert allowed_outfits(chosen, ("top", "shoe"), items).tolist() == [True, False, True, True]
    less = read_filter({"total": {"price": {"<": 0.3}}}, columns)
    assert allowed_outfits(less, ("top", "shoe"), items).tolist() == [False, False, True, True]


def test_rows_for_composition() -> None:
    columns = tables()
    slots = ("top", "top", "bottom", "shoe")
    chosen = read_filter({"top": {"colour": "r"}, "total": {"price": {"<=": 60}}}, columns)
    rows = allowed_rows(chosen, slots, [0, 1, 3])
    items = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    outfits = np.column_stack([items[:, 0], items[:, 1], np.full(len(items), -1), items[:, 2]]).astype(np.int32)
    allowed = outfits[allowed_outfits(chosen, slots, outfits)]
    for slot in (0, 1, 3):  # an item that occurs in an allowed outfit is never left out, others often
        assert set(allowed[:, slot].tolist()) == set(rows[slot].tolist())
    # one open slot: nothing is left to test
    given = {0: int(rows[0][0]), 2: 5}
    last = allowed_rows(chosen, slots, [3], given)[3]
    price = {kind: columns[kind].column("price")[1] for kind in TYPES}
    left = 60 - price["top"][given[0]] - price["bottom"][5]
    assert last.tolist() == np.flatnonzero(price["shoe"] <= left).tolist()


def test_asking_for_more_until_k_pass() -> None:
    asked: list[int] = []

    def search(wanted: int) -> tuple[np.ndarray, bool]:
        asked.append(wanted)
        return np.arange(min(wanted, 500))[:, None], True

    places, proven = first_passing(search, lambda items: items[:, 0] % 30 == 29, 3)
    assert (places.tolist(), proven, asked) == ([29, 59, 89], True, [16, 64, 256])
    places, proven = first_passing(search, lambda items: items[:, 0] == 499, 3)
    assert (places.tolist(), proven) == ([499], True)
    places, proven = first_passing(search, lambda items: items[:, 0] == 499, 3, most=100)
    assert (places.tolist(), proven) == ([], False)


def test_a_shortfall_says_why() -> None:
    columns = tables()
    chosen = read_filter({"colour": "r", "shoe": {"price": {"<": 20}}, "total": {"price": {"<": 130}}}, columns)
    items = np.random.default_rng(1).integers(0, 40, (500, 3)).astype(np.int32)
    allowed = allowed_outfits(chosen, TYPES, items)
    found = int(allowed.sum()) - 1
    short = explain_shortfall(100, found, chosen, columns, PoolOutfits(TYPES, items, np.flatnonzero(allowed)[:1]))
    assert (short.outfits, short.within_totals, short.excluded) == (500, found + 1, 1)
    assert short.allowed is not None
    assert short.allowed > found
    matching = int((columns["shoe"].column("price")[1] < 20).sum())
    assert f"the strictest condition is price < 20 for items of type shoe, which {matching} of 40 match" in short.reason
    assert f"{found} of 100 outfits found: the pool holds 500" in short.reason
    nothing = read_filter({"price": {"<": -1}}, columns)
    assert "no item of type top, bottom, shoe is allowed" in explain_shortfall(5, 0, nothing, columns).reason
    assert explain_shortfall(5, 0, nothing, columns).to_dict()["items"]["top"] == (0, 40)


def test_a_broken_catalogue(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BundleError, match=r"catalogue\.sqlite is not a readable catalogue"):
        read_columns(tmp_path / "catalogue.sqlite", "top")
    with pytest.raises(BundleError, match=r"catalogue\.sqlite is not a readable catalogue"):
        matching_rows(tmp_path / "catalogue.sqlite", "top", parse(None, []).everywhere)
    assert isinstance(read_filter({}, {}), Filter)


def test_a_catalogue_that_goes_on_in_another_file(tmp_path: Path) -> None:
    details = {f"top-{row}": {"price": row} for row in range(5)}
    write_catalogue(tmp_path / "more.sqlite", {"top": list(details)}, {"top": details}, {})
    assert read_details(tmp_path / "more.sqlite", "top", 3) == [{"price": 3}, {"price": 4}]
    with sqlite3.connect(tmp_path / "more.sqlite") as connection:
        connection.execute("DELETE FROM items WHERE row = 1")
    with pytest.raises(
        BundleError, match=r"more\.sqlite is not a readable catalogue \(it lacks the top item of row 1\)"
    ):
        read_columns(tmp_path / "more.sqlite", "top")


def test_amounts_that_do_not_add_up() -> None:
    columns = {"top": ItemColumns([{"price": 1e12}]), "shoe": ItemColumns([{"price": 5}])}
    with pytest.raises(QueryError, match="column 'price' holds numbers beyond 100,000,000,000: their totals"):
        read_filter({"total": {"price": {"<": 3}}}, columns)


def test_a_composition_that_falls_short_names_its_totals():
    assert Shortfall(2, 0, {}, (), totals=("price",)).reason == (
        "0 of 2 outfits found; every outfit must keep to its total of price"
    )
