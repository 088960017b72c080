"""Pictures by key from a folder, an LMDB or a tar archive. Keys are the names there; nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

from fashion_hash.data.stores.pictures import PictureStore
from fashion_hash.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
LARGEST = 256 * 2**20
"""Larger files are not read: no picture of a product has 256 MiB."""

# what tarfile raises for a damaged archive: it lets the errors of gzip and xz through
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class Listing(NamedTuple):
    """What a source holds: the keys of its files, and what is not a file that can be read, with the reason."""

    keys: list[str]
    bad: dict[str, str]


class TarPictures:
    """Encoded pictures of a tar archive (also gzip, bzip2 or xz), by the names of its members.

    Read members in the order of the archive: going back is slow where it is compressed.

    Raises:
        DataError: the file is not a readable tar archive.
    """

    is_lmdb = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._archive = tarfile.open(self.path)  # noqa: SIM115 - it stays open as long as this object lives
            self._members = {member.name.removeprefix("./"): member for member in self._archive}
        except _BROKEN as error:
            raise DataError(f"{self.path} is not a readable tar archive ({error}): make or copy it again") from None

    def list(self) -> Listing:
        """The members that are files but hidden ones; links and devices are listed as bad, folders are left out."""
        keys, bad = [], {}
        for name, member in self._members.items():
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if member.isfile():
                keys.append(name)
            elif not member.isdir() or name.lower().endswith(SUFFIXES):
                bad[name] = "a folder, not a picture" if member.isdir() else "a link or a device, not a picture"
        return Listing(keys, bad)

    def get(self, key: str) -> bytes | None:
        """The encoded picture; None when there is none. Raises DataError when it cannot be read."""
        if (member := self._members.get(key)) is None:
            return None
        if member.size > LARGEST:
            raise DataError(f"{member.size:,} bytes are more than a picture has ({LARGEST:,})")
        try:
            stream = self._archive.extractfile(member)
            return None if stream is None else stream.read()
        except _BROKEN as error:
            raise DataError(f"cannot read it from {self.path} ({error})") from None


class FolderPictures(PictureStore):
    """Encoded pictures of a folder and the folders in it, by their path below it."""

    def list(self) -> Listing:
        """All files but hidden ones; what cannot be read is listed as bad. Links to folders are not followed."""
        keys: list[str] = []
        bad: dict[str, str] = {}

        def cannot_list(error: OSError) -> None:
            bad[Path(error.filename).relative_to(self.path).as_posix()] = f"cannot be listed ({error.strerror})"

        for folder, folders, files in os.walk(self.path, onerror=cannot_list):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            within = Path(folder).relative_to(self.path)
            for name in folders:
                if name.lower().endswith(SUFFIXES):
                    bad[(within / name).as_posix()] = "a folder, not a picture"
            for name in files:
                key = (within / name).as_posix()
                if name.startswith("."):
                    continue
                if os.path.isfile(self.path / key):
                    keys.append(key)
                else:
                    bad[key] = "a broken link or a device, not a file"
        return Listing(sorted(keys), bad)

    def get(self, key: str) -> bytes | None:
        """The encoded picture; None when there is none. Raises DataError when it cannot be read."""
        file = self._file(key)
        if file is not None and (size := file.stat().st_size) > LARGEST:
            raise DataError(f"{size:,} bytes are more than a picture has ({LARGEST:,})")
        return super().get(key)


class LmdbPictures(PictureStore):
    """Encoded pictures of an LMDB environment, by key."""

    def list(self) -> Listing:
        """All keys."""
        return Listing(list(self.keys()), {})


PictureSource = TarPictures | FolderPictures | LmdbPictures


def open_pictures(path: str | Path) -> PictureSource:
    """Opens pictures of any source.

    Raises:
        DataError: nothing is there, or a file is neither a tar archive nor an LMDB.
    """
    path = Path(path)
    if path.is_file() and path.name != "data.mdb":
        return TarPictures(path)
    store = PictureStore(path)
    return LmdbPictures(path) if store.is_lmdb else FolderPictures(path)
