"""Bundles with generations, made of random codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.generations import latest, make_current, next_generation, remove_unused
from fashion_hash.index.partners import build_partners
from tests.worlds.live_world import new_bundle


def add_generation(path: Path, count: int = 60, **options: Any) -> Bundle:
    """What build-index does: writes a random generation beside the current one, and makes it current."""
    with next_generation(path) as folder:
        build_partners(new_bundle(folder, count, **options))
    make_current(latest(path))
    remove_unused(path)
    return Bundle.open(path)


def generations(path: Path) -> list[str]:
    """The names of what is in the folder of the generations."""
    return sorted(folder.name for folder in (path / "generations").iterdir())
