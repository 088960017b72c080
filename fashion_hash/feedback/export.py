"""Feedback as the tables that training reads (data/formats/shop).

FOLDER/
  items.jsonl         item_id, type, title, image and every column of the catalogue
  pictures/           the pictures of the items
  outfits.jsonl       every outfit that is named in events: outfit_id, item_ids
  events.jsonl        user_id, outfit_id, kind, timestamp: the history of the bundle, and the feedback
  interactions.jsonl  user_id, item_id, kind, timestamp: what was done with single items

An outfit that was put together has no id of its own; it gets one from its items, the same for the same items.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.core.files import atomic_folder, write_json
from fashion_hash.feedback.store import Event, FeedbackStore
from fashion_hash.live.catalogue import LiveCatalogue

FORMAT = "fashion_hash feedback"


class Exported(NamedTuple):
    """How many rows were written."""

    items: int
    outfits: int
    events: int
    interactions: int


def export_feedback(live: LiveCatalogue, store: FeedbackStore, folder: Path) -> Exported:
    """Writes a folder of tables, atomically replacing an older one.

    Args:
        live: the catalogue that the outfits are of.
        store: the feedback.
        folder: where to write.
    """
    bundle = live.now().bundle
    events = effective(store.events())
    outfits: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = []
    interactions: list[dict[str, Any]] = []
    for line in range(len(bundle.history)):
        items = items_by_slot(bundle, bundle.history.items[line])
        user_row = int(bundle.history.users[line])
        if not bundle.users.findable[user_row]:
            continue
        when = None if bundle.history_times is None else float(bundle.history_times[line])
        name = _name(None, items)
        outfits[name] = list(items.values())
        rows.append(_row(bundle.users.id(user_row), "liked", when) | {"outfit_id": name})
    for event in events:
        row = _row(event.user_id, event.kind, event.time)
        if event.item_id is not None:
            interactions.append({**row, "item_id": event.item_id})
        elif event.items:
            name = _name(event.outfit_id, event.items)
            outfits[name] = list(event.items.values())
            rows.append({**row, "outfit_id": name})
    with atomic_folder(folder) as new:
        (new / "pictures").mkdir()
        count = _write_lines(new / "items.jsonl", _items(bundle, new / "pictures"))
        _write_lines(new / "outfits.jsonl", ({"outfit_id": name, "item_ids": ids} for name, ids in outfits.items()))
        _write_lines(new / "events.jsonl", rows)
        if interactions:
            _write_lines(new / "interactions.jsonl", interactions)
        exported = Exported(count, len(outfits), len(rows), len(interactions))
        about = {"format": FORMAT, "format_version": 1, "bundle": bundle.fingerprint, **exported._asdict()}
        write_json(new / "about.json", about)
    return exported


def effective(events: Iterable[Event]) -> list[Event]:
    """Events without likes and dislikes that were taken back, or replaced by a later one about the same."""
    kept: dict[tuple[str, ...], Event] = {}
    for event in events:
        about = (
            json.dumps(event.items, sort_keys=True) if event.item_id is None else f"{event.item_type}/{event.item_id}"
        )
        opinion = (event.user_id, about, "opinion")
        if event.kind == "undone":
            kept.pop(opinion, None)
        elif event.kind in ("liked", "disliked"):
            kept.pop(opinion, None)
            kept[opinion] = event
        else:
            kept[event.event_id,] = event
    return list(kept.values())


def _row(user_id: str, kind: str, time: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"user_id": user_id, "kind": kind}
    if time is not None:
        row["timestamp"] = datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
    return row


def _name(outfit_id: str | None, items: Mapping[str, str]) -> str:
    if outfit_id:
        return outfit_id
    return "made-" + hashlib.sha256(json.dumps(sorted(items.items())).encode()).hexdigest()[:16]


def _items(bundle: Bundle, pictures: Path) -> Iterator[dict[str, Any]]:
    number = 0
    for item_type in bundle.types:
        ids = bundle.items[item_type]
        for row in range(len(ids)):
            if not ids.findable[row]:
                continue
            item = bundle.catalogue.item(item_type, row)
            picture = bundle.catalogue.picture(item_type, row)
            entry = {**item.details, "item_id": item.item_id, "type": item_type, "title": item.title}
            if picture is not None:
                number += 1
                name = f"{number}.png" if picture.startswith(b"\x89PNG") else f"{number}.jpg"
                (pictures / name).write_bytes(picture)
                entry["image"] = name
            yield entry


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with open(path, "w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
