"""Array files written a piece after another, and the memory of mapped ones given back."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.arrays import array_writer, let_go


@pytest.mark.parametrize("array", [np.arange(35, dtype=np.int32).reshape(7, 5), np.array([b"a", b"bcd"]), np.zeros(0)])
def test_pieces_are_the_file_that_numpy_writes(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "whole.npy", array)
    with array_writer(tmp_path / "pieces.npy", array.dtype, array.shape) as write:
        for start in range(0, len(array), 3):
            write(array[start : start + 3])
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("lengths", [(1, 1), (2, 2), (3, 1)])
def test_pieces_that_do_not_fit_are_refused(tmp_path: Path, lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"file.npy: .*(does not fit|were not written)"):
        write_pieces(tmp_path / "file.npy", [np.zeros((length, 2)) for length in lengths], (3, 2))
    with pytest.raises(ValueError, match="does not fit"):
        write_pieces(tmp_path / "file.npy", [np.zeros((3, 1))], (3, 2))


def write_pieces(path: Path, pieces: list[np.ndarray], shape: tuple[int, ...]) -> None:
    with array_writer(path, np.float64, shape) as write:
        for piece in pieces:
            write(piece)


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system cannot give pages back")
def test_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    size = 64 << 20
    np.save(tmp_path / "file.npy", np.ones(size, dtype=np.uint8))
    mapped = np.asarray(np.load(tmp_path / "file.npy", mmap_mode="r"))
    assert mapped.sum(dtype=np.int64) == size
    full = resident()
    let_go(mapped[1:])
    assert resident() < full - size // 2
    assert mapped.sum(dtype=np.int64) == size


def test_what_may_be_written_stays(tmp_path: Path) -> None:
    np.save(tmp_path / "file.npy", np.zeros(1 << 16, dtype=np.uint8))
    private = np.load(tmp_path / "file.npy", mmap_mode="c")
    private[:] = 7
    let_go(private, np.ones(3))
    assert (private == 7).all()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
