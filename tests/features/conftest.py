"""A data set of drawn pictures, made by hand."""

import numpy as np
import pytest
from PIL import Image

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content, Dataset, Split

SLOTS = ("top", "top", "bag")
TITLES = ["red silk shirt", "blue denim shirt", "", "black leather bag", "brown leather bag"]


@pytest.fixture
def drawn(tmp_path):
    """Eight tops and five bags as PNG files; one top without a picture, one bag cut short."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    items = {
        "top": Vocabulary([f"t{i}.png" for i in range(8)], "top"),
        "bag": Vocabulary([f"b{i}.png" for i in range(5)], "bag"),
    }
    draw = np.random.default_rng(1)
    for vocabulary in items.values():
        for one in vocabulary:
            Image.fromarray(draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / one)
    (folder / "t3.png").unlink()
    (folder / "b1.png").write_bytes((folder / "b1.png").read_bytes()[:300])
    details = {
        kind: {one: {"title": title} for one, title in zip(vocabulary, TITLES)} for kind, vocabulary in items.items()
    }
    train = Outfits.of(SLOTS, [0, 0, 1, 1], [[0, 1, 0], [2, -1, 1], [3, -1, 0], [4, 5, 2]])
    test = Outfits.of(SLOTS, [1], [[6, 7, 3]])
    splits = {"train": Split(train), "test": Split(test)}
    return Dataset("drawn", SLOTS, Vocabulary("uv", "user"), items, splits, Content(folder, None, details))
