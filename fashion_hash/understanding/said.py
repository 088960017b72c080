"""What a request says, as plain values: facts of the catalogue, and what is left of the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Fact:
    """Something that a request says, in terms of the catalogue.

    Attributes:
        column: the column it is about; "type" for the item type, "title" for the words of titles.
        value: the value, the values of which one must hold, or comparisons such as {"<=": 50}.
        hard: whether it decides before taste orders.
        words: the words that say it, as they were typed.
        excluded: whether the request asks for items without it.
        importance: the greater, the later it is given up where nothing fits all of a request.
        nearly: values that fit half.
        read_as: the word that a misspelt word was read as; "" for most facts.
        item: which of the items asked for it is about, from 0: "a red skirt and black boots" asks for two.
    """

    column: str
    value: Any
    hard: bool
    words: str
    excluded: bool = False
    importance: int = 0
    nearly: tuple[str, ...] = ()
    read_as: str = ""
    item: int = 0

    def __str__(self) -> str:
        """The fact as an answer shows it: "colour = red", "price <= 50", "colour is not black"."""
        if isinstance(self.value, Mapping):
            said = " and ".join(
                f"{self.column} {op} {value:g}" if op != "contains" else f"{self.column} has {value!r}"
                for op, value in self.value.items()
            )
            return f"not ({said})" if self.excluded else said
        values = " or ".join(map(str, listed(self.value))) or "yes"
        return f"{self.column} {'is not' if self.excluded else '=' if self.hard else 'rather'} {values}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON, which `facts=` reads back: column, value, hard, words, excluded, and what else holds.

        `nearly` and `item` are left out where they are empty and 0.
        """
        plain: dict[str, Any] = {
            "column": self.column,
            "value": self.value,
            "hard": self.hard,
            "words": self.words,
            "excluded": self.excluded,
        }
        if self.nearly:
            plain["nearly"] = list(self.nearly)
        return {**plain, "item": self.item} if self.item else plain


@dataclass(frozen=True)
class Understanding:
    """What a request says.

    Attributes:
        facts: of the items asked for, in the order of the text.
        partner: facts of what the item is to go with or comes with; they say nothing about the item itself.
        rest: the other words that say something, as typed.
        notes: what a user should know about the reading, each a short sentence.
        about: the text without what the item is to go with.
    """

    facts: tuple[Fact, ...] = ()
    partner: tuple[Fact, ...] = ()
    rest: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    about: str = ""

    @property
    def hard(self) -> tuple[Fact, ...]:
        """The facts that decide before taste orders, most important first."""
        return tuple(sorted((fact for fact in self.facts if fact.hard), key=lambda fact: -fact.importance))

    @property
    def soft(self) -> tuple[Fact, ...]:
        """The other facts."""
        return tuple(fact for fact in self.facts if not fact.hard)

    def softened(self) -> Understanding:
        """The same with every fact soft: it adds to the score and decides nothing."""
        return replace(self, facts=tuple(replace(fact, hard=False) for fact in self.facts))

    @property
    def items(self) -> tuple[Understanding, ...]:
        """What is said of each of the items asked for; one at least."""
        return _by_item(self, self.facts) or (replace(self, facts=()),)

    @property
    def companions(self) -> tuple[Understanding, ...]:
        """What is said of each of the items that the first one comes with in an outfit; others asked for are such."""
        others = tuple(replace(item, partner=()) for item in self.items[1:])
        beside = tuple(replace(fact, hard=True) for fact in self.partner)
        return (*others, *_by_item(Understanding(), beside))


def _by_item(understanding: Understanding, facts: tuple[Fact, ...]) -> tuple[Understanding, ...]:
    """An understanding for each item that facts are about."""
    numbers = sorted({fact.item for fact in facts})
    return tuple(
        replace(understanding, facts=tuple(replace(fact, item=0) for fact in facts if fact.item == number))
        for number in numbers
    )


def listed(value: Any) -> list[str]:
    """The values of a fact as a list; none for bounds and true or false."""
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []


def both(first: Fact, second: Fact) -> Fact | None:
    """What fits two facts of one column that stand side by side: "dark green", "navy blue"; None for nothing."""
    if first.column != second.column or first.excluded or second.excluded:
        return None
    own = (*listed(first.value), *first.nearly)
    values = [value for value in (*listed(second.value), *second.nearly) if value in own]
    if not values:
        return None
    return replace(second, value=values[0] if len(values) == 1 else values, nearly=())


def joined(facts: Sequence[Fact]) -> list[Fact]:
    """Facts of one column as alternatives of each other: "red or blue"; bounds of one column together."""
    by_key: dict[object, Fact] = {}
    for place, fact in enumerate(facts):
        bounds = isinstance(fact.value, dict)
        alone = fact.column == "title" or isinstance(fact.value, bool)
        key = (place if alone and not bounds else str(fact.value) if alone else bounds, fact.column, fact.excluded)
        other = by_key.get(key)
        if other is None:
            by_key[key] = fact
            continue
        words = other.words if fact.words in other.words else f"{other.words}, {fact.words}"
        if isinstance(fact.value, dict) and isinstance(other.value, dict):
            by_key[key] = replace(other, value={**other.value, **fact.value}, words=words)
            continue
        values = list(dict.fromkeys([*listed(other.value), *listed(fact.value)]))
        nearly = tuple(dict.fromkeys(v for v in (*other.nearly, *fact.nearly) if v not in values))
        by_key[key] = replace(other, value=values[0] if len(values) == 1 else values, nearly=nearly, words=words)
    return list(by_key.values())
