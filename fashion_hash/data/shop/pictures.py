"""Where the picture of each item of a shop lies, within the folder of pictures."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from fashion_hash.data.shop.items import Items
from fashion_hash.data.shop.notes import EXAMPLES, Notes


def picture_keys(folder: Path | None, items: Items, notes: Notes) -> dict[str, str]:
    """The files of the items' pictures, by item id, relative to the folder of pictures.

    The column image of an item names its file: relative to the folder of pictures or of the tables, with or without
    the suffix; of an address of the web the last part counts. Without that column, the item id does. Items whose
    picture is not there are left out and noted; the column leaves the details, unless it is an address.
    """
    files = _files(folder) if folder is not None and folder.is_dir() else {}
    keys: dict[str, str] = {}
    missing = 0
    examples: list[str] = []
    for item_id, details in zip(items.numbers, items.details):
        image = str(details.get("image", ""))
        if "://" not in image:
            details.pop("image", None)
        if folder is None:
            continue
        key = next((files[name] for name in _names(image, item_id, folder.name) if name in files), None)
        if key is not None:
            keys[item_id] = key
        elif files:
            missing += 1
            examples += [item_id] if len(examples) < EXAMPLES else []
    notes.add_all(f"items without a picture in {folder}", missing, examples)
    return keys


def _files(folder: Path) -> dict[str, str]:
    """The files of a folder by path, by path without suffix, and by name alone where it is unique."""
    files: dict[str, str] = {}
    for path, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            key = (Path(path) / name).relative_to(folder).as_posix()
            for alias in (key, str(PurePosixPath(key).with_suffix("")), name, PurePosixPath(name).stem):
                files.setdefault(alias, key)
    return files


def _names(image: str, item_id: str, folder: str) -> list[str]:
    """What the picture of an item may be called, the likeliest first."""
    image = image.split("?")[0].removeprefix("./")
    names = [image, image.removeprefix(f"{folder}/"), image.rsplit("/", 1)[-1]] if image else []
    return [*names, item_id]
