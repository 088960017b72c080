"""Damaged archives and compressed tables: whatever the library of the compression raises, it is a DataError."""

import gzip
import io
import lzma
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from fashion_hash.data.parsing.tables import read_table, table_columns
from fashion_hash.data.stores.picture_sources import TarPictures
from fashion_hash.errors import DataError


def archive(mode: str) -> bytearray:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        for number in range(6):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = 4000
            tar.addfile(member, io.BytesIO(bytes(range(250)) * 16))
    return bytearray(stream.getvalue())


def read_all(path: Path) -> None:
    pictures = TarPictures(path)
    for key in pictures.list().keys:
        pictures.get(key)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_damaged_archive(tmp_path: Path, mode: str) -> None:
    whole = archive(mode)
    (tmp_path / "pictures.tar").write_bytes(whole)
    read_all(tmp_path / "pictures.tar")
    for place in range(12, len(whole), max(1, len(whole) // 40)):
        content = whole.copy()
        content[place] ^= 0xFF
        (tmp_path / "pictures.tar").write_bytes(content)
        with suppress(DataError):  # and no other error
            read_all(tmp_path / "pictures.tar")


def test_the_error_of_xz(tmp_path: Path) -> None:
    content = lzma.compress(bytes(archive("w")))
    (tmp_path / "pictures.tar").write_bytes(content[: len(content) // 2] + b"\xff" * 40 + content[len(content) // 2 :])
    with pytest.raises(DataError, match=r"pictures\.tar"):
        read_all(tmp_path / "pictures.tar")


def test_a_damaged_gzip_of_parquet(tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.table({"a": list(range(5000))}), tmp_path / "t.parquet")
    whole = gzip.compress((tmp_path / "t.parquet").read_bytes(), mtime=0)
    for place in range(10, 40):  # the tables of the first block
        content = bytearray(whole)
        content[place] ^= 0xFF
        (tmp_path / "t.parquet.gz").write_bytes(content)
        for read in (table_columns, lambda path: list(read_table(path))):
            with suppress(DataError):
                read(tmp_path / "t.parquet.gz")
