"""Decoding pictures: depth, size, and what is refused."""

import io
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from fashion_hash.data.stores import decoding
from fashion_hash.data.stores.decoding import decode, decoded
from fashion_hash.errors import ConfigError, FeatureError

RAMP = np.tile(np.arange(256), (8, 1))


def encoded(array, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
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


@pytest.mark.parametrize("form", ["WEBP", "JPEG2000"])
def test_decoders_that_hold_several_copies_get_a_quarter_of_the_pixels(form):
    """A WebP of 64 million pixels took 980 MB, a JPEG 2000 of 62 million 1,150 MB."""
    picture = encoded(np.zeros((40, 50, 3), np.uint8), form)
    assert decode(picture, most_pixels=8_000).size == (50, 40)
    with pytest.raises(FeatureError, match=rf"50 x 40 pixels are more than 1,999 \(a quarter of .*, for {form}\)"):
        decode(picture, most_pixels=7_999)
    assert decode(encoded(np.zeros((40, 50, 3), np.uint8), "PNG"), most_pixels=2_000).size == (50, 40)


def test_a_jpeg_of_thousands_of_scans_is_refused():
    """Each goes over all pixels: 3,000 of them over 62 million pixels, in 600 kB, ran for minutes."""
    picture = encoded(np.zeros((64, 64), np.uint8), "JPEG", progressive=True)
    scans = picture.index(b"\xff\xda")
    with pytest.raises(FeatureError, match=r"it has [\d,]+ scans, expected at most 100"):
        decode(picture[:scans] + picture[scans:-2] * 60 + picture[-2:])
    assert decode(picture).size == (64, 64)


def test_a_large_jpeg_is_decoded_at_a_reduced_size():
    picture = encoded(np.zeros((320, 640, 3), np.uint8), "JPEG")
    assert decode(picture).size == (640, 320)
    assert decode(picture, most_pixels=320 * 160).size == (320, 160)
    with pytest.raises(FeatureError, match="640 x 320 pixels"):
        decode(picture, most_pixels=100)


@pytest.mark.parametrize("value", ["many", "0", "1e6", ""])
def test_a_limit_that_is_not_a_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("FASHION_HASH_MOST_PIXELS", value)
    with pytest.raises(ConfigError, match="FASHION_HASH_MOST_PIXELS must be a whole number"):
        decode(encoded(RAMP.astype(np.uint8), "PNG"))


def whole(data):
    """The picture as one image operation after the other makes it, without strips."""
    with Image.open(io.BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_strips_give_the_bits_of_the_whole_picture(monkeypatch, mode, orientation):
    monkeypatch.setattr(decoding, "_STRIP", 100)
    pixels = np.random.default_rng(3).integers(0, 256, (37, 23, 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA").convert("RGB" if mode in ("P", "CMYK") else "RGBA").convert(mode)
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    options = {"transparency": 5} if mode == "P" else {}
    image.save(stream, "TIFF" if mode == "CMYK" else "PNG", exif=exif, **options)
    np.testing.assert_array_equal(np.asarray(decode(stream.getvalue())), whole(stream.getvalue()))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures_of_many_pixels_are_reduced(monkeypatch, kind):
    monkeypatch.setattr(decoding, "FULL_SIZE", 50 * 40)
    monkeypatch.setattr(decoding, "_STRIP", 300)
    ramp = np.repeat(np.linspace(0, 255, 101).astype(np.uint8)[:, None], 77, axis=1)
    reduced = np.asarray(decode(encoded(ramp, kind)))
    assert reduced.shape == (51, 39, 3)
    expected = np.asarray(Image.fromarray(ramp).convert("RGB").reduce(2))
    assert np.abs(reduced.astype(int) - expected).max() <= (0 if kind == "PNG" else 4)


@pytest.mark.parametrize("large", [10, 10**6])
def test_threads_share_the_pixels(monkeypatch, large):
    monkeypatch.setattr(decoding, "LARGE", large)
    monkeypatch.setattr(decoding, "_budget", decoding._Budget(3 * RAMP.size))
    picture, lock, inside, most = encoded(RAMP.astype(np.uint8), "PNG"), threading.Lock(), 0, 0

    def use(_):
        nonlocal inside, most
        with decoded(picture):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(use, range(24)))
    assert most == 3
    with pytest.raises(FeatureError), decoded(b"not a picture"):
        pass
    assert decoding._budget._free == 3 * RAMP.size


def test_a_picture_of_more_pixels_than_there_are_waits_to_be_alone(monkeypatch):
    monkeypatch.setattr(decoding, "_budget", decoding._Budget(10))
    assert decode(encoded(RAMP.astype(np.uint8), "PNG")).size == (256, 8)


def test_no_other_program_is_started_for_a_picture(monkeypatch):
    """Pillow would hand EPS to Ghostscript, which runs what stands in the file."""
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(/tmp/x) (w) file\n"
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript was started"))
    with pytest.raises(FeatureError, match="EPS is drawn by another program: save it as JPEG or PNG"):
        decode(drawing)
