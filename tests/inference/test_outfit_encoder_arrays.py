"""The outfit encoder without torch equals the one with torch, and an outfit always has the same bits."""

import json

import numpy as np
import pytest
import torch

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import write_bundle
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.vectors import nearness
from fashion_hash.index.outfit_vectors import outfit_vectors, real_vectors
from fashion_hash.models.outfit_encoder import SetEncoder
from tests.worlds.encoder_bundles import encoder_bundle, encoder_contents, random_encoder

FORMS = [{"distance": "euclidean"}, {"distance": "cosine"}, {"output": "bits"}]
SLOTS = ("top", "top", "bottom", "shoe", "shoe")


@pytest.mark.parametrize("size", [(8, 16, 1, 1), (16, 8, 2, 3), (12, 24, 0, 5), (8, 8, 3, 8)])
def test_vectors_are_those_of_torch(size):
    width, num_bits, blocks, slots = size
    rng = np.random.default_rng(slots)
    encoder = random_encoder(rng, ["top"], width, num_bits, blocks, spread=0.6)
    network = SetEncoder(width, num_bits, encoder.num_heads, blocks, 2 * width, 0.5).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in encoder.weights.items()})
    tokens = rng.normal(0, 2, (700, slots, width)).astype(np.float32)
    mask = rng.random((700, slots)) < 0.6
    tokens[~mask] = 0
    with torch.no_grad():
        expected = network(torch.from_numpy(tokens), torch.from_numpy(mask)).numpy()
    vectors = encoder.vectors(tokens, mask)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=2e-4, rtol=1e-3)
    assert not encoder.vectors(tokens, np.zeros_like(mask)).any()


@pytest.mark.parametrize("form", FORMS)
def test_an_outfit_has_the_same_bits_alone_among_others_and_in_any_slots(tmp_path, form):
    bundle = encoder_bundle(tmp_path / "b", slots=SLOTS, num_items=40, num_bits=64, width=32, **form)
    rng = np.random.default_rng(0)
    items = np.stack([rng.integers(0, 40, 300) for _ in SLOTS], axis=1)
    items[rng.random(items.shape) < 0.3] = -1
    together = outfit_vectors(bundle, items)
    alone = np.concatenate([outfit_vectors(bundle, outfit[None]) for outfit in items])
    swapped = outfit_vectors(bundle, items[:, [1, 0, 2, 4, 3]])
    assert together.tobytes() == alone.tobytes() == swapped.tobytes()
    user = bundle.user_keys[1]
    scores = nearness(bundle, user, together)
    assert scores.tobytes() == np.concatenate([nearness(bundle, user, outfit[None]) for outfit in together]).tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_nearness_is_minus_the_scaled_distance(tmp_path, form):
    bundle = encoder_bundle(tmp_path / "b", **form)
    items = np.array([[0, 3, 1], [2, -1, 4]])
    kept = outfit_vectors(bundle, items)
    for user in bundle.user_keys:
        for outfit, near in zip(real_vectors(bundle, kept).astype(float), nearness(bundle, user, kept)):
            if form.get("output") == "bits":
                expected = 3.0 * sum(a != b for a, b in zip(outfit, user)) / 16
            elif form["distance"] == "cosine":
                expected = 3.0 * (1 - outfit @ user / np.linalg.norm(outfit) / np.linalg.norm(user))
            else:
                expected = 3.0 * sum((outfit - user) ** 2)
            assert near == pytest.approx(-expected, abs=1e-6)
    assert kept.dtype == (np.uint8 if form.get("output") == "bits" else np.float32)


def test_a_bundle_gives_back_what_was_written(tmp_path):
    contents = encoder_contents(slots=SLOTS, width=12)
    bundle = write_bundle(tmp_path / "b", contents)
    written, read = contents.encoder, bundle.encoder
    assert {name: array.tobytes() for name, array in read.weights.items()} == {
        name: array.tobytes() for name, array in written.encoder.weights.items()
    }
    assert (read.num_heads, read.distance, read.output, read.scale) == (2, "euclidean", "float", 3.0)
    assert bundle.user_keys.tobytes() == written.user_vectors.tobytes()
    for item_type in bundle.types:
        assert bundle.encoded_items[item_type].tobytes() == written.items[item_type].tobytes()
        assert read.type_tokens[item_type].tobytes() == written.encoder.type_tokens[item_type].tobytes()
    assert bundle.answers["pool"] == "exact, outfit vectors"
    assert bundle.answers["compose"] == "shortlist and re-rank"


@pytest.mark.parametrize("name", ["encoder/weights.safetensors", "encoder/users.npy", "encoder/encoder.json"])
def test_a_missing_or_changed_file_is_named(tmp_path, name):
    bundle = encoder_bundle(tmp_path / "b")
    file = bundle.path / name
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} does not match its checksum"):
        Bundle.open(bundle.path)
    file.unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.open(bundle.path, verify=False)


def test_an_encoder_that_is_not_as_described_is_refused(tmp_path):
    bundle = encoder_bundle(tmp_path / "b")
    path = bundle.path / "encoder/encoder.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "width": 9, "num_bits": 16}).ljust(path.stat().st_size)[: path.stat().st_size])
    with pytest.raises(BundleError, match="no readable outfit encoder"):
        Bundle.open(bundle.path, verify=False)


def test_codes_of_another_encoder_are_refused(tmp_path):
    contents = encoder_contents()
    contents.user_codes[0, 0] *= -1
    with pytest.raises(BundleError, match="codes in user_codes are not those of the outfit encoder"):
        write_bundle(tmp_path / "b", contents)
    assert not (tmp_path / "b").exists()
