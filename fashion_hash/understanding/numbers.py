"""Prices and measures in a request: "under 50", "50 euros or less", "between 20 and 50", "$30 - $60", "8 cm"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.understanding.lexicon import Lexicon, name_parts
from fashion_hash.understanding.said import Fact
from fashion_hash.understanding.tokens import Token

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


class Amount(NamedTuple):
    """A number and what stands beside it: the code of a currency, or a unit; None for neither."""

    value: float
    currency: str | None
    unit: str | None


class NumberRead(NamedTuple):
    """What a price or a measure says.

    Attributes:
        stop: the token behind its last.
        fact: the fact, whose words are still to be filled in; None where the catalogue has no such column.
        is_price: prices are those of the item asked for, also behind "to go with my jeans".
        left_out: why it says nothing; "" for measures, which stay words.
    """

    stop: int
    fact: Fact | None
    is_price: bool
    left_out: str = ""


def read_number(tokens: Sequence[Token], at: int, lexicon: Lexicon, excluding: bool) -> NumberRead | None:
    """Reads a price or a measure; None where there is none.

    Args:
        tokens: of the request.
        at: the place to read at.
        lexicon: what the catalogue understands.
        excluding: whether it is excluded.
    """
    return _Bounds(tokens, at, lexicon, excluding).read()


def number(text: str) -> float:
    """A number as users type it: "49.90", "49,90", "1,200"."""
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", "").replace(".", ""))
    head, mark, tail = text.replace(",", ".").rpartition(".")
    return float(head.replace(".", "") + mark + tail) if mark else float(tail)


def quantile_bounds(numbers: np.ndarray, low: float, high: float) -> dict[str, float]:
    """The part of a column of numbers from one quantile to another, as comparisons."""
    bounds = {}
    if low > 0:
        bounds[">="] = float(np.quantile(numbers, low))
    if high < 1:
        bounds["<="] = float(np.quantile(numbers, high))
    return bounds


class _Bounds:
    """Reads bounds from `at` on."""

    def __init__(self, tokens: Sequence[Token], at: int, lexicon: Lexicon, excluding: bool) -> None:
        self.tokens, self.at, self.start, self.lexicon, self.excluding = tokens, at, at, lexicon, excluding

    def read(self) -> NumberRead | None:
        cue = self._cue()
        first = self._amount()
        if first is None:
            return None
        value, second = first.value, None
        says = first.currency is not None or first.unit is not None
        if cue != "at_least" and (cue == "between" or says or self._range_follows()):
            second = self._second()
        if second is not None:
            first = Amount(value, first.currency or second.currency, first.unit or second.unit)
            return self._taken({">=": min(value, second.value), "<=": max(value, second.value)}, first)
        if cue == "at_least":
            return self._taken({">=": value}, first)
        if cue == "at_most" or (cue != "between" and self._skip("or_less")) or first.currency is not None:
            return self._taken({"<=": value}, first)
        if first.unit is not None:
            return self._taken({">=": value, "<=": value}, first)
        return None

    def _cue(self) -> str:
        for name in ("at_most", "between", "at_least"):
            if self._skip(name):
                return name
        return ""

    def _amount(self) -> Amount | None:
        """A number with or without a currency or a unit."""
        at, lexicon = self.at, self.lexicon
        currency = lexicon.currencies.get(self._key(at))
        at += currency is not None
        if not _NUMBER.fullmatch(self._key(at)):
            return None
        value = number(self._key(at))
        at += 1
        behind, unit = lexicon.currencies.get(self._key(at)), lexicon.units.get(self._key(at))
        self.at = at + (behind is not None or unit is not None)
        return Amount(value, behind if currency is None else currency, unit if behind is None else None)

    def _range_follows(self) -> bool:
        return self._key(self.at) in ("-", "–", "—") and bool(_NUMBER.fullmatch(self._key(self.at + 1)))

    def _second(self) -> Amount | None:
        """The other end of a range: "and 50", "to 50", "- 50"."""
        kept = self.at
        if not self._skip("up_to"):
            return None
        amount = self._amount()
        if amount is None:
            self.at = kept
        return amount

    def _skip(self, name: str) -> bool:
        length = self.lexicon.cue_length(name, self.tokens, self.at)
        self.at += length
        return length > 0

    def _key(self, at: int) -> str:
        return self.tokens[at].key if 0 <= at < len(self.tokens) else ""

    def _taken(self, bounds: dict[str, float], amount: Amount) -> NumberRead:
        """The fact that bounds are: of a measure if there is a unit, else of a price."""
        if amount.unit is None:
            column, left_out = self._priced(amount.currency)
        else:
            column, left_out = self._measured(amount.unit), ""
        if column is None:
            return NumberRead(self.at, None, amount.unit is None, left_out)
        plain = {op: int(value) if value == int(value) else value for op, value in bounds.items()}
        rules = self.lexicon.words
        role = rules.role_of(column)
        exactly = bounds.get("<=") == bounds.get(">=")  # "8 cm" is about 8 cm; "under 8 cm" is meant
        hard = rules.hard(role) or self.excluding or (amount.unit is not None and not exactly)
        fact = Fact(column, plain, hard, "", self.excluding, rules.importance(role))
        return NumberRead(self.at, fact, amount.unit is None)

    def _measured(self, unit: str) -> str | None:
        """The column of a unit; of several that whose name stands beside the number, "8 cm heel"."""
        singular = self.lexicon.words.singular
        columns = [column for column in self.lexicon.values.numbers if unit in name_parts(column)]
        beside = {singular(self._key(at)) for at in (self.start - 1, self.at, self.at + 1)}
        told = [column for column in columns if beside & set(map(singular, name_parts(column)))]
        return next(iter(told or (columns if len(columns) == 1 else [])), None)

    def _priced(self, currency: str | None) -> tuple[str | None, str]:
        """The column of prices in a currency, or why there is none; amounts are never converted."""
        lexicon = self.lexicon
        columns = lexicon.columns_of("price")
        if not columns:
            return None, "the catalogue has no prices"
        codes = [code for code in lexicon.words.currencies if code]
        code_of = {column: next((code for code in codes if code in name_parts(column)), None) for column in columns}
        plain = [column for column in columns if code_of[column] is None]
        if not currency:
            return (plain or columns)[0], ""
        if of_currency := [column for column in columns if code_of[column] == currency]:
            return of_currency[0], ""
        told = [code.casefold() for code in lexicon.values.texts.get("currency", ())]  # of prices without a code
        if plain and (len(told) != 1 or told[0] == currency):
            return plain[0], ""
        known = told if plain else sorted(code for code in set(code_of.values()) if code)
        return None, f"the catalogue's prices are in {' and '.join(code.upper() for code in known)}"
