"""What a bundle keeps to understand requests: the words that users say, the words of its catalogue, and their weights.

Within a tier of hard facts (satisfaction.py) items are ordered by

    request score + lexical * share of the request's words (terms.py) + soft * share of its soft facts

The two weights are fitted on the validation requests. A bundle without a request model has LEXICAL and SOFT, and in
place of the request score what the user likes (retrieval/search/beside.py). The folder requests/facts/ of a bundle:

    facts.json            format version, weights, the words that users say
    terms.json            the words of the catalogue and the mean length of an item
    idf.npy               (V,) float64
    TYPE.starts.npy       (V + 1,) int64    where each word's items begin
    TYPE.rows.npy         (L,) int32        rows of the items with a word, word after word
    TYPE.weights.npy      (L,) float32      what the word adds to them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from pydantic import ValidationError
from scipy.sparse import csc_matrix

from fashion_hash.core.arrays import open_array
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import Within, check_fields, read_json, read_part
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.errors import BundleError
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import Words, language_of, read_words, words_of_bundle

FORMAT, FORMAT_VERSION = "fashion_hash facts", 1
FIELDS = {"lexical": Within(-1e9, 1e9, whole=False), "soft": Within(-1e9, 1e9, whole=False), "words": dict}
LONGEST = {"longest": Within(0, 1e9)}  # which most bundles do not have
LEXICAL, SOFT = 1.0, 0.5  # where no requests were there to fit them: a word counts more than a soft fact
TERMS = {"words": (list, str), "mean_length": Within(1e-9, 1e9, whole=False)}


@dataclass(frozen=True)
class RequestFacts:
    """What a bundle keeps to understand requests.

    Attributes:
        words: what users say.
        terms: the words of the catalogue.
        lexical, soft: weights, beside 1 for the request score.
        longest: the most words of a request whose hard facts decide; in longer ones, such as reviews, they are soft
            facts. None for any length.
    """

    words: Words
    terms: Terms
    lexical: float = 0.0
    soft: float = 0.0
    longest: int | None = None

    def limited(self, said: Understanding, text: str) -> Understanding:
        """What a text says, its facts soft where it is too long for hard ones."""
        return said if self.longest is None or len(text.split()) <= self.longest else said.softened()


def facts_of_catalogue(
    items: Mapping[str, Sequence[str]], details: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> RequestFacts | None:
    """What requests may say of a catalogue for which no request model was trained; None where nothing is said of it.

    The language is that of its texts.

    Args:
        items: ids in row order, by type.
        details: by type and item id, "title" and further columns.
    """
    known = {
        item_type: [details.get(item_type, {}).get(item_id, {}) for item_id in ids] for item_type, ids in items.items()
    }
    if not any(columns for of_type in known.values() for columns in of_type):
        return None
    texts = {
        item_type: [readable(catalogue_words(columns), columns) for columns in of_type]
        for item_type, of_type in known.items()
    }
    words = read_words(language=language_of(text for of_type in texts.values() for text in of_type))
    return RequestFacts(words, Terms.of(texts, words), LEXICAL, SOFT)


def write_facts(folder: Path, facts: RequestFacts) -> None:
    """Writes a new folder."""
    folder.mkdir()
    terms = facts.terms
    write_json(folder / "terms.json", {"words": list(terms.words), "mean_length": terms.mean_length})
    np.save(folder / "idf.npy", terms.idf)
    for item_type, weights in terms.by_type.items():
        name = quote(item_type, safe=" ")
        np.save(folder / f"{name}.starts.npy", weights.indptr.astype(np.int64))
        np.save(folder / f"{name}.rows.npy", weights.indices.astype(np.int32))
        np.save(folder / f"{name}.weights.npy", weights.data.astype(np.float32))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lexical": facts.lexical,
        "soft": facts.soft,
        **({} if facts.longest is None else {"longest": facts.longest}),
        "words": facts.words.model_dump(mode="json"),
    }
    write_json(folder / "facts.json", manifest)


def read_facts(
    folder: Path, sizes: Mapping[str, int], kept: tuple[Mapping[str, int], float] | None = None
) -> RequestFacts | None:
    """Opens the folder, its arrays memory-mapped; None for a bundle without one.

    Args:
        folder: requests/facts of a bundle.
        sizes: how many items of each type the bundle holds.
        kept: the place of each word and the mean length of an item, where the tables of the bundle hold them.

    Raises:
        BundleError: a file is missing, cannot be read, or does not fit the others.
    """
    if not folder.is_dir():
        return None
    path = folder / "facts.json"
    manifest = read_part(path, FORMAT, FORMAT_VERSION, f"{path} is missing: export the bundle again")
    try:
        check_fields(path, manifest, FIELDS | (LONGEST if "longest" in manifest else {}))
        places, mean_length = kept or _read_terms(folder / "terms.json")
        words = words_of_bundle(manifest["words"])
    except (FileNotFoundError, TypeError, ValueError, AttributeError, RecursionError, ValidationError) as error:
        raise BundleError(f"{folder} cannot be read ({str(error)[:200]}): export the bundle again") from None
    idf = open_array(folder / "idf.npy", "facts/idf.npy", V=len(places))
    by_type = {item_type: _weights(folder, item_type, (size, len(places))) for item_type, size in sizes.items()}
    terms = Terms(places, idf, mean_length, by_type)
    return RequestFacts(words, terms, float(manifest["lexical"]), float(manifest["soft"]), manifest.get("longest"))


def _read_terms(path: Path) -> tuple[Mapping[str, int], float]:
    """The place of each word, and the mean length of an item."""
    listed = read_json(path)
    check_fields(path, listed, TERMS)
    return {word: place for place, word in enumerate(listed["words"])}, float(listed["mean_length"])


def _weights(folder: Path, item_type: str, shape: tuple[int, int]) -> csc_matrix:
    name = quote(item_type, safe=" ")
    starts = open_array(folder / f"{name}.starts.npy", "facts/*.starts.npy", V=shape[1])
    rows = open_array(folder / f"{name}.rows.npy", "facts/*.rows.npy")
    weights = open_array(folder / f"{name}.weights.npy", "facts/*.weights.npy", L=len(rows))
    ascending = starts[0] == 0 and starts[-1] == len(rows) and (np.diff(starts) >= 0).all()
    if not ascending or (len(rows) and not 0 <= rows.min() <= rows.max() < shape[0]):
        raise BundleError(f"{folder}: the words of {item_type} items point nowhere: export the bundle again")
    return csc_matrix((weights, rows, starts), shape=shape)
