"""What a request says, as plain values: facts of the catalogue, and what is left of the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """Something that a request says, in terms of the catalogue.

    Attributes:
        column: the column it is about; "type" for the item type.
        value: the value, the values of which one must hold, or comparisons such as {"<=": 50}.
        hard: whether it decides before taste orders.
        words: the words that say it, as they were typed.
        excluded: whether the request asks for items without it.
        importance: the greater, the later it is given up where nothing fits all of a request.
        nearly: values that fit half.
        read_as: the word that a misspelt word was read as; "" for most facts.
    """

    column: str
    value: Any
    hard: bool
    words: str
    excluded: bool = False
    importance: int = 0
    nearly: tuple[str, ...] = ()
    read_as: str = ""

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
        """Plain values, for JSON: column, value, hard, words, and excluded."""
        return {
            "column": self.column,
            "value": self.value,
            "hard": self.hard,
            "words": self.words,
            "excluded": self.excluded,
        }


@dataclass(frozen=True)
class Understanding:
    """What a request says.

    Attributes:
        facts: in the order of the text.
        partner: facts of what the item is to go with; they say nothing about the item itself.
        rest: the other words that say something, as typed.
        notes: what a user should know about the reading, each a short sentence.
    """

    facts: tuple[Fact, ...] = ()
    partner: tuple[Fact, ...] = ()
    rest: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def hard(self) -> tuple[Fact, ...]:
        """The facts that decide before taste orders, most important first."""
        return tuple(sorted((fact for fact in self.facts if fact.hard), key=lambda fact: -fact.importance))

    @property
    def soft(self) -> tuple[Fact, ...]:
        """The other facts."""
        return tuple(fact for fact in self.facts if not fact.hard)


def listed(value: Any) -> list[str]:
    """The values of a fact as a list; none for bounds and true or false."""
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []
