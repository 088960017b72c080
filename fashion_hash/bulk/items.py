"""The codes of new items, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_hash.bulk.pictures import KeptVectors, vectors_of
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type, with_our_names
from fashion_hash.core.files import sha256
from fashion_hash.data.parsing.fields import required_id
from fashion_hash.data.parsing.tables import read_table
from fashion_hash.data.parsing.text_tables import located
from fashion_hash.data.stores.picture_sources import PictureSource, open_pictures
from fashion_hash.encoders.pictures.extraction import Result
from fashion_hash.errors import BundleError, DataError, FeatureError, shown
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.changes import RESERVED, head_outputs

if TYPE_CHECKING:
    import pyarrow

ITEMS_A_PART = 4_096
PICTURE = ("picture", "image")  # the column that names a picture


@dataclass(frozen=True)
class ItemCodes:
    """A job (jobs.py): the codes that a bundle gives to the items of a table, as Recommender.add_items makes them.

    Rows have the columns item_id and type (string), one for each modality of the bundle (D / 8 bytes, the bits in the
    order of core/codes.py), `encoded` (a list of float32) under an outfit encoder, and reason (string): why an item was
    coded without its picture; null otherwise. They are in the order of the table.

    Attributes:
        bundle: the folder.
        table_of_items: CSV, TSV, JSON lines or Parquet, with columns item_id and type, and where known title, picture
            (or image) and those of the catalogue.
        pictures: a source in which the column picture names a key; None for none.
        vectors: a finished PictureVectors job whose keys it names; None for none.
        state: of the bundle, the table and the vectors.
        items: how many there are.
        items_a_part: how many a part holds.
    """

    bundle: Path
    table_of_items: Path
    pictures: Path | None
    vectors: Path | None
    state: str
    items: int
    items_a_part: int

    @classmethod
    def of(
        cls,
        bundle: Path,
        table: Path,
        pictures: Path | None = None,
        vectors: Path | None = None,
        items_a_part: int = ITEMS_A_PART,
    ) -> ItemCodes:
        """The job for files as they are now; reads the table once.

        Raises:
            BundleError: the bundle cannot be opened, or has no hash heads; or the vectors are not there.
            DataError: the table cannot be read, an item has no id or type, or two have the same id.
            QueryError: an item type that the bundle does not have.
            FeatureError: the vectors were made by another encoder than those of the bundle.
        """
        opened = Bundle.open(bundle, verify=False)
        if opened.modalities == ("request",):
            raise BundleError(f"{bundle} answers requests alone, and codes words: add its items with add_items")
        seen: set[str] = set()
        for line, row in _rows(opened, table):
            with located(table, line):
                check_type(opened, row["type"])
                if row["item_id"] in seen:
                    raise DataError(f"item_id {shown(row['item_id'])} occurs twice")
            seen.add(row["item_id"])
        if not seen:
            raise DataError(f"{table} holds no items")
        if pictures is not None or vectors is not None:
            _check_encoder(ItemCoder.open(bundle), vectors)
        return cls(bundle, table, pictures, vectors, _state(opened, table, vectors), len(seen), items_a_part)

    def facts(self) -> dict[str, Any]:
        """See Job.facts."""
        named = {"pictures": self.pictures, "vectors": self.vectors}
        return {
            "job": "item-codes",
            "bundle": str(self.bundle),
            "table": str(self.table_of_items),
            **{name: None if path is None else str(path) for name, path in named.items()},
            "state": self.state,
            "items": self.items,
            "items_a_part": self.items_a_part,
        }

    def parts(self) -> int:
        """See Job.parts."""
        return -(-self.items // self.items_a_part)

    def table(self, part: int) -> pyarrow.Table:
        """See Job.table. Raises BundleError when the bundle, the table or the vectors were replaced meanwhile."""
        import pyarrow

        bundle = Bundle.open(self.bundle, verify=False)
        if _state(bundle, self.table_of_items, self.vectors) != self.state:
            raise BundleError(
                f"{self.bundle}, {self.table_of_items} or {self.vectors} was changed since the job began: begin again "
                "in a new folder"
            )
        items = _read_ahead(self).part(bundle, part)
        reasons = self._give_vectors(items)
        codes = np.zeros((len(items), len(bundle.modalities), bundle.num_bits // 8), dtype=np.uint8)
        encoded = np.zeros((len(items), scoring_of(bundle).item_width), dtype=np.float32)
        for item_type in bundle.types:
            places = [place for place, item in enumerate(items) if item["type"] == item_type]
            if places:
                outputs = head_outputs(_coder(self.bundle, self.state), item_type, [items[place] for place in places])
                codes[places], encoded[places] = scoring_of(bundle).coded_items(item_type, outputs)
        binary, text = pyarrow.binary(codes.shape[2]), pyarrow.string()
        columns = {
            "item_id": pyarrow.array([item["item_id"] for item in items], text),
            "type": pyarrow.array([item["type"] for item in items], text),
            **{
                modality: pyarrow.array([code.tobytes() for code in codes[:, number]], binary)
                for number, modality in enumerate(bundle.modalities)
            },
            "reason": pyarrow.array(reasons, text),
        }
        if encoded.shape[1]:
            columns["encoded"] = pyarrow.array(list(encoded), pyarrow.list_(pyarrow.float32()))
        return pyarrow.table(columns)

    def _give_vectors(self, items: Sequence[dict[str, Any]]) -> list[str | None]:
        """Gives items the vectors of their pictures; returns why one has none though a picture is named."""
        keys = [next((str(item.pop(name)) for name in PICTURE if name in item), None) for item in items]
        named = list(dict.fromkeys(key for key in keys if key is not None))
        if self.vectors is not None:
            vectors = {key: _no_vector(_kept(self.vectors, self.state).get(key)) for key in named}
        elif self.pictures is not None:
            image = _coder(self.bundle, self.state).heads["image"]
            assert isinstance(image, ContentHeads)
            assert image.pictures is not None
            vectors = dict(zip(named, vectors_of(_pictures(self.pictures, self.state), named, {}, image.pictures)))
        else:
            return [None] * len(items)
        reasons: list[str | None] = []
        for item, key in zip(items, keys):
            result = None if key is None else vectors[key]
            reasons.append(f"picture {key}: {result}" if isinstance(result, str) else None)
            if result is not None and not isinstance(result, str):
                item["features"] = {"image": result}
        return reasons


def _no_vector(vector: np.ndarray | None) -> Result:
    return "it has no vector" if vector is None else vector


class _ReadAhead:
    """The rows of a table, part by part: a process that is asked for later and later parts reads it once."""

    def __init__(self, job: ItemCodes) -> None:
        self._job, self._next = job, 0
        self._reading: Iterator[tuple[int, dict[str, Any]]] = iter(())

    def part(self, bundle: Bundle, part: int) -> list[dict[str, Any]]:
        start = part * self._job.items_a_part
        if start < self._next or not self._next:
            self._reading, self._next = _rows(bundle, self._job.table_of_items), 0
        rows = list(islice(self._reading, start - self._next, start - self._next + self._job.items_a_part))
        self._next = start + len(rows)
        return [row for _, row in rows]


def _rows(bundle: Bundle, table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The items of a table with their lines: cells that are empty are left out, columns have the catalogue's names."""
    known = {*RESERVED, *bundle.catalogue.column_types} if bundle.shop_names else set()
    for line, row in read_table(table):
        with located(table, line):
            item = dict(
                with_our_names(bundle, {name: cell for name, cell in row.items() if cell not in (None, "")}, known)
            )
            item["item_id"] = required_id({"item_id": "", **item}, "item_id")
            if "type" not in item:
                raise DataError(f"item {shown(item['item_id'])} has no type: its columns are {list(row)}")
            if not isinstance(item.get("title", ""), str):
                raise DataError(f"the title of item {shown(item['item_id'])} is no text: {shown(item['title'])}")
        yield line, item


def _state(bundle: Bundle, table: Path, vectors: Path | None) -> str:
    """What all codes follow from, but for the files of the pictures."""
    of_vectors = "" if vectors is None else f"-{KeptVectors(vectors).state}"
    stat = table.stat()
    return f"{bundle.fingerprint}-{_sha(table, stat.st_size, stat.st_mtime_ns)[:16]}{of_vectors}"


@lru_cache(maxsize=4)
def _sha(table: Path, _size: int, _when: int) -> str:
    """The checksum of a file of a size and a time: read again only where these changed."""
    return sha256(table)


def _check_encoder(coder: ItemCoder, vectors: Path | None) -> None:
    """Raises FeatureError unless the bundle codes pictures, and vectors are those of its encoder."""
    image = coder.heads.get("image")
    if not isinstance(image, ContentHeads) or image.takes != FEATURES:
        raise FeatureError("this bundle makes no codes of pictures: leave the pictures out")
    if vectors is None:
        if not coder.reads_pictures:
            raise FeatureError(
                "this bundle does not hold the encoder of its pictures: give vectors made by picture-vectors"
            )
    elif image.pictures is not None and image.pictures.fingerprint != (made := KeptVectors(vectors).fingerprint):
        raise FeatureError(
            f"{vectors} was made by {made}, the pictures of this bundle by {image.pictures.fingerprint}: make the "
            "vectors with the encoder of the bundle"
        )


# opened once in each process, for a state of the files


@lru_cache(maxsize=1)
def _read_ahead(job: ItemCodes) -> _ReadAhead:
    return _ReadAhead(job)


@lru_cache(maxsize=1)
def _coder(bundle: Path, _state: str) -> ItemCoder:
    return ItemCoder.open(bundle)


@lru_cache(maxsize=1)
def _pictures(source: Path, _state: str) -> PictureSource:
    return open_pictures(source)


@lru_cache(maxsize=1)
def _kept(vectors: Path, _state: str) -> KeptVectors:
    return KeptVectors(vectors)
