"""Thumbnails of the items, so that a bundle can show its recommendations."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from PIL import Image
from tqdm import tqdm

from fashion_hash.data.dataset import Dataset
from fashion_hash.data.stores.decoding import decode
from fashion_hash.data.stores.pictures import PictureStore
from fashion_hash.errors import FeatureError

SIDE = 160


class Thumbnails(Mapping[str, bytes]):
    """A JPEG of at most 160 x 160 pixels for each item id, made on access.

    A picture that is missing or cannot be decoded raises KeyError.
    """

    def __init__(self, store: PictureStore, ids: tuple[str, ...], title: str) -> None:
        self._store = store
        self._ids = ids
        self._progress = tqdm(total=len(ids), desc=f"thumbnails of {title}", leave=False, disable=None)

    def __getitem__(self, item_id: str) -> bytes:
        self._progress.update()
        encoded = self._store.get(item_id)
        if encoded is None:
            raise KeyError(item_id)
        try:
            small = decode(encoded)
        except FeatureError as error:  # the item then has no picture
            raise KeyError(item_id) from error
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
        return out.getvalue()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def thumbnails(dataset: Dataset, store: PictureStore | None) -> Mapping[str, Mapping[str, bytes]]:
    """Thumbnails of the items by type and id; empty if the data set has no pictures."""
    if store is None:
        return {}
    return {item_type: Thumbnails(store, dataset.items[item_type].ids, item_type) for item_type in dataset.types}
