"""A folder of pictures in many forms, and of files that are damaged or no pictures at all."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def shirt(mode: str = "RGB", size: int = 48) -> Image.Image:
    """A dark square on white."""
    pixels = np.full((size, size, 3), 255, dtype=np.uint8)
    pixels[size // 4 : -size // 4, size // 4 : -size // 4] = (30, 60, 120)
    return Image.fromarray(pixels).convert(mode)


def bomb(side: int = 40_000) -> bytes:
    """A PNG of a few bytes that says it has side x side pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def good_files() -> dict[str, bytes]:
    """Pictures that have a vector, by name."""
    deep = Image.fromarray((np.arange(48 * 48, dtype=np.uint16) * 20).reshape(48, 48))
    see_through = shirt("RGBA")
    see_through.putalpha(120)
    frames = {"save_all": True, "append_images": [shirt().rotate(90)]}
    return {
        "plain.jpg": encoded(shirt(), "JPEG"),
        "png_named.jpg": encoded(shirt(), "PNG"),
        "no_suffix": encoded(shirt(), "JPEG"),
        "palette.gif": encoded(shirt("P"), "GIF"),
        "animated.gif": encoded(shirt("P"), "GIF", **frames),
        "small.webp": encoded(shirt(), "WEBP"),
        "old.bmp": encoded(shirt(), "BMP"),
        "print.tiff": encoded(shirt(), "TIFF"),
        "sixteen_bits.png": encoded(deep, "PNG"),
        "cmyk.jpg": encoded(shirt("CMYK"), "JPEG"),
        "alpha.png": encoded(see_through, "PNG"),
        "below/names with spaces, «ü» and 'quotes'.jpg": encoded(shirt(), "JPEG"),
    }


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Files without a vector: content, and words of the reason."""
    jpeg, png = encoded(shirt(size=400), "JPEG"), encoded(shirt(size=400), "PNG")
    return {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "the file is cut off"),
        "truncated.png": (png[: len(png) // 2], "cannot decode"),
        "empty.jpg": (b"", "the file is empty"),
        "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        "text.png": (b"not a picture\n", "it is in no known format"),
        "zeros.jpg": (bytes(5000), "it is in no known format"),
        "header.jpg": (jpeg[:20], "cannot decode"),
        "noise.jpg": (jpeg[:4] + np.random.default_rng(0).bytes(3000), "cannot decode"),
        "bomb.png": (bomb(), "pixels"),
        "archive.jpg": (b"PK\x03\x04" + bytes(100), "it is in no known format"),
    }


def write_pictures(folder: Path) -> set[str]:
    """Writes good and bad files, a folder named like a picture and a broken link; returns the keys of the bad ones."""
    bad = {name: content for name, (content, _) in bad_files().items()}
    for name, content in (good_files() | bad).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    (folder / "broken_link.jpg").symlink_to(folder / "nowhere")
    (folder / ".hidden").write_bytes(b"x")
    return {*bad, "folder.jpg", "broken_link.jpg"}
