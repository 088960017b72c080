"""Pictures: decoding whatever shops have, augmentation that can be repeated, and what is not there."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_hash.core.seeds import generator
from fashion_hash.errors import FeatureError
from fashion_hash.features.pictures import (
    GREY,
    View,
    decode_picture,
    load_pictures,
    picture_batches,
    random_views,
)


def encode(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def noise(seed, size=(40, 30)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def store():
    """Four pictures, one that is cut short and one that is not there."""
    pictures = {f"p{i}": encode(noise(i)) for i in range(4)}
    pictures["cut"] = encode(noise(9), "JPEG")[:200]
    return pictures


def test_a_plain_picture_keeps_its_pixels():
    image = noise(1, (8, 8))
    assert np.array_equal(decode_picture(encode(image), 8).permute(1, 2, 0).numpy(), np.asarray(image))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_rgb(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    encoded = encode(Image.new(mode, (5, 7)), form)
    assert decode_picture(encoded, 16).shape == (3, 16, 16)


def test_transparency_lies_on_white():
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (decode_picture(encode(image), 4) == 255).all()


def test_pictures_of_a_turned_camera_stand_upright():
    image = noise(2, (6, 6))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = decode_picture(encode(image.rotate(180), exif=exif), 6)
    assert torch.equal(turned, decode_picture(encode(image), 6))


def test_a_view_crops_and_mirrors():
    image = noise(3, (8, 8))
    seen = decode_picture(encode(image), 4, View(0.5, 0.0, 1.0, 0.5, mirrored=True))
    assert np.array_equal(seen.permute(1, 2, 0).numpy(), np.asarray(image)[:4, 4:][:, ::-1])


@pytest.mark.parametrize("encoded", [b"", b"not a picture", encode(noise(1), "JPEG")[:200], encode(noise(1))[:99]])
def test_broken_bytes_are_one_kind_of_error(encoded):
    with pytest.raises(FeatureError, match=f"cannot decode a picture of {len(encoded)} bytes"):
        decode_picture(encoded, 8)


def test_random_views_stay_inside_and_repeat():
    views = random_views(500, generator(1, "augmentation"))
    assert views == random_views(500, generator(1, "augmentation"))
    for view in views:
        assert 0 <= view.left < view.right <= 1
        assert 0 <= view.top < view.bottom <= 1
        assert (view.right - view.left) * (view.bottom - view.top) > 0.6
    assert 150 < sum(view.mirrored for view in views) < 350


def test_what_is_changed_can_be_chosen():
    whole = View()
    flipped, cropped = (random_views(200, generator(1), augment) for augment in ("flip", "crop"))
    assert {view._replace(mirrored=False) for view in flipped} == {whole}
    assert 50 < sum(view.mirrored for view in flipped) < 150
    assert not any(view.mirrored for view in cropped)
    assert all(view != whole for view in cropped)
    assert set(random_views(9, generator(1), False)) == {whole}


def test_missing_and_undecodable_are_grey_and_counted(store):
    batch = load_pictures(store, ["p0", "cut", "gone", "p1"], 16)
    assert batch.known.tolist() == [True, False, False, True]
    assert (batch.missing, batch.undecodable) == (["gone"], ["cut"])
    assert batch.pictures[1, :, 0, 0].tolist() == batch.pictures[2, :, 5, 5].tolist() == list(GREY)
    assert torch.equal(batch.pictures[3], decode_picture(store["p1"], 16))


def test_threads_change_nothing(store):
    keys = [f"p{i % 4}" for i in range(24)]
    views = random_views(len(keys), generator(3))
    alone = load_pictures(store, keys, 16, views)
    with ThreadPoolExecutor(4) as pool:
        together = load_pictures(store, keys, 16, views, pool)
    assert torch.equal(alone.pictures, together.pictures)
    assert not torch.equal(alone.pictures[0], alone.pictures[4])  # the same picture, another view


def test_batches_come_in_order(store):
    batches = [["p0", "p1"], [], ["gone", "p2"], ["p3"], ["cut"]]
    seen = list(picture_batches(store, batches, 8, threads=3))
    assert [list(batch.keys) for batch in seen] == batches
    for batch in seen:
        assert torch.equal(batch.pictures, load_pictures(store, batch.keys, 8).pictures)
