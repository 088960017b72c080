"""How a bundle scores outfits, behind one contract: by the codes of their items (FHN), or by vectors (outfit encoder).

`scoring_of(bundle)` provides everything that differs between the two; no package above this one asks which it is. To
add a kind of model, write a class in this file and add a line to SCORINGS and to each table keyed by Bundle.scoring
in the packages above: FOLDS (foldin/fold_in.py), ADDED (live/pool_search.py) and METHODS (retrieval/methods.py).

Shapes: R outfits, S slots, N items, M modalities, W width, D num_bits, U users.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle, ScoringKind
from fashion_hash.core.codes import Packed, binarise, pack, user_numbers
from fashion_hash.index import exact
from fashion_hash.index import outfit_vectors as kept
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.engines.sums.files import SCAN_FROM, build_scan
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.outfit_vectors import encoder_of
from fashion_hash.index.pool import Pool
from fashion_hash.inference.outfit_encoder import encoded_items, single_codes


class ScoreParts(NamedTuple):
    """Scores of outfits and the terms that add up to them; (R,) float64 each."""

    score: np.ndarray
    preference: np.ndarray
    compatibility: np.ndarray
    bias: np.ndarray


class CodedItems(NamedTuple):
    """What a bundle stores for items: packed codes (N, M, D / 8), and further numbers (N, item_width) float32."""

    codes: Packed
    encoded: np.ndarray


class PoolRows(NamedTuple):
    """The outfits of a pool, in order of their ids.

    Attributes:
        items: (R, S) int32, EMPTY for an empty slot.
        terms: the terms of the outfits.
        vectors: see Scoring.outfit_vectors.
        own: (R,) int32, rows of the outfits' own codes, EMPTY for none.
    """

    items: np.ndarray
    terms: OutfitTerms
    vectors: np.ndarray
    own: np.ndarray


class Scoring(ABC):
    """Everything that depends on how a bundle scores outfits.

    Args:
        bundle: an open bundle, or a view of one.

    Attributes:
        adds_up: whether scores are sums over items and pairs of items, computed from packed codes alone.
    """

    adds_up: ClassVar[bool]

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @property
    @abstractmethod
    def item_width(self) -> int:
        """The number of float32 numbers that an item has besides its packed code (Bundle.encoded_items)."""

    @abstractmethod
    def fastest_engine(self, pool: Pool) -> str:
        """The name of the engine that "auto" means for a pool."""

    @abstractmethod
    def parts(self, user_key: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> ScoreParts:
        """The scores of outfits, (R, S) rows of items, for a user; `user_key` is like a row of Bundle.user_keys.

        `own`, (R,), are rows of own codes (fashion_hash.bundle.own), EMPTY for none; None for none at all.
        """

    @abstractmethod
    def real_keys(self, user_keys: np.ndarray) -> np.ndarray:
        """User keys, (U, ...), as real numbers: (U, D) float32."""

    @abstractmethod
    def item_query(self, user_key: np.ndarray) -> np.ndarray:
        """(D,) int64, what each bit of a single item's code says of how much a user likes it."""

    @abstractmethod
    def outfit_vectors(self, items: np.ndarray) -> np.ndarray:
        """What is stored for outfits, (R, S) rows of items, besides their terms: (R, ...), or (R, 0) for nothing."""

    @abstractmethod
    def coded_items(self, item_type: str, outputs: np.ndarray) -> CodedItems:
        """New items of a type from the outputs of the hash heads, (N, M, D or W) float32."""

    @abstractmethod
    def write_files(self, folder: Path, rows: PoolRows) -> None:
        """Writes into the folder of an index what its engines read besides ids, items and terms."""

    def write_shortlist(self, folder: Path, items: np.ndarray) -> None:  # noqa: B027 (most need none)
        """Writes the files for shortlists of an exported pool; a compaction does not write them."""


class CodeScoring(Scoring):
    """FHN: integers over packed codes; index/exact.py is the reference."""

    adds_up = True
    item_width = 0

    def fastest_engine(self, pool: Pool) -> str:
        """See Scoring.fastest_engine."""
        return "sums" if (pool.path / "scan").exists() else "factored"

    def parts(self, user_key: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> ScoreParts:
        """See Scoring.parts."""
        terms = exact.terms(self._bundle, user_key, items, own)
        return ScoreParts(
            exact.scores(self._bundle, terms),
            exact.preference_part(self._bundle, terms),
            exact.compatibility_part(self._bundle, terms),
            exact.bias_part(terms),
        )

    def real_keys(self, user_keys: np.ndarray) -> np.ndarray:
        """See Scoring.real_keys."""
        return user_numbers(self._bundle.user_form, user_keys)

    def item_query(self, user_key: np.ndarray) -> np.ndarray:
        """See Scoring.item_query."""
        return exact.query(self._bundle, user_key)

    def outfit_vectors(self, items: np.ndarray) -> np.ndarray:
        """See Scoring.outfit_vectors."""
        return np.zeros((len(items), 0), dtype=np.float32)

    def coded_items(self, item_type: str, outputs: np.ndarray) -> CodedItems:
        """See Scoring.coded_items."""
        return CodedItems(pack(binarise(outputs)), np.zeros((len(outputs), 0), dtype=np.float32))

    def write_files(self, folder: Path, rows: PoolRows) -> None:
        """See Scoring.write_files."""
        if len(rows.items) >= SCAN_FROM:
            build_scan(folder, self._bundle, rows.items, rows.terms, rows.own)

    def write_shortlist(self, folder: Path, items: np.ndarray) -> None:
        """See Scoring.write_shortlist."""
        from fashion_hash.index.engines.hamming import write_faiss  # imported here, since queries do not need it

        if self._bundle.own is None:  # the engine that reads it knows no own codes
            write_faiss(folder, self._bundle, items)


class VectorScoring(Scoring):
    """Outfit encoder: the distance between a user's vector and an outfit's (index/engines/vectors.py)."""

    adds_up = False

    @property
    def item_width(self) -> int:
        """W + D: the token of an item, and the vector of the outfit that consists of it alone."""
        return encoder_of(self._bundle).width + self._bundle.num_bits

    def fastest_engine(self, pool: Pool) -> str:
        """See Scoring.fastest_engine."""
        return "vectors"

    def parts(self, user_key: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> ScoreParts:
        """See Scoring.parts.

        The preference is minus the distance to the user. For an anonymous user it is the distance to the mean user,
        reported as compatibility.
        """
        near, bias = encoded.parts(self._bundle, user_key, items)
        zero = np.zeros_like(near)
        preference, compatibility = (near, zero) if self._bundle.preference_scale else (zero, near)
        return ScoreParts(near + bias, preference, compatibility, bias)

    def real_keys(self, user_keys: np.ndarray) -> np.ndarray:
        """See Scoring.real_keys."""
        return user_keys.astype(np.float32)

    def item_query(self, user_key: np.ndarray) -> np.ndarray:
        """See Scoring.item_query: the signs of the vector."""
        return binarise(user_key) * self._bundle.preference_weights.astype(np.int64)

    def outfit_vectors(self, items: np.ndarray) -> np.ndarray:
        """See Scoring.outfit_vectors: (R, D) float32, or (R, D / 8) uint8 where vectors are bits."""
        return kept.outfit_vectors(self._bundle, items)

    def coded_items(self, item_type: str, outputs: np.ndarray) -> CodedItems:
        """See Scoring.coded_items."""
        encoder = encoder_of(self._bundle)
        items = encoded_items(encoder, encoder.tokens(item_type, outputs))
        return CodedItems(pack(single_codes(encoder, items)), items)

    def write_files(self, folder: Path, rows: PoolRows) -> None:
        """See Scoring.write_files."""
        np.save(folder / "vectors.npy", rows.vectors)


# by Bundle.scoring
SCORINGS: dict[ScoringKind, type[Scoring]] = {"codes": CodeScoring, "vectors": VectorScoring}


def scoring_of(bundle: Bundle) -> Scoring:
    """How a bundle, or a view of one, scores outfits."""
    return SCORINGS[bundle.scoring](bundle)
