"""Titles as vectors: TF-IDF over words and letters, then truncated SVD (scikit-learn, no torch).

An encoder is fitted on the titles of training items and saved as plain files, so that new titles
can be encoded without torch. Shapes: N titles, V terms, F feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from fashion_hash.core.arrays import open_array
from fashion_hash.core.files import atomic_folder, write_json
from fashion_hash.core.manifest import Within, check_fields, read_json
from fashion_hash.errors import BundleError, FeatureError

if TYPE_CHECKING:  # scikit-learn takes seconds to import, so only what uses it imports it
    from sklearn.feature_extraction.text import TfidfVectorizer

FORMAT, FORMAT_VERSION = "fashion_hash titles", 1
_WORDS: dict[str, Any] = {"analyzer": "word", "ngram_range": (1, 2), "sublinear_tf": True}
_LETTERS: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (3, 4), "sublinear_tf": True}
_PARTS = {"words": _WORDS, "letters": _LETTERS}
FIELDS = {"format": str, "version": int, "dim": Within(1, 1 << 20), **dict.fromkeys(_PARTS, (list, str))}
_FAINTEST = 1e-6  # a title whose terms all vanish in the SVD counts as unknown


class TitleVectors:
    """Turns titles into unit vectors.

    Args:
        words, letters: fitted vectorisers of single words and pairs, and of letter groups.
        components: (F, V) float32, the directions of the SVD.
    """

    def __init__(self, words: TfidfVectorizer, letters: TfidfVectorizer, components: np.ndarray) -> None:
        self._parts = {"words": words, "letters": letters}
        self.components = components

    @property
    def dim(self) -> int:
        """F, the length of a vector."""
        return int(self.components.shape[0])

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the vocabulary: "words" and "letters"."""
        return tuple(self._parts)

    def terms(self, part: str) -> list[str]:
        """The terms of a part, in the order of its columns."""
        names: list[str] = self._parts[part].get_feature_names_out().tolist()
        return names

    def weights(self, part: str) -> np.ndarray:
        """(V,) float64, the inverse document frequencies of a part's terms."""
        return np.asarray(self._parts[part].idf_, dtype=np.float64)

    @classmethod
    def fit(cls, titles: Sequence[str], dim: int, seed: int = 0, max_terms: int = 15_000) -> TitleVectors:
        """Learns terms, their weights and the SVD.

        Args:
            titles: of the training items; empty titles are skipped, repeated ones count once.
            dim: the largest F; it is smaller when there are fewer titles or terms.
            seed: of the SVD; the same titles and seed give the same encoder.
            max_terms: how many of the most frequent terms to keep, for words and letters each.

        Raises:
            FeatureError: no title contains a word.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = list(dict.fromkeys(title for title in titles if title.strip()))
        try:
            parts = [TfidfVectorizer(**options, max_features=max_terms) for options in _PARTS.values()]
            terms = hstack([part.fit_transform(texts) for part in parts]).tocsr()
        except ValueError:  # scikit-learn's "empty vocabulary"
            raise FeatureError(
                f"none of the {len(titles)} titles contains a word: add titles or leave them out"
            ) from None
        size = min(dim, *terms.shape)
        svd = TruncatedSVD(size, random_state=seed % 2**32)
        svd.fit(terms)
        return cls(parts[0], parts[1], np.ascontiguousarray(svd.components_, dtype=np.float32))

    def encode(self, titles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of titles.

        Returns:
            (N, F) float32 unit vectors, and (N,) bool: False where a title is empty or has no known term;
            the vector of such a title is zero.
        """
        if not titles:
            return np.zeros((0, self.dim), dtype=np.float32), np.zeros(0, dtype=bool)
        terms = csr_matrix(hstack([part.transform(titles) for part in self._parts.values()]), dtype=np.float32)
        vectors = np.asarray(terms @ self.components.T, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        known = lengths[:, 0] > _FAINTEST
        return np.where(known[:, None], vectors / np.maximum(lengths, _FAINTEST), np.float32(0)), known

    def save(self, folder: str | Path) -> None:
        """Writes a folder with the terms as JSON and the weights and components as .npy, without pickles."""
        with atomic_folder(folder) as temporary:
            manifest: dict[str, Any] = {"format": FORMAT, "version": FORMAT_VERSION, "dim": self.dim}
            for name in self._parts:
                manifest[name] = self.terms(name)
                np.save(temporary / f"{name}.npy", self.weights(name))
            np.save(temporary / "components.npy", self.components)
            write_json(temporary / "titles.json", manifest)

    @classmethod
    def load(cls, folder: str | Path) -> TitleVectors:
        """Reads what `save` wrote. Raises FeatureError when it is missing, broken or of another version."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        folder = Path(folder)
        try:
            manifest = read_json(folder / "titles.json")
            check_fields(folder / "titles.json", manifest, FIELDS)
            if (manifest["format"], manifest["version"]) != (FORMAT, FORMAT_VERSION):
                raise FeatureError(
                    f"{folder} is {manifest['format']!r} version {manifest['version']}; this release reads "
                    f"{FORMAT!r} version {FORMAT_VERSION}: fit the titles again"
                )
            sizes = {name: len(manifest[name]) for name in _PARTS}
            shape = {"F": manifest["dim"], "L": sum(sizes.values())}
            components = open_array(folder / "components.npy", "titles/components.npy", **shape)
            parts = {}
            for name, options in _PARTS.items():
                parts[name] = TfidfVectorizer(**options, vocabulary=manifest[name])
                parts[name].idf_ = np.array(open_array(folder / f"{name}.npy", "titles/*.npy", L=sizes[name]))
        except (BundleError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, FeatureError):
                raise
            raise FeatureError(f"{folder} does not hold a readable title encoder ({error}): fit it again") from None
        return cls(parts["words"], parts["letters"], components)
