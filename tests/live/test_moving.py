"""Open Recommenders move over to a new generation by themselves, and what they acknowledge is in the current one."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.errors import BundleError
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import add_generation, generations


def test_the_next_question_is_answered_by_the_new_generation(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    reader = Recommender.load(path)
    old, anonymous = reader.recommend("user-0", 5), reader.recommend(None, 5)
    held = reader.live.now()  # an answer that is not finished
    reader.compose("user-0", 1)
    new = add_generation(path, seed=2)
    fresh = Recommender.load(path)
    assert reader.recommend("user-0", 5).scores.tolist() == fresh.recommend("user-0", 5).scores.tolist()
    assert reader.recommend("user-0", 5).scores.tolist() != old.scores.tolist()
    assert reader.recommend(None, 5).scores.tolist() != anonymous.scores.tolist()
    assert reader.compose("user-0", 1).hits[0].items == fresh.compose("user-0", 1).hits[0].items
    assert reader.bundle.fingerprint == new.fingerprint
    assert generations(path) == ["1", "2"]
    assert held.ids.at([0, 1])
    del held
    add_generation(path, seed=3)
    assert generations(path) == ["2", "3"]
    assert len(reader.recommend("user-0", 5).ids) == len(fresh.recommend("user-0", 5).ids) == 5
    del new
    add_generation(path, seed=4)
    assert generations(path) == ["3", "4"]


def test_the_last_reader_to_move_over_removes_the_old_generation(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    readers = [Recommender.load(path), Recommender.load(path)]
    readers[0].add_user("eve", liked=[{"top": "top-1"}])
    assert readers[1].recommend("eve", 5).personal
    add_generation(path, seed=2)
    for reader, left in zip(readers, (["1", "2"], ["2"])):
        reader.recommend(None, 1)
        assert generations(path) == left


def test_a_change_to_a_generation_that_is_not_current_is_made_to_the_current_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    writer, stale = Recommender.load(path), LiveCatalogue(path)
    writer.add_outfits({"one": {"top": "top-1"}})
    generation = writer._now()
    add_generation(path, seed=2)
    with pytest.raises(BundleError, match="another generation"), stale.writing():
        pass
    fresh_code = np.ones((1, 16))
    assert writer.live.bundle.path.name == "2"
    for number, write in enumerate(
        [
            lambda: writer.add_outfits({"two": {"top": "top-1"}}),
            lambda: writer.add_user("eve", liked=[{"top": "top-1"}]),
            lambda: writer.update_user("user-1", liked=[{"top": "top-1"}]),
            lambda: writer.remove_outfits(["outfit-000001"]),
            lambda: writer.remove_items({"top": ["top-3"]}),
            lambda: writer.add_items([{"item_id": "new", "type": "top", "code": fresh_code}]),
        ]
    ):
        writer._open = writer._open[0], generation  # as if it had looked just before the switch
        write()
        assert writer._open[1].live.bundle.path.name == "2", number
    reader = Recommender.load(path)
    assert reader.outfit("two") == {"top": "top-1"}
    assert reader.recommend("eve", 1).personal
    assert "new" in reader.bundle.items["top"]
    assert "top-3" not in reader.bundle.items["top"]
    writer._open = writer._open[0], generation
    assert writer.compact()
    assert len(Recommender.load(path)) == len(writer)
