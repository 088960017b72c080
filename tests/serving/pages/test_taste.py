"""The slider between taste and compatibility on the canvas; it stands in the address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from tests.serving.pages.reading import read
from tests.serving.pages.test_canvas import held, opened
from tests.serving.pages.test_stylist import recommender
from tests.worlds.pages_world import SLOTS, pages_bundle
from tests.worlds.picture_world import pictured_encoder_contents


def test_the_outfit_is_that_of_the_weight(pages):
    items, page = opened(pages, "/canvas?user=user-0&taste=0.9&do=fill")
    assert items == recommender(pages).compose("user-0", 1, taste=0.9).hits[0].items
    assert "90 % taste" in page.text
    for slot in SLOTS:
        others = {name: item_id for name, item_id in items.items() if name != slot}
        best = recommender(pages).complete("user-0", others, 10, types=[slot], taste=0.9).hits
        swaps = [held(href) for href in page.hrefs if href.startswith("/canvas")]
        assert all({**items, slot: hit.items[slot]} in swaps for hit in best)


def test_the_weight_stays_in_every_address_of_the_canvas(pages):
    _, page = opened(pages, "/canvas?user=user-0&taste=0.2&is.season=summer&do=fill")
    canvas = [parse_qs(urlsplit(href).query) for href in page.hrefs if href.startswith("/canvas?") and "s.top" in href]
    assert len(canvas) > 20
    assert all(each["taste"] == ["0.2"] for each in canvas)
    slider = next(each for each in page.inputs if each.get("name") == "taste" and each["type"] == "range")
    assert (slider["value"], slider["min"], slider["max"], slider["step"]) == ("0.2", "0", "1", "0.05")
    assert ("is.season", "summer") in [(each.get("name"), each.get("value")) for each in page.inputs]


def test_a_lock_holds_under_another_weight(pages):
    item = recommender(pages).bundle.items["shoe"].id(7)
    items, page = opened(pages, f"/canvas?user=user-0&s.shoe={item}&lock.shoe=1&taste=1&do=fill")
    assert items == recommender(pages).complete("user-0", {"shoe": item}, 1, taste=1.0).hits[0].items
    assert "goes together" not in page.text.replace("what goes together", "")


@pytest.mark.parametrize("text", ["", "0.5", "2", "-1", "nan", "1e0", "much", "0.33333333333"])
def test_other_weights_are_as_learned(pages, text):
    page = read(pages, "/canvas", user="user-0", **{"s.top": "top-003", "taste": text})
    assert "as learned" in page.text


def test_no_slider_where_there_is_one_distance(pages, tmp_path):
    pages_bundle(tmp_path / "bundle", pictured_encoder_contents)
    with TestClient(create_app(Models.open([str(tmp_path / "bundle")]))) as client:
        _, page = opened(client, "/canvas?user=user-0&taste=0.9")
        assert "as learned" not in page.text


def test_over_http(pages):
    body = {"k": 4, "taste": 0.9}
    outfits = pages.post("/v1/users/user-0/outfits", json=body).json()["outfits"]
    assert [each["outfit_id"] for each in outfits] == recommender(pages).recommend("user-0", 4, taste=0.9).ids.tolist()
    composed = pages.post("/v1/users/user-0/compose", json=body).json()["outfits"]
    hits = recommender(pages).compose("user-0", 4, taste=0.9).hits
    assert [(each["items"], each["score"]) for each in composed] == [(hit.items, hit.score) for hit in hits]
    completed = pages.post("/v1/users/user-0/complete", json={**body, "items": {"top": "top-003"}}).json()["outfits"]
    hits = recommender(pages).complete("user-0", {"top": "top-003"}, 4, taste=0.9).hits
    assert [each["score"] for each in completed] == [hit.score for hit in hits]
    explained = pages.post("/v1/explain", json={"user": "user-0", "outfit": hits[0].items, "taste": 0.9}).json()
    assert explained["explanation"]["score"] == hits[0].score
    for wrong in (-0.1, 1.1, "half", None):
        reply = pages.post("/v1/users/user-0/outfits", json={"k": 4, "taste": wrong})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/taste")
