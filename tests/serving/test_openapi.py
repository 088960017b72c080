"""The OpenAPI document: its examples are sent, replies are what it says, and nothing else ever comes back."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from fashion_hash.serving.security import Token, Tokens, digest_of
from tests.worlds.live_world import new_bundle
from tests.worlds.pages_world import pages_bundle
from tests.worlds.picture_world import picture
from tests.worlds.words_world import words_bundle

PHOTO = "/v1/search/photo"
IN_WORDS = ("/v1/search", "/v1/outfits-for")
NAMES = {"user_id": "user-1", "item_type": "top", "item_id": "top-0"}
# in which order the examples make sense: what is removed was added before
ORDER = ["post", "put", "patch", "get", "delete"]
DOCUMENTED = {200, 201, 304, 400, 401, 403, 404, 408, 409, 413, 415, 422, 503, 507}


def opened(path, **options):
    app = create_app(Models.open([str(path)]), tokens=Tokens([Token("write", digest_of("token"))]))
    return TestClient(app, headers={"X-API-Key": "token"}, **options)


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("openapi") / "bundle"
    new_bundle(path)
    with opened(path, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("words") / "bundle"
    words_bundle(path)
    with opened(path) as client:
        yield client


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("pictures") / "bundle"
    pages_bundle(path)
    with opened(path) as client:
        yield client


def operations(client):
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation, document


def example_of(operation, document, kind="application/json"):
    content = operation.get("requestBody", {}).get("content", {}).get(kind)
    if content is None:
        return None
    name = content["schema"]["$ref"].rpartition("/")[2]
    [example] = document["components"]["schemas"][name]["examples"]
    return example


def model_of(client, path, method):
    [route] = [
        route for route in all_routes(client.app.routes) if route.path == path and method.upper() in route.methods
    ]
    return route.response_model


def all_routes(routes):
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from all_routes(route.original_router.routes)


def test_every_example_is_answered_as_the_document_says(client, words, pictures):
    count = 0
    listed = sorted(operations(client), key=lambda each: (ORDER.index(each[1]), each[0]))
    for path, method, operation, document in listed:
        if not path.startswith("/v1/") or path.endswith("/picture"):
            continue
        asked = words if path in IN_WORDS else pictures if path == PHOTO else client
        body = example_of(operation, document)
        form = example_of(operation, document, "multipart/form-data")
        files = None if form is None else {"picture": picture("red")}
        reply = asked.request(method, path.format(**NAMES), json=body, data=form, files=files)
        assert reply.status_code in (200, 201), (method, path, reply.text)
        model_of(client, path, method).model_validate(reply.json())
        count += 1
    assert count > 25


def test_every_operation_is_described_and_names_its_errors(client):
    for path, method, operation, _ in operations(client):
        assert operation.get("description"), (method, path)
        assert operation["tags"], (method, path)
        if path.startswith("/v1/"):
            assert {"401", "404", "422", "503"} <= operation["responses"].keys(), (method, path)
            assert operation["security"], (method, path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LIKELY = st.sampled_from(
    ["top", "top-1", "user-1", "outfit-000001", "", "ü/%'\"", 0, -1, 10**30, 1e308, [], {}, {"top": "top-1"}, ["top-1"]]
).map(copy.deepcopy)


@st.composite
def damaged(draw, example: Any) -> Any:
    """An example with some of its values replaced, left out or added."""
    if not isinstance(example, dict):
        return draw(JSON)
    body = json.loads(json.dumps(example))
    for _ in range(draw(st.integers(1, 3))):
        place = body
        while isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or draw(st.booleans()):
                break
            place = place[key]
        if isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if draw(st.integers(0, 3)):
                place[key] = draw(JSON | LIKELY)
            else:
                del place[key]
        else:
            body[draw(st.sampled_from(["k", "where", "liked", "cursor", "x"]))] = draw(JSON | LIKELY)
    return body


def check(client, seed, count):
    every = [each for each in operations(client) if each[0].startswith("/v1/") and "reload" not in each[0]]
    bodies = [(path, method, example_of(operation, document)) for path, method, operation, document in every]

    @settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(st.data())
    def run(data):
        path, method, example = data.draw(st.sampled_from(bodies))
        names = {name: data.draw(LIKELY.map(str) | st.text(min_size=1, max_size=9)) for name in NAMES}
        kept = {name: data.draw(st.sampled_from([NAMES[name], names[name]])) for name in NAMES}
        url = path.format(**{name: quoted(value) for name, value in kept.items()})
        body = data.draw(damaged(example)) if example is not None else None
        content = None if body is None else json.dumps(body).encode()
        reply = client.request(method, url, content=content, headers={"Content-Type": "application/json"})
        assert reply.status_code in DOCUMENTED, (method, url, content, reply.text)
        if reply.status_code >= 400:
            assert reply.headers["content-type"] == "application/problem+json", (method, url)
            assert reply.json()["status"] == reply.status_code

    run()


def quoted(value):
    from urllib.parse import quote

    return quote(value.encode("utf-8", "replace"), safe="") or "x"


def test_damaged_bodies_are_answered_by_documented_problems(client):
    check(client, 0, 60)


@pytest.mark.slow
def test_five_thousand_damaged_bodies(client):
    check(client, 1, 5_000)
