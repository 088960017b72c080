"""A service over a bundle with pictures, columns and words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from tests.worlds.pages_world import hostile_bundle, pages_bundle


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("pages") / "bundle"
    pages_bundle(path)
    with TestClient(create_app(Models.open([str(path)]))) as client:
        yield client


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("hostile") / "bundle"
    hostile_bundle(path)
    with TestClient(create_app(Models.open([str(path)]))) as client:
        yield client
