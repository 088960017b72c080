"""Decoding pictures: depth, size, and what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fashion_hash.data.stores.pictures import decode
from fashion_hash.errors import FeatureError

RAMP = np.tile(np.arange(256), (8, 1))


def encoded(array, kind):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (RAMP.astype(np.uint8), "PNG"),
        ((RAMP * 257).astype(np.uint16), "PNG"),
        ((RAMP * 257).astype(np.uint16), "TIFF"),
        ((RAMP * 257).astype(np.int32), "TIFF"),
        ((RAMP / 255).astype(np.float32), "TIFF"),
    ],
)
def test_every_depth_gives_the_same_greys(array, kind):
    decoded = np.asarray(decode(encoded(array, kind)))
    assert (decoded == RAMP[:, :, None]).all()


@pytest.mark.parametrize("value", [-1.0, 1.5, np.nan, np.inf])
def test_floating_point_numbers_beyond_0_to_1_are_refused(value):
    array = np.full((4, 4), 0.5, np.float32)
    array[0, 0] = value
    with pytest.raises(FeatureError, match="expected 0 to 1: save the picture with 8 bits"):
        decode(encoded(array, "TIFF"))


def png(side):
    """A grey PNG of side x side pixels, as the header says; only its first bytes of data exist."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_001, 13_300, 50_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side):
    with pytest.raises(FeatureError, match="pixels"):
        decode(png(side))


def test_the_limit_can_be_set(monkeypatch):
    picture = encoded(RAMP.astype(np.uint8), "PNG")
    with pytest.raises(FeatureError, match=r"256 x 8 pixels are more than 2,000"):
        decode(picture, most_pixels=2000)
    monkeypatch.setenv("FASHION_HASH_MOST_PIXELS", "2047")
    with pytest.raises(FeatureError, match="FASHION_HASH_MOST_PIXELS"):
        decode(picture)


def test_a_large_jpeg_is_decoded_at_a_reduced_size():
    picture = encoded(np.zeros((320, 640, 3), np.uint8), "JPEG")
    assert decode(picture).size == (640, 320)
    assert decode(picture, most_pixels=320 * 160).size == (320, 160)
    with pytest.raises(FeatureError, match="640 x 320 pixels"):
        decode(picture, most_pixels=100)
