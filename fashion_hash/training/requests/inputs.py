"""What the request model is trained on: vectors of texts and items, and who engaged with what.

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

MADE_OF_AN_ITEM, MADE_AT_MOST = 64, 20_000
"""At most so many requests made from the description of one item, and of all items: the encoder reads each once."""


def load_request_data(config: RequestConfig) -> RequestData:
    """Reads the requests that a configuration names."""
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
        per_outfit=data.per_outfit,
    )


class RequestInputs:
    """Data as a request model takes it.

    Args:
        config: the experiment.
        data: its requests.
        folder: the folder of a run that holds its encoder; None makes one.

    Attributes:
        encoder: what makes the vectors.
        item_features: (C, F) float32.
        device: where the model lives.
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
        """Vectors of distinct texts, (distinct, F) float32, and the row of each text, (N,) int64."""
        rows: dict[str, int] = {}
        positions = np.array([rows.setdefault(text, len(rows)) for text in texts], dtype=np.int64)
        return self._cached.encode_texts(list(rows)), positions

    def histories(self, split: str) -> Histories:
        """What is known of users when a split is answered: for the test split, also the events of validation."""
        names = ["train"] + (["valid"] if split == "test" and "valid" in self.data.splits else [])
        return Histories([self.data.splits[name] for name in names], len(self.data.users), self.most_events)

    def description_requests(self) -> Requests:
        """Requests without a user, made from what describes each item; they depend on the seed alone.

        Of each item the parts of its description (title, what was written of it), and some words of it.
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
        """H."""
        return self.config.requests.most_events

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of the requests, the items and the vectors that a model is trained on."""
        return {
            "requests": self.data.fingerprint,
            "items": self.data.items_fingerprint,
            "vectors": self.encoder.fingerprint,
        }


def make_encoder(config: RequestConfig, data: RequestData) -> TextEncoder:
    """The encoder of a configuration; `words` is fitted on training requests and descriptions.

    Raises:
        MissingExtraError, FeatureError: the package or the weights are missing; no text holds a word.
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
        raise FeatureError(f"{data.name} has no pictures: set encoder.pictures to false")
    store = PictureStore(data.pictures)
    return [store.get(item_id) for item_type in data.types for item_id in data.items[item_type].ids]
