"""The encoder of pictures without weights: the garment is seen, not its background; equal bytes give equal vectors."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from fashion_hash.data.stores.decoding import decode
from fashion_hash.encoders.pictures.descriptors import (
    LENGTHS,
    WEIGHTS,
    DescriptorEncoder,
    _left_half,
    describe,
    describe_parts,
)
from fashion_hash.encoders.pictures.foreground import foreground
from fashion_hash.errors import FeatureError, MissingExtraError
from tests.paths import PROJECT

SHAPES = {
    "shirt": [(60, 60), (120, 40), (180, 60), (220, 130), (190, 145), (175, 110), (175, 215), (65, 215), (65, 110)],
    "trousers": [(80, 30), (160, 30), (190, 220), (145, 220), (120, 90), (95, 220), (50, 220)],
    "skirt": [(85, 70), (155, 70), (215, 200), (25, 200)],
}


def garment(shape: str, colour="navy", background="white", mirrored=False) -> Image.Image:
    """A flat garment of 240 x 240 pixels."""
    picture = Image.new("RGB", (240, 240), background)
    ImageDraw.Draw(picture).polygon(SHAPES[shape], fill=colour)
    return ImageOps.mirror(picture) if mirrored else picture


def encoded(picture: Image.Image, form="PNG") -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def test_a_vector_is_of_length_one_and_always_the_same():
    encoder = DescriptorEncoder()
    pictures = [encoded(garment("shirt")), None, encoded(garment("skirt", "red", "grey"), "JPEG")]
    vectors = encoder.encode_pictures(pictures)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, encoder.dim)
    assert encoder.dim == sum(LENGTHS.values()) == 1704
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1], atol=1e-6)
    assert encoder.encode_pictures(pictures[::-1])[::-1].tobytes() == vectors.tobytes()
    assert encoder.encode_pictures([]).shape == (0, encoder.dim)


@pytest.mark.parametrize("background", ["white", "black", "burlywood", "crimson"])
def test_the_garment_is_found_on_any_background(background):
    from skimage.color import rgb2lab

    picture = garment("shirt", "seagreen", background).resize((64, 64))
    drawn = np.asarray(garment("shirt", "white", "black").resize((64, 64)).convert("L")) / 255
    mask = foreground(rgb2lab(np.asarray(picture)))
    assert mask.shape == (64, 64)
    assert mask[drawn > 0.99].mean() > 0.9
    assert mask[drawn < 0.01].mean() < 0.1


def test_shape_counts_more_than_background_and_colour():
    shirt = describe(garment("shirt", "navy", "white"))
    other_background = describe(garment("shirt", "navy", "burlywood"))
    other_colour = describe(garment("shirt", "crimson", "white"))
    trousers = describe(garment("trousers", "navy", "white"))
    assert shirt @ other_background > 0.95
    assert shirt @ other_background > shirt @ other_colour > shirt @ trousers


def test_a_mirrored_picture_has_the_same_vector():
    slanted = garment("trousers").transform(
        (240, 240), Image.Transform.AFFINE, (1, 0.3, -30, 0, 1, 0), fillcolor="white"
    )
    same = describe(slanted) @ describe(ImageOps.mirror(slanted))
    assert same > 0.98
    assert describe_parts(slanted)["outline"].size == LENGTHS["outline"]


@pytest.mark.parametrize("columns", [4, 5, 1])
def test_the_half_that_is_kept_has_the_distances_of_the_whole(columns):
    fields = np.random.default_rng(0).normal(size=(2, 4, columns, 3))
    first, second = (fields + fields[:, :, ::-1]) / 2
    kept = _left_half(first) - _left_half(second)
    assert len(kept) == 4 * ((columns + 1) // 2) * 3
    assert np.linalg.norm(kept) == pytest.approx(np.linalg.norm(first - second))


@pytest.mark.parametrize(("mode", "size"), [("RGB", (5, 3)), ("L", (1, 1)), ("RGB", (900, 2))])
def test_pictures_without_a_garment_have_vectors_too(mode, size):
    vector = describe(Image.new(mode, size))
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_what_is_not_a_picture_is_an_error():
    with pytest.raises(FeatureError, match="cannot decode a picture of 6 bytes"):
        DescriptorEncoder().encode_pictures([b"<html>"])


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("fashion_hash.core.extras.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=r"`descriptors` needs skimage.*fashion_hash\[descriptors\]"):
        DescriptorEncoder().encode_pictures([encoded(garment("skirt"))])


def test_saved_is_its_name_and_fingerprint(tmp_path):
    encoder = DescriptorEncoder()
    encoder.save(tmp_path / "encoder")
    said = json.loads((tmp_path / "encoder/encoder.json").read_text())
    assert (said["kind"], said["dim"], said["fingerprint"]) == ("descriptors", 1704, encoder.fingerprint)
    assert set(WEIGHTS) == set(LENGTHS)


@pytest.mark.data
@pytest.mark.slow
def test_photographs_of_ten_types_are_told_apart(photos_root, capsys):
    sys.path.append(str(PROJECT / "benchmarks"))
    import bench_descriptors

    bench_descriptors.main([str(photos_root), "--json", "--seeds", "1"])
    accuracy = json.loads(capsys.readouterr().out)["accuracy"]
    assert accuracy["descriptors"][0] >= 0.60
    assert accuracy["codes of 128 bits"][0] >= 0.55
    assert accuracy["descriptors"][0] > accuracy["plain HOG"][0] + 0.1


@pytest.mark.data
def test_a_few_photographs_are_told_apart(photos_root):
    with open(photos_root / "items.csv", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["type"] in ("pants", "t-shirt", "skirt")]
    rows = [row for number, row in enumerate(rows) if number % 11 == 0]  # ten of each type
    types = np.array([row["type"] for row in rows])
    vectors = np.stack([describe(decode((photos_root / row["image"]).read_bytes())) for row in rows])
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1)
    assert (types[similar.argmax(axis=1)] == types).mean() > 0.7
