"""What was told to a live catalogue as a folder of JSON lines, in the form that shops have their tables in.

FOLDER/
  about.json          format version, the bundle that it was read from, counts
  items.jsonl         item_id, type, title, image and every column of the catalogue; "live": features, bias
  updates.jsonl       items of the export whose entry or features changed, in the same form
  hidden.jsonl        items that are not offered for the time being
  outfits.jsonl       what users like: outfit_id, user_id, item_ids, items by slot
  pool.jsonl          outfits of the pool, which belong to no user: outfit_id, item_ids, items by slot
  users.jsonl         user_id, likes and dislikes as items by slot; "anew" for who was removed and came back
  removed.jsonl       items and outfits that were removed
  removed_users.json  the list of removed users (data/splits/removed_list.py), if there is one
  left_behind.jsonl   items and outfits that the present model could not take, and why
  pictures/           the pictures of the items
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import atomic_folder, write_json
from fashion_hash.core.manifest import read_part
from fashion_hash.data.splits.removed_list import REMOVED_FILE, RemovedUsers
from fashion_hash.data.told.told import Told, ToldItem, ToldUser
from fashion_hash.errors import DataError

FORMAT, FORMAT_VERSION = "fashion_hash told", 1
PNG = b"\x89PNG"
ABOUT = "about.json"
EXTRAS = "live"  # the key for what is no column of the catalogue


def write_told(folder: Path, told: Told, about: Mapping[str, Any], removed: RemovedUsers | None = None) -> None:
    """Writes a folder of tables, atomically replacing an older one.

    Args:
        folder: where to.
        told: what was told.
        about: further facts for about.json.
        removed: the users who were removed meanwhile.
    """
    with atomic_folder(folder) as new:
        (new / "pictures").mkdir()
        _write_lines(
            new / "items.jsonl",
            (_item_row(new, number, *key, item) for number, (key, item) in enumerate(told.items.items(), start=1)),
        )
        first = len(told.items) + 1
        _write_lines(
            new / "updates.jsonl",
            (_item_row(new, number, *key, item) for number, (key, item) in enumerate(told.updates.items(), first)),
        )
        _write_lines(new / "hidden.jsonl", ({"item_id": name, "type": kind} for kind, name in sorted(told.hidden)))
        _write_lines(
            new / "pool.jsonl",
            (
                {"outfit_id": name, "item_ids": list(items.values()), "items": dict(items)}
                for name, items in told.outfits.items()
            ),
        )
        _write_users(new, told.users)
        gone: list[dict[str, Any]] = [
            {"item_id": item_id, "type": item_type} for item_type, item_id in sorted(told.removed_items)
        ]
        gone += [{"outfit_id": name, "items": dict(items)} for name, items in told.removed_outfits.items()]
        _write_lines(new / "removed.jsonl", gone)
        _write_lines(
            new / "left_behind.jsonl",
            ({"what": list(what), "reason": reason} for what, reason in told.left_behind.items()),
        )
        write_json(
            new / ABOUT,
            {"format": FORMAT, "format_version": FORMAT_VERSION, **about, "counts": told.counts()},
        )
        if removed:
            removed.write(new / REMOVED_FILE)


def _write_users(new: Path, users: Mapping[str, ToldUser]) -> None:
    _write_lines(
        new / "outfits.jsonl",
        (
            {
                "outfit_id": f"{user_id} liked {number}",
                "user_id": user_id,
                "item_ids": list(items.values()),
                "items": dict(items),
            }
            for user_id, user in users.items()
            for number, items in enumerate(user.liked, start=1)
        ),
    )
    _write_lines(
        new / "users.jsonl",
        (
            {
                "user_id": user_id,
                "liked": list(map(dict, user.liked)),
                "disliked": list(map(dict, user.disliked)),
                **({"anew": True} if user.anew else {}),
            }
            for user_id, user in users.items()
        ),
    )


def read_about(folder: Path) -> dict[str, Any]:
    """What about.json says beside format and counts. Raises BundleError as `read_told` does."""
    about = _about(folder)
    return {name: value for name, value in about.items() if name not in ("format", "format_version", "counts")}


def _about(folder: Path) -> dict[str, Any]:
    return read_part(
        folder / ABOUT,
        FORMAT,
        FORMAT_VERSION,
        f"{folder} holds no changes of a live catalogue ({ABOUT}): write them with `fashion-hash export-live`",
    )


def read_told(folder: Path) -> Told:
    """Reads a folder of tables.

    Raises:
        BundleError: the folder does not hold such tables, or of another version.
        DataError: a line cannot be read; the message names file and line.
    """
    _about(folder)
    told = Told()
    for name, items in (("items.jsonl", told.items), ("updates.jsonl", told.updates)):
        for place, row in _lines(folder / name):
            try:
                key = row.pop("type"), row.pop("item_id")
                extras = row.pop(EXTRAS, {})
                items[key] = _item(folder, row, extras)
            except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
                raise DataError(f"{place}: not an item ({error}): export the changes again") from None
    readers = {
        "hidden.jsonl": _read_hidden,
        "pool.jsonl": _read_outfit,
        "users.jsonl": _read_user,
        "removed.jsonl": _read_removed,
        "left_behind.jsonl": _read_reason,
    }
    for name, read in readers.items():
        for place, row in _lines(folder / name):
            try:
                read(told, row)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{place}: not a line of {name} ({error}): export the changes again") from None
    return told


def _read_hidden(told: Told, row: Mapping[str, Any]) -> None:
    told.hidden.add((row["type"], row["item_id"]))


def _read_outfit(told: Told, row: Mapping[str, Any]) -> None:
    told.outfits[row["outfit_id"]] = row["items"]


def _read_user(told: Told, row: Mapping[str, Any]) -> None:
    told.users[row["user_id"]] = ToldUser(tuple(row["liked"]), tuple(row["disliked"]), row.get("anew") is True)


def _read_removed(told: Told, row: Mapping[str, Any]) -> None:
    if "outfit_id" in row:
        told.removed_outfits[row["outfit_id"]] = row["items"]
    else:
        told.removed_items.add((row["type"], row["item_id"]))


def _read_reason(told: Told, row: Mapping[str, Any]) -> None:
    kind, item_type, name = row["what"]
    told.left_behind[kind, item_type, name] = row["reason"]


def _item_row(folder: Path, number: int, item_type: str, item_id: str, item: ToldItem) -> dict[str, Any]:
    row: dict[str, Any] = {"item_id": item_id, "type": item_type, "title": item.title, **item.details}
    extras: dict[str, Any] = {"bias": item.bias}
    if item.coded:
        extras["coded"] = True
    if item.features:
        extras["features"] = {
            name: {"dtype": np.asarray(feature).dtype.str, "values": np.asarray(feature).tolist()}
            for name, feature in item.features.items()
        }
    if item.picture is not None:
        extras["picture"] = f"pictures/{number:06d}{'.png' if item.picture.startswith(PNG) else '.jpg'}"
        row.setdefault("image", extras["picture"])
        (folder / extras["picture"]).write_bytes(item.picture)
    return {**row, EXTRAS: extras}


def _item(folder: Path, row: dict[str, Any], extras: Mapping[str, Any]) -> ToldItem:
    picture = None
    if "picture" in extras:
        picture = (folder / "pictures" / Path(extras["picture"]).name).read_bytes()
        if row.get("image") == extras["picture"]:
            del row["image"]
    features = {
        name: np.array(feature["values"], dtype=np.dtype(feature["dtype"]))
        for name, feature in extras.get("features", {}).items()
    }
    title = row.pop("title", None)
    return ToldItem(title, row, picture, features, float(extras.get("bias", 0.0)), bool(extras.get("coded")))


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place of each line, for messages, and what it holds."""
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(f"{path}, line {number}: not a JSON object: export the changes again")
                yield f"{path}, line {number}", row
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): export the changes again") from None
