"""Bundles that many tests make alike are written once in a session, and copied."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fashion_hash.bundle.bundle import Bundle


class Copies:
    """Where the first of every bundle is kept.

    Attributes:
        folder: set by the session (tests/conftest.py); without it every bundle is written.
    """

    folder: Path | None = None


def write_or_copy(path: Path, options: Any, write: Callable[[Path], object]) -> Bundle:
    """The bundle that `write` writes to a path; options that JSON can hold say which one it is."""
    try:
        name = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
    except TypeError:  # arrays and the like
        name = ""
    if Copies.folder is None or not name or Path(path).exists():
        write(path)
    else:
        kept = Copies.folder / name
        if not kept.exists():
            write(kept)
        shutil.copytree(kept, path)
    return Bundle.open(path)
