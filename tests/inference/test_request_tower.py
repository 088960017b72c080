"""The request model of a bundle, on plain arrays."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.codes import pack
from fashion_hash.encoders import WordsEncoder
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.request_tower import RequestTower
from fashion_hash.inference.request_weights import RequestContents, TowerWeights, write_requests

TEXTS = [f"{colour} {what}" for colour in ("red", "blue", "green") for what in ("shirt", "trousers", "sandals", "coat")]


def random_requests(types: dict[str, int], users: int = 5, num_bits: int = 16, seed: int = 0) -> RequestContents:
    """A request model of random weights over so many items of each type; the last user is unknown."""
    rng = np.random.default_rng(seed)
    encoder = WordsEncoder.fit(TEXTS, 8)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    hidden, dim = 12, encoder.dim
    weights = TowerWeights(
        request_project=draw(num_bits, dim),
        request_mlp=(
            Layer(draw(hidden, 2 * num_bits), draw(hidden)),
            Layer(draw(num_bits, hidden), draw(num_bits)),
        ),
        gates=draw(2),
        item_project=draw(num_bits, dim),
        item_mlp=(Layer(draw(hidden, num_bits), draw(hidden)), Layer(draw(num_bits, hidden), draw(num_bits))),
        taste_project=draw(num_bits, dim),
        no_text=draw(num_bits),
        no_taste=draw(num_bits),
        nobody=draw(num_bits),
        no_description=draw(num_bits),
        unknown_item=draw(num_bits),
        unknown_taste_item=draw(num_bits),
        slope=1.5,
        output="bits",
    )
    outputs = {item_type: draw(count, num_bits) for item_type, count in types.items()}
    tastes = {item_type: draw(count, num_bits) for item_type, count in types.items()}
    known = np.arange(users) < users - 1
    return RequestContents(tuple(types), encoder, weights, outputs, tastes, draw(users, num_bits), known)


@pytest.fixture
def contents() -> RequestContents:
    return random_requests({"top": 7, "jeans/denim": 3})


@pytest.fixture
def tower(contents: RequestContents, tmp_path: Path) -> RequestTower:
    write_requests(tmp_path / "requests", contents)
    return RequestTower.open(tmp_path / "requests")


def test_what_was_written_is_read(tower: RequestTower, contents: RequestContents) -> None:
    assert tower.types == ("top", "jeans/denim")
    assert tower.encoder.fingerprint == contents.encoder.fingerprint
    for item_type in tower.types:
        np.testing.assert_array_equal(tower.item_codes[item_type], pack(contents.item_outputs[item_type]))
        floats = np.tanh(1.5 * contents.item_outputs[item_type])
        np.testing.assert_allclose(tower.item_vectors[item_type], floats, atol=1e-3)
    assert tower.taste_of_user(4) is None
    np.testing.assert_array_equal(tower.taste_of_user(2), contents.user_tastes[2])


def test_a_request_is_the_formula(tower: RequestTower, contents: RequestContents) -> None:
    weights, taste = contents.weights, np.arange(16, dtype=np.float32)
    asked = tower.request(["blue shirt"], [taste])
    q = weights.request_project @ contents.encoder.encode_texts(["blue shirt"])[0]
    first, second = weights.request_mlp
    hidden = np.maximum(first.weight @ np.concatenate([q, taste]) + first.bias, 0)
    p = weights.gates[0] * q + weights.gates[1] * taste + second.weight @ hidden + second.bias
    np.testing.assert_array_equal(asked.bits[0], np.where(p >= 0, 1, -1))
    np.testing.assert_allclose(asked.floats[0], np.tanh(1.5 * p), atol=1e-5)
    assert asked.by_text.all()
    assert asked.by_taste.all()


def test_unknown_words_count_as_none(tower: RequestTower) -> None:
    taste = tower.taste_of_user(0)
    asked = tower.request(["qwertz 数据", "", None, "the of"], [taste] * 4)
    assert not asked.by_text.any()
    assert asked.by_taste.all()
    assert (asked.floats == asked.floats[0]).all()
    assert tower.words("Blue qwertz the shirt") == (("blue", "shirt"), ("qwertz",))


def test_many_requests_are_as_one_by_one(tower: RequestTower) -> None:
    texts, tastes = ["red coat", None, "green sandals"], [None, tower.taste_of_user(1), tower.taste_of_user(2)]
    together = tower.request(texts, tastes)
    for row in range(3):
        alone = tower.request(texts[row : row + 1], tastes[row : row + 1])
        np.testing.assert_array_equal(together.floats[row], alone.floats[0])
    assert together.by_taste.tolist() == [False, True, True]


def test_taste_is_the_mean_of_what_was_engaged_with(tower: RequestTower, contents: RequestContents) -> None:
    taste = tower.taste_of({"top": [0, 3], "jeans/denim": [2]})
    rows = [contents.item_tastes["top"][0], contents.item_tastes["top"][3], contents.item_tastes["jeans/denim"][2]]
    np.testing.assert_allclose(taste, np.mean(rows, axis=0) + contents.weights.nobody, rtol=1e-5)
    assert tower.taste_of({"top": []}) is None
    with pytest.raises(QueryError, match=r"no item type 'tpo'.*nearest: 'top'"):
        tower.taste_of({"tpo": [1]})


def test_new_items_have_codes(tower: RequestTower, contents: RequestContents) -> None:
    items = tower.items(["red shirt", "", None])
    assert items.bits.shape == (3, 16)
    assert items.tastes.shape == (3, 16)
    np.testing.assert_array_equal(items.bits[1], items.bits[2])
    np.testing.assert_allclose(items.tastes[1], contents.weights.unknown_taste_item)


def test_bad_requests(tower: RequestTower) -> None:
    with pytest.raises(QueryError, match="1 tastes for 2 texts"):
        tower.request(["a", "b"], [None])
    with pytest.raises(QueryError, match=r"taste 1 has shape \(3,\), but this model takes \(16,\)"):
        tower.request(["a", "b"], [None, np.zeros(3)])
    assert tower.request([]).bits.shape == (0, 16)


def test_another_encoder_is_refused_and_both_are_named(tower: RequestTower) -> None:
    other = WordsEncoder.fit(["some other words", "than before"], 8)
    with pytest.raises(BundleError, match=f"{tower.encoder.fingerprint}.*{other.fingerprint}"):
        RequestTower.open(tower.path, encoder=other)
    assert RequestTower.open(tower.path, encoder=tower.encoder).encoder is tower.encoder


def test_broken_folders(tower: RequestTower, contents: RequestContents, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot answer requests in words"):
        RequestTower.open(tmp_path / "nothing")
    (tower.path / "tower.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(BundleError, match=r"tower\.safetensors holds no readable request model"):
        RequestTower.open(tower.path)
    contents.item_outputs["top"][0, 0] = np.nan
    with pytest.raises(BundleError, match=r"item_outputs\['top'\].*not finite"):
        write_requests(tmp_path / "other", contents)
    assert not (tmp_path / "other").exists()
