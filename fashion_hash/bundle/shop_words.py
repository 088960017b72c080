"""The words that a shop edits beside its bundle: BUNDLE/words.yaml, which counts as soon as it is there.

It takes the place of the shop's file that the bundle was exported with, for all generations of the bundle.
"""

from __future__ import annotations

import os
from pathlib import Path

from fashion_hash.core.files import write_text
from fashion_hash.errors import BundleError, ConfigError
from fashion_hash.understanding.words import Words, read_words

FILE = "words.yaml"
Stamp = tuple[int, int, int]


class ShopWords:
    """The words that are in use, read again whenever the file changes.

    Args:
        root: the bundle folder.
        exported: the words that the bundle was exported with.
    """

    def __init__(self, root: Path, exported: Words) -> None:
        """Reads nothing yet."""
        self._path, self._exported = root / FILE, exported
        self._kept: tuple[Stamp, Words] | None = None

    def now(self) -> Words:
        """The words as they are now; this takes microseconds where nothing changed.

        Raises:
            BundleError: the file does not fit; with line and key.
        """
        stamp = _stamp(self._path)
        if stamp is None:
            return self._exported
        kept = self._kept
        if kept is None or kept[0] != stamp:
            try:
                kept = self._kept = stamp, read_words(self._path, self._exported.language)
            except ConfigError as error:
                raise BundleError(f"{error}: mend it, or see `fashion-hash words --help`") from None
        return kept[1]


def set_words(root: Path, file: Path, language: str) -> Words:
    """Makes a shop's file that of a bundle, in one step, and returns the words with it.

    Args:
        root: the bundle folder.
        file: the shop's file.
        language: that of the bundle, for files that do not name one.

    Raises:
        ConfigError: the file cannot be read or does not fit; nothing is changed then.
    """
    words = read_words(file, language)
    write_text(root / FILE, file.read_text(encoding="utf-8"))
    return words


def remove_words(root: Path) -> bool:
    """Goes back to the words that the bundle was exported with; False where there was no file."""
    present = (root / FILE).exists()
    (root / FILE).unlink(missing_ok=True)
    return present


def _stamp(path: Path) -> Stamp | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error})") from None
    return status.st_mtime_ns, status.st_size, status.st_ino
