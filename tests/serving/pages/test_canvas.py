"""The canvas: slots, locks, swaps and fills; all of it in the address."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi.testclient import TestClient

from tests.serving.pages.reading import Read, read
from tests.serving.pages.test_stylist import recommender
from tests.worlds.pages_world import SLOTS


def held(address: str) -> dict[str, str]:
    return {name[2:]: value for name, value in parse_qsl(urlsplit(address).query) if name.startswith("s.")}


def opened(client: TestClient, address: str) -> tuple[dict[str, str], Read]:
    """What is on a canvas after its redirects, and the page."""
    while (reply := client.get(address, follow_redirects=False)).status_code == 303:
        address = reply.headers["location"]
    return held(address), read(client, address)


def test_an_empty_canvas_is_filled_with_the_best_outfit(pages):
    items, page = opened(pages, "/canvas?user=user-0")
    assert items == recommender(pages).compose("user-0", 1).hits[0].items
    assert "125,000 ways to fill it · exact" in page.text
    assert page.text.count("Lock ") == 3


def test_alternatives_are_ranked_given_everything_else(pages):
    items, page = opened(pages, "/canvas?user=user-0")
    for slot in SLOTS:
        others = {name: item_id for name, item_id in items.items() if name != slot}
        best = recommender(pages).complete("user-0", others, 10, types=[slot]).hits
        swaps = [held(href) for href in page.hrefs if href.startswith("/canvas")]
        assert all({**items, slot: hit.items[slot]} in swaps for hit in best)


def test_a_lock_keeps_its_piece(pages):
    item = recommender(pages).bundle.items["top"].id(3)
    items, page = opened(pages, f"/canvas?user=user-0&s.top={item}&lock.top=1&do=fill")
    assert items == recommender(pages).complete("user-0", {"top": item}, 1).hits[0].items
    assert "Build around" in page.text
    surprises = []
    for _ in range(3):
        items, page = opened(pages, page.links["Surprise me"])
        assert items["top"] == item
        surprises.append(tuple(items.values()))
    assert len(set(surprises)) == 3


def test_a_piece_is_taken_out_and_the_canvas_cleared(pages):
    items, page = opened(pages, "/canvas?user=user-0")
    items, page = opened(pages, page.links["Take out Bottom"])
    assert set(items) == {"top", "shoe"}
    assert "Choose one below" in page.text
    items, page = opened(pages, page.links["Clear"])
    assert items == {}
    assert "An empty canvas" in page.text
    items, page = opened(pages, "/canvas?user=user-0&s.top=top-003&lock.top=1")
    items, page = opened(pages, page.links["The best outfit" if "The best outfit" in page.links else "Fill the rest"])
    assert items["top"] == "top-003"
    assert len(items) == 3


def test_a_budget_holds_for_what_is_filled(pages):
    items, page = opened(pages, "/canvas?user=user-0&sum.price=100&do=fill")
    bundle = recommender(pages).bundle
    prices = [
        bundle.catalogue.item(kind, bundle.items[kind].row(each)).details["price"] for kind, each in items.items()
    ]
    assert sum(prices) <= 100
    items, page = opened(pages, "/canvas?user=user-0&sum.price=3&do=fill")
    assert "Nothing can be put together" in page.text


def test_an_outfit_of_the_canvas_is_liked(pages):
    _, page = opened(pages, "/canvas?user=user-0")
    after = read(pages, page.links["♡ Like"])
    assert "Said on this visit" in after.text


def test_unknown_pieces_are_named(pages):
    page = read(pages, "/canvas?s.top=top-0003", 404)
    assert "nearest: 'top-003'" in page.text
