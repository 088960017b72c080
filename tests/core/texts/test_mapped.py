"""Many texts in mapped files."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.texts.mapped import GrowingTexts, MappedTexts, NumberOf, Places, write_texts
from fashion_hash.errors import BundleError

TEXTS = ["", "red", "écru", "сукня", "a\nb", *(f"House {number:x}" for number in range(300))]


@pytest.fixture
def texts(tmp_path: Path) -> MappedTexts:
    write_texts(tmp_path, "t", TEXTS)
    return MappedTexts(tmp_path, "t")


def test_texts_by_place_and_places_by_text(texts: MappedTexts) -> None:
    assert list(texts) == TEXTS == texts[:]
    assert texts[-1] == TEXTS[-1]
    assert [texts.place(text) for text in TEXTS] == list(range(len(TEXTS)))
    assert [texts.place(text) for text in ("House", "house 1", "\udc80", "re")] == [-1] * 4
    with pytest.raises(IndexError):
        texts[len(TEXTS)]
    places, numbers = Places(texts), NumberOf(Places(texts), np.arange(len(TEXTS)) * 2)
    assert (places["red"], "blue" in places, numbers["écru"], numbers.get("blue", 7)) == (1, False, 4, 7)


def test_no_texts_and_one(tmp_path: Path) -> None:
    for name, held in (("none", []), ("one", ["red"])):
        write_texts(tmp_path, name, held)
        assert list(MappedTexts(tmp_path, name)) == held
        assert MappedTexts(tmp_path, name).place("red") == len(held) - 1


def test_texts_are_added_behind_those_of_a_file(texts: MappedTexts) -> None:
    growing = GrowingTexts(texts)
    assert [growing.add(text) for text in ("red", "new", "newer", "new")] == [1, 305, 306, 305]
    assert (len(growing), growing[305], growing[-1]) == (307, "new", "newer")
    assert growing[304:] == ["House 12b", "new", "newer"]
    assert (growing.place("newer"), growing.place("newest")) == (306, -1)
    assert list(growing) == [*TEXTS, "new", "newer"]


DAMAGED = {
    "starts": lambda array: array[::-1].copy(),
    "buckets": lambda array: array + 1,
    "places": lambda array: array + 1,
    "bytes": lambda array: array[:-1],
}


@pytest.mark.parametrize("part", DAMAGED)
def test_files_that_point_elsewhere_are_refused(tmp_path: Path, part: str) -> None:
    write_texts(tmp_path, "t", TEXTS)
    np.save(tmp_path / f"t.{part}.npy", DAMAGED[part](np.load(tmp_path / f"t.{part}.npy")))
    with pytest.raises(BundleError, match=rf"t\.({part}|starts)\.npy"):
        MappedTexts(tmp_path, "t")
