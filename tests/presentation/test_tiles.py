"""What a page or sheet shows of a user's history."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.index.build import build_index
from fashion_hash.presentation.page import write_page
from fashion_hash.presentation.tiles import outfit_view
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "bottom")


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """user-0 likes eight outfits, user-1 three, the others none."""
    history = Outfits.of(SLOTS, [0] * 8 + [1] * 3, np.arange(22).reshape(11, 2))
    bundle = random_bundle(tmp_path_factory.mktemp("bundles") / "bundle", slots=SLOTS, history=history)
    build_index(bundle, random_pool(bundle, 40))
    return Recommender.load(bundle.path)


@pytest.mark.parametrize("at_most", [0, 1, 3, 7, 8, 9])
def test_at_most_so_many_liked_outfits_are_shown(recommender: Recommender, at_most: int) -> None:
    view = outfit_view(recommender, "user-0", [], at_most_liked=at_most)
    liked = recommender.liked("user-0")
    assert view.num_liked == len(liked) == 8
    shown = [{tile.slot: tile.item_id for tile in outfit} for outfit in view.liked]
    assert shown == liked[:at_most]


def test_six_unless_told_otherwise(recommender: Recommender, tmp_path: Path) -> None:
    views = [outfit_view(recommender, user, []) for user in ("user-0", "user-1", "user-2")]
    assert [(len(view.liked), view.num_liked) for view in views] == [(6, 8), (3, 3), (0, 0)]
    write_page(views, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count(">6 of 8<") == page.count(">3 of 3<") == 1


def test_liked_outfits_of_removed_items_are_not_shown(tmp_path: Path) -> None:
    history = Outfits.of(SLOTS, [0] * 4, np.arange(8).reshape(4, 2))
    bundle = random_bundle(tmp_path / "bundle", slots=SLOTS, history=history)
    build_index(bundle, random_pool(bundle, 40))
    recommender = Recommender.load(bundle.path)
    gone, *rest = recommender.liked("user-0")
    recommender.remove_items({"top": [gone["top"]]})
    view = outfit_view(recommender, "user-0", [], at_most_liked=3)
    assert [{tile.slot: tile.item_id for tile in outfit} for outfit in view.liked] == rest
    assert view.num_liked == 4
