"""Maryland Polyvore (Han et al., ACM MM 2017).

    ROOT/{train,valid,test}_no_dup.json          [{"set_id", "name", "items": [{"index", "name", "price", "categoryid",
                                                  "image"}, ...], ...}, ...]
    ROOT/fashion_compatibility_prediction.txt    "1 set_index set_index ...", 0 for incompatible
    ROOT/fill_in_blank_test.json                 [{"question", "answers", "blank_position"}, ...]
    ROOT/category_id.txt                         "8 Mini Skirts"
    ROOT/images/<set>/<index>.jpg                optional

The files may also lie in ROOT/label. An item is what the address of its image calls `tid`, so that an item of several
outfits is one; without that it is set_index. Types come from the words of the 380 categories (`item_type`). Nobody is
named, so that all outfits belong to one user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.feeds.categories import known_item_type
from fashion_hash.data.formats.catalogues.gather import (
    Gathered,
    file_in,
    needed_id,
    no_subset,
    objects,
    outfit_rows,
    price,
    set_name,
    text,
)
from fashion_hash.data.formats.catalogues.tasks import TaskFiles, with_tasks
from fashion_hash.data.parsing.fields import short
from fashion_hash.data.parsing.table_text import TextLines, find_file
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError

FOLDERS = ("", "label/", "labels/")
CATEGORIES = "category_id.txt"
LABELS = ("fashion_compatibility_prediction.txt", "fashion-compatibility-prediction.txt", "compatibility_test.txt")
QUESTIONS = ("fill_in_blank_test.json", "fill_in_the_blank_test.json")
WORDS = {  # of the names of categories, beside those of product feeds
    "top": "tunics camisoles polos activewear sportcoats shirts",
    "bottom": "capri",
    "dress": "gowns dresses",
    "outerwear": "vests suits",
    "shoe": "flats booties oxfords clogs moccasins loafers flops slippers shoes",
    "bag": "clutches luggage wallets briefcases bags",
    "jewellery": "brooches charms pendants bangles jewelry cuff",
    "sunglasses": "eyewear eyeglasses",
}
_WORDS = {word: item_type for item_type, words in WORDS.items() for word in words.split()}
_TID = re.compile(r"[?&]tid=([^&\s]+)")


def read_maryland(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """The data set, with its labelled outfits and questions in the test split.

    Args:
        root: the folder of the release.
        subset: must be left out: there are no subsets.
        slots: the item type of each slot; by default chosen from which types occur together.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset was given, or there are no items of a slot's type.
        DataError: a file is missing or broken; the message names the file and the line.
    """
    no_subset("maryland", subset)
    root = Path(root)
    files = find_files(root)
    categories = _read_categories(files["train"].parent, report)
    pictures = root / "images"
    gathered = Gathered(root, pictures if pictures.is_dir() else None)
    names: dict[str, int] = {}
    for split, path in files.items():
        for line, row in outfit_rows(path, report):
            try:
                set_id = needed_id(row, "set_id")
                gathered.check_new(set_id)
                numbers = list(_items(gathered, row, set_id, categories, names))
                gathered.add_set(set_id, numbers, "", split=split)
            except DataError as error:
                report(DataError.at(path, line, f"{set_name(row)}{error}"))
    dataset, data = gathered.dataset("maryland", slots)
    folder = files["train"].parent
    return with_tasks(dataset, data, TaskFiles(_first(folder, LABELS), _first(folder, QUESTIONS)), names, report)


def find_files(root: Path, subset: str | None = None) -> dict[str, Path]:
    """The files of outfits by split. Raises DataError when one does not exist (`subset` is not used)."""
    names = {split: [f"{folder}{split}_no_dup.json" for folder in FOLDERS] for split in SPLITS}
    return {split: file_in(root, names[split], f"the outfits of {split}") for split in SPLITS}


def item_type(category: str) -> str:
    """The type of a category such as "Men's Skinny Jeans": that of its last known word, or else its whole name."""
    for word in reversed(re.findall(r"[a-z-]+", category.lower().replace("'s", ""))):
        found = _WORDS.get(word) or known_item_type(word)
        if found is not None:
            return found
    return category.lower()


def _first(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The first of some files that exists, as the file of the test split."""
    existing = (path for name in names if (path := find_file(folder / name)) is not None)
    first = next(existing, None)
    return {} if first is None else {"test": first}


def _read_categories(folder: Path, report: Reporter) -> dict[str, str]:
    """The names of the categories by their id."""
    path = find_file(folder / CATEGORIES)
    if path is None:
        raise DataError(f"no file {folder / CATEGORIES}: it names the categories, such as '8 Mini Skirts'")
    names: dict[str, str] = {}
    with TextLines(path) as lines:
        for line in lines:
            number, _, name = line.strip().partition(" ")
            if not number:
                continue
            if names.get(number, name.strip()) != name.strip():
                problem = f"the category {number} occurs twice, before as {short(names[number])}"
                report(DataError.at(path, lines.line, problem))
            elif number.isdecimal() and name.strip():
                names[number] = name.strip()
            else:
                problem = f"expected an id and a name, such as '8 Mini Skirts', got {short(line.strip())}"
                report(DataError.at(path, lines.line, problem))
    return names


def _items(
    gathered: Gathered, row: Mapping[str, Any], set_id: str, categories: Mapping[str, str], names: dict[str, int]
) -> Iterator[int]:
    for place, item in objects(row, "items"):
        try:
            index, number = needed_id(item, "index"), needed_id(item, "categoryid")
            if number not in categories:
                raise DataError(f"categoryid {number!r} is not in {CATEGORIES}")
            image = text(item, "image") or ""
            found = _TID.search(image)
            details = {
                "title": text(item, "name"),
                "price": price(item),
                "category": categories[number],
                "image": f"{set_id}/{index}.jpg",
            }
            name = f"{set_id}_{index}"
            if name in names:
                raise DataError(f"index {index} occurs twice in the outfit")
            names[name] = gathered.add_item(found[1] if found else name, item_type(categories[number]), details)
            yield names[name]
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
