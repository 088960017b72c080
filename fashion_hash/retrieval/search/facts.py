"""What a request says, against a live catalogue: its facts, and items ordered by them, by words and by bits.

Items are ordered by tiers of hard facts first (understanding/satisfaction.py), and within a tier by

    request score + lexical * share of the request's words + soft * share of its soft facts
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.shop_words import ShopWords
from fashion_hash.bundle.tables.values import text_changes, values_of
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import parse
from fashion_hash.understanding.facts import RequestFacts, read_facts
from fashion_hash.understanding.lexicon import CatalogueValues, Lexicon
from fashion_hash.understanding.phrases.build import Phrases
from fashion_hash.understanding.phrases.kept import KeptPhrases, LivePhrases, digest, live_phrases
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import MOST_HARD, Mask, Where, degrees, soft_shares, tiers
from fashion_hash.understanding.terms import Terms, readable
from fashion_hash.understanding.words import Words

BROAD = 8  # a share of one in so many items is looked up among all
VERSIONS = 2  # of the catalogue: a thread may still answer from an older snapshot
Tables = Mapping[str, ItemColumns]


class LateTerms(NamedTuple):
    """The words of items: those of the export, and instead of some, and after them, those that came later.

    Attributes:
        exported: (N, V).
        updated: (n,) int64, rows of items whose words were updated.
        late: (n + A, V), of these items and of the A that were added.
    """

    exported: csc_matrix
    updated: np.ndarray
    late: csc_matrix

    def shares(self, terms: Terms, asked: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """(n,) float32, how much of the words of a request some items hold.

        Args:
            terms: the words of the catalogue.
            asked: places of words.
            rows: of the items, ascending, each once.
        """
        first = self.exported.shape[0]
        count = int(np.searchsorted(rows, first))
        shares = terms.shares(self.exported, asked, None if count == first else rows[:count])
        if not self.late.shape[0]:
            return shares
        late = terms.shares(self.late, asked)
        if len(self.updated) and count:
            at = np.minimum(np.searchsorted(rows[:count], self.updated), count - 1)
            held = rows[at] == self.updated
            shares[at[held]] = late[: len(self.updated)][held]
        return np.concatenate([shares, late[len(self.updated) :][rows[count:] - first]])

    def merged(self, values: Callable[[csc_matrix], np.ndarray]) -> np.ndarray:
        """(N + A,) what a function gives for each item."""
        exported, late = values(self.exported), values(self.late)
        exported[self.updated] = late[: len(self.updated)]
        return np.concatenate([exported, late[len(self.updated) :]])


class LiveFacts:
    """What a bundle understands of requests, opened at the first request.

    Args:
        exported: the bundle.
    """

    def __init__(self, exported: Bundle) -> None:
        """Opens nothing yet."""
        self._exported = exported
        self._facts: RequestFacts | None = None
        self._is_open = False
        self._shop_words: ShopWords | None = None
        self._lexicons: OrderedDict[tuple[int, ...], Lexicon] = OrderedDict()
        self._late: OrderedDict[tuple[str, int, int], LateTerms] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def facts(self) -> RequestFacts | None:
        """What the bundle keeps; None for bundles that were made before facts were read."""
        with self._lock:
            if not self._is_open:
                sizes = {item_type: len(ids) for item_type, ids in self._exported.items.items()}
                tables = self._exported.tables
                kept = None if tables is None or tables.terms is None else (tables.terms, tables.mean_length)
                self._facts = read_facts(self._exported.path / "requests" / "facts", sizes, kept)
                self._is_open = True
            return self._facts

    def understand(self, snapshot: Snapshot, tables: Tables, text: str) -> Understanding | None:
        """What a request says; None for a bundle that does not read facts.

        Args:
            snapshot: the state of the catalogue.
            tables: its columns, by item type.
            text: the words of the request.
        """
        facts = self.facts
        if facts is None:
            return None
        return facts.limited(understand(text, self.lexicon(snapshot, tables)), text)

    def lexicon(self, snapshot: Snapshot, tables: Tables) -> Lexicon:
        """The phrases that the catalogue understands in a state."""
        facts, words = self._opened(), self._words()
        key = (id(words), snapshot.items_seq, *(len(table) for table in tables.values()))
        with self._lock:
            if key not in self._lexicons:
                latest = next(reversed(self._lexicons.values()), None)
                values = values_of(tables, facts.terms.counts)
                self._lexicons[key] = Lexicon(words, values, self._phrases(words, values, tables, latest))
                while len(self._lexicons) > VERSIONS:
                    self._lexicons.popitem(last=False)
            return self._lexicons[key]

    def _phrases(
        self, words: Words, values: CatalogueValues, tables: Tables, latest: Lexicon | None
    ) -> Phrases | KeptPhrases | LivePhrases:
        """What phrases mean: as the files of the bundle say, with what changed since, or made from all values."""
        exported = self._exported.tables
        if exported is not None and exported.phrases is not None and exported.phrases.words == digest(words):
            live = live_phrases(exported.phrases, words, values, text_changes(tables, exported.kept))
            if live is not None:
                return live
        earlier = latest.phrases if latest is not None and isinstance(latest.phrases, Phrases) else None
        return Phrases(words, values, earlier)

    def tiers(
        self, snapshot: Snapshot, tables: Tables, item_type: str, said: Understanding, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """(N,) int64 tiers of all items of a type, or (n,) of some rows, by the hard facts of a request."""
        size = len(snapshot.bundle.items[item_type]) if rows is None else len(rows)
        mask, lists = self._mask(snapshot, tables, item_type, rows)
        return tiers(said, item_type, size, mask, lists)

    def narrowed(
        self, snapshot: Snapshot, tables: Tables, said: Understanding, rows: Mapping[str, np.ndarray | None], count: int
    ) -> dict[str, np.ndarray | None]:
        """The rows among which the items of the `count` greatest tiers are, by type; None for all rows.

        One hard fact after the other, the most important first: where `count` items at least have a fact, and all
        before it, no item without it is among them. So the later facts are looked up for few items.
        """
        left = dict(rows)
        for fact in said.hard[:MOST_HARD] if len(said.items) == 1 else ():
            having = {}
            for item_type, of_type in left.items():
                size = len(snapshot.bundle.items[item_type])
                # many rows are looked up faster among all than one by one
                among = None if of_type is None or BROAD * len(of_type) > size else of_type
                mask, lists = self._mask(snapshot, tables, item_type, among)
                fits = degrees(fact, item_type, size if among is None else len(among), mask, lists) > 0
                if of_type is None:
                    having[item_type] = np.flatnonzero(fits)
                else:
                    having[item_type] = of_type[fits if among is not None else fits[of_type]]
            if sum(map(len, having.values())) < count:
                break
            left.update(having)
        return left

    def added(
        self, snapshot: Snapshot, tables: Tables, item_type: str, said: Understanding, rows: np.ndarray
    ) -> np.ndarray:
        """(n,) float64, what words and soft facts add to the scores of items of a type."""
        facts = self._opened()
        mask, lists = self._mask(snapshot, tables, item_type, rows)
        added = facts.soft * soft_shares(said, item_type, len(rows), mask, lists)
        asked = facts.terms.asked(said.about, facts.words)
        if facts.lexical and asked:
            late = self._late_terms(snapshot, item_type, facts)
            added += facts.lexical * late.shares(facts.terms, asked, rows)
        return added

    def _mask(
        self, snapshot: Snapshot, tables: Tables, item_type: str, rows: np.ndarray | None
    ) -> tuple[Mask, frozenset[str]]:
        """What tells which items of a type, all or some rows, match a fact; and the columns that hold lists."""
        facts = self._opened()
        at = slice(len(snapshot.bundle.items[item_type])) if rows is None else rows

        def mask(where: Where) -> np.ndarray:
            if "word" in where:
                late = self._late_terms(snapshot, item_type, facts)
                return late.merged(lambda weights: facts.terms.holding(weights, where["word"]))[at]
            mask = tables[item_type].mask(parse(where, ()).of(item_type), rows)
            return mask[at] if rows is None else mask

        return mask, self.lexicon(snapshot, tables).values.lists

    def _opened(self) -> RequestFacts:
        facts = self.facts
        assert facts is not None
        return facts

    def _words(self) -> Words:
        """The words as they are now: those of the file beside the bundle, or else those that it was exported with."""
        facts = self._opened()
        with self._lock:
            if self._shop_words is None:
                self._shop_words = ShopWords(self._exported.root, facts.words)
            return self._shop_words.now()

    def _late_terms(self, snapshot: Snapshot, item_type: str, facts: RequestFacts) -> LateTerms:
        """The words of the items of a type, those that were updated or added included."""
        first, count = len(self._exported.items[item_type]), len(snapshot.bundle.items[item_type])
        key = item_type, snapshot.items_seq, count
        with self._lock:
            if key not in self._late:
                catalogue = snapshot.bundle.catalogue
                rows = sorted({row for row in catalogue.reworded(item_type, 0) if row < first})
                items = [catalogue.item(item_type, row) for row in (*rows, *range(first, count))]
                details = [{**item.details, "title": item.title} for item in items]
                texts = [readable(catalogue_words(columns), columns) for columns in details]
                weights = facts.terms.weights(texts, facts.words)
                late = LateTerms(facts.terms.by_type[item_type], np.array(rows, dtype=np.int64), weights)
                self._late[key] = late
                while len(self._late) > VERSIONS * len(self._exported.types):
                    self._late.popitem(last=False)
            return self._late[key]
