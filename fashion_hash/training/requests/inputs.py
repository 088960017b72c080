"""The inputs of the request model: vectors of texts and items, and the histories of users.

Shapes: N requests, C items of the catalogue, F feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_hash.config.requests import RequestConfig, TextEncoderConfig
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.data.stores.pictures import PictureStore
from fashion_hash.encoders import TextEncoder, WordsEncoder, open_encoder
from fashion_hash.encoders.cached import Cached
from fashion_hash.errors import FeatureError
from fashion_hash.inference.request_tower import item_features
from fashion_hash.training.device import choose_device
from fashion_hash.training.requests.histories import Histories
from fashion_hash.training.runs.removed import removed_for

MADE_OF_AN_ITEM, MADE_AT_MOST = 64, 20_000
"""The most requests generated from the description of one item, and of all items; each must be encoded."""


def load_request_data(config: RequestConfig, folder: Path | None = None) -> RequestData:
    """Reads the requests that a configuration names, without the users whom it leaves out.

    Args:
        config: the experiment.
        folder: the folder of the run, whose own list of removed users is used if there is one.
    """
    data = config.data
    return load_requests(
        data.format,
        data.root,
        metadata=data.metadata,
        subset=data.subset,
        slots=data.slots,
        seed=data.seed,
        copies=data.copies,
        min_rating=data.min_rating,
        min_events=data.min_events,
        removed=removed_for(config, folder),
        per_outfit=data.per_outfit,
        typed=data.typed,
    )


class RequestInputs:
    """The data of a request model, with the vectors of its texts and items.

    Args:
        config: the experiment.
        data: its requests.
        folder: the run folder with a saved encoder; None makes a new encoder.

    Attributes:
        encoder: makes the vectors.
        item_features: (C, F) float32.
        device: the device of the model.
    """

    def __init__(self, config: RequestConfig, data: RequestData, folder: Path | None = None) -> None:
        self.config, self.data = config, data
        self.encoder = make_encoder(config, data) if folder is None else open_encoder(folder / "encoder")
        self.device = choose_device(config.train.device)
        pictures = _pictures(data) if config.encoder.pictures else None
        self.item_features = item_features(self._cached, data.all_descriptions, pictures)

    @property
    def _cached(self) -> TextEncoder:
        store = self.config.encoder.store
        return self.encoder if store is None else Cached(self.encoder, store)

    def vectors(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of the distinct texts, (distinct, F) float32, and the row of each text, (N,) int64."""
        rows: dict[str, int] = {}
        positions = np.array([rows.setdefault(text, len(rows)) for text in texts], dtype=np.int64)
        return self._cached.encode_texts(list(rows)), positions

    def histories(self, split: str) -> Histories:
        """The known events of users for a split: those of training, for the test split also those of validation."""
        names = ["train"] + (["valid"] if split == "test" and "valid" in self.data.splits else [])
        return Histories([self.data.splits[name] for name in names], len(self.data.users), self.most_events)

    def description_requests(self) -> Requests:
        """Requests without a user, generated from the descriptions of items; they depend only on the seed.

        Each is a run of words from a part of the description (such as the title), or from all of it.
        """
        if not self.config.train.descriptions:
            return Requests.of([], [], [])
        rng = generator(self.config.seed, "descriptions")
        items, texts = [], []
        described = [row for row, words in enumerate(self.data.all_descriptions) if words]
        an_item = max(2, min(MADE_OF_AN_ITEM, MADE_AT_MOST // max(1, len(described))))
        for row in described:
            words = self.data.all_descriptions[row]
            parts = [part for part in words.split(" / ") if part]
            for number in range(an_item):
                part = parts[rng.integers(len(parts))].split() if number % 2 else words.split()
                size = min(len(part), int(rng.integers(2, 13)))
                start = int(rng.integers(len(part) - size + 1))
                items.append(row)
                texts.append(" ".join(part[start : start + size]))
        return Requests.of([NOBODY] * len(items), items, texts)

    @property
    def most_events(self) -> int:
        """H, the largest number of events in a history."""
        return self.config.requests.most_events

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprints of the requests, the items and the vectors that a model is trained on."""
        return {
            "requests": self.data.fingerprint,
            "items": self.data.items_fingerprint,
            "vectors": self.encoder.fingerprint,
        }


def make_encoder(config: RequestConfig, data: RequestData) -> TextEncoder:
    """The encoder of a configuration; `words` is fitted on training requests and descriptions.

    Raises:
        MissingExtraError, FeatureError: the package or the weights are missing; no text contains a word.
    """
    settings: TextEncoderConfig = config.encoder
    if settings.kind == "sentence_transformers":
        from fashion_hash.encoders.sentences import SentenceEncoder

        return SentenceEncoder(str(settings.model))
    if settings.kind == "open_clip":
        from fashion_hash.encoders.clip import ClipEncoder

        return ClipEncoder(str(settings.model), settings.weights)
    texts = [*data.split("train").texts, *data.all_descriptions]
    return WordsEncoder.fit(texts, settings.dim, derive(config.seed, "words"))


def _pictures(data: RequestData) -> list[bytes | None]:
    if data.pictures is None:
        raise FeatureError(f"{data.name} has no pictures, but encoder.pictures is true: set it to false")
    store = PictureStore(data.pictures)
    return [store.get(item_id) for item_type in data.types for item_id in data.items[item_type].ids]
