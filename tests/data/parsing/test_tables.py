"""One reader of tables: every form says the same, faults are named with file and line, memory stays small."""

import csv
import datetime
import decimal
import gzip
import io
import json
import tracemalloc

import pytest

from fashion_hash.data.parsing.tables import read_table, table_columns, table_form
from fashion_hash.errors import DataError

ROWS = [
    {"sku": "007", "title": 'Shirt, "white"\nlong', "price": "9.5", "stock": None},
    {"sku": "8", "title": "Größe 38 – серый", "price": "12", "stock": "true"},
]


def csv_text(rows, separator=","):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


FORMS = {
    "t.csv": csv_text(ROWS),
    "semicolons.csv": csv_text(ROWS, ";"),
    "t.tsv": csv_text(ROWS, "\t"),
    "t.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS),
    "lines.json": "".join(json.dumps(row) + "\n" for row in ROWS),
    "array.json": json.dumps(ROWS),
    "indented.json": "\n" + json.dumps(ROWS, indent=2, ensure_ascii=False) + "\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_the_same(tmp_path, name, zipped, encoding):
    path = tmp_path / (f"{name}.gz" if zipped else name)
    raw = FORMS[name].encode(encoding)
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    assert table_columns(path) == ("sku", "title", "price", "stock")
    assert [row for _, row in read_table(path)] == ROWS
    assert [row for _, row in read_table(path, ["price"])] == [{"price": "9.5"}, {"price": "12"}]


@pytest.mark.parametrize("column", ["timestamp", "date32", "date64"])
def test_parquet_dates_that_no_calendar_has(tmp_path, column):
    """Databases write infinity as a date of the year 294,276; a column that is not asked for does not matter."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kind = {"timestamp": pa.timestamp("us"), "date32": pa.date32(), "date64": pa.date64()}[column]
    far = pa.array([0, {"timestamp": 2**62, "date32": 2**30, "date64": 2**55}[column]], kind)
    parquet.write_table(pa.table({"sku": ["a", "b"], "until": far}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: column 'until' holds a date beyond the years 1 to 9999"):
        list(read_table(tmp_path / "t.parquet"))
    assert [row["sku"] for _, row in read_table(tmp_path / "t.parquet", ["sku"])] == ["a", "b"]


@pytest.mark.parametrize("zipped", [False, True])
def test_parquet(tmp_path, zipped):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "sku": pa.array(["007", "8", None]),
            "number": pa.array([1, None, 3], pa.int64()),
            "price": pa.array([decimal.Decimal("9.50"), decimal.Decimal("12.00"), None]),
            "day": pa.array([datetime.date(2026, 1, 2), None, None]),
            "seen": pa.array([datetime.datetime(2026, 1, 2, 3, 4), None, None], pa.timestamp("ns", "UTC")),
            "sizes": pa.array([["S", "M"], [], None]),
            "colour": pa.array(["red", "", "red"]).dictionary_encode(),
        }
    )
    path = tmp_path / "t.parquet"
    parquet.write_table(table, path)
    if zipped:
        path = tmp_path / "t.parquet.gz"
        path.write_bytes(gzip.compress((tmp_path / "t.parquet").read_bytes()))
    rows = list(read_table(path))
    assert [line for line, _ in rows] == [1, 2, 3]
    first = {"sku": "007", "number": 1, "price": 9.5, "day": "2026-01-02", "sizes": ["S", "M"], "colour": "red"}
    assert rows[0][1] == {**first, "seen": "2026-01-02T03:04:00+00:00"}
    assert rows[1][1] == {**dict.fromkeys(first), "seen": None, "sku": "8", "price": 12, "sizes": []}
    assert [row for _, row in read_table(path, ["number"])] == [{"number": 1}, {"number": None}, {"number": 3}]
    with pytest.raises(DataError, match=r"no column 'nummer' \(nearest: 'number'"):
        read_table(path, ["nummer"])


def test_lines_are_those_on_which_rows_begin(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\na,b\n1,"x\ny"\n2,z\n\n3,w\n')
    assert [line for line, _ in read_table(path)] == [3, 5, 7]
    path = tmp_path / "t.json"
    path.write_text('\n[\n{"a": 1},\n\n{"a":\n 2}, {"a": 3}\n]')
    assert list(read_table(path)) == [(3, {"a": 1}), (5, {"a": 2}), (6, {"a": 3})]


def test_the_form_is_in_the_name():
    assert table_form("A.CSV.GZ") == "csv"
    assert table_form("x/feed.ndjson") == "json"
    assert table_form("notes.txt") is None
    assert table_form("csv") is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", b"", r"t\.csv is empty: expected a header"),
        ("t.csv", b"a,b\n1,2\n3\n", r"t\.csv:3: row too short: 1 cell, expected 2 \(a,b\)"),
        ("t.csv", b"a,b\n1,2,3\n", r"t\.csv:2: row too long"),
        ("t.csv", b"a,b,a\n1,2,3\n", r"t\.csv:1: the column 'a' occurs twice"),
        ("t.csv", b'a,b\n1,2\n3,"x\n4,5\n', r"t\.csv:3: not CSV: a quotation mark is opened in this row"),
        ("t.csv", b"sep=;\na;b\n1;2\n", r"t\.csv:1: 'sep=;' is a line for Excel alone: remove it"),
        ("t.csv", b"a,b\r1,2\r", r"not CSV: lines end with carriage returns alone"),
        ("t.csv", "a,b\n1,x\n2,Größe\n".encode("latin-1"), r"t\.csv:3: not UTF-8 text; in Latin-1 .*'2,Größe'"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), r"t\.csv:1: NUL characters: this is UTF-16 without"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16")[:-1], r"t\.csv:\d: not whole UTF-16 text"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 99, mtime=0)[:-9], r"t\.csv\.gz:\d+: broken gzip file"),
        ("t.json", b" \n ", r"t\.json is empty: expected one JSON object a line"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', r"t\.jsonl:2: not JSON"),
        ("t.jsonl", b'{"a": 1}\n7\n', r"t\.jsonl:2: expected a JSON object on each line, got a number"),
        ("t.jsonl", b'{"a": ' + b"9" * 5000 + b"}", r"t\.jsonl:1: not JSON"),
        ("t.jsonl", b'{"a":' * 99999, r"t\.jsonl:1: not JSON"),
        ("t.json", b'[{"a": 1},\n {"a": oops}]', r"t\.json:2: not JSON"),
        ("t.json", b'[{"a": 1},\n {"a": 2}', r"t\.json:2: the array is not closed"),
        ("t.json", b'[{"a": 1}, 7]', r"t\.json:1: expected an array of objects, got a number"),
        ("t.json", '[{"a": "ü"}]'.encode("latin-1"), r"t\.json:1: not UTF-8 text; in Latin-1"),
        ("t.parquet", b"PAR1 or not", r"t\.parquet: not a readable Parquet file"),
        ("t.txt", b"a", r"t\.txt: not the name of a table; it must end with \.csv"),
    ],
)
def test_faults_are_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text)
    with pytest.raises(DataError, match=message):
        list(read_table(path))


def test_bad_rows_can_be_passed_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n2,3\n")
    faults = []
    assert [row for _, row in read_table(path, report=faults.append)] == [{"a": "2", "b": "3"}]
    assert "t.csv:2: row too short" in str(faults[0])


def test_a_missing_file_and_a_missing_column(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.csv: No such file"):
        list(read_table(tmp_path / "nowhere.csv"))
    for name, text in {"t.csv": "item_id,type\n", "t.jsonl": '{"item_id": 1, "type": 2}\n'}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=r"no column 'itemid' \(nearest: 'item_id'.*the columns are item_id, type"):
            read_table(tmp_path / name, ["itemid"])


def test_cells_keep_their_types_and_empty_ones_are_none(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1, "b": "", "c": NaN, "d": true, "e": ["x"], "f": "007"}\n{"g": 2}\n')
    assert table_columns(path) == ("a", "b", "c", "d", "e", "f", "g")
    rows = [row for _, row in read_table(path)]
    assert rows == [{"a": 1, "b": None, "c": None, "d": True, "e": ["x"], "f": "007"}, {"g": 2}]
    assert [row for _, row in read_table(path, ["g", "d"])] == [{"g": None, "d": True}, {"g": 2, "d": None}]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.json.gz"])
def test_a_wide_column_that_is_not_asked_for_is_not_kept(tmp_path, name):
    """10 MB of a column that nobody needs never take more than a few megabytes, an array on one line included."""
    path, wide = tmp_path / name, "x" * 100_000
    rows = [{"id": str(number), "wide": wide} for number in range(100)]
    texts = {"t.csv": csv_text(rows), "t.jsonl": "".join(json.dumps(row) + "\n" for row in rows)}
    raw = texts.get(name, json.dumps(rows)).encode()
    path.write_bytes(gzip.compress(raw, 1) if name.endswith(".gz") else raw)
    del texts, raw, rows
    tracemalloc.start()
    assert [row for _, row in read_table(path, ["id"])] == [{"id": str(number)} for number in range(100)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6
