"""Search by an uploaded picture over HTTP: what is sent is sniffed, bounded and encoded again."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from fashion_hash.serving.app import create_app
from fashion_hash.serving.http.uploads import reencoded
from fashion_hash.serving.models import Models
from fashion_hash.serving.settings import Settings
from tests.worlds.pages_world import pages_bundle
from tests.worlds.picture_world import picture

PHOTO = picture("orange", 2, "PNG")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("photos") / "bundle"
    pages_bundle(path)
    with TestClient(create_app(Models.open([str(path)]), Settings(photo_bytes=100_000))) as client:
        yield client


def asked(client: TestClient, photo: bytes, name: str = "photo.jpg", **fields: object):
    return client.post("/v1/search/photo", files={"picture": (name, photo)}, data=fields)


def recommender(client: TestClient):
    return next(iter(client.app.state.service.models)).recommender


def test_items_are_those_of_the_recommender(photos):
    reply = asked(photos, PHOTO, k=7, item_types=["top", "shoe"], where='{"in_stock": true}').json()
    hits = recommender(photos).search_picture(reencoded(PHOTO), ["top", "shoe"], 7, where={"in_stock": True})
    assert [item["item_id"] for item in reply["items"]] == hits.ids.tolist()
    assert [item["score"] for item in reply["items"]] == hits.scores.tolist()
    assert (reply["by"], reply["personal"], reply["exact"]) == ("picture", False, True)


def test_pages_follow_each_other_by_cursor_with_the_picture_or_its_code(photos):
    first = asked(photos, PHOTO, k=4).json()
    second = asked(photos, PHOTO, k=4, cursor=first["next"]).json()
    whole = asked(photos, PHOTO, k=8).json()
    assert first["items"] + second["items"] == whole["items"]
    by_code = photos.post("/v1/search/photo", files={"k": (None, "8"), "code": (None, first["picture"])}).json()
    assert by_code["items"] == whole["items"]
    other = asked(photos, PHOTO, k=4, text="a shirt", cursor=first["next"])
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/cursor")


def test_words_beside_a_picture_are_understood(photos):
    reply = asked(photos, PHOTO, k=3, text="a blue shirt", item_types="top").json()
    assert [fact["value"] for fact in reply["understood"]][:1] == ["blue"]
    assert all("blue" in item["title"] for item in reply["items"])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(side: int) -> bytes:
    """A small PNG that says it has very many pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(10_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "photo.jpg", "the picture is empty"),
        (b"Dear Sir or Madam", "photo.jpg", "this file is text, not a picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "photo.png", "SVG drawings are not read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "photo.heic", "HEIC and AVIF pictures are not read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "photo.jpg", "this file is text"),
        (b"BM\xff\xfe\0\0", "photo.jpg", "in no known format"),
        (PHOTO[: len(PHOTO) // 2], "photo.png", "the file is cut off"),
        (b"\xff\xd8\xff" + bytes(200), "photo.jpg", "cannot decode a picture"),
        (bomb(60_000), "photo.png", "it has too many pixels"),
        (bomb(8_000), "photo.png", "8000 x 8000 pixels are more than 40,000,000"),
    ],
    ids=("empty", "text", "svg", "heic", "eps", "bmp", "cut off", "damaged", "bomb", "large"),
)
def test_what_is_not_a_picture_is_a_problem_of_the_field(photos, data, name, message):
    reply = asked(photos, data, name)
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert message in reply.json()["detail"]
    assert reply.json()["errors"][0]["pointer"] == "/picture"


def test_bytes_are_limited_before_anything_is_decoded(photos):
    reply = asked(photos, PHOTO + bytes(100_000))
    assert reply.status_code == 413
    assert "at most 100,000 bytes" in reply.json()["detail"]


def test_only_pixels_are_kept():
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.new("RGB", (3000, 1500), "navy").save(stream, "JPEG", exif=exif, comment=b"where I live")
    again = reencoded(stream.getvalue())
    assert b"where I live" not in again
    with Image.open(io.BytesIO(again)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (1024, 512), {})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"k": 0}, "/k"),
        ({"k": "many"}, "/k"),
        ({"where": "{"}, "/where"),
        ({"facts": "[" * 5000}, "/facts"),
        ({"colour": "red"}, "/colour"),
        ({"code": "x"}, "/picture"),
    ],
)
def test_bad_fields_are_named(photos, fields, pointer):
    reply = asked(photos, PHOTO, **fields)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer), reply.text
    assert photos.post("/v1/search/photo", json={}).status_code == 422


def test_a_bundle_without_an_encoder_says_what_to_do(client):
    reply = asked(client, PHOTO)
    assert reply.status_code == 422
    assert "image.encoder: descriptors" in reply.json()["detail"]
    assert reply.json()["errors"][0]["pointer"] == "/picture"
