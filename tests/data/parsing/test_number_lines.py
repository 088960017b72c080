"""Lines of whole numbers: against plain Python, in blocks of any size, and every kind of broken line."""

import numpy as np
import pytest

from fashion_hash.data.parsing import number_lines
from fashion_hash.data.parsing.number_lines import read_number_lines
from fashion_hash.data.parsing.text_tables import stop
from fashion_hash.errors import DataError


def lists(numbers):
    return [numbers.values[a:b].tolist() for a, b in zip(numbers.starts, numbers.starts[1:])]


@pytest.mark.parametrize("block", [8, 64, 1 << 20])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_numbers_are_those_of_plain_python(tmp_path, monkeypatch, block, ends):
    rng = np.random.default_rng(block)
    rows = [rng.integers(0, 10 ** rng.integers(1, 18), size=rng.integers(0, 6)).tolist() for _ in range(200)]
    blank = rng.choice([" ", "\t", "  "], size=len(rows))
    path = tmp_path / "numbers.txt"
    text = ends.join(mark.join(map(str, row)) + " " * (len(row) % 2) for row, mark in zip(rows, blank))
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    monkeypatch.setattr(number_lines, "BLOCK", block)
    numbers = read_number_lines(path, stop)
    assert lists(numbers) == [row for row in rows if row]
    assert numbers.lines.tolist() == [line for line, row in enumerate(rows, start=1) if row]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"3 -4 5", "a negative number, near '3 -4 5'"),
        (b"3 4\x005", "NUL byte"),
        (b"3 four", "'3 four' is not a row of whole numbers"),
        (b"3 4.5", "not a row of whole numbers"),
        (b"3 1234567890123456789", "more than 18 digits"),
        ("3 ４".encode(), "not a row of whole numbers"),
    ],
)
@pytest.mark.parametrize("block", [4, 1 << 20])
def test_broken_lines_are_named_and_left_out(tmp_path, monkeypatch, line, words, block):
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"1 2\n\n" + line + b"\n6 7")
    monkeypatch.setattr(number_lines, "BLOCK", block)
    with pytest.raises(DataError, match=words) as error:
        read_number_lines(path, stop)
    assert f"{path}:3: " in str(error.value)
    faults = []
    numbers = read_number_lines(path, faults.append)
    assert len(faults) == 1
    assert lists(numbers) == [[1, 2], [6, 7]]
    assert numbers.lines.tolist() == [1, 4]


def test_rows_of_another_length_are_named(tmp_path):
    path = tmp_path / "triples.txt"
    path.write_text("1 0 2\n3 0\n4 0 5 6\n7 1 8\n")
    faults = []
    table, lines = read_number_lines(path, stop).table(("head", "relation", "tail"), faults.append)
    assert table.tolist() == [[1, 0, 2], [7, 1, 8]]
    assert lines.tolist() == [1, 4]
    short, long = map(str, faults)
    assert f"{path}:2: row too short: 2 numbers, expected 3 (head relation tail)" in short
    assert f"{path}:3: row too long" in long


def test_a_file_without_lines_is_not_read_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "zeros"
    path.write_bytes(b"1" * 4096)
    monkeypatch.setattr(number_lines, "BLOCK", 512)
    monkeypatch.setattr(number_lines, "MOST_BYTES", 1024)
    with pytest.raises(DataError, match="a line of more than 1,024 bytes"):
        read_number_lines(path, stop)


def test_an_empty_file_holds_no_lines(tmp_path):
    path = tmp_path / "empty"
    path.write_text("")
    assert len(read_number_lines(path, stop)) == 0
