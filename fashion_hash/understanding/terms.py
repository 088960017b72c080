"""BM25 over titles, descriptions and columns: rare words, names and article numbers of a request find their items.

The variant is Lucene's (Kamphuis et al., 2020): an item gets, for every word of the request that it holds,

    idf * tf / (tf + k1 * (1 - b + b * length / mean length)),   idf = log(1 + (N - df + 0.5) / (df + 0.5))

and its share is the sum over the sum of all idf of the request: 1 is out of reach, 0 is no word in common.

Shapes: N items of a type, V words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csc_matrix

from fashion_hash.core.texts.mapped import NumberOf
from fashion_hash.data.progress import progress
from fashion_hash.understanding.words import Words

K1, B = 1.5, 0.75
RARER = 32  # times as many: the few are looked up among the many


@dataclass(frozen=True)
class Terms:
    """The words of a catalogue and where they occur.

    Attributes:
        words: the place of each word.
        idf: (V,) float64, how rare each is.
        mean_length: words of an item, on average.
        by_type: by item type (N, V) float32, what each word adds to an item, idf included.
    """

    words: Mapping[str, int]
    idf: np.ndarray
    mean_length: float
    by_type: Mapping[str, csc_matrix]

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]], rules: Words) -> Terms:
        """Reads the texts of all items, by type.

        Args:
            texts: what can be read of each item.
            rules: the words of their language, for plurals and words that do not count.
        """
        counted = {
            item_type: [_counts(text, rules) for text in progress(of_type, f"words of {item_type} items", "items")]
            for item_type, of_type in texts.items()
        }
        everything = [counts for of_type in counted.values() for counts in of_type]
        document_count = Counter(word for counts in everything for word in counts)
        words = {word: place for place, word in enumerate(sorted(document_count))}
        df = np.array([document_count[word] for word in words], dtype=np.float64)
        idf = np.log1p((len(everything) - df + 0.5) / (df + 0.5))
        mean_length = sum(map(Counter.total, everything)) / max(1, len(everything)) or 1.0
        terms = cls(words, idf, mean_length, {})
        return cls(words, idf, mean_length, {name: terms._weights(of_type) for name, of_type in counted.items()})

    def in_order(self, rows: Mapping[str, np.ndarray]) -> Terms:
        """The same words of items in another order: by item type the row here of each item there."""
        by_type = {item_type: self.by_type[item_type][of_type].tocsc() for item_type, of_type in rows.items()}
        for weights in by_type.values():
            weights.sort_indices()
        return Terms(self.words, self.idf, self.mean_length, by_type)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many items hold each word."""
        counts = sum(
            (np.diff(weights.indptr) for weights in self.by_type.values()), np.zeros(len(self.words), np.int64)
        )
        return NumberOf(self.words, counts.astype(np.int64))

    def weights(self, texts: Sequence[str], rules: Words) -> csc_matrix:
        """(N, V) float32: what each word adds to items that came later; words that are new count for nothing."""
        return self._weights([_counts(text, rules) for text in texts])

    def asked(self, text: str, rules: Words) -> list[int]:
        """The places of the words of a request, those that the catalogue knows."""
        return [self.words[word] for word in _counts(text, rules) if word in self.words]

    def shares(self, weights: csc_matrix, asked: Sequence[int], rows: np.ndarray | None = None) -> np.ndarray:
        """(N,) float32, how much of the words of a request each item holds; (n,) of some rows.

        Args:
            weights: (N, V) of the items.
            asked: places of words.
            rows: of the items, ascending; None for all.
        """
        count = weights.shape[0] if rows is None else len(rows)
        shares = np.zeros(count, dtype=np.float32)
        if rows is not None:
            rows = rows.astype(weights.indices.dtype)  # else all holders would be copied to be looked up
        for word in asked:
            span = slice(weights.indptr[word], weights.indptr[word + 1])
            holders, added = weights.indices[span], weights.data[span]
            if rows is None:
                shares[holders] += added
            elif not len(holders) or not count:
                continue
            elif RARER * count < len(holders):
                at = np.minimum(np.searchsorted(holders, rows), len(holders) - 1)
                shares += np.where(holders[at] == rows, added[at], np.float32(0))
            elif RARER * len(holders) < count:
                at = np.minimum(np.searchsorted(rows, holders), count - 1)
                held = rows[at] == holders
                shares[at[held]] += added[held]
            else:
                of_all = np.zeros(weights.shape[0], dtype=np.float32)
                of_all[holders] = added
                shares += of_all[rows]
        total = float(self.idf[list(asked)].sum())
        return shares / np.float32(total) if total > 0 else shares

    def holding(self, weights: csc_matrix, word: str) -> np.ndarray:
        """(N,) bool, which items hold a word.

        Args:
            weights: (N, V) of the items.
            word: folded and in the singular, as `tokens` makes it.
        """
        held = np.zeros(weights.shape[0], dtype=bool)
        if (place := self.words.get(word)) is not None:
            held[weights.indices[weights.indptr[place] : weights.indptr[place + 1]]] = True
        return held

    def _weights(self, counted: Sequence[Counter[str]]) -> csc_matrix:
        rows, columns, values = [], [], []
        for row, counts in enumerate(counted):
            length = K1 * (1 - B + B * counts.total() / self.mean_length)
            for word, count in counts.items():
                if (place := self.words.get(word)) is not None:
                    rows.append(row)
                    columns.append(place)
                    values.append(self.idf[place] * count / (count + length))
        shape = (len(counted), len(self.words))
        return csc_matrix((np.array(values, dtype=np.float32), (rows, columns)), shape=shape)


def _counts(text: str, rules: Words) -> Counter[str]:
    stop, singular = rules.stop_tokens, rules.singular
    return Counter(singular(key) for key in rules.tokenizer.keys(text) if key not in stop)


def readable(description: str, details: Mapping[str, object]) -> str:
    """What can be read of an item: its description, and the texts of its columns that this does not hold."""
    whole = description.casefold()
    rest = [text for text in _texts(details) if text.casefold() not in whole]
    return " / ".join([description, *rest])


def _texts(columns: Mapping[str, object]) -> Iterable[str]:
    for name, value in columns.items():
        if isinstance(value, str) and name != "image":
            yield value
        elif isinstance(value, list):
            yield from (element for element in value if isinstance(element, str))
