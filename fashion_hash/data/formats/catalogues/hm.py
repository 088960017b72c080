"""H&M's purchases (Kaggle, 2022): what a customer bought on one day is an outfit.

    ROOT/transactions_train.csv      t_dat, customer_id, article_id, price, sales_channel_id
    ROOT/articles.csv                article_id, product_code, prod_name, product_group_name, ..., detail_desc
    ROOT/images/010/0108775015.jpg   optional

Types are `product_group_name`. Ids are text, so that article ids keep their leading zeros. Purchases of one article
alone are no outfit. Baskets have no ids: equal ones share an id made of their articles, as in a shop's orders.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.catalogues.gather import Gathered, file_in, no_subset, price
from fashion_hash.data.parsing.fields import id_text, short
from fashion_hash.data.parsing.tables import check_has, read_table, table_columns
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.likes import set_id
from fashion_hash.errors import DataError

ARTICLES, PURCHASES = "articles.csv", "transactions_train.csv"
TYPE = "product_group_name"
COLUMNS = {  # of the articles: what they are called here
    "prod_name": "title",
    "detail_desc": "description",
    "colour_group_name": "colour",
    "product_type_name": "category",
    "graphical_appearance_name": "pattern",
    "perceived_colour_value_name": "colour_value",
    "perceived_colour_master_name": "colour_master",
    "department_name": "department",
    "index_group_name": "index_group",
    "section_name": "section",
    "garment_group_name": "garment_group",
}
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = 1 << 17  # days, beyond the year 2300


def read_hm(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """All baskets in "train", with their day; the mean price that an article was sold for is its column `price`.

    Args:
        root: the folder of the release.
        subset: must be left out: there are no subsets.
        slots: the item type of each slot; by default chosen from which types are bought together.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset was given, or there are no items of a slot's type.
        DataError: a file is missing or broken; the message names file and line.
    """
    no_subset("hm", subset)
    articles, purchases = find_tables(Path(root))
    pictures = Path(root) / "images"
    gathered = Gathered(Path(root), pictures if pictures.is_dir() else None)
    _read_articles(gathered, articles, report)
    _read_purchases(gathered, purchases, report)
    return gathered.dataset("hm", slots)[0]


def find_tables(root: Path, subset: str | None = None) -> tuple[Path, Path]:
    """The tables of articles and purchases. Raises DataError when one does not exist (`subset` is not used)."""
    return file_in(root, (ARTICLES,), "the articles"), file_in(root, (PURCHASES,), "what was bought")


def _read_articles(gathered: Gathered, path: Path, report: Reporter) -> None:
    check_has(path, ["article_id", TYPE, "prod_name"], table_columns(path))
    for line, row in progress(read_table(path, None, report), path.name, "articles"):
        try:
            article, item_type = id_text(row.get("article_id"), "article_id"), id_text(row.get(TYPE), TYPE)
            if not article or not item_type:
                raise DataError(f"{TYPE if article else 'article_id'} is empty")
            if article in gathered.items.numbers:
                raise DataError(f"article_id {article!r} occurs twice")
            details: dict[str, Value | None] = {name: row.get(theirs) for theirs, name in COLUMNS.items()}
            gathered.add_item(article, item_type, details)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
    if not gathered.items.numbers:
        raise DataError(f"{path} holds no articles")


def _read_purchases(gathered: Gathered, path: Path, report: Reporter) -> None:
    """Adds the baskets, and the mean prices of the articles."""
    customers, days = dict[str, int](), dict[str, int]()
    baskets, articles, prices = array("q"), array("i"), array("f")
    numbers = gathered.items.numbers
    rows = read_table(path, ["t_dat", "customer_id", "article_id", "price"], report)
    for line, row in progress(rows, path.name, "purchases"):
        try:
            customer, article = row["customer_id"], row["article_id"]
            if not customer or not article:
                raise DataError(f"{'article_id' if customer else 'customer_id'} is empty")
            number = numbers.get(article)
            if number is None:
                raise DataError(f"article_id {short(article)} is not in {ARTICLES}")
            sold, day = price(row), _day(row["t_dat"], days)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        baskets.append(customers.setdefault(customer, len(customers)) * _LAST + day)
        articles.append(number)
        prices.append(float("nan") if sold is None else sold)
    if not len(baskets):
        raise DataError(f"{path} holds no purchases")
    _mean_prices(gathered, np.frombuffer(articles, dtype=np.int32), np.frombuffer(prices, dtype=np.float32))
    _add_baskets(
        gathered, np.frombuffer(baskets, dtype=np.int64), np.frombuffer(articles, dtype=np.int32), list(customers)
    )


def _mean_prices(gathered: Gathered, articles: np.ndarray, prices: np.ndarray) -> None:
    known = ~np.isnan(prices)
    count = len(gathered.items)
    sums = np.bincount(articles[known], weights=prices[known], minlength=count)
    sales = np.bincount(articles[known], minlength=count)
    for number in np.flatnonzero(sales).tolist():
        gathered.items.details[number]["price"] = round(float(sums[number] / sales[number]), 6)


def _add_baskets(gathered: Gathered, baskets: np.ndarray, articles: np.ndarray, customers: list[str]) -> None:
    """Adds the baskets of two different articles or more, in the order of customers and days.

    Args:
        gathered: the baskets are added here.
        baskets: (E,) the customer and the day of each purchase, as one number.
        articles: (E,) numbers of articles.
        customers: their ids.
    """
    order = np.lexsort((articles, baskets))
    baskets, articles = baskets[order], articles[order]
    first = np.ones(len(baskets), dtype=bool)
    first[1:] = (baskets[1:] != baskets[:-1]) | (articles[1:] != articles[:-1])
    baskets, articles = baskets[first], articles[first]
    starts = np.flatnonzero(np.append(True, baskets[1:] != baskets[:-1]))
    sizes = np.diff(np.append(starts, len(baskets)))
    single = int((sizes < 2).sum())
    gathered.notes.add_all("purchases of one article on a day: no outfit, left out", single)
    if single == len(sizes):
        raise DataError(f"{gathered.root} holds no outfits: nobody bought two different articles on one day")
    ids = gathered.items.ids
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist()):
        owner, day = divmod(int(baskets[start]), _LAST)
        members = articles[start : start + size].tolist()
        gathered.add_like(set_id([ids[number] for number in members]), members, customers[owner], day * _DAY)


def _day(cell: str | None, days: dict[str, int]) -> int:
    """Days since 1970; there are few different ones, so that each is read once."""
    if cell is not None and cell in days:
        return days[cell]
    try:
        day = date.fromisoformat(cell or "").toordinal() - _EPOCH
    except ValueError:
        day = -1
    if not 0 <= day < _LAST:
        raise DataError(f"t_dat must be a day such as 2020-09-22, got {short(cell)}")
    days[cell or ""] = day
    return day
