"""Every error that fashion_hash raises on purpose.

    FashionHashError
    ├── ConfigError        (ValueError)    a configuration that cannot be run; names the key
    ├── DataError          (ValueError)    a data set that is broken; names the file and the line
    ├── FeatureError       (ValueError)    features, pictures or weights that are missing or do not fit
    ├── TrainingError      (RuntimeError)  a run that cannot start or go on: loss not finite, nothing to resume
    ├── BundleError        (RuntimeError)  a bundle or an index that cannot be trusted: version, checksum, owner
    ├── ClusterError       (RuntimeError)  a cluster that cannot be reached, or a part of it that does not answer
    ├── QueryError         (ValueError)    a question without meaning: k below 1, an unknown slot, a bad filter
    ├── UnknownIdError     (LookupError)   an id that does not exist; names the nearest items or outfits
    └── MissingExtraError  (ImportError)   an optional package is absent; names the extra to install

Each class also derives from the built-in class in parentheses, so that code that knows nothing of
fashion_hash catches it as well. What the operating system refuses when something is written (a full
disk, a folder that may not be written) stays an OSError that names the file and says what to do; what it
refuses when a bundle is read is a BundleError that says so, rather than that the bundle is broken.

A message says what is wrong, the value, where it stands (file, line, key, id) and what to do. It is
shorter than 2,000 letters, whatever was passed in.
"""

from __future__ import annotations

import errno
import os
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_LETTERS = 1_900  # of a message; the middle of a longer one is left out
LONGEST_NAME = 200  # longer names have no near ones: comparing them would take too long
_FULL = "free some space and try again; earlier files are intact"
_TOO_MANY = "close some, or raise the limit (ulimit -n), and try again"
_ADVICE = {
    errno.ENOSPC: _FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): _FULL,
    errno.EFBIG: "the system limits the size of files (ulimit -f): raise the limit and try again",
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
    errno.ENOMEM: "close other programs and try again",
}
_JOINERS = "\u200c\u200d"  # they join letters and emoji, and steer nothing


class FashionHashError(Exception):
    """The root: catch this to catch whatever fashion_hash raises on purpose."""

    def __str__(self) -> str:
        """The message; of one that repeats something enormous, the beginning and the end."""
        message = super().__str__()
        if len(message) <= MOST_LETTERS:
            return message
        return f"{message[: MOST_LETTERS * 2 // 3]} [...] {message[-MOST_LETTERS // 4 :]}"


class ConfigError(FashionHashError, ValueError):
    """A configuration that cannot be run; the message names the key."""


class DataError(FashionHashError, ValueError):
    """A data set that is broken; the message names the file and, where there is one, the line."""

    @classmethod
    def at(cls, path: object, line: int, problem: str) -> DataError:
        """The usual form, `path:line: problem`.

        Args:
            path: the file.
            line: counted from 1, the header included.
            problem: what is wrong there.
        """
        return cls(f"{path}:{line}: {problem}")


class FeatureError(FashionHashError, ValueError):
    """Features, pictures or weights that are missing or have the wrong shape."""


class TrainingError(FashionHashError, RuntimeError):
    """A training run that cannot start or go on."""


class BundleError(FashionHashError, RuntimeError):
    """A bundle or an index that cannot be trusted: another version, changed bytes, another owner."""


class ClusterError(FashionHashError, RuntimeError):
    """A cluster that cannot be reached, or of which a part does not answer."""


class QueryError(FashionHashError, ValueError):
    """A question without meaning, such as k = 0, an unknown slot or a filter that contradicts itself."""


class UnknownIdError(FashionHashError, LookupError):
    """An id that does not exist; the message suggests the nearest known ids, except for users."""


class MissingExtraError(FashionHashError, ImportError):
    """An optional package is absent; the message names the pip extra that installs it."""


def advice_for(error: OSError) -> str | None:
    """What to do about a full disk, too many open files and the like; None where nothing in general can be said."""
    return _ADVICE.get(error.errno or 0)


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Makes an OSError of the block name `path`.

    It does so where the error names no file, or only a temporary one of `core.files`; an error that
    names another file passes unchanged. What to do about a full disk is said as well.
    """
    try:
        yield
    except OSError as error:
        number, said = error.errno, error.strerror or str(error)
        if number is None and str(error).endswith("written"):  # numpy does not say more when it could not write all
            number, said = errno.ENOSPC, os.strerror(errno.ENOSPC)
        if number is None or (error.filename is not None and ".partial" not in str(error.filename)):
            raise
        if number in _ADVICE and _ADVICE[number] not in said:
            said = f"{said}: {_ADVICE[number]}"
        raise OSError(number, said, str(path)) from error  # the number decides its class


def unreadable(path: str | Path, error: Exception, otherwise: str) -> BundleError:
    """The error for a file of a bundle that could not be read.

    Args:
        path: the file.
        error: what a reader of files raised, which may hide what the operating system said.
        otherwise: the message where the system lets the file be read, so that the file itself is at fault.
    """
    refused = error if isinstance(error, OSError) and error.errno is not None else None
    if refused is None:
        try:
            os.close(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))  # a named pipe would wait for a writer
        except OSError as cause:
            refused = cause
        except ValueError:  # a NUL character: no path can hold it
            return BundleError(otherwise)
    if refused is None or refused.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL):
        return BundleError(otherwise)
    advice = _ADVICE.get(refused.errno or 0, "this is no fault of its content; try again when it can be read")
    return BundleError(f"{path} cannot be read: {refused.strerror}; {advice}")


def shown(value: object, at_most: int = 80) -> str:
    """A value as a message repeats it: its repr, shortened in the middle to about `at_most` letters.

    It never fails and takes no longer for an enormous value than for a small one.
    """
    writer = reprlib.Repr()
    writer.maxstring = writer.maxother = at_most
    writer.maxlevel, writer.maxlist, writer.maxtuple, writer.maxset, writer.maxdict = 3, 4, 4, 4, 4
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length():,} bits"
    try:
        text = writer.repr(value)
    except Exception:  # its own __repr__ failed
        text = object.__repr__(value)
    if "\n" in text:  # an array of several rows
        text = " ".join(text.split())
    return text if len(text) <= at_most else f"{text[: at_most - 23]}...{text[-20:]}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, as in "1 user" and "2,000 users".

    Args:
        number: how many.
        noun: what is counted; a verb may follow: "user is new".
        plural: of the noun; by default with an s at its end.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def item_noun(item_type: str) -> str:
    """What an item of a type is called: "top item", or "item" in data without types."""
    return item_type if item_type == "item" else f"{item_type} item"


def expect(value: object, kind: type, asker: str, hint: str) -> None:
    """Raises TypeError when an argument is of another type, such as a path where an open run is needed.

    Args:
        value: the argument.
        kind: its type.
        asker: the function, for the message.
        hint: how to get a value of that type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{asker} needs a {kind.__name__}, got {shown(value)}: {hint}")


def visible(text: str) -> str:
    r"""A text on one line: control characters, line ends and marks of direction become escapes such as \x1b."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def is_safe(letter: str) -> bool:
    """Whether a letter can be printed as it is: it neither steers a terminal nor ends a line."""
    return letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    return letter if is_safe(letter) else letter.encode("unicode_escape").decode()


def unknown_id(kind: str, wrong: str, known: Callable[[], Iterable[str]]) -> UnknownIdError:
    """The error for an unknown id.

    Near ids are named for items and outfits, but not for users: whoever mistypes an id must not learn those of others.
    """
    if kind == "user":
        return UnknownIdError(
            f"unknown user {shown(wrong, LONGEST_NAME)}: add new users with add_user, or ask without a user, for an "
            "answer that is the same for all strangers"
        )
    return UnknownIdError(f"unknown {kind} {wrong!r}{suggest(wrong, known())}")


def suggest(wrong: str, known: Iterable[str], at_most: int = 3) -> str:
    """The tail of an error message that names what may have been meant.

    Large vocabularies are first narrowed to names of the same beginning and end, so that an unknown
    id among a million answers at once.

    Args:
        wrong: the name that is unknown.
        known: the names that exist.
        at_most: how many names to suggest.

    Returns:
        ` (nearest: 'a', 'b')`, or nothing when no name is near.
    """
    import difflib
    import heapq

    if len(wrong) > LONGEST_NAME:
        return ""
    names = [name for name in map(str, known) if len(name) <= LONGEST_NAME]
    if len(names) > 2000:

        def beginning(name: str, other: str) -> int:
            return next((i for i, (a, b) in enumerate(zip(name, other)) if a != b), min(len(name), len(other)))

        def shared(name: str) -> int:
            return beginning(name, wrong) + beginning(name[::-1], wrong[::-1])

        names = heapq.nsmallest(200, names, key=lambda name: (-shared(name), abs(len(name) - len(wrong))))
    near = difflib.get_close_matches(wrong, names, n=at_most, cutoff=0.5)
    return f" (nearest: {', '.join(repr(name) for name in near)})" if near else ""
