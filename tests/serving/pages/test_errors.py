"""What people see where something is wrong, and what programs get in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.models import Models
from fashion_hash.serving.security import new_token
from fashion_hash.serving.settings import Settings
from tests.serving.pages.reading import read
from tests.worlds.pages_world import pages_bundle

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_address_without_a_page_is_a_page_for_people_and_a_problem_for_programs(pages):
    reply = pages.get("/nothing/here", headers=HTML)
    assert reply.status_code == 404
    assert "Nothing is here" in reply.text
    assert "There is no page at this address." in reply.text
    assert pages.get("/nothing/here").headers["content-type"] == "application/problem+json"
    assert pages.get("/v1/nothing", headers=HTML).headers["content-type"] == "application/problem+json"
    assert pages.post("/canvas", headers=HTML).status_code == 405


def test_what_is_unknown_or_broken_is_said_in_words(pages):
    page = read(pages, "/item?type=top&id=top-0031", 404)
    assert "Unknown top 'top-0031' (nearest: 'top-031', 'top-003'" in page.text
    page = read(pages, "/item", 422)
    assert "This cannot be answered" in page.text
    assert "This address lacks" in page.text


def test_a_busy_service_and_a_bundle_that_is_gone_are_pages_too(pages, monkeypatch):
    service = pages.app.state.service

    async def busy(*_arguments: object) -> None:
        raise Problem(503, "the service is busy: try again later", headers={"retry-after": "1"})

    monkeypatch.setattr(service.work, "run", busy)
    reply = pages.get("/")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "The service is busy" in reply.text
    assert reply.headers["content-type"].startswith("text/html")


def test_a_photo_that_is_too_large_is_a_page(pages, monkeypatch):
    reply = pages.post(
        "/search/photo",
        files={"picture": ("photo.jpg", bytes(17 << 20))},
        headers={**HTML, "sec-fetch-site": "same-origin"},
    )
    assert reply.status_code == 413
    assert "That is too large" in reply.text
    assert "at most 16,777,216 bytes" in reply.text


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """A service that other machines reach, and a token for reading."""
    folder = tmp_path_factory.mktemp("beyond")
    pages_bundle(folder / "bundle")
    tokens: Path = folder / "tokens"
    token = new_token(tokens, "read")
    settings = Settings(tokens=tokens, open_reads=False)
    with TestClient(create_app(Models.open([str(folder / "bundle")]), settings)) as client:
        yield client, token


@pytest.mark.parametrize(
    "path", ["/", "/?user=user-", "/canvas?user=user-0", "/search", "/model", "/item?type=top&id=x"]
)
def test_ids_of_users_are_only_shown_to_a_token_beyond_this_machine(beyond, path):
    client, token = beyond
    reply = client.get(path, headers=HTML)
    assert reply.status_code == 401
    assert "A token is needed" in reply.text
    assert "user-" not in reply.text
    assert client.get(path, headers={**HTML, "authorization": "Bearer wrong"}).status_code == 401
    for header in ({"authorization": f"Bearer {token}"}, {"x-api-key": token}):
        assert client.get(path, headers={**HTML, **header}).status_code in (200, 303, 404)
    assert "user-1" in client.get("/?user=er-", headers={"x-api-key": token}).text
