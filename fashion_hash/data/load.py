"""One way into every format of outfits.

Another format is one module in `data/formats` and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from fashion_hash.config.shop import ShopConfig
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats import hugging_face, iqon, polyvore, saved
from fashion_hash.data.formats.catalogues import hm, iqon_json, maryland, polyvore_outfits, shift15m
from fashion_hash.data.formats.clicks import hfgn, kgin, pog
from fashion_hash.data.formats.recbole.read import find_files, read_recbole
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.shop.read import find_shop, read_shop
from fashion_hash.errors import ConfigError, suggest

AnyFormat = TypeVar("AnyFormat")


class OutfitFormat(NamedTuple):
    """How a format of outfits is read.

    Attributes:
        read: (root, subset, slots, report) -> Dataset; arguments and errors as for `load_dataset`.
        find: (root, subset) -> anything; raises DataError when the folder holds nothing of this format.
    """

    read: Callable[[str | Path, str | None, Sequence[str] | None, Reporter], Dataset]
    find: Callable[[Path, str | None], object]


FORMATS: Mapping[str, OutfitFormat] = {
    "polyvore_u": OutfitFormat(polyvore.read_polyvore_u, polyvore.find_subset),
    "iqon3000": OutfitFormat(iqon.read_iqon3000, iqon.find_tables),
    "polyvore_outfits": OutfitFormat(polyvore_outfits.read_polyvore_outfits, polyvore_outfits.find_subset),
    "maryland": OutfitFormat(maryland.read_maryland, maryland.find_files),
    "iqon_json": OutfitFormat(iqon_json.read_iqon_json, iqon_json.find_outfit),
    "shift15m": OutfitFormat(shift15m.read_shift15m, shift15m.find_files),
    "hm": OutfitFormat(hm.read_hm, hm.find_tables),
    "ifashion_kgin": OutfitFormat(kgin.read_ifashion_kgin, kgin.find_files),
    "hfgn": OutfitFormat(hfgn.read_hfgn, hfgn.find_files),
    "pog": OutfitFormat(pog.read_pog, pog.find_files),
    "outfit_datasets": OutfitFormat(hugging_face.read_outfit_datasets, hugging_face.find_folder),
    "saved": OutfitFormat(saved.read_saved, saved.find_saved),
    "recbole": OutfitFormat(read_recbole, find_files),
    "shop": OutfitFormat(read_shop, find_shop),
}


def load_dataset(
    format: str,
    root: str | Path,
    *,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
    shop: ShopConfig | None = None,
) -> Dataset:
    """Reads a data set into memory; pictures and text vectors stay on disk.

    Args:
        format: a name in `FORMATS`, such as "polyvore_u", "iqon3000" or "shop".
        root: the folder of the data set.
        subset: polyvore_u: "tuples_630" or "630"; polyvore_outfits: "disjoint" or "nondisjoint"; may be left out when
            there is only one. shift15m: the years of given splits.
        slots: polyvore_u without header lines: the item type of each column. shop and catalogues of outfits: that of
            each slot; by default chosen from which types occur together. ifashion_kgin, hfgn, pog: "item" for
            each slot of outfits that are sets.
        report: called with each fault in the files; the default raises the first.
        shop: shop: which tables there are, and what their columns are called; by default both are recognised.

    Returns:
        The data set: ids, rows and splits.

    Raises:
        ConfigError: there is no such format, or it does not take one of the arguments.
        DataError: a file is missing or broken; the message names file and line.
    """
    known = format_named(format, FORMATS)
    if shop is None:
        return known.read(root, subset, slots, report)
    if format != "shop":
        raise ConfigError(f"data.shop belongs to the format shop, not to {format}: leave it out, or change data.format")
    return read_shop(root, subset, slots, report, shop)


def format_named(name: str, formats: Mapping[str, AnyFormat]) -> AnyFormat:
    """The entry of a table of formats. Raises ConfigError, with the nearest names, when there is none."""
    if name not in formats:
        raise ConfigError(f"unknown data format {name!r}{suggest(name, formats)}; known formats: {', '.join(formats)}")
    return formats[name]
