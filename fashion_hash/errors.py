"""Every error that fashion_hash raises on purpose.

    FashionHashError
    ├── ConfigError          a configuration that cannot be run: names the key
    ├── DataError            a data set that is broken: names file and line
    ├── UnknownIdError       an id that nobody has: names the nearest known ones
    ├── FeatureError         features, pictures or weights that are missing or do not fit
    ├── TrainingError        a run that cannot go on (loss not finite, nothing to resume)
    ├── BundleError          a bundle or index that cannot be trusted: version, checksum, owner
    ├── QueryError           a question that has no meaning (k below 1, no such slot)
    └── MissingExtraError    an optional package is absent: names the extra to install

Messages say what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class FashionHashError(Exception):
    """The root: catch this to catch whatever fashion_hash raises on purpose."""


class ConfigError(FashionHashError, ValueError):
    """A configuration that cannot be run; the message names the key."""


class DataError(FashionHashError, ValueError):
    """A data set that is broken; the message names the file and, where there is one, the line."""

    @classmethod
    def at(cls, path: object, line: int, problem: str) -> DataError:
        """The usual form: `path:line: problem` (lines count from 1, the header included)."""
        return cls(f"{path}:{line}: {problem}")


class UnknownIdError(FashionHashError, LookupError):
    """An id that the vocabulary does not hold; the message suggests the nearest known ids."""


class FeatureError(FashionHashError, ValueError):
    """Features, pictures or weights that are missing or of the wrong shape."""


class TrainingError(FashionHashError, RuntimeError):
    """A training run that cannot start or go on."""


class BundleError(FashionHashError, RuntimeError):
    """A bundle or an index that cannot be trusted: other version, changed bytes, another owner."""


class QueryError(FashionHashError, ValueError):
    """A question that has no meaning, such as k = 0 or a slot that does not exist."""


class MissingExtraError(FashionHashError, ImportError):
    """An optional dependency is absent; the message names the pip extra that brings it."""


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError of the block names `path` where it names no file, or only a temporary one of core.files."""
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename is not None and ".partial" not in str(error.filename)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # of the same class, by its number


def suggest(wrong: str, known: Iterable[str], at_most: int = 3) -> str:
    """The tail of an error message: ` (nearest: 'a', 'b')`, or nothing when no name is near.

    Large vocabularies are first narrowed to names of the same beginning and end, so that an unknown
    id among a million answers at once.
    """
    names = [str(name) for name in known]
    if len(names) > 2000:

        def beginning(name: str, other: str) -> int:
            return next((i for i, (a, b) in enumerate(zip(name, other)) if a != b), min(len(name), len(other)))

        def shared(name: str) -> int:
            return beginning(name, wrong) + beginning(name[::-1], wrong[::-1])

        names = heapq.nsmallest(200, names, key=lambda name: (-shared(name), abs(len(name) - len(wrong))))
    near = difflib.get_close_matches(wrong, names, n=at_most, cutoff=0.5)
    return f" (nearest: {', '.join(repr(name) for name in near)})" if near else ""
