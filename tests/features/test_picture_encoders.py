"""Every encoder of pictures by its name, behind one contract."""

import io

import numpy as np
import pytest
from PIL import Image

from fashion_hash.config.network import ImageConfig
from fashion_hash.encoders.clip import ClipEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.errors import ConfigError, FeatureError
from fashion_hash.features.backbone import build_backbone
from fashion_hash.features.extraction import extract_features, picture_encoder, read_table
from fashion_hash.features.picture_encoders import BackboneEncoder, open_picture_encoder

NAME, SIZE = "mobilenet_v3_small", 64


def picture(shade):
    """The bytes of a file."""
    file = io.BytesIO()
    Image.new("RGB", (50, 40), (shade, 90, 7)).save(file, "PNG")
    return file.getvalue()


def test_a_network_of_torchvision_keeps_the_contract(drawn, tmp_path):
    encoder = open_picture_encoder(NAME, "random", SIZE, seed=1)
    assert isinstance(encoder, BackboneEncoder)
    vectors = encoder.encode_pictures([picture(10), None, picture(200)])
    assert vectors.shape == (3, encoder.dim) == (3, 1024)
    assert vectors.dtype == np.float32
    assert vectors[1].tolist() == [0] * 1024
    assert encoder.encode_pictures([]).shape == (0, 1024)
    with pytest.raises(FeatureError, match="cannot decode a picture of 4 bytes"):
        encoder.encode_pictures([picture(1), b"none"])
    assert encoder.fingerprint == build_backbone(NAME, "random", seed=1).fingerprint(SIZE)
    extract_features(drawn, build_backbone(NAME, "random", seed=1), tmp_path / "store", SIZE)
    expected = read_table(drawn, tmp_path / "store").features["bag"][3]
    [found] = encoder.encode_pictures([(drawn.content.pictures / "b3.png").read_bytes()])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_names_of_encoders():
    assert isinstance(open_picture_encoder("descriptors"), DescriptorEncoder)
    clip = open_picture_encoder("open_clip/ViT-B-32", "random")
    assert isinstance(clip, ClipEncoder)
    assert (clip.model, clip.weights) == ("ViT-B-32", None)
    assert open_picture_encoder("open_clip/ViT-B-32").weights == "openai"
    assert open_picture_encoder("open_clip/ViT-B-32", "mine.pt").weights == "mine.pt"
    with pytest.raises(ConfigError, match=r"unknown encoder 'resnt18'.*nearest: .*'resnet18'"):
        open_picture_encoder("resnt18")
    with pytest.raises(ConfigError, match="has no weights, got 'hub'"):
        open_picture_encoder("descriptors", "hub")


def test_the_encoder_of_a_configuration():
    assert isinstance(picture_encoder(ImageConfig(encoder="descriptors"), 0), DescriptorEncoder)
    assert picture_encoder(ImageConfig(encoder="open_clip/RN50", weights="random"), 0).name.startswith("open_clip RN50")
    assert picture_encoder(ImageConfig(backbone=NAME, weights="random", size=SIZE), 0).name == f"{NAME} at {SIZE} px"
