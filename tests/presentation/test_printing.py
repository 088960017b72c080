"""Text that is safe to print."""

import io
import json

import pytest

from fashion_hash.errors import visible
from fashion_hash.presentation.printing import SafeStream, encodable, json_text

BAD = "\x00\x07\x08\n\r\t\x1b\x7f\x85\x9b\xad\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\ud800\U000e0001"
GOOD = "plain, straße, 夏, شلوار, 👗, n\u00a0b, می\u200cخواهم, 👩\u200d🎤"


@pytest.mark.parametrize("letter", BAD)
def test_what_steers_a_terminal_is_escaped(letter: str) -> None:
    shown = visible(f"a{letter}b")
    assert shown.startswith("a\\")
    assert shown.endswith("b")
    assert shown.isprintable()
    assert json.loads(json_text([letter])) == [letter]
    assert not set(json_text([letter])) & set(BAD) - {"\n"}


def test_what_people_write_is_kept() -> None:
    assert visible(GOOD) == GOOD
    assert json_text(GOOD) == f'"{GOOD}"'


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding(encoding: str) -> None:
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding=encoding, newline="\n"))
    assert stream.write(f"{GOOD}\n{BAD}") == len(GOOD) + 1 + len(BAD)
    stream.flush()
    written = raw.getvalue().decode(encoding)
    kept = {"\n", "\t"}
    assert not set(written) & set(BAD) - kept
    assert written.startswith("plain, stra")
    values = {"ids": [GOOD, BAD], BAD: None}
    text = json_text(values, encoding)
    assert encodable(text, encoding) == text
    assert json.loads(text) == values


def test_a_stream_without_encoding_is_taken_for_utf_8() -> None:
    text = io.StringIO()
    stream = SafeStream(text)
    print("夏", "\x1b[31m", file=stream)  # type: ignore[arg-type]
    assert text.getvalue() == "夏 \\x1b[31m\n"
    assert not stream.isatty()
