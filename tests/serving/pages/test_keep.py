"""Keeping what was said: with a token, from a page of this service only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from fashion_hash.serving.security import new_token
from fashion_hash.serving.settings import Settings
from tests.serving.pages.reading import read
from tests.serving.pages.test_stylist import recommender
from tests.worlds.pages_world import pages_bundle

SAME = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str, str]]:
    """A service that takes tokens, and two of them: for writing, and for reading."""
    folder = tmp_path_factory.mktemp("keep")
    pages_bundle(folder / "bundle")
    tokens: Path = folder / "tokens"
    write, only_read = new_token(tokens, "write"), new_token(tokens, "read")
    with TestClient(create_app(Models.open([str(folder / "bundle")]), Settings(tokens=tokens))) as client:
        yield client, write, only_read


def test_likes_are_kept_with_a_token(keeping):
    client, token, _ = keeping
    outfits = [hit.outfit_id for hit in recommender(client).answer("user-1", 3)]
    page = read(client, "/?user=user-1&" + "&".join(f"like={each}" for each in outfits[:2]) + f"&not={outfits[2]}")
    assert "Token for writing" in page.text
    before = len(recommender(client).liked("user-1"))
    data = {"user": "user-1", "like": outfits[:2], "not": outfits[2], "token": token}
    reply = client.post("/pages/keep", data=data, headers=SAME, follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "/?user=user-1&kept=3")
    assert len(recommender(client).liked("user-1")) == before + 2
    assert "Kept. From now on" in read(client, reply.headers["location"]).text
    assert re.search(r"main\s*1\s*0\s*2\s*1\s*0", read(client, "/model").text)  # users, shown, liked, disliked, bought


def test_somebody_new_becomes_a_user(keeping):
    client, token, _ = keeping
    outfits = [hit.outfit_id for hit in recommender(client).answer(None, 5)]
    data = {"like": outfits, "token": token, "name": "Ana <b>"}
    reply = client.post("/pages/keep", data=data, headers={"origin": "http://testserver"}, follow_redirects=False)
    assert reply.status_code == 303
    assert len(recommender(client).liked("Ana <b>")) == 5
    assert "outfits for user Ana <b>" in read(client, reply.headers["location"]).text
    again = client.post("/pages/keep", data=data, headers=SAME)
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("headers", "which", "status"),
    [
        ({}, "write", 403),
        ({"sec-fetch-site": "cross-site"}, "write", 403),
        ({"sec-fetch-site": "same-site", "origin": "http://testserver"}, "write", 403),
        ({"origin": "http://elsewhere"}, "write", 403),
        (SAME, "read", 403),
        (SAME, "", 403),
    ],
)
def test_other_forms_and_tokens_are_refused_and_change_nothing(keeping, headers, which, status):
    client, write, only_read = keeping
    outfit = recommender(client).answer("user-2", 1)[0].outfit_id
    before = recommender(client).liked("user-2")
    data = {"user": "user-2", "like": outfit, "token": {"write": write, "read": only_read}.get(which, "wrong")}
    reply = client.post("/pages/keep", data=data, headers=headers)
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert recommender(client).liked("user-2") == before
