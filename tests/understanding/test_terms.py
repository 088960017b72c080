"""BM25 against bm25s, the library that the benchmarks of requests use."""

import bm25s
import numpy as np
import pytest

from fashion_hash.understanding.terms import K1, B, Terms, readable
from fashion_hash.understanding.words import read_words

TEXTS = {
    "top": ["red linen shirt", "Blue shirts, article B0012", "a red red dress", ""],
    "shoe": ["leather boots / red laces", "sandal of leather"],
}
WORDS = read_words()


@pytest.mark.parametrize("asked", ["red shirt", "leather", "b0012", "red red", "the boots of leather", "unknown"])
def test_shares_are_those_of_bm25s(asked):
    terms = Terms.of(TEXTS, WORDS)
    corpus = [[word for word in text] for text in _words([*TEXTS["top"], *TEXTS["shoe"]])]
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(corpus, show_progress=False)
    words = [word for word in dict.fromkeys(_words([asked])[0]) if word in index.vocab_dict]
    places = terms.asked(asked, WORDS)
    shares = np.concatenate([terms.shares(terms.by_type[name], places) for name in TEXTS])
    if not words:
        assert places == []
        assert not shares.any()
        return
    expected = index.get_scores(words) / terms.idf[places].sum()
    np.testing.assert_allclose(shares, expected, rtol=1e-5)


def _words(texts):
    simple = str.maketrans({",": " ", "/": " "})
    singulars = {"shirts": "shirt", "boots": "boot", "laces": "lace"}
    return [
        [singulars.get(word, word) for word in text.lower().translate(simple).split() if word not in WORDS.stop_tokens]
        for text in texts
    ]


def test_items_that_came_later_are_scored_as_if_they_had_been_there():
    terms = Terms.of(TEXTS, WORDS)
    late = terms.weights(["red linen shirt", "brand-new words"], WORDS)
    asked = terms.asked("a red shirt", WORDS)
    assert terms.shares(late, asked)[0] == terms.shares(terms.by_type["top"], asked)[0] > 0
    assert terms.shares(late, asked)[1] == 0


def test_a_catalogue_without_texts():
    terms = Terms.of({"top": ["", ""], "shoe": []}, WORDS)
    assert terms.asked("red", WORDS) == []
    assert terms.shares(terms.by_type["top"], []).tolist() == [0.0, 0.0]
    assert terms.by_type["shoe"].shape == (0, 0)


def test_what_can_be_read_of_an_item():
    assert readable("A b", {"title": "a B", "price": 4, "image": "a.jpg", "tags": ["x", "b", 3]}) == "A b / x"
    assert readable("", {}) == ""
