"""What a run understands of requests: the words of its catalogue, and weights fitted on the validation requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.evaluation.requests import Places, Score, reciprocal_rank
from fashion_hash.understanding.details import DetailMasks, catalogue_values
from fashion_hash.understanding.facts import RequestFacts
from fashion_hash.understanding.lexicon import Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import soft_shares, tiers
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import Words, read_words

WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""The weights of words and of soft facts that are tried, beside 1 for the share of agreeing bits. None is 0: what the
validation requests do not ask for may be asked for later."""


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


class Parts(NamedTuple):
    """What the order of a catalogue is made of, for one request: each (C,)."""

    tiers: np.ndarray
    shares: np.ndarray
    soft: np.ndarray
    lexical: np.ndarray


class FactScorer:
    """Scores of a catalogue by facts first, then by bits, words and soft facts.

    Args:
        catalogue: what requests may speak of.
        bits: scores by bits, (B, C), sums of D products of -1 / +1.
        num_bits: D.
        lexical: the weight of words.
        soft: the weight of soft facts.
    """

    def __init__(
        self, catalogue: CatalogueFacts, bits: Score, num_bits: int, *, lexical: float = 0.0, soft: float = 0.0
    ) -> None:
        self._catalogue, self._bits, self._num_bits = catalogue, bits, num_bits
        self._lexical, self._soft = lexical, soft

    def __call__(self, requests: Requests) -> np.ndarray:
        """(B, C) float64: the rank of the tier, plus the score within the tier, below 1."""
        most = 1 + self._soft + self._lexical + 1e-9
        return np.stack(
            [
                np.unique(parts.tiers, return_inverse=True)[1]
                + (parts.shares + self._soft * parts.soft + self._lexical * parts.lexical) / most
                for parts in self.parts(requests)
            ]
        )

    def parts(self, requests: Requests) -> Iterator[Parts]:
        """What the scores of each request are made of."""
        shares = (np.asarray(self._bits(requests), dtype=np.float64) / self._num_bits + 1) / 2
        for text, row in zip(requests.texts, shares):
            said = self._catalogue.understand(text)
            yield Parts(
                self._catalogue.tiers(said), row, self._catalogue.soft(said), self._catalogue.lexical(said.about)
            )


def fit_facts(catalogue: CatalogueFacts, bits: Score, num_bits: int, requests: Requests | None) -> RequestFacts:
    """The weights with the greatest mean reciprocal rank on the validation requests; of equal ones the smallest.

    Args:
        catalogue: what requests may speak of.
        bits: scores by bits, see FactScorer.
        num_bits: D.
        requests: the validation requests; None for none, which weighs both 0.1.
    """
    if requests is None or not len(requests):
        return RequestFacts(catalogue.words, catalogue.terms, 0.1, 0.1)
    scorer = FactScorer(catalogue, bits, num_bits)
    places: dict[tuple[float, float], tuple[list[int], list[int]]] = {
        weights: ([], []) for weights in product(WEIGHTS, WEIGHTS)
    }
    for at in range(len(requests)):
        asked = requests[slice(at, at + 1)]
        [parts], item = scorer.parts(asked), int(asked.items[0])
        better, same = parts.tiers > parts.tiers[item], parts.tiers == parts.tiers[item]
        for (soft, lexical), (above, tied) in places.items():
            score = parts.shares + soft * parts.soft + lexical * parts.lexical
            above.append(int(better.sum() + (same & (score > score[item])).sum()))
            tied.append(int((same & (score == score[item])).sum()))
    mrr = {
        weights: float(reciprocal_rank(Places(np.array(above), np.array(tied))).mean())
        for weights, (above, tied) in places.items()
    }
    soft, lexical = max(mrr, key=lambda weights: (round(mrr[weights], 9), -sum(weights)))
    return RequestFacts(catalogue.words, catalogue.terms, lexical, soft)


def _details(data: RequestData, item_type: str) -> Sequence[Mapping[str, Any]]:
    known = data.details.get(item_type, {})
    return [known.get(item_id, {}) for item_id in data.items[item_type].ids]
