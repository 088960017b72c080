"""Encoded pictures to pixels, within bounds of memory: for one picture, and for all threads together."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from fashion_hash.errors import ConfigError, FeatureError, counted, shown

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MOST_PIXELS = 64_000_000  # larger pictures are refused
COSTLY, COSTS = ("WEBP", "JPEG2000", "AVIF"), 4  # decoders that hold a picture several times, as RGBA
MOST_SCANS = 100  # of a progressive JPEG, each of which goes over all pixels; encoders make about ten
FULL_SIZE = 16_000_000  # pixels of the largest picture that is not reduced
RUN_BY_OTHERS = ("EPS", "WMF")  # Pillow starts Ghostscript for EPS, which no file of a stranger may do
AT_ONCE = 32_000_000  # pixels that the threads of a process decode at a time; a larger picture waits to be alone
LARGE, LARGE_THREADS = 4_000_000, 4  # pixels of a picture that one of a few threads decodes
_STRIP = 1_000_000  # pixels that are converted at a time
_ORIENTATION = 0x0112  # the tag of EXIF


@contextmanager
def decoded(encoded: bytes, most_pixels: int | None = None) -> Iterator[Image]:
    """A picture from its encoded bytes, RGB: upright as its EXIF says, transparency on white.

    Grey pictures of 16 bits, and of floating-point numbers from 0 to 1, are scaled to 8 bits. A picture of more than
    16 million pixels is reduced to a half, a quarter or an eighth of its width and height, a JPEG while it is decoded.
    Threads wait while others are using 32 million pixels, so use the picture within the block and keep less.

    Args:
        encoded: the bytes of the file.
        most_pixels: larger pictures are refused before they are decoded, unless a JPEG can be decoded at a reduced
            size; for WebP, JPEG 2000 and AVIF, whose decoders hold several copies, a quarter of it counts. By default
            FASHION_HASH_MOST_PIXELS of the environment, else 64 million.

    Raises:
        FeatureError: no picture comes out, or it is too large.
        ConfigError: FASHION_HASH_MOST_PIXELS is not a number.
    """
    from PIL import Image

    most = _most_pixels() if most_pixels is None else most_pixels
    with _decoder_errors(encoded):
        opened = Image.open(io.BytesIO(encoded))
        if opened.format in RUN_BY_OTHERS:
            raise FeatureError(f"{opened.format} is drawn by another program: save it as JPEG or PNG")
        if opened.format in ("JPEG", "MPO") and (scans := encoded.count(b"\xff\xda")) > MOST_SCANS:
            raise FeatureError(f"it has {scans:,} scans, expected at most {MOST_SCANS}: save it again")
    with opened:
        with _decoder_errors(encoded):
            factor, pixels = _plan(opened, most)
        with _budget.of(pixels):
            with _decoder_errors(encoded):
                # memory that a thread has freed stays with it, so large pictures are left to a few
                image = _large.submit(_rgb, opened, factor).result() if pixels > LARGE else _rgb(opened, factor)
            yield image


def decode(encoded: bytes, most_pixels: int | None = None) -> Image:
    """The same picture as `decoded`, for callers that decode one after the other."""
    with decoded(encoded, most_pixels) as image:
        return image


@contextmanager
def _decoder_errors(encoded: bytes) -> Iterator[None]:
    from PIL import UnidentifiedImageError

    try:
        yield
    except Exception as error:  # whatever a decoder stumbles over, broken bytes are the cause
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "it is in no known format" if unknown else _plain(error)
        raise FeatureError(f"cannot decode a picture of {counted(len(encoded), 'byte')}: {reason}") from error


def _plain(error: Exception) -> str:
    """What is wrong, in words: Pillow's own name streams, chunks and addresses in memory."""
    said = str(error).lower()
    if isinstance(error, FeatureError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, EOFError) or any(word in said for word in ("truncated", "premature", "end of file", "eof")):
        return "the file is cut off"
    if "decompressed data too large" in said or "decompression bomb" in said:
        return "it has too many pixels"
    return "its data is damaged"


def _most_pixels() -> int:
    text = os.environ.get("FASHION_HASH_MOST_PIXELS", str(MOST_PIXELS))
    try:
        most = int(text)
    except ValueError:
        most = 0
    if most < 1:
        raise ConfigError(f"FASHION_HASH_MOST_PIXELS must be a whole number of at least 1, got {shown(text)}")
    return most


def _plan(opened: ImageFile, most: int) -> tuple[int, int]:
    """By what to reduce a picture after it is decoded, and the pixels that decoding holds in memory.

    It makes the decoder read a large JPEG at a reduced size, and refuses a picture of too many pixels.
    """
    width, height = opened.size
    costly = opened.format in COSTLY
    most = most // COSTS if costly else most
    full = min(most, FULL_SIZE)
    fitting = (factor for factor in (1, 2, 4, 8) if -(-width // factor) * -(-height // factor) <= full)
    factor, held = next(fitting, 8), width * height
    whole = opened.format != "JPEG" or "progressive" in opened.info  # held in memory at its full size
    if opened.format == "JPEG" and factor > 1 and (held <= most or not whole):
        opened.draft(opened.mode, (width // factor, height // factor))
        factor = 1
    if opened.width * opened.height > most:
        limit = f"a quarter of FASHION_HASH_MOST_PIXELS, for {opened.format}" if costly else "FASHION_HASH_MOST_PIXELS"
        raise FeatureError(f"{width} x {height} pixels are more than {most:,} ({limit})")
    if costly:
        return factor, COSTS * held
    return factor, held if whole else opened.width * opened.height


def _rgb(opened: ImageFile, factor: int) -> Image:
    image = _upright(opened, _in_strips(opened, factor))
    opened.close()
    return image


def _in_strips(opened: ImageFile, factor: int) -> Image:
    """The picture as RGB, reduced by a factor. Strip by strip, so that nothing but the result is in memory twice."""
    from PIL import Image

    opened.load()
    width, height = opened.size
    rows = factor * max(1, _STRIP // (width * factor))
    image = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = _on_white(_eight_bits(opened.crop((0, top, width, min(top + rows, height)))))
        image.paste(strip if factor == 1 else strip.reduce(factor), (0, top // factor))
    return image


def _on_white(image: Image) -> Image:
    from PIL import Image

    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _upright(opened: ImageFile, image: Image) -> Image:
    from PIL import ImageOps

    orientation = opened.getexif().get(_ORIENTATION, 1)
    if orientation != 1:
        image.getexif()[_ORIENTATION] = orientation
        ImageOps.exif_transpose(image, in_place=True)
    return image


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
    return Image.fromarray(np.rint(values * (255.0 / most)).astype(np.uint8))


class _Budget:
    """Pixels that the threads of a process share."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._changed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Waits for its turn, then holds as many pixels; for more than there are, all of them."""
        pixels = min(pixels, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_budget = _Budget(AT_ONCE)
_large = ThreadPoolExecutor(LARGE_THREADS, "fashion_hash large pictures")


def _after_fork() -> None:
    global _budget, _large
    _budget = _Budget(AT_ONCE)  # the threads that used them do not exist in the child
    _large = ThreadPoolExecutor(LARGE_THREADS, "fashion_hash large pictures")


if hasattr(os, "register_at_fork"):  # not on Windows, which never forks
    os.register_at_fork(after_in_child=_after_fork)
