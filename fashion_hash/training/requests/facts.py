"""What a run understands of requests: the facts and the words of its catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.requests.table import RequestData
from fashion_hash.understanding.details import DetailMasks, catalogue_values
from fashion_hash.understanding.lexicon import Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import soft_shares, tiers
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import Words, language_of, read_words


def words_of(config: RequestConfig, data: RequestData) -> Words:
    """What the words of requests mean: the shop's file, in the language that it or the configuration names.

    Args:
        config: of the run.
        data: whose titles and descriptions say the language where nobody does.

    Raises:
        ConfigError: the file does not fit, or there are no words of the language.
    """
    language = config.words.language
    if language == "auto":
        language = language_of(text for texts in data.descriptions.values() for text in texts)
    return read_words(config.words.file, language)


class CatalogueFacts:
    """A catalogue as requests may speak of it, for training and evaluation.

    Args:
        data: requests, with the details of the items.
        words: what users say; by default the English of the package.
    """

    def __init__(self, data: RequestData, words: Words | None = None) -> None:
        """Reads the details of every item."""
        self.words = words or read_words()
        self._details = {item_type: _details(data, item_type) for item_type in data.types}
        texts = {
            item_type: list(map(readable, data.descriptions[item_type], details))
            for item_type, details in self._details.items()
        }
        self.terms = Terms.of(texts, self.words)
        self.lexicon = Lexicon(self.words, catalogue_values(self._details, self.terms.counts))
        self._masks = {
            name: DetailMasks(details, partial(self.terms.holding, self.terms.by_type[name]))
            for name, details in self._details.items()
        }

    def understand(self, text: str) -> Understanding:
        """What a request says."""
        return understand(text, self.lexicon)

    def tiers(self, said: Understanding) -> np.ndarray:
        """(C,) int64, the tier of each item of the catalogue, type after type."""
        lists = self.lexicon.values.lists
        return np.concatenate([tiers(said, name, len(mask), mask, lists) for name, mask in self._masks.items()])

    def soft(self, said: Understanding) -> np.ndarray:
        """(C,) float64, the share of the soft facts that each item has."""
        lists = self.lexicon.values.lists
        return np.concatenate([soft_shares(said, name, len(mask), mask, lists) for name, mask in self._masks.items()])

    def lexical(self, text: str) -> np.ndarray:
        """(C,) float32, the share of the request's words that each item holds."""
        asked = self.terms.asked(text, self.words)
        return np.concatenate([self.terms.shares(weights, asked) for weights in self.terms.by_type.values()])


def _details(data: RequestData, item_type: str) -> Sequence[Mapping[str, Any]]:
    known = data.details.get(item_type, {})
    return [known.get(item_id, {}) for item_id in data.items[item_type].ids]
