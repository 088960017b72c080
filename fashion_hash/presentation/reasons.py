"""Why an outfit is shown, in one sentence made from what is true, and where it stands in the user's own ranking.

A trait is a value of a column of texts, or a word of a title. It counts as the user's where it occurs among the items
they like clearly more often than in the catalogue: at least three times, half as often again as expected, and by three
standard deviations. Where nothing of this can be said, nothing is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import generator
from fashion_hash.data.columns import ALWAYS_TEXT
from fashion_hash.foldin.fold_in import open_fold
from fashion_hash.index.scoring import scoring_of
from fashion_hash.live.users import Told
from fashion_hash.retrieval.answers import Hit
from fashion_hash.retrieval.explanation.codes import nearest_liked
from fashion_hash.retrieval.filters.columns import TEXT, ItemColumns
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.users import user_now, with_taste

COMPARED, SAMPLE, PAIRS = 20_000, 4_000, 400  # outfits that ranks are counted over, items of a type, random pairs
FEWEST, LIFT, SURE = 3, 1.5, 3.0
MOST_VALUES = 200  # a column of more different texts describes single items, such as a description
GOOD_PAIR, NEAR = 75, 0.75
About = Literal["", "taste", "harmony"]
Item = tuple[str, int]  # item type and row
Trait = tuple[str, str]  # column and value, casefolded; the column of a word is ""


class Clause(NamedTuple):
    """A part of a sentence, and what it is about."""

    text: str
    about: About = ""


class Rank(NamedTuple):
    """Where a term of an outfit stands: among the best `percent` of the user's ranking."""

    name: str
    percent: int
    about: About


class Reason(NamedTuple):
    """Why an outfit is shown: a sentence, which may be empty, and ranks."""

    sentence: tuple[Clause, ...] = ()
    ranks: tuple[Rank, ...] = ()

    @property
    def text(self) -> str:
        """The sentence."""
        return "".join(clause.text for clause in self.sentence)

    @property
    def shown_ranks(self) -> tuple[Rank, ...]:
        """The ranks that differ between outfits of a list: taste and harmony where they are known, else that of all."""
        return tuple(rank for rank in self.ranks if rank.about) or self.ranks


class Reasons:
    """Makes the reasons of one user's answer.

    Args:
        recommender: what answered.
        user_id: the user; None for anyone.
        told: what was told with the question; None for nothing.
        taste: the weight of taste against compatibility in the answer.
    """

    def __init__(
        self, recommender: Recommender, user_id: str | None, told: Told | None = None, taste: float = AS_TRAINED
    ) -> None:
        """Looks at the user and the catalogue."""
        live = recommender.live
        snapshot, self._user = user_now(live, user_id, told, lambda: open_fold(live.bundle))
        self._snapshot = with_taste(snapshot, taste)
        self._bundle = self._user.bundle_of(self._snapshot)
        self._tables = recommender.columns()
        self._scoring = scoring_of(self._bundle)
        offered = self._snapshot.offered
        rows = np.arange(len(self._snapshot.ids)) if offered is None else np.flatnonzero(offered)
        self.num_outfits = len(rows)
        rows = rows[np.linspace(0, len(rows) - 1, COMPARED).astype(np.int64)] if len(rows) > COMPARED else rows
        self.num_compared = len(rows)
        self._pool = None
        if len(rows):
            items, own = self._snapshot.items_of(rows), self._snapshot.own_of(rows)
            self._pool = self._scoring.parts(self._user.user_key, items, own)
        self.num_liked = len(self._user.liked)
        self._liked = sorted({item for outfit in self._user.liked for item in self._items(outfit)})
        self._counts, self._shares = self._traits_of_user()
        self._pairs: dict[tuple[int, int], np.ndarray] = {}
        self._said: Counter[str] = Counter()  # so that the sentences of a list name what differs

    @property
    def personal(self) -> bool:
        """Whether anything is known of the user."""
        return self._user.personal

    @property
    def tastes(self) -> list[str]:
        """What the user likes more often than usual, the surest first."""
        return _distinct(sorted(self._shares, key=self._order), 4)

    def _order(self, trait: Trait) -> tuple[float, bool, Trait]:
        """The surest first, and values of columns before words of titles."""
        return -round(self._shares[trait].sure, 9), not trait[0], trait

    def of(self, hit: Hit) -> Reason:
        """The reason of a hit."""
        items = self._rows(hit.items)
        taste, harmony = self._taste(items), self._harmony(items)
        clauses = [*taste, *([Clause("; ")] if taste and harmony else []), *harmony]
        if clauses:
            first = clauses[0]
            clauses = [first._replace(text=first.text[:1].upper() + first.text[1:]), *clauses[1:], Clause(".")]
        return Reason(tuple(clauses), self._ranks(hit))

    def _ranks(self, hit: Hit) -> tuple[Rank, ...]:
        if self._pool is None:
            return ()
        score, preference, compatibility, _ = self._pool
        terms: list[tuple[str, float, np.ndarray, About]] = [("in all", hit.score, score, "")]
        if self._user.personal and np.ptp(preference) > 0:
            terms.append(("taste", hit.preference, preference, "taste"))
        if self._bundle.compatibility_scale and np.ptp(compatibility) > 0:
            terms.append(("goes together", hit.compatibility, compatibility, "harmony"))
        return tuple(
            Rank(name, min(100, math.ceil(100 * (1 + int((values > value).sum())) / len(values))), about)
            for name, value, values, about in terms
        )

    def _taste(self, items: np.ndarray) -> list[Clause]:
        """What the outfit has that the user likes."""
        held = {trait for item in self._items(items) for trait in self._traits([item])[item]} & self._shares.keys()
        best = _distinct(sorted(held, key=lambda trait: (self._said[trait[1]], *self._order(trait))), 2)
        clauses: list[Clause] = []
        for name in best:
            self._said[name] += 1
            clauses += [*([Clause(" and ")] if clauses else []), Clause(name, "taste")]
        if clauses:
            lift = min(self._shares[trait].lift for trait in held if trait[1] in best)
            clauses.append(Clause(f", liked {_times(lift)} as often as usual"))
        if clauses or not len(self._user.liked):
            return clauses
        if again := [item for item in self._items(items) if item in self._liked]:
            return [Clause("holds "), Clause(self._name(again[0]), "taste"), Clause(", from an outfit liked before")]
        [near] = nearest_liked(self._bundle, items, self._user.liked, 1)
        if near.share < NEAR:
            return []
        first = self._items(self._rows(near.items))[0]
        return [Clause("close to the outfit liked before with "), Clause(self._name(first), "taste")]

    def _harmony(self, items: np.ndarray) -> list[Clause]:
        """The pair of items that goes together best, where it is better than most."""
        filled = [slot for slot, row in enumerate(items.tolist()) if row != EMPTY]
        slots = self._bundle.slots
        pairs = [(a, b) for a in filled for b in filled if a < b and slots[a] != slots[b]]
        if not pairs or not self._scoring.adds_up or not self._bundle.compatibility_scale:
            return []
        better = {pair: self._better_than(items, pair) for pair in pairs}
        best = max(pairs, key=lambda pair: better[pair])
        if better[best] < GOOD_PAIR:
            return []
        first, second = (self._bundle.slot_names[slot].replace("_", " ") for slot in best)
        percent = min(99, better[best])
        return [
            Clause(f"{first} and {second}", "harmony"),
            Clause(f" go together better than {percent} % of such pairs"),
        ]

    def _better_than(self, items: np.ndarray, pair: tuple[int, int]) -> int:
        """How many percent of random pairs of these types go together less well."""
        if pair not in self._pairs:
            rng = generator(0, "random pairs", *map(str, pair))
            drawn = np.full((PAIRS, len(items)), EMPTY, dtype=np.int64)
            for slot in pair:
                drawn[:, slot] = rng.integers(0, len(self._bundle.items[self._bundle.slots[slot]]), PAIRS)
            self._pairs[pair] = self._scoring.parts(self._user.user_key, drawn)[2]
        alone = np.full((1, len(items)), EMPTY, dtype=np.int64)
        alone[0, list(pair)] = items[list(pair)]
        value = self._scoring.parts(self._user.user_key, alone)[2][0]
        return int(100 * np.mean(self._pairs[pair] < value))

    def _rows(self, items_by_slot: Mapping[str, str]) -> np.ndarray:
        """The items of an outfit by slot, (S,); pools of older data may hold an item twice."""
        rows = np.full(len(self._bundle.slots), EMPTY, dtype=np.int64)
        for slot_name, item_id in items_by_slot.items():
            slot = self._bundle.slot_names.index(slot_name)
            rows[slot] = self._bundle.items[self._bundle.slots[slot]].row(item_id)
        return rows

    def _items(self, outfit: np.ndarray) -> list[Item]:
        """The items of an outfit, (S,)."""
        return [(kind, row) for kind, row in zip(self._bundle.slots, outfit.tolist()) if row != EMPTY]

    def _name(self, item: Item) -> str:
        item_type, row = item
        title = self._bundle.catalogue.item(item_type, row).title or self._bundle.items[item_type].id(row)
        title = " ".join(title.split())
        return title if len(title) <= 48 else title[:47].rstrip() + "…"

    def _traits_of_user(self) -> tuple[Counter[Trait], dict[Trait, Share]]:
        """How often each trait occurs among the liked items, and those that occur more often than expected."""
        counts: Counter[Trait] = Counter()
        of_type = {
            item_type: [item for item in self._liked if item[0] == item_type] for item_type in self._bundle.types
        }
        for liked in of_type.values():
            for traits in self._traits(liked).values():
                counts.update(traits)
        expected: Counter[Trait] = Counter()
        variance: Counter[Trait] = Counter()
        for item_type, liked in of_type.items():
            count = len(self._bundle.items[item_type])
            if not liked or not count:
                continue
            rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64)).tolist()
            usual = Counter(
                trait for traits in self._traits((item_type, row) for row in rows).values() for trait in traits
            )
            for trait in usual.keys() & counts.keys():
                share = usual[trait] / len(rows)
                expected[trait] += len(liked) * share  # type: ignore[assignment]
                variance[trait] += len(liked) * share * (1 - share)  # type: ignore[assignment]
        total, shares = max(1, len(self._liked)), {}
        for trait, count in counts.items():
            sure = (count - expected[trait]) / math.sqrt(max(variance[trait], 1e-9))
            if count >= FEWEST and expected[trait] > 0 and count >= LIFT * expected[trait] and sure >= SURE:
                shares[trait] = Share(count / total, expected[trait] / total, sure)
        return counts, shares

    def _traits(self, items: Iterable[Item]) -> dict[Item, set[Trait]]:
        """What is said of items."""
        out: dict[Item, set[Trait]] = {}
        for item_type, row in items:
            table, traits = self._tables[item_type], set()
            for name in table.names:
                text = _text(table, name, row)
                if text is None:
                    continue
                if name == "title":
                    traits |= {("", word) for word in re.findall(r"[^\W\d_]{3,}", text.lower())}
                elif name not in ALWAYS_TEXT and self._describes(table, name):
                    traits.add((name, text.lower()))  # not casefold, which shows "weiß" as "weiss"
            out[item_type, row] = traits
        return out

    @staticmethod
    def _describes(table: ItemColumns, name: str) -> bool:
        return len(table.column(name)[2]) <= min(MOST_VALUES, max(2, len(table) // 2))


class Share(NamedTuple):
    """How often a trait occurs among the liked items and usually, and by how many standard deviations more."""

    liked: float
    usual: float
    sure: float

    @property
    def lift(self) -> float:
        """How many times as often as usual."""
        return self.liked / self.usual


def _text(table: ItemColumns, name: str, row: int) -> str | None:
    kinds, values, texts = table.column(name)
    return texts[int(values[row])] if row < len(kinds) and kinds[row] == TEXT else None


def _distinct(traits: Sequence[Trait], most: int) -> list[str]:
    """The values of the first traits, without those that repeat a part of an earlier one."""
    names: list[str] = []
    for _, name in traits:
        if len(names) < most and not any(name in other or other in name for other in names):
            names.append(name)
    return names


def _times(lift: float) -> str:
    """A ratio of at least LIFT in words that are true: "at least twice"."""
    whole = int(lift + 1e-9)
    return "half again" if whole < 2 else "at least twice" if whole == 2 else f"at least {whole} times"
