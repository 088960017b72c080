"""What all commands have in common: parse, run, and tell an error from a bug."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import NoReturn, TextIO, cast

from fashion_hash.errors import FashionHashError, QueryError, visible
from fashion_hash.presentation.printing import SafeStream, json_text


class Parser(argparse.ArgumentParser):
    """The parser of a command; what it complains of is safe to print."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, and exits with status 2."""
        super().error(visible(message[:1000]))


def run_command(
    parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int], argv: Sequence[str] | None
) -> int:
    """Runs a command with parsed arguments.

    What it prints is safe for any terminal. An error that fashion_hash raises on purpose becomes one
    line on stderr, and so does a full disk or a file that may not be read.

    Args:
        parser: of the arguments.
        command: returns the exit status.
        argv: the arguments; None for those of the process.

    Returns:
        The exit status: that of the command, 2 after an error, 130 after Ctrl-C, 141 if the reader of
        the output has gone, as in `query ... | head`.
    """
    _open_streams()
    args = parser.parse_args(argv)
    return printing(lambda: command(args))


def printing(command: Callable[[], int]) -> int:
    """Runs what prints, as `run_command` does; returns the exit status."""
    _open_streams()
    try:
        with redirect_stdout(cast(TextIO, SafeStream(sys.stdout))):
            status = command()
        sys.stdout.flush()  # here, where what the system refuses is reported
    except BrokenPipeError:
        _drop(sys.stdout)
        return 141
    except (FashionHashError, OSError) as error:
        message = _os_error(error) if isinstance(error, OSError) else str(error)
        _complain(f"error: {visible(message)}")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    return status


def _open_streams() -> None:
    """Sends what is printed to a closed stdout or stderr (`>&-`) nowhere. Python has None in their place."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends


def _complain(message: str) -> None:
    for stream, text in ((sys.stdout, ""), (sys.stderr, message + "\n")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:  # a full disk, or the reader has gone
            _drop(stream)


def _drop(stream: TextIO) -> None:
    """Sends what is left in a stream nowhere, or the interpreter would fail to write it at its exit."""
    with suppress(OSError, ValueError):  # it is no file, or was closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_json(value: object) -> None:
    """Prints one JSON object that any terminal can show."""
    print(json_text(value, sys.stdout.encoding or "utf-8"))


def check_writable(option: str, path: str, suffix: str) -> None:
    """Checks the file that an option names before anything is computed for it.

    Raises:
        QueryError: the name has another suffix, it is a folder, or a parent of it is a file.
    """
    if Path(path).suffix.lower() != suffix:
        raise QueryError(f"{option} {path}: the name must end with {suffix}, such as {Path(path).stem}{suffix}")
    if Path(path).is_dir():
        raise QueryError(f"{option} {path}: this is a folder, name a file in it")
    parent = next(folder for folder in Path(path).absolute().parents if folder.exists())
    if not parent.is_dir():
        raise QueryError(f"{option} {path}: {parent} is a file, not a folder; choose another place")


def _os_error(error: OSError) -> str:
    """What the operating system refused, for which file, and what to do about it."""
    path = error.filename2 or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem = "no space left on the device: free some and run the command again; earlier files are intact"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        problem = "permission denied: change the permissions, or choose another place"
    elif error.errno == errno.EISDIR:
        problem = "this is a folder: name a file"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        problem = "this is a file, not a folder, or lies inside one: choose another place"
    else:
        problem = error.strerror or str(error)
    return problem if path is None else f"{str(path)[-1000:]}: {problem}"
