"""Pictures that people and programs send: sniffed, bounded, and encoded again before anything else looks at them."""

from __future__ import annotations

import io

from fashion_hash.data.stores.decoding import decoded
from fashion_hash.errors import FeatureError

SIDE, QUALITY, MOST_PIXELS = 1024, 90, 40_000_000
FORMATS = "JPEG, PNG, WebP or GIF"
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_APPLE = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


def reencoded(encoded: bytes) -> bytes:
    """A picture that somebody sent, decoded within bounds and encoded again: nothing but its pixels is kept.

    Raises:
        FeatureError: it is in another format, no picture comes out, or it has too many pixels.
    """
    check_format(encoded)
    with decoded(encoded, MOST_PIXELS) as image:
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def check_format(encoded: bytes) -> None:
    """Raises FeatureError unless a file begins as a picture does, whatever its name says."""
    if encoded.startswith(_BEGINNINGS) or (encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP"):
        return
    beginning = encoded[:256]
    if not encoded:
        raise FeatureError(f"the picture is empty: choose a {FORMATS}")
    if beginning[4:8] == b"ftyp" and beginning[8:12] in _APPLE:
        raise FeatureError("HEIC and AVIF pictures are not read: save it as JPEG")
    if b"<svg" in beginning.lower():
        raise FeatureError(f"SVG drawings are not read: save it as {FORMATS}")
    kind = "text" if beginning.isascii() and b"\0" not in beginning else "in no known format"
    raise FeatureError(f"this file is {kind}, not a picture: choose a {FORMATS}")
