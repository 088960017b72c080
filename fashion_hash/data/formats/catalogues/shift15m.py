"""SHIFT15M (Kimura et al., CVPR workshops 2023): 2.5 million outfits of the site IQON, with dates.

    ROOT/iqon_outfits.json, or ROOT/label/iqon_outfits.json
        [{"set_id", "user": {"user_id", ...}, "items": [{"item_id", "category_id1", "category_id2", "price"}],
          "publish_date": "2014-05-01", ...}, ...]
    ROOT/set_matching/labels/2013-2014/{train,valid,test}.json        the same, as the subset "2013-2014"

Types are `category_id1` (10 to 16 in the release); `category_id2` and the price are columns of the items. The file is
read a record at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.formats.catalogues.gather import (
    Gathered,
    file_in,
    needed_id,
    objects,
    outfit_rows,
    price,
    set_name,
)
from fashion_hash.data.parsing.fields import short
from fashion_hash.data.parsing.json_lines import kind_of
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError

WHOLE = ("iqon_outfits.json", "label/iqon_outfits.json")
LABELS = "set_matching/labels"


def read_shift15m(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """All outfits in "train", with the day of their publication; or the three splits of a subset.

    Args:
        root: the folder of the release.
        subset: the years of the splits for set matching, such as "2013-2014"; by default all outfits.
        slots: the item type of each slot; by default chosen from which types occur together.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: there are no items of a slot's type.
        DataError: a file is missing or broken; the message names file, line and set.
    """
    gathered, days = Gathered(Path(root)), dict[str, int]()
    for split, path in find_files(Path(root), subset):
        for line, row in outfit_rows(path, report):
            try:
                _add(gathered, row, split, days)
            except DataError as error:
                report(DataError.at(path, line, f"{set_name(row)}{error}"))
    return gathered.dataset(f"shift15m/{subset}" if subset else "shift15m", slots)[0]


def find_files(root: Path, subset: str | None = None) -> list[tuple[str, Path]]:
    """The files of outfits with their splits, "" for none. Raises DataError when they do not exist."""
    if subset is None:
        return [("", file_in(root, WHOLE, "a list of outfits"))]
    folders = [f"{LABELS}/{subset}", subset]
    names = {split: [f"{folder}/{split}.json" for folder in folders] for split in SPLITS}
    return [(split, file_in(root, names[split], "one of the splits of the subset")) for split in SPLITS]


def _add(gathered: Gathered, row: dict[str, Any], split: str, days: dict[str, int]) -> None:
    set_id, user = needed_id(row, "set_id"), row.get("user")
    if not isinstance(user, dict):
        raise DataError(f"user must be an object, got {kind_of(user)}")
    owner, time = needed_id(user, "user_id"), _day(row.get("publish_date"), days)
    numbers = list(_items(gathered, row))
    gathered.add_set(set_id, numbers, owner, time, split)


def _items(gathered: Gathered, row: dict[str, Any]) -> Iterator[int]:
    for place, item in objects(row, "items"):
        try:
            item_id, item_type = needed_id(item, "item_id"), needed_id(item, "category_id1")
            details = {"price": price(item), "category": needed_id(item, "category_id2")}
            yield gathered.add_item(item_id, item_type, details)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None


def _day(value: object, days: dict[str, int]) -> int:
    """The Unix seconds of a day; there are few different ones, so that each is read once."""
    if value is None:
        return NO_TIME
    if isinstance(value, str) and value in days:
        return days[value]
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        raise DataError(f"publish_date must be a day such as 2014-05-01, got {short(value)}") from None
    days[str(value)] = seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return seconds
