"""One small bundle that a service answers from; tests that write make their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from tests.worlds.live_world import new_bundle


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("serving") / "bundle"
    new_bundle(path)
    with TestClient(create_app(Models.open([str(path)]))) as client:
        yield client
