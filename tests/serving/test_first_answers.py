"""A process that just started answers without compiled code, and what it answers is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.index import scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines import open as opening
from fashion_hash.index.engines.early import load_kernels
from fashion_hash.index.engines.factored import Factored
from fashion_hash.index.engines.open import are_kernels_deferred, defer_kernels
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

ANSWER = """
import sys
from fastapi.testclient import TestClient
from fashion_hash.index.engines.open import defer_kernels
from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models

defer_kernels()
with TestClient(create_app(Models.open([sys.argv[1]]))) as client:
    for path in ("/v1/users/user-0/outfits", "/v1/recommend"):
        assert client.post(path, json={"k": 5}).json()["outfits"], path
    assert client.get("/readyz").status_code == 200
assert "numba" not in sys.modules
"""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setattr(scoring, "SCAN_FROM", 0)
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 200))
    return bundle


def test_first_answers_load_no_compiled_code(bundle: Bundle) -> None:
    done = subprocess.run([sys.executable, "-c", ANSWER, str(bundle.path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_answers_are_the_same_with_kernels_and_without(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    defer_kernels()
    try:
        with monkeypatch.context() as patched:  # other tests may have loaded them
            patched.setattr(opening, "are_kernels_loaded", lambda: False)
            early = Recommender.load(bundle.path)
    finally:
        defer_kernels(False)
    assert not are_kernels_deferred()
    load_kernels()
    later = Recommender.load(bundle.path)
    assert isinstance(early.live.now().base.engine, Factored)
    assert isinstance(later.live.now().base.engine, SumScan)
    users = [bundle.users.id(row) for row in range(3)]
    assert early.answer_many(users, 20) == later.answer_many(users, 20)
