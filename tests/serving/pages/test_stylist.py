"""The stylist's page: who it is for, lists that change with each tap, filters from the catalogue's own columns."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.serving.pages.reading import Read, read
from tests.worlds.pages_world import HOSTILE


def recommender(client: TestClient):
    [model] = client.app.state.service.models
    return model.recommender


def outfits(page: Read) -> list[str]:
    """The outfits of a page, as the links that like them name them."""
    links = [href for words, href in page.links.items() if words.startswith("♡ Like outfit")]
    return [[value for name, value in parse_qsl(urlsplit(href).query) if name == "like"][-1] for href in links]


def test_the_first_page_proposes_people_and_outfits_to_tap(pages):
    page = read(pages, "/")
    assert "Who is it for?" in page.text
    assert "Someone new" in page.text
    assert len(outfits(page)) == 12
    [address] = [href for words, href in page.links.items() if words.endswith("user-0 2 liked outfits")]
    assert address == "/?user=user-0"
    assert page.images
    assert all(image["loading"] == "lazy" for image in page.images)


def test_a_users_list_is_the_recommenders(pages):
    page = read(pages, "/", user="user-0")
    expected = recommender(pages).answer("user-0", 12, max_per={"item": 1})
    assert outfits(page) == [hit.outfit_id for hit in expected]
    assert "outfits for user-0" in page.text
    assert "Their taste" in page.text


def test_one_tap_refolds_and_undo_takes_it_back(pages):
    before = read(pages, "/", user="user-0")
    address = before.links["♡ Like outfit 3"]
    after, liked = read(pages, address), outfits(before)[2]
    expected = recommender(pages).answer("user-0", 12, max_per={"item": 1}, liked=[liked])
    assert outfits(after) == [hit.outfit_id for hit in expected]
    assert liked not in outfits(after)
    [undo] = [href for words, href in after.links.items() if "undo" in words]
    assert outfits(read(pages, undo)) == outfits(before)
    disliked = read(pages, after.links["Not me, outfit 1"])
    assert outfits(after)[0] not in outfits(disliked)


def test_after_five_likes_somebody_new_is_somebody(pages):
    page, liked = read(pages, "/"), []
    for number in range(1, 6):
        liked.append(outfits(page)[number])
        page = read(pages, page.links[f"♡ Like outfit {number + 1}"])
        assert (f"{number} of 5 liked" in page.text) == (number < 5)
    expected = recommender(pages).answer(None, 12, max_per={"item": 1}, liked=liked)
    assert outfits(page) == [hit.outfit_id for hit in expected]
    assert "5 liked outfits" in page.text


def test_pages_of_a_list_repeat_nothing(pages):
    page, seen = read(pages, "/", user="user-0", most="any"), []
    for _ in range(3):
        seen += outfits(page)
        page = read(pages, page.links["More"])
    assert len(seen) == len(set(seen)) == 36


def test_filters_come_from_the_columns_and_hold(pages):
    page = read(pages, "/", user="user-0")
    names = {each["name"] for each in page.inputs}
    assert {"is.season", "is.in_stock", "sum.price", "is.brand"} <= names
    assert "is.title" not in names
    chosen = {"is.season": "summer", "is.in_stock": "yes", "sum.price": "150"}
    page = read(pages, "/", user="user-0", most="any", **chosen)
    assert outfits(page)
    bundle = recommender(pages).bundle
    for outfit in outfits(page):
        items = recommender(pages).outfit(outfit)
        rows = [bundle.catalogue.item(kind, bundle.items[kind].row(item_id)).details for kind, item_id in items.items()]
        assert all(row["season"] == "summer" and row["in_stock"] for row in rows)
        assert sum(row["price"] for row in rows) <= 150
    checked = {(each["name"], each["value"]) for each in page.inputs if "checked" in each}
    assert {("is.season", "summer"), ("is.in_stock", "yes")} <= checked
    assert page.links["Without filters"] == "/?user=user-0"


def test_nothing_passes_is_a_page_of_its_own(pages):
    page = read(pages, "/", user="user-0", **{"sum.price": "1"})
    assert "No outfit of the pool passes these filters" in page.text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/?user=user-77", 200, "No person’s id holds “user-77”"),
        ("/?user=ser", 200, "People whose id holds “ser”"),
        ("/?user=user-0&like=outfit-77777", 404, "Unknown outfit"),
        ("/?user=user-0&sum.price=cheap", 422, "must be a number, got 'cheap'"),
        ("/?user=user-0&is.colur=red", 422, "colur"),
        ('/?user=user-0&like={"top":3}', 422, "by slot name"),
        ("/?user=user-0&model=other", 422, "no model"),
        ("/?user=user-0&" + "&".join(f"like=outfit-{n:06d}" for n in range(201)), 422, "more than 200 likes"),
        ("/?q=" + "x" * 9_001, 422, "too long"),
    ],
)
def test_what_is_wrong_is_said_on_a_page(pages, address, status, words):
    page = read(pages, address, status)
    assert words.lower() in page.text.lower()


@pytest.mark.parametrize("user", HOSTILE)
def test_hostile_ids_stay_text_and_are_followed(hostile, user):
    page = read(hostile, "/", user=user)
    assert f"outfits for user {user}" in page.text or f"outfit for user {user}" in page.text or "No outfit" in page.text
    for words in ("♡ Like outfit 1", "Open outfit 1 on the canvas"):
        if words in page.links:
            read(hostile, page.links[words])


def test_pictures_and_style_are_there(pages):
    page = read(pages, "/", user="user-0")
    source = page.images[0]["src"]
    assert pages.get(source).headers["content-type"] == "image/jpeg"
    for asset in ("/pages/style.css", "/pages/htmx.js"):
        assert "immutable" in pages.get(asset).headers["cache-control"]
