"""What every command does alike: parse, run, and tell an error from a bug."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fashion_hash.errors import FashionHashError, QueryError


def run_command(
    parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int], argv: Sequence[str] | None
) -> int:
    """Runs a command with parsed arguments.

    An error that fashion_hash raises on purpose is one line on stderr and exit status 2; so is a
    disk that is full or a file that may not be read. Ctrl-C is exit status 130.
    """
    args = parser.parse_args(argv)
    try:
        return command(args)
    except (FashionHashError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # nobody reads our output any more, as in `query ... | head`
            return 141
        print(f"error: {_of_the_system(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def check_writable(option: str, path: str, suffix: str) -> None:
    """Refuses a file that an option names before anything is computed for it.

    Raises QueryError when the name has another suffix, names a folder, or lies inside of a file.
    """
    if Path(path).suffix.lower() != suffix:
        raise QueryError(f"{option} {path}: the name of this file ends with {suffix}, as {Path(path).stem}{suffix}")
    if Path(path).is_dir():
        raise QueryError(f"{option} {path}: this is a folder, name a file in it")
    parent = next(one for one in Path(path).absolute().parents if one.exists())
    if not parent.is_dir():
        raise QueryError(f"{option} {path}: {parent} is a file, not a folder: name another place")


def _of_the_system(error: OSError) -> str:
    """What the operating system refused, of which file, and what to do."""
    path = error.filename2 or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "no space left on the device: free some and run it again; what was there before is whole"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = "may not be read or written: change its rights, or name another place"
    elif error.errno == errno.EISDIR:
        what = "this is a folder: name a file"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        what = "this is a file, not a folder, or lies inside of one: name another place"
    else:
        what = error.strerror or str(error)
    return what if path is None else f"{path}: {what}"
