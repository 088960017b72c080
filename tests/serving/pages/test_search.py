"""Search, the page of an item and that of the model."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from tests.serving.pages.reading import read
from tests.serving.pages.test_stylist import recommender
from tests.worlds.live_world import new_bundle
from tests.worlds.pages_world import HOSTILE


def shown_items(page) -> list[str]:
    """The titles of the grid, in order."""
    return [image["alt"] for image in page.images]


def test_items_for_words_are_the_recommenders_and_facts_are_chips(pages):
    page = read(pages, "/search", q="a red linen shirt")
    answer = recommender(pages).search("a red linen shirt", None, 24)
    bundle = recommender(pages).bundle
    titles = [
        bundle.catalogue.item(kind, bundle.items[kind].row(each)).title for kind, each in zip(answer.types, answer.ids)
    ]
    places = [page.text.index(title) for title in dict.fromkeys(titles)]
    assert len(titles) == 24
    assert places[0] == min(places)
    assert "colour red" in page.text
    assert "Search without colour red" in page.text


def test_a_fact_is_taken_away_or_turned(pages):
    page = read(pages, "/search", q="a red linen shirt")
    without = read(pages, page.links["✕Search without colour red"])
    assert "Search without colour red" not in without.text
    assert "Search without kind shirt" in without.text
    assert without.links["as it was understood"] == "/search?q=a+red+linen+shirt"
    soft = read(pages, page.links["rather: colour red"])
    assert "rather red" in soft.text
    assert "colour red" in read(pages, soft.links["must: rather red"]).text
    facts = json.loads(dict(parse_qsl(urlsplit(page.links["rather: colour red"]).query))["facts"])
    expected = recommender(pages).search("a red linen shirt", None, 24, facts=facts)
    first = next(href for href in soft.hrefs if href.startswith("/item"))
    assert first.endswith(f"id={expected.ids[0]}")
    broken = read(pages, "/search", q="a shirt", facts="[{")
    assert "not JSON" in broken.text


def test_a_share_of_bits_is_shown_only_where_it_is_one(pages):
    assert "match" not in read(pages, "/search", q="a red linen shirt").text
    assert "not all that is asked" in read(pages, "/search", q="a red linen shirt").text


def test_outfits_around_them(pages):
    page = read(pages, "/search", q="red linen shirt", show="outfits", user="user-0")
    hits = recommender(pages).outfits_for("red linen shirt", "user-0", 9, max_per={"item": 1}).hits
    assert page.text.count("♡ Like outfit") == len(hits) > 0


def test_words_without_meaning_and_nothing_at_all_are_answered(pages):
    assert "What are you looking for?" in read(pages, "/search").text
    page = read(pages, "/search", q="qwxz")
    assert "qwxz" in page.text
    read(pages, "/search", q="<script>alert(1)</script> \U0001f457 'x\" %00")
    read(pages, "/search", q="word " * 400)


def test_without_a_model_of_requests_the_catalogue_is_searched(hostile):
    page, answer = read(hostile, "/search", q="ALERT 3"), recommender(hostile).search("ALERT 3", None, 24)
    first = next(href for href in page.hrefs if href.startswith("/item"))
    assert dict(parse_qsl(urlsplit(first).query))["id"] == answer.ids[0]
    assert answer.by == "words alone"
    assert "match" not in page.text
    assert "No word of the request is known" in read(hostile, "/search", q="qwxz zzkk").text
    assert "as to a shop assistant" in read(hostile, "/search").text


def test_what_passes_filters_is_listed_without_words(pages):
    page = read(pages, "/search", **{"is.colour": "red"})
    assert "What passes the filters" in page.text
    assert page.text.count("red linen shirt") > 0
    assert "Nothing" not in page.text


def test_a_bundle_that_was_built_before_says_what_to_do(tmp_path):
    new_bundle(tmp_path / "bundle")
    with TestClient(create_app(Models.open([str(tmp_path / "bundle")]))) as client:
        assert "build it again with `fashion-hash build-index`" in read(client, "/search", q="red").text
        reply = client.post("/v1/search", json={"text": "red"})
        assert reply.status_code == 422
        assert "build it again with fashion-hash build-index" in reply.json()["detail"]


def test_the_catalogue_answers_over_http(hostile):
    reply = hostile.post("/v1/search", json={"text": "alert 3", "k": 2}).json()
    expected = recommender(hostile).search("alert 3", None, 2)
    assert [item["item_id"] for item in reply["items"]] == expected.ids.tolist()
    assert reply["by"] == "words alone"
    outfits = hostile.post("/v1/outfits-for", json={"text": "alert 3", "k": 2, "user": HOSTILE[1]}).json()["outfits"]
    assert [outfit["complete"] for outfit in outfits] == [True, True]
    refused = hostile.post("/v1/search", json={"text": "alert 3", "rerank": True})
    assert refused.status_code == 422
    assert "rerank needs a request model" in refused.json()["detail"]
    assert hostile.get("/v1/model").json()["models"][0]["requests"] is True


def test_an_item_has_its_columns_what_resembles_it_and_outfits(pages):
    page = read(pages, "/item", type="top", id="top-004", user="user-0")
    similar = recommender(pages).similar_items("top-004", 12, item_type="top").ids.tolist()
    for words in ("season", "House 4", "24", "in stock"):
        assert words in page.text
    for each in similar[:3]:
        assert any(f"id={each}" in href for href in page.hrefs)
    expected = recommender(pages).complete("user-0", {"top": "top-004"}, 6, max_repeats=1)
    assert page.text.count("♡ Like outfit") == len(expected.hits) > 1
    assert "lock.top=1" in page.links["Build around it"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_items_have_a_page(hostile, text):
    page = read(hostile, "/item", type="shoe", id=f"shoe {text}")
    assert f"shoe {text}" in page.text
    filters = read(hostile, "/search", **{f"is.column {HOSTILE[0]}": HOSTILE[0]})
    assert "What passes the filters" in filters.text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [("/item?type=top&id=top-0004", 404, "nearest: 'top-004'"), ("/item", 422, "lacks an item")],
)
def test_an_item_that_is_not_there(pages, address, status, words):
    assert words in read(pages, address, status).text


def test_the_model_says_how_its_codes_spread_and_how_it_is_used(pages):
    read(pages, "/?user=user-0")
    page = read(pages, "/model")
    for words in (f"{recommender(pages).bundle.num_bits} bits", "300 outfits", "Not measured yet"):
        assert words in page.text
    assert re.search(r"Two items differ in \d+ % of their bits", page.text)
    assert page.text.index("Traffic of this service") < page.text.index("half within")


def test_figures_beside_the_bundle_are_shown(pages, tmp_path):
    from fashion_hash.serving.pages.about import _curve, _tables

    epochs = [{"loss": 0.5}, {"loss": 0.25}, {"loss": float("nan")}, "torn"]
    assert _curve(epochs, "loss", "loss") == {
        "label": "loss",
        "points": "4.0,6.0 296.0,94.0",
        "first": 0.5,
        "last": 0.25,
        "epochs": 2,
    }
    assert _curve([], "loss", "loss") is None
    evaluation = {
        "protocols": {
            "auc": {
                "statement": "s",
                "binary": {"auc": 0.9, "rows": 4},
                "baselines": {"no_user": {"auc": 0.7, "rows": 4}},
            }
        }
    }
    [table] = _tables(json.loads(json.dumps(evaluation)))
    assert table["metrics"] == ["auc"]
    assert table["rows"] == [("binary", True, ["0.900"]), ("no user", False, ["0.700"])]
    for other in (None, [], {"protocols": [1]}, {"protocols": {"a": 3}}, {"protocols": {"a": {"baselines": None}}}):
        assert _tables(other) == []
