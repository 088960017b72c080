"""Search by a photo on the page: what is sent becomes an address, and nothing of it is kept."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.http.uploads import reencoded
from fashion_hash.serving.models import Models
from tests.serving.pages.reading import Read, read
from tests.serving.pages.test_stylist import recommender
from tests.worlds.picture_world import picture
from tests.worlds.words_world import words_bundle

PHOTO = picture("orange", 2, "PNG")
SAME = {"sec-fetch-site": "same-origin"}


def sent(client: TestClient, photo: bytes, headers: dict[str, str] = SAME, **fields: str):
    files = {"picture": ("photo.jpg", photo)}
    return client.post("/search/photo", files=files, data=fields, headers=headers, follow_redirects=False)


def first_items(page: Read) -> list[str]:
    hrefs = dict.fromkeys(href for href in page.hrefs if href.startswith("/item"))
    return [parse_qs(urlsplit(href).query)["id"][0] for href in hrefs]


def test_a_photo_becomes_an_address_that_goes_on(pages):
    reply = sent(pages, PHOTO, user="user-0", **{"is.season": "summer"}, q="a shirt")
    assert reply.status_code == 303
    address = reply.headers["location"]
    hits = recommender(pages).search_picture(reencoded(PHOTO), k=24, text="a shirt", where={"season": "summer"})
    page = read(pages, address)
    assert first_items(page) == hits.ids.tolist()
    assert "Like your photo, and “a shirt”" in page.text
    without_photo = parse_qs(urlsplit(page.links["✕Search without your photo"]).query)
    assert without_photo == {"user": ["user-0"], "is.season": ["summer"], "q": ["a shirt"]}
    tops = read(pages, page.links["top"])
    assert "Like your photo" in tops.text
    assert all(item_id.startswith("top") for item_id in first_items(tops))
    assert "photo=" in next(href for name, href in page.links.items() if "must: " in name or "rather: " in name)


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "The picture is empty"), (b"<svg/>", "SVG drawings"), (PHOTO[:100], "cut off")]
)
def test_what_is_not_a_photo_is_said_on_a_page(pages, data, message):
    reply = sent(pages, data)
    assert reply.status_code == 422
    assert reply.headers["content-type"].startswith("text/html")
    assert message in reply.text


def test_a_foreign_form_and_a_broken_one_are_refused(pages):
    assert sent(pages, PHOTO, {"origin": "https://elsewhere.example"}).status_code == 403
    broken = {**SAME, "content-type": "multipart/form-data; boundary=x"}
    reply = pages.post("/search/photo", content=b"--x\r\nnonsense", headers=broken)
    assert (reply.status_code, reply.headers["content-type"][:9]) == (422, "text/html")
    assert sent(pages, PHOTO, **{f"field-{number}": "x" for number in range(1100)}).status_code == 400


def test_a_code_that_is_old_or_broken_is_said(pages):
    page = read(pages, "/search", photo="abc.def")
    assert "send the picture again" in page.text


def test_no_field_where_the_bundle_reads_no_pictures(pages, tmp_path):
    assert "Search by a photo" in read(pages, "/search").text
    words_bundle(tmp_path / "bundle", facts=(1.0, 1.0))
    with TestClient(create_app(Models.open([str(tmp_path / "bundle")]))) as client:
        assert "photo" not in read(client, "/search").text
        reply = sent(client, PHOTO)
        assert reply.status_code == 422
        assert "image.encoder: descriptors" in reply.text
