"""Encoded pictures by item id, from a folder of image files or an LMDB environment."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from fashion_hash.data.stores import lmdb_files
from fashion_hash.errors import DataError, FeatureError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MOST_PIXELS = 64_000_000


class PictureStore:
    """Encoded pictures by key: the file name in a folder (or its path below it), or the key of an LMDB.

    Raises:
        DataError: the folder or file does not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise DataError(f"no pictures at {self.path}: expected a folder of picture files or an LMDB")
        self.is_lmdb = lmdb_files.is_lmdb(self.path)

    def get(self, key: str) -> bytes | None:
        """The encoded picture, or None when there is none. Raises DataError when the store is broken."""
        if self.is_lmdb:
            return lmdb_files.get_all(self.path, [key])[0]
        file = self._file(key)
        try:
            return file.read_bytes() if file is not None else None
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror}") from None

    def __contains__(self, key: str) -> bool:
        if self.is_lmdb:
            return self.get(key) is not None
        return self._file(key) is not None

    def keys(self) -> Iterator[str]:
        """All keys, sorted."""
        if self.is_lmdb:
            yield from lmdb_files.iterate_keys(self.path)
        else:
            files = (file for file in self.path.rglob("*") if file.is_file())
            yield from sorted(file.relative_to(self.path).as_posix() for file in files)

    def __len__(self) -> int:
        return lmdb_files.count(self.path) if self.is_lmdb else sum(1 for _ in self.keys())

    def _file(self, key: str) -> Path | None:
        """The file of a key; None when it is not there, or would lie outside of the folder."""
        outside = Path(key).is_absolute() or ".." in Path(key).parts
        return self.path / key if not outside and os.path.isfile(self.path / key) else None


class Survey(NamedTuple):
    """What a look at every picture found: keys without one, and keys of broken ones with the reason."""

    missing: list[str]
    undecodable: dict[str, str]


def survey(store: PictureStore, keys: Sequence[str], decoding: bool = True) -> Survey:
    """Looks for the picture of every key, and decodes it unless `decoding` is False."""
    missing: list[str] = []
    undecodable: dict[str, str] = {}
    for key in tqdm(keys, desc="pictures", unit="picture", disable=None):
        encoded = store.get(key) if decoding else b"" if key in store else None
        if encoded is None:
            missing.append(key)
        elif decoding:
            try:
                decode(encoded)
            except FeatureError as error:
                undecodable[key] = str(error)
    return Survey(missing, undecodable)


def decode(encoded: bytes, most_pixels: int | None = None) -> Image:
    """A picture from its encoded bytes, RGB: upright as its EXIF says, transparency on white.

    Grey pictures of 16 bits, and of floating-point numbers from 0 to 1, are scaled to 8 bits. A JPEG of too many
    pixels is decoded at a half, a quarter or an eighth of its size.

    Args:
        encoded: the bytes of the file.
        most_pixels: larger pictures are refused before they are decoded; by default FASHION_HASH_MOST_PIXELS of
            the environment, else 64 million.

    Raises:
        FeatureError: no picture comes out, or it is too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    most = most_pixels or int(os.environ.get("FASHION_HASH_MOST_PIXELS", MOST_PIXELS))
    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            _check_pixels(opened, most)
            image = ImageOps.exif_transpose(_eight_bits(opened))
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("RGB")
    except Exception as error:  # whatever a decoder stumbles over, broken bytes are the cause
        # Pillow names the stream, an address in memory, where it knows no format
        reason = "not in a format that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
        raise FeatureError(f"cannot decode a picture of {len(encoded)} bytes: {reason}") from None


def _check_pixels(opened: ImageFile, most: int) -> None:
    """Refuses a picture of too many pixels, or makes its decoder read a JPEG at a reduced size."""
    width, height = opened.size
    if width * height > most and opened.format == "JPEG":
        factor = next((factor for factor in (2, 4, 8) if (width // factor) * (height // factor) <= most), 8)
        opened.draft(opened.mode, (width // factor, height // factor))
    if opened.width * opened.height > most:
        raise FeatureError(f"{width} x {height} pixels are more than {most:,} (FASHION_HASH_MOST_PIXELS)")


def _eight_bits(image: Image) -> Image:
    """A grey picture of more than 8 bits, scaled to 8; others as they are. `convert` would cut values off at 255."""
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float64)
    most = 1.0 if image.mode == "F" else 65535.0
    if not values.size or not 0 <= values.min() <= values.max() <= most:  # false for NaN, too
        span = f"from {values.min():g} to {values.max():g}" if values.size else "without pixels"
        raise FeatureError(f"grey values {span}, expected 0 to {most:g}: save the picture with 8 bits")
    scaled = Image.fromarray(np.rint(values * (255.0 / most)).astype(np.uint8))
    scaled.info = {name: value for name, value in image.info.items() if name == "exif"}
    return scaled


def picture_digest(encoded: bytes) -> bytes:
    """16 bytes that tell an encoded picture from every other."""
    return hashlib.blake2b(encoded, digest_size=16).digest()
