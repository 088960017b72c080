"""The tables of a bundle: what filters and requests need of its catalogue, so that the first of them is fast.

bundle/tables/, written with the index of the pool; bundles without it are read from the catalogue when it is needed:

  manifest.json                format version, fingerprint of the bundle, checksum of every file, and by item type the
                               columns: name, the kinds of values it holds, whether its texts are dates
  T.C.kinds.npy, .values.npy   numbers T of the item type and C of the column: see bundle/tables/column.py
  T.C.*                        of columns of texts: the distinct ones (core/texts/mapped.py), and T.C.counts.npy, how
                               many items hold each
  T.C.lists.*                  of columns of lists: the distinct ones as JSON
  terms.*                      the words of titles, descriptions and columns, in the order of requests/facts/
  phrases.*, meanings.*, spelled.*   what requests may say (understanding/phrases/kept.py)

The last two lines are missing in a bundle that answers no words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.catalogue import Catalogue
from fashion_hash.bundle.tables.column import ABSENT, FLAG, LIST, TEXT, Column, KeptColumn
from fashion_hash.bundle.tables.table import ColumnTable
from fashion_hash.bundle.tables.values import values_of
from fashion_hash.core.arrays import open_array
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.manifest import Within, check_fields, read_manifest, seal
from fashion_hash.core.texts.mapped import MappedTexts, Places, write_texts
from fashion_hash.errors import BundleError
from fashion_hash.understanding.phrases.kept import KeptPhrases, write_phrases

FORMAT, FORMAT_VERSION, FOLDER = "fashion_hash tables", 1, "tables"
CHECKED = 1 << 16  # values that are checked at once
COLUMN = {"name": str, "held": (list, Within(0, LIST)), "elements": (list, Within(0, LIST)), "dates": bool}


class Tables:
    """The open tables of a bundle.

    Args:
        folder: of the files.
        manifest: its manifest.
        sizes: how many items of each type the bundle holds.

    Raises:
        BundleError: a file is missing, cannot be read, or does not fit the others.

    Attributes:
        kept: by item type the columns of the files.
        phrases: what requests may say, and
        terms: the place of each word of the catalogue; both None for a bundle that answers no words.
        mean_length: words of an item, on average.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        """Opens the files."""
        check_fields(folder / "manifest.json", manifest, {"columns": dict})
        self._folder, self._sizes = folder, sizes
        self.kept: dict[str, dict[str, KeptColumn]] = {}
        self._dates: dict[str, set[str]] = {}
        for number, (item_type, size) in enumerate(sizes.items()):
            listed = manifest["columns"].get(item_type)
            if not isinstance(listed, list):
                raise BundleError(f"{folder / 'manifest.json'} lists no columns of {item_type} items: build it again")
            for about in listed:
                check_fields(folder / "manifest.json", about, COLUMN)
            kept = {about["name"]: self._column(f"{number}.{n}", about, size) for n, about in enumerate(listed)}
            self.kept[item_type] = kept
            self._dates[item_type] = {about["name"] for about in listed if about["dates"]}
        words = manifest.get("phrases")
        self.phrases = None if words is None else KeptPhrases(folder, words)
        self.terms = None if words is None else Places(MappedTexts(folder, "terms"))
        self.mean_length = 0.0
        if words is not None:
            check_fields(folder / "manifest.json", manifest, {"mean_length": Within(1e-9, 1e9, whole=False)})
            self.mean_length = float(manifest["mean_length"])

    def columns(self, item_type: str) -> dict[str, Column]:
        """The columns of a type, which may be appended to: what comes later is kept in memory."""
        dates = self._dates[item_type]
        return {name: Column(dates=name in dates, kept=kept) for name, kept in self.kept[item_type].items()}

    def _column(self, stem: str, about: Mapping[str, Any], size: int) -> KeptColumn:
        folder, held = self._folder, frozenset(about["held"])
        texts = MappedTexts(folder, stem) if TEXT in held else None
        column = KeptColumn(
            open_array(folder / f"{stem}.kinds.npy", "tables/*.kinds.npy", N=size),
            open_array(folder / f"{stem}.values.npy", "tables/*.values.npy", N=size),
            held,
            frozenset(about["elements"]),
            texts,
            None if texts is None else open_array(folder / f"{stem}.counts.npy", "tables/*.counts.npy", V=len(texts)),
            MappedTexts(folder, f"{stem}.lists") if LIST in held else (),
        )
        _check_column(folder / f"{stem}.kinds.npy", column)
        return column


def _check_column(path: Path, column: KeptColumn) -> None:
    """Refuses kinds of values that the column does not hold, and places beyond its texts and lists."""
    places = {TEXT: len(column.texts or ()), FLAG: 2, LIST: len(column.lists)}
    for start in range(0, len(column.kinds), CHECKED):
        kinds, values = column.kinds[start : start + CHECKED], column.values[start : start + CHECKED]
        known = kinds.min() >= ABSENT and kinds.max() <= LIST
        counts = np.bincount(kinds, minlength=LIST + 1) if known else np.zeros(LIST + 1)
        if not known or set(np.flatnonzero(counts).tolist()) - column.held - {ABSENT}:
            raise BundleError(f"{path} holds kinds of values that its column does not have: build the bundle again")
        for kind, size in places.items():
            of_kind = values[kinds == kind] if counts[kind] else values[:0]
            if len(of_kind) and not (of_kind.min() >= 0 and of_kind.max() < size):
                raise BundleError(
                    f"{path} and the values beside it name more than its {size} texts or lists: build the bundle again"
                )


def open_tables(path: Path, fingerprint: str, sizes: Mapping[str, int], *, verify: bool) -> Tables | None:
    """Opens the tables of a bundle, memory-mapped; None for a bundle without them.

    Args:
        path: the folder of the bundle, or of one of its generations.
        fingerprint: of the bundle.
        sizes: how many items of each type it holds.
        verify: compare the checksums of the files.

    Raises:
        BundleError: they belong to another bundle, or a file was changed.
    """
    folder = path / FOLDER
    if not folder.is_dir():
        return None
    manifest = read_manifest(folder, FORMAT, FORMAT_VERSION, verify=verify)
    if manifest.get("bundle") != fingerprint:
        raise BundleError(
            f"{folder} belongs to bundle {manifest.get('bundle')}, but {path} is bundle {fingerprint}: build it again "
            "with `fashion-hash build-index`"
        )
    return Tables(folder, manifest, sizes)


def write_tables(path: Path, root: Path, fingerprint: str, sizes: Mapping[str, int]) -> None:
    """Writes the tables of a bundle from its catalogue, atomically replacing older ones.

    Args:
        path: the folder of the bundle, or of one of its generations.
        root: the folder that people name, beside whose generations a shop keeps its words.
        fingerprint: of the bundle.
        sizes: how many items of each type it holds.
    """
    catalogue = Catalogue(path / "catalogue.sqlite")
    dates = frozenset(name for name, column_type in catalogue.stated_types.items() if column_type == "date")
    tables: dict[str, ColumnTable] = {}
    manifest: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION, "bundle": fingerprint}
    with atomic_folder(path / FOLDER) as folder:
        manifest["columns"] = {}
        for number, item_type in enumerate(sizes):
            table = tables[item_type] = ColumnTable(catalogue.details(item_type), dates)
            listed: list[dict[str, Any]] = []
            manifest["columns"][item_type] = listed
            for name, column in table.columns().items():
                _write_column(folder, f"{number}.{len(listed)}", column, len(table))
                about = {"held": sorted(column.held), "elements": sorted(column.elements), "dates": column.dates}
                listed.append({"name": name, **about})
        if (path / "requests/facts").is_dir():
            manifest |= _write_words(folder, path, root, tables)
        seal(folder, manifest)


def _write_column(folder: Path, stem: str, column: Column, size: int) -> None:
    kinds, values = column.kinds[:size], column.values[:size]
    np.save(folder / f"{stem}.kinds.npy", kinds)
    np.save(folder / f"{stem}.values.npy", values)
    if TEXT in column.held:
        write_texts(folder, stem, column.texts)
        counts = np.bincount(values[kinds == TEXT].astype(np.int64), minlength=len(column.texts))
        np.save(folder / f"{stem}.counts.npy", counts.astype(np.int64))
    if LIST in column.held:
        write_texts(folder, f"{stem}.lists", column.lists.as_json(), find=False)


def _write_words(folder: Path, path: Path, root: Path, tables: Mapping[str, ColumnTable]) -> dict[str, Any]:
    """Writes what requests may say, with the words that are in use now; returns what the manifest holds of it."""
    from fashion_hash.bundle.shop_words import ShopWords
    from fashion_hash.understanding.facts import read_facts

    facts = read_facts(path / "requests/facts", {item_type: len(table) for item_type, table in tables.items()})
    assert facts is not None
    listed: Sequence[str] = sorted(facts.terms.words, key=facts.terms.words.__getitem__)
    write_texts(folder, "terms", listed)
    words = ShopWords(root, facts.words).now()
    phrases = write_phrases(folder, words, values_of(tables, facts.terms.counts))
    return {"phrases": phrases, "mean_length": facts.terms.mean_length}
