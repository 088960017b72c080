"""A generation that cannot be opened is refused: the one before goes on answering, and nothing is written to it."""

from __future__ import annotations

import logging

import pytest

from fashion_hash.errors import BundleError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import add_generation


def test_the_generation_before_answers_until_a_good_one_comes(tmp_path, caplog):
    path = tmp_path / "bundle"
    add_generation(path)
    recommender = Recommender.load(path)
    before = recommender.recommend("user-1", 5).ids.tolist()
    broken = add_generation(path, seed=1).path / "codes/users.npy"
    content = broken.read_bytes()
    broken.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert recommender.recommend("user-1", 5).ids.tolist() == before
    assert len(caplog.records) == 1
    assert "does not match its checksum" in caplog.text
    with pytest.raises(BundleError, match="another generation"):
        recommender.add_user("new")
    add_generation(path, seed=2)
    expected = Recommender.load(path).recommend("user-1", 5).ids.tolist()
    assert recommender.recommend("user-1", 5).ids.tolist() == expected
    recommender.add_user("new")
