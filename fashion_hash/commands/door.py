"""What every command does alike: parse, run, and tell an error from a bug."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from fashion_hash.errors import FashionHashError


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
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
