"""Batches of pixels from encoded pictures, with or without augmentation.

Shapes: N pictures, size x size pixels.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps

from fashion_hash.data.stores.decoding import decoded
from fashion_hash.errors import FeatureError

GREY = (124, 116, 104)  # the mean colour of ImageNet, in place of a missing picture

SMALLEST = 0.7  # share of a picture's area that a crop keeps at least


class Pictures(Protocol):
    """A source of encoded pictures, such as fashion_hash.data.stores.pictures.PictureStore."""

    def get(self, key: str) -> bytes | None:
        """The encoded picture of an item, or None if it has none."""


class View(NamedTuple):
    """The visible part of a picture, in fractions of its width and height, and whether it is mirrored."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0
    mirrored: bool = False


class PictureBatch(NamedTuple):
    """Pictures of a batch of items, in the order of the keys.

    Attributes:
        keys: N item ids.
        pictures: (N, 3, size, size) uint8, RGB; plain grey for a missing picture.
        known: (N,) bool, False where the picture is missing or cannot be decoded.
        missing: the keys without a picture.
        undecodable: the keys whose picture cannot be decoded.
    """

    keys: Sequence[str]
    pictures: torch.Tensor
    known: np.ndarray
    missing: list[str]
    undecodable: list[str]


def random_views(
    count: int, generator: np.random.Generator, augment: bool | Literal["flip", "crop"] = True
) -> list[View]:
    """Augmentation: a random part of each picture, mirrored half of the time.

    Args:
        count: the number of pictures.
        generator: the source of randomness; the same state gives the same views.
        augment: "crop" mirrors none, "flip" keeps whole pictures, True does both, False neither.
    """
    smallest = SMALLEST if augment in (True, "crop") else 1.0
    area = generator.uniform(smallest, 1.0, count)
    aspect = np.exp(generator.uniform(-1.0, 1.0, count) * math.log(1.25)) if smallest < 1 else np.ones(count)
    width = np.minimum(np.sqrt(area * aspect), 1.0)
    height = np.minimum(np.sqrt(area / aspect), 1.0)
    left = generator.uniform(size=count) * (1.0 - width)
    top = generator.uniform(size=count) * (1.0 - height)
    mirrored = generator.integers(0, 2, count) if augment in (True, "flip") else np.zeros(count, dtype=np.int64)
    return [
        View(float(x), float(y), min(float(x + w), 1.0), min(float(y + h), 1.0), bool(m))
        for x, y, w, h, m in zip(left, top, width, height, mirrored)
    ]


def decode_picture(encoded: bytes, size: int, view: View | None = None) -> torch.Tensor:
    """Decodes a picture to (3, size, size) uint8, RGB: resized to a square, transparent parts on white.

    Raises:
        FeatureError: Pillow cannot read the bytes as a picture.
    """
    view = view or View()
    with decoded(encoded) as whole:
        box = (
            view.left * whole.width,
            view.top * whole.height,
            view.right * whole.width,
            view.bottom * whole.height,
        )
        image = whole.resize((size, size), Image.Resampling.BILINEAR, box=box)
    if view.mirrored:
        image = ImageOps.mirror(image)
    return torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())


def load_pictures(
    store: Pictures,
    keys: Sequence[str],
    size: int,
    views: Sequence[View] | None = None,
    pool: Executor | None = None,
) -> PictureBatch:
    """Reads and decodes the pictures of a batch of items.

    Args:
        store: the source of the pictures.
        keys: N item ids.
        size: pixels of a side.
        views: what is seen of each picture (see `random_views`); by default all of it.
        pool: threads for decoding (Pillow releases the lock); None decodes in the calling thread.
    """
    views = [View()] * len(keys) if views is None else views
    sizes = [size] * len(keys)
    decoded = (pool.map if pool else map)(_load_one, [store] * len(keys), keys, sizes, views)
    return _collect(keys, size, decoded)


def picture_batches(
    store: Pictures, batches: Iterable[Sequence[str]], size: int, threads: int = 4
) -> Iterator[PictureBatch]:
    """The pictures of each batch, decoded in threads up to two batches ahead.

    Threads, not worker processes: an open LMDB handle cannot be pickled.
    """
    ahead: deque[tuple[Sequence[str], Iterator[torch.Tensor | FeatureError | None]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for keys in batches:
            count = len(keys)
            ahead.append((keys, pool.map(_load_one, [store] * count, keys, [size] * count, [View()] * count)))
            if len(ahead) > 2:
                ready, decoded = ahead.popleft()
                yield _collect(ready, size, decoded)
        while ahead:
            ready, decoded = ahead.popleft()
            yield _collect(ready, size, decoded)


def _load_one(store: Pictures, key: str, size: int, view: View) -> torch.Tensor | FeatureError | None:
    encoded = store.get(key)
    if encoded is None:
        return None
    try:
        return decode_picture(encoded, size, view)
    except FeatureError as error:
        return error


def _collect(keys: Sequence[str], size: int, decoded: Iterable[torch.Tensor | FeatureError | None]) -> PictureBatch:
    pictures = torch.empty(len(keys), 3, size, size, dtype=torch.uint8)
    known = np.zeros(len(keys), dtype=bool)
    missing: list[str] = []
    undecodable: list[str] = []
    for position, (key, result) in enumerate(zip(keys, decoded)):
        if isinstance(result, torch.Tensor):
            pictures[position] = result
            known[position] = True
            continue
        pictures[position] = torch.tensor(GREY, dtype=torch.uint8).view(3, 1, 1)
        (missing if result is None else undecodable).append(key)
    return PictureBatch(keys, pictures, known, missing, undecodable)
