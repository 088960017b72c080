"""Compaction keeps what is written while it works."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import FashionHashError
from fashion_hash.live import compaction
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import World, new_bundle


def test_what_is_written_during_a_compaction_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process adds, removes and changes once the new files are written and before they count."""
    bundle, rng = new_bundle(tmp_path / "bundle"), np.random.default_rng(0)
    world, recommender, other = World(bundle), Recommender.load(bundle.path), Recommender.load(bundle.path)
    world.outfits["before"] = {"top": "top-1", "shoe": "shoe-1"}
    recommender.add_outfits({"before": world.outfits["before"]})
    write = compaction.write_generation

    def write_and_be_overtaken(*arguments: Any) -> Path:
        path = write(*arguments)
        other.add_items([world.new_item(rng, "top", "late")])  # the first line of the log behind the compaction
        world.outfits["meanwhile"] = {"top": "late", "shoe": "shoe-1"}
        other.add_outfits({"meanwhile": world.outfits["meanwhile"]})
        del world.outfits["before"]
        other.remove_outfits(["before"])
        return path

    monkeypatch.setattr(compaction, "write_generation", write_and_be_overtaken)
    assert recommender.compact()
    monkeypatch.undo()
    for reader in (recommender, other, Recommender.load(bundle.path)):
        snapshot = reader.live.now()
        assert (snapshot.base.generation, snapshot.num_changes) == (1, 3)
        world.check(reader, rng)
    assert recommender.compact()
    assert not recommender.compact()
    world.check(recommender, rng)
    assert recommender.live.now().num_changes == 0


def test_a_change_that_goes_first_is_not_folded_twice(tmp_path: Path) -> None:
    """The lines that a compaction has folded are gone, the others stay: nothing is applied twice."""
    bundle, rng = new_bundle(tmp_path / "bundle"), np.random.default_rng(1)
    world, recommender = World(bundle), Recommender.load(bundle.path)
    for turn in range(3):
        name = f"new-{turn}"
        world.outfits[name] = {"bottom": "bottom-2", "shoe": f"shoe-{turn}"}
        recommender.add_outfits({name: world.outfits[name]})
        assert recommender.compact()
        snapshot = Recommender.load(bundle.path).live.now()
        assert (snapshot.base.generation, snapshot.num_changes) == (turn + 1, 0)
        world.check(recommender, rng)


def test_removed_ids_are_not_suggested_after_a_compaction(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)
    recommender.add_items([{"item_id": "anorak-blue", "type": "top", "code": np.ones((2, 16))}])
    recommender.remove_items({"top": ["anorak-blue", "top-1"]})
    for _ in range(2):
        reader = Recommender.load(bundle.path)
        assert not {"anorak-blue", "top-1"} & set(reader.live.now().bundle.items["top"].all())
        for ask in (
            lambda asked: asked.similar_items("anorak-blu"),
            lambda asked: asked.remove_items({"top": ["anorak-blu"]}),
            lambda asked: asked.add_user("new", liked=[{"top": "anorak-blu"}]),
            lambda asked: asked.compose("user-0", include={"top": ["anorak-blu"]}),
        ):
            with pytest.raises(FashionHashError, match="anorak-blu") as caught:
                ask(reader)
            assert "anorak-blue" not in str(caught.value)
        reader.compact()
