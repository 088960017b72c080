"""Readers, writers and retrains together: no error, no lost change, every answer of one generation."""

import sys
from pathlib import Path

import pytest

from tests.paths import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))

import nights
from soak_retrain import NUM_USERS, soak


@pytest.mark.slow  # switches of generations have ordinary tests in tests/retrieval/generations
@pytest.mark.parametrize("seconds", [3.0, 180.0])
def test_nothing_fails_is_lost_or_mixed(tmp_path: Path, seconds: float) -> None:
    figures = soak(tmp_path, seconds, every=0.5, items=40, outfits=200)
    assert (figures["errors"], figures["lost"], figures["mixed"]) == (0, 0, 0), figures.get("first", figures)
    assert figures["switches"] >= 1
    assert figures["answers"] > 10
    assert figures["changes"] > 3
    assert figures["generations left"] <= 2


@pytest.mark.slow
def test_nothing_fails_is_lost_or_mixed_while_the_nightly_commands_run(tmp_path: Path) -> None:
    nights.make_shop(tmp_path, 60, 300, NUM_USERS)
    figures = soak(tmp_path, 60.0, every=0.5, items=60, outfits=300)
    assert (figures["errors"], figures["lost"], figures["mixed"]) == (0, 0, 0), figures.get("first", figures)
    assert figures["switches"] >= 1
    assert figures["generations left"] <= 2
