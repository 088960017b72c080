"""Readers, writers and retrains together: no error, no lost change, every answer of one generation."""

import sys
from pathlib import Path

import pytest

from tests.paths import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))

from soak_retrain import soak


@pytest.mark.parametrize("seconds", [3.0, pytest.param(180.0, marks=pytest.mark.slow)])
def test_nothing_fails_is_lost_or_mixed(tmp_path: Path, seconds: float) -> None:
    figures = soak(tmp_path, seconds, every=0.5, items=40, outfits=200)
    assert (figures["errors"], figures["lost"], figures["mixed"]) == (0, 0, 0), figures
    assert figures["switches"] >= 2
    assert figures["answers"] > 10
    assert figures["changes"] > 3
    assert figures["generations left"] <= 2
