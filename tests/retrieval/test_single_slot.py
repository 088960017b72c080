"""A catalogue of single items: outfits of one slot, without pairs, through every door of the answering half."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_hash.commands.query import main
from fashion_hash.errors import QueryError
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.retrieval.pool.diversity import item_keys
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

COUNT = 30


@pytest.fixture
def recommender(tmp_path: Path) -> Recommender:
    """Thirty items of one type with a price each, every one an outfit of the pool."""
    details = {"item": {f"item-{row}": {"title": f"Item {row}", "price": float(row)} for row in range(COUNT)}}
    bundle = random_bundle(tmp_path / "b", slots=("item",), num_modalities=2, biased=True, details=details)
    build_index(bundle, random_pool(bundle, 200).distinct())
    build_partners(bundle)
    return Recommender.load(bundle.path)


def test_composing_is_ranking_the_items(recommender: Recommender) -> None:
    scores = {f"item-{row}": recommender.score("user-1", {"item": f"item-{row}"}) for row in range(COUNT)}
    best = sorted(scores, key=lambda one: (-scores[one].score, int(one[5:])))
    found = recommender.compose("user-1", 7)
    assert [hit.items for hit in found.hits] == [{"item": one} for one in best[:7]]
    assert [hit.score for hit in found.hits] == [scores[one].score for one in best[:7]]
    assert found.proven
    assert all(hit.compatibility == 0 for hit in found.hits)
    ids, pool_scores = recommender.recommend("user-1", 5, include_liked=True)
    assert pool_scores.tolist() == [scores[recommender.outfit(one)["item"]].score for one in ids]
    with pytest.raises(QueryError, match="nothing is left to choose"):
        recommender.complete("user-1", {"item": "item-0"})


def test_parts_add_up_without_a_pair(recommender: Recommender) -> None:
    why = recommender.explain("user-0", {"item": "item-3"})
    assert why.pairs == ()
    assert float(why.exact) == recommender.score("user-0", {"item": "item-3"}).score
    assert "item-3" in str(why)


def test_filters_caps_and_variety(recommender: Recommender) -> None:
    cheap = recommender.compose("user-2", 50, where={"price": {"<": 4}})
    assert sorted(hit.items["item"] for hit in cheap.hits) == ["item-0", "item-1", "item-2", "item-3"]
    assert cheap.shortfall is not None
    assert cheap.shortfall.items == {"item": (4, COUNT)}
    total = recommender.compose("user-2", 50, where={"total": {"price": {">": 27}}})
    assert sorted(hit.items["item"] for hit in total.hits) == ["item-28", "item-29"]
    hits = recommender.recommend("user-2", 10, diversity=0.5, max_per={"item": 1}, where={"price": {"<": 20}})
    items = [recommender.outfit(one)["item"] for one in hits.ids]
    assert len(set(items)) == len(items) == 10
    assert item_keys(("item",), np.array([[3], [-1]])).tolist() == [[3], [-1]]


def test_changes_and_new_people(recommender: Recommender) -> None:
    code = np.ones((2, 16), dtype=np.int8)
    recommender.add_items([{"item_id": "new", "type": "item", "code": code, "title": "New"}])
    recommender.add_outfits({"new": {"item": "new"}})
    assert recommender.outfit("new") == {"item": "new"}
    recommender.add_user("stranger", liked=["new", {"item": "item-5"}])
    assert {"new", "item-5"} <= {one["item"] for one in recommender.liked("stranger")}
    assert recommender.compose("stranger", 3).personal
    assert recommender.remove_items({"item": ["new"]}) == ["new"]
    assert recommender.compact()
    assert "new" not in [hit.items["item"] for hit in recommender.compose("stranger", 50).hits]


def test_sheet_page_and_command(recommender: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, page = tmp_path / "sheet.png", tmp_path / "page.html"
    path = str(recommender.bundle.path)
    assert main([path, "--user", "user-0", "-k", "3", "--sheet", str(sheet), "--page", str(page)]) == 0
    assert "best 3 of" in capsys.readouterr().out
    assert Image.open(sheet).height > 600
    assert page.read_text().count('class="term"') == 3  # taste alone: one piece goes with nothing
