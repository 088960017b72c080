"""Forms of items' tables that are not plain tables, such as the product feeds that shops export.

Another form is one line in `FORMS`. It is recognised before the columns of a file are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fashion_hash.data.feeds.google import is_google_feed, read_google_feed
from fashion_hash.data.feeds.shopify import is_shopify_csv, read_shopify_csv
from fashion_hash.data.parsing.tables import Row
from fashion_hash.data.parsing.text_tables import Reporter


class ItemForm(NamedTuple):
    """How a form of items is recognised and read.

    Attributes:
        recognises: (path) -> bool, by the beginning of the file.
        read: (path, report) -> rows with their lines, as `read_table` gives them, under our names: item_id, type,
            title, description, image; further columns keep their names.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Path, Reporter], Iterator[tuple[int, Row]]]


FORMS: Mapping[str, ItemForm] = {
    "google_merchant": ItemForm(is_google_feed, read_google_feed),
    "shopify": ItemForm(is_shopify_csv, read_shopify_csv),
}
"""The forms by name."""


def form_of(path: Path) -> str | None:
    """The name of the form of a file, None if it is in none of them."""
    return next((name for name, form in FORMS.items() if form.recognises(path)), None)
