"""The encoder that needs no weights: TF-IDF over words and letters, then truncated SVD (`encoders.titles`)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.core.seeds import generator
from fashion_hash.encoders.contract import MANIFEST, Words, manifest_of
from fashion_hash.errors import FeatureError

if TYPE_CHECKING:
    from fashion_hash.encoders.titles import TitleVectors

FIT_AT_MOST = 30_000
"""The largest number of texts to fit on; a random sample of this size replaces a larger set."""
LONGEST = 2_000
"""How many characters of a text are read; requests come to the point at the beginning."""
_WORD = re.compile(r"(?u)\b\w\w+\b")  # scikit-learn's definition of a word


class WordsEncoder:
    """TF-IDF + SVD, fitted on the texts of training; saved as plain arrays and JSON.

    A text without a known word (stop words such as "the" do not count) has a zero vector, even if some of its
    letter groups are known: it is in another language, or about something else. If only the plural or the
    singular of a word is known, the word counts as that form.

    Args:
        titles: the fitted vectors.
        fingerprint: of the encoder, if it is already known.
    """

    kind = "words"
    takes_pictures = False

    def __init__(self, titles: TitleVectors, fingerprint: str | None = None) -> None:
        self._loaded: TitleVectors | None = titles
        self._folder = Path()
        self.dim = titles.dim
        self.fingerprint = fingerprint or _fingerprint(titles)

    @classmethod
    def fit(cls, texts: Sequence[str], dim: int = 256, seed: int = 0) -> WordsEncoder:
        """Learns words and directions from texts; the same texts and seed give the same encoder.

        Raises FeatureError when no text contains a word.
        """
        from fashion_hash.encoders.titles import TitleVectors

        texts = [shortened for shortened in dict.fromkeys(text[:LONGEST] for text in texts) if _WORD.search(shortened)]
        if not texts:
            raise FeatureError(
                "no text contains a word, so the encoder `words` has nothing to learn from: add reviews, titles or "
                "descriptions"
            )
        if len(texts) > FIT_AT_MOST:
            rows = generator(seed, "words").choice(len(texts), FIT_AT_MOST, replace=False)
            texts = [texts[row] for row in np.sort(rows)]
        return cls(TitleVectors.fit(texts, dim, seed))

    @classmethod
    def open(cls, folder: Path, fingerprint: str, dim: int) -> WordsEncoder:
        """Opens the folder that `save` wrote; its arrays are read on first use."""
        encoder = cls.__new__(cls)
        encoder._loaded, encoder._folder, encoder.fingerprint, encoder.dim = None, folder, fingerprint, dim
        return encoder

    @property
    def name(self) -> str:
        """The model and its settings, for display."""
        return f"words ({self.dim} floats)"

    @property
    def titles(self) -> TitleVectors:
        """The fitted vectors, read from the folder on first use (this imports scikit-learn)."""
        if self._loaded is None:
            from fashion_hash.encoders.titles import TitleVectors

            loaded = TitleVectors.load(self._folder / "words")
            if _fingerprint(loaded) != self.fingerprint:
                raise FeatureError(
                    f"{self._folder} holds an encoder that does not match its fingerprint: export it again"
                )
            self._loaded = loaded
        return self._loaded

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F) float32 unit vectors; zeros where no word is known."""
        vectors, _ = self.titles.encode([_WORD.sub(self._in_its_known_form, text[:LONGEST].lower()) for text in texts])
        known = np.fromiter((self._says_something(text) for text in texts), dtype=bool, count=len(texts))
        return np.where(known[:, None], vectors, np.float32(0))

    def words(self, text: str) -> Words:
        """The words it knows and those it does not; stop words such as "the" are in neither list."""
        candidates = [word for word in dict.fromkeys(_WORD.findall(text[:LONGEST].lower())) if word not in self._empty]
        known = tuple(word for word in candidates if self._known(word))
        return Words(known, tuple(word for word in candidates if not self._known(word)))

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """Raises FeatureError: this encoder reads texts only."""
        raise FeatureError("the encoder `words` cannot encode pictures: use the encoder open_clip")

    def save(self, folder: Path) -> None:
        """Writes encoder.json and words/."""
        folder.mkdir(parents=True, exist_ok=True)
        self.titles.save(folder / "words")
        write_json(folder / MANIFEST, manifest_of(self))

    def _says_something(self, text: str) -> bool:
        matches = _WORD.finditer(text[:LONGEST].lower())
        return any(self._known(match.group()) and match.group() not in self._empty for match in matches)

    def _known(self, word: str) -> str | None:
        """The form of a word that is in the vocabulary: the word itself, its plural or singular, or None."""
        if word in self._vocabulary or word in self._empty:
            return word if word in self._vocabulary else None
        forms = (f"{word}s", f"{word}es", word.removesuffix("s"), word.removesuffix("es"))
        return next((form for form in forms if form in self._vocabulary), None)

    def _in_its_known_form(self, match: re.Match[str]) -> str:
        return self._known(match.group()) or match.group()

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(self.titles.terms("words"))

    @cached_property
    def _empty(self) -> frozenset[str]:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return frozenset(ENGLISH_STOP_WORDS)


def _fingerprint(titles: TitleVectors) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for part in titles.parts:
        digest.update("\0".join(titles.terms(part)).encode() + titles.weights(part).tobytes())
    digest.update(np.ascontiguousarray(titles.components, dtype="<f4").tobytes())
    return f"words {digest.hexdigest()}"
