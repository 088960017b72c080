"""The vectors of pictures, as tables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_hash.bulk.jobs import JOB, MANIFEST
from fashion_hash.core.files import sha256
from fashion_hash.core.manifest import check_fields, read_json
from fashion_hash.data.stores.picture_sources import PictureSource, open_pictures
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.extraction import Result, encode_each
from fashion_hash.errors import BundleError, DataError, FeatureError, shown

if TYPE_CHECKING:
    import pyarrow

PICTURES_A_PART = 1_024
ENCODED_AT_ONCE = 64
PARTS_KEPT = 8  # of vectors that are looked up, in each process


@dataclass(frozen=True)
class OpenEncoder:
    """Opens an encoder in each process: see `fashion-hash extract`.

    Attributes:
        name: descriptors, a network of torchvision, or open_clip/MODEL.
        weights: of a network: "hub", "random" or a file; None for the default.
        size: pixels of a side for a torchvision network.
        device: where a torchvision network runs.
    """

    name: str
    weights: str | None = None
    size: int = 291
    device: str = "cpu"

    def __call__(self) -> PictureEncoder:
        """The encoder; raises FeatureError or ConfigError as `open_picture_encoder`."""
        if self.name == "descriptors" and self.weights is None:  # without torch, which takes seconds to load
            from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder

            return DescriptorEncoder()
        from fashion_hash.features.picture_encoders import open_picture_encoder

        return open_picture_encoder(self.name, self.weights, self.size, device=self.device)


@dataclass(frozen=True)
class PictureVectors:
    """A job (jobs.py): the vector of each picture of a source.

    Rows have the columns key (string), vector (a list of float32, null for a picture without) and reason (string, null
    for a picture with a vector), in order of keys. Whether a file was replaced by another picture of its name is not
    looked at.

    Attributes:
        source: a folder, a tar archive or an LMDB.
        encoder: opens what makes vectors.
        fingerprint: of the encoder.
        listing: a digest of the keys.
        pictures: how many there are, those that cannot be read among them.
        pictures_a_part: how many a part holds.
    """

    source: Path
    encoder: OpenEncoder
    fingerprint: str
    listing: str
    pictures: int
    pictures_a_part: int

    @classmethod
    def of(cls, source: Path, encoder: OpenEncoder, pictures_a_part: int = PICTURES_A_PART) -> PictureVectors:
        """The job for a source as it is now.

        Raises:
            DataError: the source cannot be read, or holds no pictures.
            FeatureError, ConfigError, MissingExtraError: the encoder cannot be opened.
        """
        _, keys, _ = _open(source)
        if not keys:
            raise DataError(f"{source} holds no pictures")
        return cls(source, encoder, _encoder(encoder).fingerprint, _digest(keys), len(keys), pictures_a_part)

    def facts(self) -> dict[str, Any]:
        """See Job.facts."""
        return {
            "job": "picture-vectors",
            "source": str(self.source),
            "encoder": self.fingerprint,
            "listing": self.listing,
            "pictures": self.pictures,
            "pictures_a_part": self.pictures_a_part,
        }

    def parts(self) -> int:
        """See Job.parts."""
        return -(-self.pictures // self.pictures_a_part)

    def table(self, part: int) -> pyarrow.Table:
        """See Job.table. Raises DataError when the files of the source were added to or removed meanwhile."""
        import pyarrow

        source, keys, bad = _opened(self.source, self.listing)
        if _digest(keys) != self.listing:
            raise DataError(f"{self.source} holds other files than when the job began: begin again in a new folder")
        keys = keys[part * self.pictures_a_part : (part + 1) * self.pictures_a_part]
        results = vectors_of(source, keys, bad, _encoder(self.encoder))
        columns = {
            "key": keys,
            "vector": [None if isinstance(result, str) else np.asarray(result, np.float32) for result in results],
            "reason": [result if isinstance(result, str) else None for result in results],
        }
        kinds = {"key": pyarrow.string(), "vector": pyarrow.list_(pyarrow.float32()), "reason": pyarrow.string()}
        return pyarrow.table(columns, schema=pyarrow.schema(list(kinds.items())))


def vectors_of(
    source: PictureSource, keys: Sequence[str], bad: dict[str, str], encoder: PictureEncoder
) -> list[Result]:
    """The vector of each picture of a source, or why it has none.

    Args:
        source: the pictures.
        keys: which of them.
        bad: those that are known not to be pictures, with the reason.
        encoder: makes the vectors.

    Raises:
        DataError: an LMDB cannot be read.
    """
    results: dict[str, Result] = {}
    pictures: dict[str, bytes] = {}
    for key in keys:
        try:
            picture = None if key in bad else source.get(key)
        except DataError as error:
            if source.is_lmdb:  # one file, which is broken as a whole
                raise
            results[key] = str(error)
            continue
        if picture is None:
            results[key] = bad.get(key, "there is no such picture any more")
        else:
            pictures[key] = picture
    found = list(pictures)
    for start in range(0, len(found), ENCODED_AT_ONCE):
        some = found[start : start + ENCODED_AT_ONCE]
        results |= zip(some, encode_each(encoder, [pictures[key] for key in some]))
    return [results[key] for key in keys]


@lru_cache(maxsize=1)
def _encoder(opens: OpenEncoder) -> PictureEncoder:
    """An encoder, opened once in each process."""
    return opens()


@lru_cache(maxsize=1)
def _opened(source: Path, _listing: str) -> tuple[PictureSource, list[str], dict[str, str]]:
    """A source, opened once in each process for a job."""
    return _open(source)


def _open(source: Path) -> tuple[PictureSource, list[str], dict[str, str]]:
    """A source, all keys in order, and those that are not pictures with the reason."""
    pictures = open_pictures(source)
    listing = pictures.list()
    return pictures, sorted({*listing.keys, *listing.bad}), listing.bad


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(keys).encode("utf-8", "surrogateescape")).hexdigest()[:16]


class KeptVectors:
    """The vectors of a finished PictureVectors job, by key.

    Args:
        folder: of the job.

    Raises:
        BundleError: the folder holds no such job, it is not finished, or its files are not those of its manifest.

    Attributes:
        fingerprint: of the encoder.
        state: of all files.
    """

    def __init__(self, folder: Path) -> None:
        manifest = folder / MANIFEST
        if not manifest.exists():
            unfinished = (folder / JOB).exists()
            raise BundleError(
                f"{folder} holds {'an unfinished job' if unfinished else 'no job'}: run picture-vectors into it first"
            )
        about = read_json(manifest)
        check_fields(manifest, about, {"job": frozenset({"picture-vectors"}), "encoder": str, "parts": (list, dict)})
        for part in about["parts"]:
            check_fields(manifest, part, {"file": str, "bytes": int, "sha256": str})
            if Path(part["file"]).name != part["file"] or not (folder / part["file"]).is_file():
                raise BundleError(f"{folder} lacks {shown(part['file'])}: run picture-vectors into it again")
        self.fingerprint: str = about["encoder"]
        self.state = sha256(manifest)[:16]
        self._files = [folder / part["file"] for part in about["parts"]]
        self._places: dict[str, tuple[int, int]] | None = None
        self._part = lru_cache(maxsize=PARTS_KEPT)(partial(_vectors_of, self._files))

    def get(self, key: str) -> np.ndarray | None:
        """The vector of a picture, float32; None for one without. Raises FeatureError for a key that is not there."""
        import pyarrow.parquet

        if self._places is None:
            columns = [pyarrow.parquet.read_table(file, columns=["key"])["key"].to_pylist() for file in self._files]
            self._places = {name: (part, row) for part, keys in enumerate(columns) for row, name in enumerate(keys)}
        if key not in self._places:
            raise FeatureError(f"no vector of a picture {shown(key)}: the keys are those of the source of the pictures")
        part, row = self._places[key]
        vector = self._part(part)[row].values
        return None if vector is None else np.asarray(vector.to_numpy())


def _vectors_of(files: Sequence[Path], part: int) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(files[part], columns=["vector"])["vector"].combine_chunks()
