"""Titles as vectors: near titles near, plain files, no torch."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fashion_hash.encoders.titles import TitleVectors
from fashion_hash.errors import FeatureError

TITLES = [
    "red silk dress",
    "red cotton dress",
    "blue denim jeans",
    "black denim jeans",
    "white leather sneaker",
    "brown leather boots",
    "",
    "冬のコート 黒",
]


@pytest.fixture(scope="module")
def encoder():
    return TitleVectors.fit(TITLES, dim=6, seed=1)


def test_titles_that_share_words_are_near(encoder):
    vectors, known = encoder.encode(["red dress", "red silk dress", "denim jeans"])
    assert known.all()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_a_misspelt_word_is_still_read(encoder):
    vectors, known = encoder.encode(["sneakr", "white leather sneaker", "red silk dress"])
    assert known[0]
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_empty_and_foreign_titles_are_unknown(encoder):
    vectors, known = encoder.encode(["", "  ", "zzqqx", "red"])
    assert known.tolist() == [False, False, False, True]
    assert not vectors[:3].any()
    vectors, known = encoder.encode([])
    assert (vectors.shape, known.shape) == ((0, 6), (0,))


def test_one_title_answers_like_many(encoder):
    vectors, _ = encoder.encode(TITLES)
    for title, vector in zip(TITLES, vectors):
        np.testing.assert_array_equal(encoder.encode([title])[0][0], vector)


def test_dim_is_bounded_by_what_there_is():
    assert TitleVectors.fit(["red dress", "blue dress"], dim=256).dim == 2


def test_saved_and_loaded_encodes_the_same(tmp_path, encoder):
    encoder.save(tmp_path / "titles")
    loaded = TitleVectors.load(tmp_path / "titles")
    for one, same in zip(encoder.encode([*TITLES, "gold"]), loaded.encode([*TITLES, "gold"])):
        np.testing.assert_array_equal(one, same)
    assert not [path for path in (tmp_path / "titles").iterdir() if path.suffix not in (".json", ".npy")]


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "two"):
        TitleVectors.fit(TITLES, dim=4, seed=7).save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_no_words_at_all():
    with pytest.raises(FeatureError, match="none of the 3 titles contains a word"):
        TitleVectors.fit(["", " ", "!"], dim=4)


def test_broken_folders_say_so(tmp_path, encoder):
    with pytest.raises(FeatureError, match="nowhere does not hold a readable title encoder"):
        TitleVectors.load(tmp_path / "nowhere")
    encoder.save(tmp_path / "titles")
    np.save(tmp_path / "titles" / "components.npy", np.zeros((6, 3), dtype=np.float32))
    with pytest.raises(FeatureError, match=r"components\.npy holds float32 of shape \(6, 3\)"):
        TitleVectors.load(tmp_path / "titles")
    manifest = tmp_path / "titles" / "titles.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 9}))
    with pytest.raises(FeatureError, match=r"version 9; this release reads .* version 1"):
        TitleVectors.load(tmp_path / "titles")


def test_needs_no_torch():
    code = "import sys, fashion_hash.encoders.titles; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
