"""Amazon reviews as JSON lines, in the forms of 2014, 2018 and 2023 (McAuley's group), plain or gzipped.

2014  reviewerID, asin, reviewText, summary, unixReviewTime, overall, helpful
2018  the same, with verified, style, vote, image; prices of the metadata are words ("$12.99")
2023  user_id, parent_asin, asin, text, title, rating, timestamp in milliseconds

The form is recognised from the lines and must be one throughout. Metadata (meta_*) is optional; in the oldest
files of 2014 its lines are Python literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fashion_hash.data.columns import typed
from fashion_hash.data.descriptions import clean, review_words
from fashion_hash.data.events import Event, ReadLog, RequestOptions, collect, reviewed_items
from fashion_hash.data.parsing.fields import id_text, required_id
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.data.parsing.json_lines import read_json_lines
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.parsing.times import seconds
from fashion_hash.errors import DataError

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
OLDER, NEWER = "2014/2018 (reviewerID, asin)", "2023 (user_id, parent_asin)"
_PRICE = re.compile(r"\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


def read_requests(root: str | Path, options: RequestOptions, report: Reporter = stop) -> ReadLog:
    """A file of reviews and, where there is one, the file that describes the items.

    Args:
        root: the file of reviews, or the folder that holds it.
        options: `metadata`, `min_rating` and `min_events` are used.
        report: called with each fault in the files; the default raises the first.

    Raises:
        DataError: a file is missing or broken; the message names file and line.
    """
    reviews, metadata = find_files(root, options.metadata)
    log = collect(read_amazon_reviews(reviews, options.min_rating, report), options.min_events)
    table = ItemTable(metadata, set(log.item_ids)) if metadata else None
    known = read_amazon_metadata(table, report) if table else {}
    return ReadLog(reviews.name, log, reviewed_items(log, known), table)


def find_files(root: str | Path, metadata: str | Path | None = None) -> tuple[Path, Path | None]:
    """The reviews and the metadata (or None) that `root` names: a file of reviews, or a folder that holds it.

    Raises DataError when no file fits, or more than one does.
    """
    root = Path(root)
    if root.is_dir():
        files = sorted(path for path in root.iterdir() if path.is_file() and path.name.endswith(SUFFIXES))
        reviews = [path for path in files if not path.name.startswith("meta_")]
        if len(reviews) != 1:
            names = ", ".join(path.name for path in reviews) or "none"
            raise DataError(
                f"{root}: expected one file of reviews ({', '.join(SUFFIXES)}), found {names}; name the file"
            )
        found, beside = reviews[0], [path for path in files if path.name.startswith("meta_")]
    elif root.is_file():
        stem = root.name.split(".")[0]
        wanted = {f"meta_{one}{suffix}" for one in (stem, re.sub(r"_[0-9]+$", "", stem)) for suffix in SUFFIXES}
        found, beside = root, sorted(path for path in root.parent.glob("meta_*") if path.name in wanted)
    else:
        raise DataError(f"no file or folder {root}: give a file of Amazon reviews, or the folder that holds it")
    if metadata is not None:
        if not Path(metadata).is_file():
            raise DataError(f"metadata: no file {metadata}")
        return found, Path(metadata)
    if len(beside) > 1:
        listed = ", ".join(path.name for path in beside)
        raise DataError(f"{beside[0].parent}: several files of metadata ({listed}); name one with metadata")
    return found, beside[0] if beside else None


def read_amazon_reviews(path: str | Path, min_rating: float | None = None, report: Reporter = stop) -> Iterator[Event]:
    """The reviews of a file, one after the other.

    Args:
        path: the file.
        min_rating: reviews of fewer stars, and those without a rating, are passed over.
        report: called with each bad line: no JSON, another form than the first line, no user, item or time.
    """
    form = ""
    for line, row in read_json_lines(path, report):
        here = _form(row)
        form = form or here
        try:
            if not here:
                raise DataError(
                    f"no Amazon review of 2014, 2018 ({', '.join(('reviewerID', 'asin'))}) or 2023 (user_id, "
                    f"parent_asin): the keys are {', '.join(list(row)[:12])}"
                )
            if here != form:
                raise DataError(f"a review of the form {here} in a file of the form {form}: split the file")
            event, rating = _newer(row) if form == NEWER else _older(row)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        if min_rating is None or (isinstance(rating, int | float) and rating >= min_rating):
            yield event


def _form(row: Mapping[str, Any]) -> str:
    if "reviewerID" in row and "asin" in row:
        return OLDER
    return NEWER if "user_id" in row and ("parent_asin" in row or "asin" in row) else ""


def _older(row: Mapping[str, Any]) -> tuple[Event, Any]:
    when = row.get("unixReviewTime")
    if when is None and row.get("reviewTime"):
        when = _date(row["reviewTime"])
    words = review_words(row.get("summary"), row.get("reviewText"))
    event = Event(
        required_id(row, "reviewerID"), required_id(row, "asin"), words, seconds(when, "unixReviewTime"), _variant(row)
    )
    return event, row.get("overall")


def _newer(row: Mapping[str, Any]) -> tuple[Event, Any]:
    item = "parent_asin" if row.get("parent_asin") not in (None, "") else "asin"
    when = row["timestamp"] if "timestamp" in row else row.get("sort_timestamp")
    words = review_words(row.get("title"), row.get("text"))
    return Event(required_id(row, "user_id"), required_id(row, item), words, seconds(when, "timestamp")), row.get(
        "rating"
    )


def _date(text: Any) -> int | None:
    try:
        return int(datetime.strptime(str(text), "%m %d, %Y").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _variant(row: Mapping[str, Any]) -> str:
    """What `style` says of the very piece, sizes apart: "Black/White"."""
    style = row.get("style")
    if not isinstance(style, Mapping):
        return ""
    return " ".join(clean(value) for name, value in style.items() if "size" not in str(name).lower())


def read_amazon_metadata(table: ItemTable, report: Reporter = stop) -> dict[str, dict[str, Any]]:
    """What the metadata says of the items of a data set: title, brand, categories, description, price; by item id."""
    known: dict[str, dict[str, Any]] = {}
    for line, row in read_json_lines(table.path, report, literals=True):
        try:
            item_id = id_text(row.get("parent_asin") or row.get("asin"), "asin")
            if not item_id:
                raise DataError("no Amazon metadata: neither parent_asin nor asin")
            if table.names(item_id) and item_id not in known:  # the files of 2018 hold items twice
                known[item_id] = _details(row)
        except DataError as error:
            report(DataError.at(table.path, line, str(error)))
    return known


def _details(row: Mapping[str, Any]) -> dict[str, Any]:
    description = [*_strings(row.get("description")), *_strings(row.get("features")), *_strings(row.get("feature"))]
    categories = _strings(row.get("categories")) or _strings(row.get("category")) or _strings(row.get("main_category"))
    details: dict[str, Any] = {
        "title": clean(row.get("title")),
        "brand": clean(row.get("brand") or row.get("store")),
        "categories": " / ".join(dict.fromkeys(categories)),
        "description": clean(" ".join(description)),
    }
    price = row.get("price")
    if isinstance(price, int | float) and not isinstance(price, bool):
        details["price"] = float(typed("price", price, "number"))  # type: ignore[arg-type]
    elif isinstance(price, str) and (match := _PRICE.fullmatch(price.strip())):
        details["price"] = float(typed("price", match[1].replace(",", ""), "number"))  # type: ignore[arg-type]
    return {name: value for name, value in details.items() if value != ""}


def _strings(value: Any) -> list[str]:
    """Words, or lists of words however deep, as one list."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in _strings(one)]
    return [words] if isinstance(value, str) and (words := clean(value)) else []
