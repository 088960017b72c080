"""Items that resemble an item, or a picture: nearest by plain Hamming distance, exactly."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type
from fashion_hash.core.codes import Packed, hamming
from fashion_hash.core.ids import IdTable
from fashion_hash.errors import QueryError, counted, shown
from fashion_hash.index.nearest import distances_to, kth_least
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.checks import check_count, check_list, check_skip
from fashion_hash.retrieval.filters.shortfall import explain_shortfall
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.ask import check_reads, readable, said_by
from fashion_hash.retrieval.search.items import Candidates, allowed_items, best_places, relaxed, shares
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import complete

CHUNK = 1 << 14
NO_PICTURES = (
    "this bundle has no encoder of pictures, so it cannot be searched by one: train with image.encoder: descriptors, "
    "or export a run on pictures again where the extra onnx is installed"
)


class Similar(NamedTuple):
    """Rows of items and the share of bits in which their codes agree, nearest first, ties by id.

    (K',) int64 and float64.
    """

    rows: np.ndarray
    shares: np.ndarray


def similar_items(
    codes: Packed, row: int, k: int, allowed: np.ndarray | None = None, ids: IdTable | None = None
) -> Similar:
    """The k items of a type with the codes nearest to an item's code, without the item itself. Exact.

    Args:
        codes: (N, M, D / 8) uint8, the codes of all items of the type.
        row: the item.
        k: at most how many.
        allowed: (N,) bool, the items that may come back; by default all.
        ids: of the items, for ties; without them ties come in order of row.

    Raises:
        QueryError: k is below 1, the row does not exist, or the filter has another length.
    """
    check_count("k", k)
    count = len(codes)
    if not 0 <= row < count:
        raise QueryError(f"row must be from 0 to {count - 1}, got {row}")
    if allowed is not None and len(allowed) != count:
        raise QueryError(f"the filter has {counted(len(allowed), 'row')} for {counted(count, 'item')}")
    distances = distances_to(codes.reshape(count, -1), codes[row].reshape(-1))
    kept = np.ones(count, dtype=bool) if allowed is None else allowed.copy()
    kept[row] = False
    if kept.sum() > k:  # what is farther than the k-th cannot come back
        kept &= distances <= kth_least(distances[kept], k)
    rows = np.flatnonzero(kept)
    if ids is None:
        rows = rows[np.argsort(distances[rows], kind="stable")][:k]
    else:
        ranked = sorted(zip(distances[rows].tolist(), ids.at(rows), rows.tolist()))
        rows = np.array([ranked_row for _, _, ranked_row in ranked[:k]], dtype=np.int64)
    return Similar(rows, 1 - distances[rows] / (8 * codes[row].size))


@dataclass(frozen=True)
class PictureCode:
    """What a bundle makes of a picture; it is small enough to stand in the address of a page.

    Attributes:
        fingerprint: of the bundle.
        codes: by item type (D / 8,) uint8, the packed code in the modality of pictures; with an outfit encoder that of
            the outfit which consists of such an item alone.
        vectors: by item type (D,) float16, with an outfit encoder the vector whose signs the code is; empty otherwise.
    """

    fingerprint: str
    codes: Mapping[str, Packed]
    vectors: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, bundle: Bundle, coder: ItemCoder, picture: bytes) -> PictureCode:
        """The code of an encoded picture.

        Raises:
            QueryError: the bundle does not read pictures.
            FeatureError: bytes that are not a picture.
            MissingExtraError: a package that the encoder needs is not installed.
        """
        if not coder.reads_pictures:
            raise QueryError(NO_PICTURES)
        codes, vectors = {}, {}
        for item_type, outputs in coder.outputs_of_picture(picture).items():
            coded = scoring_of(bundle).coded_items(item_type, outputs[None])
            codes[item_type] = coded.codes[0, _place(bundle, coder)]
            if bundle.encoder is not None:
                vectors[item_type] = coded.encoded[0, bundle.encoder.width :].astype(np.float16)
        return cls(bundle.fingerprint, codes, vectors)

    def to_text(self) -> str:
        """The code in letters, digits, "-" and "_"."""
        parts = [self.codes[item_type].tobytes() for item_type in self.codes]
        parts += [vector.astype("<f2").tobytes() for vector in self.vectors.values()]
        return f"{self.fingerprint}.{base64.urlsafe_b64encode(b''.join(parts)).decode().rstrip('=')}"

    @classmethod
    def from_text(cls, bundle: Bundle, text: str) -> PictureCode:
        """What `to_text` wrote. Raises QueryError for another text, or one that another bundle made."""
        fingerprint, _, rest = text.rpartition(".")
        size, types = bundle.num_bits // 8, bundle.types
        try:
            read = base64.b64decode(rest.encode("ascii") + b"=" * (-len(rest) % 4), b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise QueryError(f"{shown(text)} is not the code of a picture: send the picture again") from None
        widths = [size] * len(types) + ([2 * bundle.num_bits] * len(types) if bundle.encoder is not None else [])
        if fingerprint != bundle.fingerprint or len(read) != sum(widths):
            raise QueryError("this code of a picture belongs to another bundle: send the picture again")
        starts = np.concatenate([[0], np.cumsum(widths)]).tolist()
        parts = [read[start : start + width] for start, width in zip(starts, widths)]
        codes = {item_type: np.frombuffer(part, dtype=np.uint8) for item_type, part in zip(types, parts)}
        floats = [np.frombuffer(part, dtype="<f2") for part in parts[len(types) :]]
        if any(not np.isfinite(vector).all() for vector in floats):
            raise QueryError(f"{shown(text)} is not the code of a picture: send the picture again")
        return cls(fingerprint, codes, dict(zip(types, floats)))


class PictureOptions(TypedDict, total=False):
    """The options of Recommender.search_picture; PictureQuery holds their defaults and meaning."""

    text: str | None
    where: Mapping[str, Any] | None
    exclude: Mapping[str, Sequence[str]] | None
    skip: int
    facts: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class PictureQuery:
    """Which items to search for by a picture.

    Attributes:
        k: at most how many.
        item_types: only items of these types; None for all.
        text: words beside the picture: their facts decide, or add to the score, as in a search.
        where: which items: see retrieval/filters/language.py.
        exclude: by item type the ids of items that are left out.
        skip: leave out so many of the first items: k more follow.
        facts: what the words are to mean: see search/given.py.
    """

    k: int
    item_types: Sequence[str] | None = None
    text: str | None = None
    where: Mapping[str, Any] | None = None
    exclude: Mapping[str, Sequence[str]] | None = None
    skip: int = 0
    facts: Sequence[Mapping[str, Any]] | None = None

    def types(self, bundle: Bundle) -> tuple[str, ...]:
        """The item types that are searched. Raises QueryError for options without meaning."""
        check_count("k", self.k)
        check_skip(self.skip)
        if self.text is not None and not isinstance(self.text, str):
            raise QueryError(f"text must be a string, the words beside a picture, got {shown(self.text)}")
        if self.item_types is None:
            return bundle.types
        names = check_list("item_types", self.item_types, "item types")
        if not names:
            raise QueryError("item_types is empty: name at least one type, or leave it out for all")
        return tuple(dict.fromkeys(check_type(bundle, name) for name in names))


def search_by_picture(moment: Moment, coder: ItemCoder, picture: PictureCode, query: PictureQuery) -> ItemHits:
    """The k items nearest to a picture; see Recommender.search_picture."""
    bundle, types = moment.snapshot.bundle, query.types(moment.snapshot.bundle)
    if picture.fingerprint != bundle.fingerprint:
        raise QueryError("this code of a picture belongs to another bundle: send the picture again")
    said = _words(moment, query)
    chosen, masks = allowed_items(moment, types, query.where, query.exclude)
    parts = []
    for number, item_type in enumerate(types):
        mask, count = masks.get(item_type), len(bundle.items[item_type])
        rows = np.arange(count) if mask is None else np.flatnonzero(mask)
        rows, scores = _scores(bundle, coder, picture, item_type, rows)
        tiers = np.zeros(len(rows), dtype=np.int64)
        if said is not None:
            tables = moment.columns.of(moment.snapshot)
            tiers = moment.tower.facts.tiers(moment.snapshot, tables, item_type, said, rows)
            scores = scores + moment.tower.facts.added(moment.snapshot, tables, item_type, said, rows)
        parts.append((np.full(len(rows), number), rows, scores, tiers))
    numbers, rows, scores, tiers = (np.concatenate(part) for part in zip(*parts))
    near = Candidates(types, numbers, rows, np.zeros(len(rows), dtype=np.int64))
    places = best_places(bundle, near, scores, int(query.skip) + int(query.k), tiers)[query.skip :]
    near, tiers = near.at(places), tiers[places]
    ids = [bundle.items[item_type].id(row) for item_type, row in zip(near.item_types, near.rows.tolist())]
    hits = ItemHits(np.array(ids, dtype=np.str_), scores[places])
    hits.types = np.array(near.item_types, dtype=np.str_)
    hits.by, hits.note = "picture" if said is None else "picture and words", ""
    hits.known_words = hits.unknown_words = ()
    hits.reranked, hits.by_bits = bundle.encoder is not None, said is None and bundle.encoder is None
    hits.complete = np.ones(len(ids), dtype=bool)
    if said is not None:
        hits.understood, hits.goes_with = said.facts, said.partner
        hits.complete = complete(said, tiers)
        hits.note = "; ".join(filter(None, [*said.notes, relaxed(said, tiers)]))
    if query.where and len(ids) < query.k:
        tables = moment.columns.of(moment.snapshot)
        searched = {item_type: tables[item_type] for item_type in types}
        hits.shortfall = explain_shortfall(query.k, len(ids), chosen, searched, what="items")
    return hits


def _words(moment: Moment, query: PictureQuery) -> Understanding | None:
    """What the words beside a picture say; None where there are none.

    Raises:
        BundleError: the bundle reads no words.
    """
    text = readable(query.text or "").strip()
    if not text and query.facts is None:
        return None
    check_reads(moment)
    if moment.tower.facts.facts is None:
        raise QueryError("words beside a picture need a bundle that reads facts: export it again")
    return said_by(moment, text, query.facts)


def _scores(
    bundle: Bundle, coder: ItemCoder, picture: PictureCode, item_type: str, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a type that can be compared, and their scores: the share of equal bits, or (1 + cosine) / 2 of vectors.

    Items without a picture have the code of the unknown item of their type, and cannot be compared.
    """
    if bundle.encoder is not None:
        query = picture.vectors[item_type].astype(np.float64)
        scores = np.empty(len(rows))
        for start in range(0, len(rows), CHUNK):
            vectors = bundle.encoded_items[item_type][rows[start : start + CHUNK], bundle.encoder.width :]
            vectors = vectors.astype(np.float64)
            lengths = np.sqrt((vectors * vectors).sum(axis=1) * float(query @ query))
            scores[start : start + CHUNK] = (1 + (vectors * query).sum(axis=1) / np.maximum(lengths, 1e-12)) / 2
        return rows, scores
    place = _place(bundle, coder)
    codes = bundle.item_codes[item_type][rows, place]
    unknown = scoring_of(bundle).coded_items(item_type, coder.outputs_of_many(item_type, 1, {})).codes[0, place]
    known = (codes != unknown).any(axis=1)
    distances = hamming(np.ascontiguousarray(codes[known]), picture.codes[item_type])
    return rows[known], shares(distances, bundle.num_bits)


def _place(bundle: Bundle, coder: ItemCoder) -> int:
    """Which of an item's codes is that of its picture; an outfit encoder makes one of all modalities."""
    return 0 if bundle.encoder is not None else coder.modalities.index("image")
