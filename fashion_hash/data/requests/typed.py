"""Requests as users type them into a search field, with every item that satisfies them.

    "red skirt", "heels under 80", "striped shrit", "loafers, not black", "a navy blazer for the office"

They are made from the columns of a catalogue: for an item that was taken, in the words of `phrases`. What satisfies a
request is read off the columns as well, so it is known exactly and does not depend on any reading of the words.

    judged = typed_requests(data, "test")
    judged.requests.texts[0], judged.kinds[0], judged.hard[0]    # "red skirt", "short", rows of red skirts

The same seed gives the same requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.data.requests.columns import BRAND, CatalogueColumns, Condition
from fashion_hash.data.requests.judged import JudgedRequests
from fashion_hash.data.requests.misspelling import misspell
from fashion_hash.data.requests.phrases import TAILS, facts_of, noun, with_article
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests

PER_KIND = 100
"""How many requests of each kind are made by default."""

FEWEST_HARD = 2
"""At least so many items have every hard fact of a request; with fewer, the first places could not all be right."""

_TRIES = 30
_PATTERN_NAMES = {"striped": "stripes", "checked": "checks", "dotted": "dots", "floral": "flowers"}
_GREETINGS = ("Hi! ", "Hello, ", "Good morning. ", "Hey there, ", "")
_STORIES = (
    "I have been searching for weeks and cannot find what I like. ",
    "My sister told me about this shop. ",
    "It is for my birthday. ",
    "I am not sure what it is called. ",
    "",
)
_WISHES = ("I am looking for {}", "could you show me {}", "I would love to have {}", "what I need is {}")
_CLOSINGS = (
    ". Thank you very much for your help!",
    ", if you still have that.",
    ". It should arrive before Friday.",
    " - any ideas?",
    ". My size is 38.",
)


class Asked(NamedTuple):
    """The words of a request and the facts they name."""

    text: str
    conditions: tuple[Condition, ...]


def typed_requests(data: RequestData, split: str, seed: int = 0, per_kind: int = PER_KIND) -> JudgedRequests:
    """Requests of every kind in `TYPED_KINDS` for items that were taken in a split.

    Kinds that the columns of the catalogue do not allow are left out: without prices no request names one. A user
    never says what they say in the training split.

    Args:
        data: requests, with the details of the items.
        split: whose users and taken items are used.
        seed: of every draw.
        per_kind: at most how many of each kind.

    Raises:
        DataError: the data has no such split.
    """
    events = data.split(split)
    columns = CatalogueColumns(data)
    said = set(zip(data.split("train").users.tolist(), data.split("train").texts)) if split != "train" else set()
    users, items, texts, kinds = [], [], [], []
    hard: list[np.ndarray] = []
    satisfying: list[np.ndarray] = []
    for kind, make in TYPED_KINDS.items():
        rng = generator(seed, "typed requests", split, kind)
        made = 0
        for event in rng.permutation(len(events)).tolist():
            if made == per_kind:
                break
            user, item = int(events.users[event]), int(events.items[event])
            asked = _ask(make, _Taken(columns, item, _partner(events, columns, event, rng)), rng)
            if asked is None or (user, asked.text) in said:
                continue
            made += 1
            users.append(user)
            items.append(item)
            texts.append(asked.text)
            kinds.append(kind)
            hard.append(_fitting([condition for condition in asked.conditions if condition.hard], data.num_items))
            satisfying.append(_fitting(asked.conditions, data.num_items))
    requests = Requests.of(users, items, texts)
    return JudgedRequests(requests, tuple(kinds), tuple(hard), tuple(satisfying))


def retyped(data: RequestData, requests: Requests, share: float, seed: int = 0) -> Requests:
    """The same users and items, with a share of the texts replaced by requests as users type them.

    Args:
        data: the catalogue.
        requests: of a split.
        share: of the requests; those for which no words are found keep theirs.
        seed: of every draw.
    """
    columns, rng = CatalogueColumns(data), generator(seed, "typed texts")
    texts, makers = list(requests.texts), list(TYPED_KINDS.values())
    for at in np.flatnonzero(rng.random(len(requests)) < share).tolist():
        make = makers[rng.integers(len(makers))]
        taken = _Taken(columns, int(requests.items[at]), _partner(requests, columns, at, rng))
        if (asked := _ask(make, taken, rng)) is not None:
            texts[at] = asked.text
    return Requests(requests.users, requests.items, tuple(texts), requests.times)


class _Taken:
    """An item that was taken, and an item that it may go with."""

    def __init__(self, columns: CatalogueColumns, row: int, partner: int | None) -> None:
        self.columns, self.row, self.partner = columns, row, partner
        self.details = columns.details[row]

    def facts(self, rng: np.random.Generator) -> dict[str, Condition]:
        """What may be said of it, by column, in words that are drawn."""
        facts = {fact.attribute: self.columns.fact(fact) for fact in facts_of(self.details, rng)}
        if isinstance(brand := self.details.get(BRAND), str):
            facts[BRAND] = Condition(brand, self.columns.having(BRAND, brand), True)
        return facts

    def called(self, facts: Mapping[str, Condition], rng: np.random.Generator) -> Condition:
        """What it is: its kind where this is known, else its type."""
        item_type = self.columns.item_types[self.row]
        return facts.get("kind") or Condition(noun(item_type, {}, rng), self.columns.of_type(self.row), True)

    def price(self, rng: np.random.Generator) -> Condition | None:
        """Words for a price that it keeps within; None for an item without a price."""
        price = float(self.columns.prices[self.row])
        if not price > 0:
            return None
        step = 1 if price < 10 else 5 if price < 50 else 10
        most = int(step * (np.floor(price / step) + 1 + rng.integers(3)))
        if rng.random() < 0.2:
            least = int(step * max(0, np.floor(price / step) - rng.integers(1, 4)))
            within = (self.columns.prices >= least) & (self.columns.prices <= most)
            return Condition(_drawn(_BETWEEN, rng).format(least, most), within, True)
        return Condition(_drawn(_UNDER, rng).format(most), self.columns.prices <= most, True)


_BETWEEN = ("between {} and {}", "between {} and {} euros", "from {} to {} euros")
_UNDER = (  # a price of exactly that is still within it
    "under {}",
    "under €{}",
    "below {} euros",
    "for less than ${}",
    "up to {} euros",
    "max {} eur",
    "for at most {}",
    "not more than £{}",
)


def _short(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """A word or two before what it is: "red skirt"."""
    facts = taken.facts(rng)
    called = taken.called(facts, rng)
    first = facts.get("colour")
    if first is None or rng.random() < 0.25:
        others = [facts[name] for name in ("pattern", "material", "style") if name in facts]
        first = others[rng.integers(len(others))] if others else first
    return None if first is None else Asked(f"{first.words} {called.words}", (first, called))


def _misspelt(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """A short request with one letter wrong."""
    asked = _short(taken, rng)
    wrong = None if asked is None else misspell(asked.text, taken.columns.words, rng)
    return None if asked is None or wrong is None else Asked(wrong, asked.conditions)


def _priced(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """What it is, perhaps its colour, and a price."""
    facts, price = taken.facts(rng), taken.price(rng)
    if price is None:
        return None
    core = _core(taken, facts, ("colour",) if rng.random() < 0.7 else (), rng)
    return Asked(f"{core.text} {price.words}", (*core.conditions, price))


def _negated(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """What it is, and something that it must not be."""
    columns, facts = taken.columns, taken.facts(rng)
    core = _core(taken, facts, (), rng)
    column = ("colour", "colour", "pattern", "material", BRAND)[rng.integers(5)]
    of_kind = core.conditions[-1].rows
    others = [value for value in columns.values(column, of_kind) if value not in (taken.details.get(column), "plain")]
    if column not in taken.details or not others:
        return None
    value = others[rng.integers(len(others))]
    left = columns.without(column, value)
    if not left[taken.row]:
        return None
    if column == "pattern":
        phrase = f"without {_PATTERN_NAMES.get(value, value)}"
    elif column == BRAND:
        phrase = f"but nothing from {value}"
    else:
        patterns = (", not {}", " but not {}", ", anything but {}", " that are not {}", ", no {} please")
        phrase = _drawn(patterns, rng).format(value)
    text = core.text + (phrase if phrase.startswith((",", " ")) else f" {phrase}")
    return Asked(text, (*core.conditions, Condition(phrase.strip(", "), left, True)))


def _for_an_occasion(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """What it is, perhaps its colour, and an occasion or a season."""
    facts = taken.facts(rng)
    tails = [facts[name] for name in TAILS if name in facts]
    if not tails:
        return None
    tail = tails[rng.integers(len(tails))]
    core = _core(taken, facts, ("colour",) if rng.random() < 0.6 else (), rng)
    text = with_article(core.text) if rng.random() < 0.5 else core.text
    return Asked(f"{text} {tail.words}", (*core.conditions, tail))


def _with_partner(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """What it is, and another item of the user's that it is to go with, which says nothing of the item itself."""
    if taken.partner is None:
        return None
    core = _core(taken, taken.facts(rng), ("colour", "pattern")[: int(rng.integers(1, 3))], rng)
    other = taken.columns.details[taken.partner]
    colour = str(other.get("colour", "")).strip()
    name = noun(taken.columns.item_types[taken.partner], other, rng)
    links = ("to go with my {}", "that goes with my {}", "to wear with my {}", "matching my {}", "for my {}")
    phrase = _drawn(links, rng).format(f"{colour} {name}".strip())
    return Asked(f"{core.text} {phrase}", core.conditions)


def _several(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """Three facts or more beside what it is."""
    facts, price = taken.facts(rng), taken.price(rng)
    names = [name for name in ("style", "colour", "pattern", "material") if name in facts]
    chosen = [name for name in names if rng.random() < 0.75]
    core = _core(taken, facts, chosen, rng)
    parts = [core.text]
    conditions = list(core.conditions)
    if BRAND in facts and rng.random() < 0.4:
        parts.append(f"{_drawn(('by', 'from'), rng)} {facts[BRAND].words}")
        conditions.append(facts[BRAND])
    if price is not None and rng.random() < 0.4:
        parts.append(price.words)
        conditions.append(price)
    for name in TAILS:
        if name in facts and rng.random() < 0.3:
            parts.append(facts[name].words)
            conditions.append(facts[name])
    return Asked(", ".join([" ".join(parts[:2]), *parts[2:]]), tuple(conditions)) if len(conditions) >= 4 else None


def _long(taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """A message of whole sentences, most of which say nothing about the item."""
    facts, price = taken.facts(rng), taken.price(rng)
    core = _core(taken, facts, ("colour", "material")[: int(rng.integers(1, 3))], rng)
    wish, conditions = with_article(core.text), list(core.conditions)
    tails = [facts[name] for name in TAILS if name in facts]
    if tails and rng.random() < 0.5:
        tail = tails[rng.integers(len(tails))]
        wish, conditions = f"{wish} {tail.words}", [*conditions, tail]
    if price is not None and rng.random() < 0.4:
        wish, conditions = f"{wish}, {price.words}", [*conditions, price]
    text = (
        f"{_drawn(_GREETINGS, rng)}{_drawn(_STORIES, rng)}{_drawn(_WISHES, rng).format(wish)}{_drawn(_CLOSINGS, rng)}"
    )
    return Asked(text[0].upper() + text[1:], tuple(conditions))


Make = Callable[[_Taken, np.random.Generator], Asked | None]

TYPED_KINDS: Mapping[str, Make] = {
    "short": _short,
    "misspelt": _misspelt,
    "price": _priced,
    "negation": _negated,
    "occasion": _for_an_occasion,
    "partner": _with_partner,
    "several": _several,
    "long": _long,
}
"""The kinds of requests: another kind is one function above and one line here."""


def _core(taken: _Taken, facts: Mapping[str, Condition], names: Sequence[str], rng: np.random.Generator) -> Asked:
    """Adjectives before what the item is: "dark striped trousers"; what it is comes last."""
    said = [facts[name] for name in names if name in facts]
    called = taken.called(facts, rng)
    return Asked(" ".join(condition.words for condition in (*said, called)), (*said, called))


def _ask(make: Make, taken: _Taken, rng: np.random.Generator) -> Asked | None:
    """A request that says more than the item type, with at least `FEWEST_HARD` items; None where none is found."""
    for _ in range(_TRIES):
        asked = make(taken, rng)
        if asked is None or not any(condition.hard for condition in asked.conditions):
            continue
        hard = np.all([condition.rows for condition in asked.conditions if condition.hard], axis=0)
        if hard.sum() >= FEWEST_HARD and (taken.columns.of_type(taken.row) & ~hard).any():
            return asked
    return None


def _partner(events: Requests, columns: CatalogueColumns, event: int, rng: np.random.Generator) -> int | None:
    """An item of another type that the same user took in the split; None without one."""
    user, own = int(events.users[event]), columns.item_types[int(events.items[event])]
    if user == NOBODY:
        return None
    others = [int(row) for row in events.items[events.users == user] if columns.item_types[int(row)] != own]
    return others[rng.integers(len(others))] if others else None


def _fitting(conditions: Sequence[Condition], num_items: int) -> np.ndarray:
    rows = (
        np.all([condition.rows for condition in conditions], axis=0) if conditions else np.ones(num_items, dtype=bool)
    )
    return np.flatnonzero(rows)


def _drawn(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
