"""Bundles for tests of the pages: one with pictures, columns and words, and one whose ids and titles are hostile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.index.build import build_index
from fashion_hash.understanding.facts import facts_of_catalogue
from tests.worlds.picture_world import picture, pictured_contents
from tests.worlds.random_bundles import random_contents, random_pool
from tests.worlds.words_world import COLOURS, words_bundle

SLOTS = ("top", "bottom", "shoe")
SEASONS = ("spring", "summer", "autumn")
HOSTILE = (
    '<script>alert("x")</script>',
    "a/b?c=d&e#f",
    "100%25 'quoted'",
    "../..",
    "é夏 日",
    '"><img src=x onerror=alert(1)>',
)


def pages_bundle(path: Path, contents_of: Callable[..., BundleContents] = pictured_contents) -> Bundle:
    """Fifty garments of each type, most with a picture, which is searched by; with prices, seasons, stock and brands.

    `contents_of`: makes the part that scores outfits, see worlds/picture_world.py.
    """

    def further(row: int) -> dict[str, Any]:
        return {
            "price": 20.0 + row,
            "season": SEASONS[row % 3],
            "in_stock": row % 4 != 0,
            "brand": f"House {row % 11}",
        }

    names = [f"{row:03d}" for row in range(50)]
    pictures = {
        item_type: {
            f"{item_type}-{name}": picture(COLOURS[row // 10], row % 10) for row, name in enumerate(names) if row % 7
        }
        for item_type in SLOTS
    }
    options: dict[str, Any] = {"contents_of": contents_of, "pictures": pictures}
    return words_bundle(path, SLOTS, pool=300, further=further, facts=(1.0, 1.0), **options)


def hostile_bundle(path: Path) -> Bundle:
    """Users, items, columns and values with every letter that means something in HTML, in addresses and in paths."""
    items = {item_type: tuple(f"{item_type} {text}" for text in HOSTILE) for item_type in SLOTS}
    details = {
        item_type: {
            item_id: {"title": f"{HOSTILE[0]} {place}", f"column {HOSTILE[0]}": HOSTILE[place % 2]}
            for place, item_id in enumerate(ids)
        }
        for item_type, ids in items.items()
    }
    contents = random_contents(
        slots=SLOTS, num_items=len(HOSTILE), num_users=len(HOSTILE), users=HOSTILE, details=details, name=HOSTILE[0]
    )
    sizes = {item_type: len(HOSTILE) for item_type in SLOTS}
    contents = replace(_of_sizes(contents, items, sizes), facts=facts_of_catalogue(items, details))
    bundle = write_bundle(path, contents)
    build_index(bundle, random_pool(bundle, 20))
    return bundle


def _of_sizes(contents: Any, items: dict[str, tuple[str, ...]], sizes: dict[str, int]) -> Any:
    """Contents cut to so many items of each type."""
    cut = {
        name: {item_type: getattr(contents, name)[item_type][: sizes[item_type]] for item_type in sizes}
        for name in ("item_codes", "item_bias")
    }
    history = contents.history
    return replace(
        contents, items=items, **cut, history=replace(history, items=history.items.clip(max=min(sizes.values()) - 1))
    )
