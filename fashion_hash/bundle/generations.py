"""The generations of a bundle: a new one is written beside the old one, and one atomic step makes it current.

    BUNDLE/
      current                 one line: the number of the generation that answers
      generations/1/, 2/ ...  complete bundles, each with its index and the changes that were made to it

A folder without `current` is itself the only generation; the next `build-index` writes generation 1 into it. Numbers
grow and are never used twice. Whoever opens a generation holds it by a shared lock on its catalogue, which the
operating system drops when the process ends. Generations before the current one are removed when nobody holds them.
There are no links in the folder, so it can be copied as a whole.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fashion_hash.core.files import atomic_folder, sweep, write_text
from fashion_hash.core.manifest import CURRENT, GENERATIONS, MANIFEST, current_folder
from fashion_hash.errors import BundleError

# what a bundle without `current` consists of, besides its manifest
PARTS = (
    *("ids", "codes", "history", "heads", "requests", "encoder", "index", "partners", "tables", "live"),
    "catalogue.sqlite",
)

LOCKED = "catalogue.sqlite"
"""The file that is locked: every bundle has it, and nothing replaces it while the bundle lives."""

# changes whenever another generation becomes current; None where `current` does not exist
Stamp = tuple[int, int, int] | None


class Held:
    """A lock on a generation. It is kept until the object is forgotten, or its process ends."""

    def __init__(self, handle: int) -> None:
        self._release = weakref.finalize(self, os.close, handle)

    def release(self) -> None:
        """Gives the lock back."""
        self._release()


def hold_current(path: Path) -> tuple[Path, Held | None]:
    """The current generation, held so that nobody removes it; None where the file system has no locks.

    Raises:
        BundleError: as for `current_folder`, or the current generation is missing.
    """
    while True:
        folder = current_folder(path)
        held = _lock(folder, exclusive=False)
        if current_folder(path) == folder:
            if folder != path and not folder.is_dir():
                raise BundleError(
                    f"{path / CURRENT} names generation {folder.name}, but {folder} does not exist: build the bundle "
                    "again with `fashion-hash build-index`, or restore the folder from a copy"
                )
            return folder, held
        if held is not None:  # another generation became current meanwhile
            held.release()


def stamp(path: Path) -> Stamp:
    """Numbers that change when another generation becomes current; this takes microseconds."""
    try:
        status = os.stat(os.path.join(path, CURRENT))  # before every answer: joining paths takes longer than this
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def has_generations(path: Path) -> bool:
    """Whether a bundle folder has generations, or is one itself."""
    return (path / CURRENT).exists()


@contextmanager
def next_generation(path: Path) -> Iterator[Path]:
    """Yields a new folder; when the block succeeds it becomes the next generation, which is not yet current.

    Args:
        path: the bundle folder, held by the caller (core.locks.hold); it is created if necessary.
    """
    folder = path / GENERATIONS
    new = not path.exists()
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    sweep(path, CURRENT)
    _remove_generations(path, later=True)  # those that a killed process did not make current
    try:
        with atomic_folder(folder / str(1 + max(_numbers(path), default=0))) as temporary:
            yield temporary
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
            if new:
                path.rmdir()
        raise


def is_next(folder: Path) -> bool:
    """Whether a folder is a generation that has been written and is not yet current."""
    root = folder.parent.parent
    if folder.parent.name != GENERATIONS or not folder.name.isdigit() or not has_generations(root):
        return False
    return int(folder.name) > int(current_folder(root).name)


def latest(path: Path) -> Path:
    """The folder of the generation that was written last."""
    return path / GENERATIONS / str(max(_numbers(path)))


def number_of(path: Path, file: Path | None) -> int | None:
    """The number of the generation that a file is in, be it half-written; None for a file outside of generations.

    Args:
        path: the bundle folder.
        file: a file in it; None for the current generation.
    """
    if not has_generations(path):
        return None
    folder = path / GENERATIONS
    if file is None:
        return int(current_folder(path).name)
    if not file.is_relative_to(folder):
        return None
    name = file.relative_to(folder).parts[0].removeprefix(".").split(".")[0]
    return int(name) if name.isdigit() else None


def make_current(folder: Path) -> None:
    """Makes a generation current, in one step that survives a power cut."""
    write_text(folder.parent.parent / CURRENT, f"{folder.name}\n")


def remove_unused(path: Path) -> None:
    """Removes the generations before the current one that nobody holds; those that cannot be removed stay."""
    with suppress(OSError, BundleError):
        if has_generations(path):
            _remove_generations(path, later=False)
            if (path / MANIFEST).exists():
                _remove_flat(path)


def _numbers(path: Path) -> list[int]:
    return [int(folder.name) for folder in (path / GENERATIONS).iterdir() if folder.name.isdigit()]


def _remove_generations(path: Path, later: bool) -> None:
    """Removes generations before the current one, or after it."""
    current = int(current_folder(path).name) if has_generations(path) else 0
    for number in _numbers(path):
        folder = path / GENERATIONS / str(number)
        if (number > current if later else number < current) and (held := _lock(folder, exclusive=True)) is not None:
            # renamed first: what a kill leaves of it is never taken for a generation, and `sweep` removes it
            aside = Path(tempfile.mkdtemp(prefix=f".{number}.", suffix=".partial", dir=path / GENERATIONS))
            with suppress(OSError):
                os.replace(folder, aside / "old")
            shutil.rmtree(aside, ignore_errors=True)
            held.release()


def _remove_flat(path: Path) -> None:
    """Removes the files of the bundle that was in the folder before it got generations; the manifest goes last."""
    if (held := _lock(path, exclusive=True)) is None:
        return
    for name in PARTS:
        part = path / name
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
    (path / MANIFEST).unlink()
    held.release()


def _lock(folder: Path, exclusive: bool) -> Held | None:
    """A lock on a generation; None if others hold it, or the file system has no locks."""
    try:
        handle = os.open(folder / LOCKED, os.O_RDWR if exclusive else os.O_RDONLY)
    except OSError:
        return None
    held = Held(handle)
    if sys.platform != "win32":  # Windows does not move folders that hold open files
        import fcntl

        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            held.release()
            return None
    return held
