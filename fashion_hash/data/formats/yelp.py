"""Yelp's open data set: review.json and business.json as JSON lines; a business is an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fashion_hash.data.descriptions import clean
from fashion_hash.data.events import Event, ReadLog, RequestOptions, collect, reviewed_items
from fashion_hash.data.formats.amazon_reviews import SUFFIXES
from fashion_hash.data.parsing.fields import required_id
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.data.parsing.json_lines import read_json_lines
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.parsing.times import date_seconds
from fashion_hash.errors import DataError


def read_requests(root: str | Path, options: RequestOptions, report: Reporter = stop) -> ReadLog:
    """A file of reviews and, where there is one, the file that describes the items.

    Args:
        root: the file of reviews, or the folder that holds it.
        options: `metadata`, `min_rating` and `min_events` are used.
        report: called with each fault in the files; the default raises the first.

    Raises:
        DataError: a file is missing or broken; the message names file and line.
    """
    reviews, metadata = find_yelp_files(root, options.metadata)
    log = collect(read_yelp_reviews(reviews, options.min_rating, report), options.min_events)
    table = ItemTable(metadata, set(log.item_ids)) if metadata else None
    known = read_businesses(table, report) if table else {}
    return ReadLog(reviews.name, log, reviewed_items(log, known), table)


def find_yelp_files(root: str | Path, metadata: str | Path | None = None) -> tuple[Path, Path | None]:
    """The reviews and the businesses (or None): *review* and *business* in a folder, or the file of reviews itself.

    Raises DataError when no file fits, or more than one does.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"no file or folder {root}: give Yelp's review file, or the folder that holds it")
    folder = root if root.is_dir() else root.parent
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(SUFFIXES))
    reviews = [path for path in files if "review" in path.name] if root.is_dir() else [root]
    if len(reviews) != 1:
        names = ", ".join(path.name for path in reviews) or "none"
        raise DataError(f"{root}: expected one file *review* ({', '.join(SUFFIXES)}), found {names}; name the file")
    if metadata is not None:
        if not Path(metadata).is_file():
            raise DataError(f"metadata: no file {metadata}")
        return reviews[0], Path(metadata)
    businesses = [path for path in files if "business" in path.name]
    if root.is_file():
        businesses = [path for path in businesses if path.name == root.name.replace("review", "business")]
    if len(businesses) > 1:
        listed = ", ".join(path.name for path in businesses)
        raise DataError(f"{folder}: several files of businesses ({listed}); name one with metadata")
    return reviews[0], businesses[0] if businesses else None


def read_yelp_reviews(path: str | Path, min_rating: float | None = None, report: Reporter = stop) -> Iterator[Event]:
    """The reviews of a file, one after the other.

    Args:
        path: the file: user_id, business_id, text, date ("2018-07-07 22:09:11", taken as UTC), stars.
        min_rating: reviews of fewer stars, and those without, are passed over.
        report: called with each bad line.
    """
    for line, row in read_json_lines(path, report):
        try:
            absent = [name for name in ("user_id", "business_id", "date") if name not in row]
            if absent:
                raise DataError(f"no Yelp review: no {absent[0]!r} among the keys {', '.join(list(row)[:12])}")
            user, item = required_id(row, "user_id"), required_id(row, "business_id")
            event = Event(user, item, clean(row.get("text")), date_seconds(row["date"], "date"))
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        stars = row.get("stars")
        if min_rating is None or (isinstance(stars, int | float) and stars >= min_rating):
            yield event


def read_businesses(table: ItemTable, report: Reporter = stop) -> dict[str, dict[str, Any]]:
    """Name, categories and town of the businesses of a data set, by id.

    Averages of stars are left out: they know the test.
    """
    known: dict[str, dict[str, Any]] = {}
    for line, row in read_json_lines(table.path, report):
        try:
            if "business_id" not in row:
                raise DataError(f"no business_id among the keys {', '.join(list(row)[:12])}")
            item_id = required_id(row, "business_id")
        except DataError as error:
            report(DataError.at(table.path, line, str(error)))
            continue
        if table.names(item_id):
            details = {
                "title": clean(row.get("name")),
                "categories": clean(row.get("categories")),
                "city": clean(row.get("city")),
            }
            known[item_id] = {name: value for name, value in details.items() if value}
    return known
