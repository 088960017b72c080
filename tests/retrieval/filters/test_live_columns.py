"""Filters that a live catalogue is asked again and again."""

from pathlib import Path

import pytest

from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle


def test_a_mask_that_is_kept_cannot_be_written_to(tmp_path: Path) -> None:
    live = Recommender.load(new_bundle(tmp_path / "bundle").path, engine="scan").live
    columns, snapshot = LiveColumns(live), live.now()
    chosen = columns.filter(snapshot, {"price": {"exists": False}})
    mask = columns.allowed(snapshot, chosen)
    assert 0 < mask.sum() < len(mask) == 60
    assert columns.allowed(snapshot, chosen) is mask
    with pytest.raises(ValueError, match="read-only"):
        mask[:] = True
