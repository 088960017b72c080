"""Facts that a caller gives instead of those that are understood: an answer's `understood`, changed and sent back.

Each is a mapping as `Fact.to_dict` makes it. Needed are `column` and `value`; `hard` is by default what the column's
role says, or True where the fact is excluded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fashion_hash.errors import QueryError, shown, suggest
from fashion_hash.retrieval.checks import check_list
from fashion_hash.understanding.lexicon import Lexicon
from fashion_hash.understanding.read import EXCLUDED, NAMED
from fashion_hash.understanding.said import Fact, Understanding

KEYS = ("column", "value", "hard", "words", "excluded", "nearly", "item", "goes_with")
MOST = 100  # facts
EXAMPLE = '{"column": "colour", "value": "red"}'


def given_facts(facts: Sequence[Mapping[str, Any]], said: Understanding, lexicon: Lexicon) -> Understanding:
    """An understanding with other facts.

    Args:
        facts: see the module.
        said: what the words say, whose words are kept.
        lexicon: what the catalogue understands.

    Raises:
        QueryError: a fact does not fit; the message names its place and key.
    """
    listed = check_list("facts", facts, f"facts such as {EXAMPLE}")
    if len(listed) > MOST:
        raise QueryError(f"facts must be at most {MOST}, got {len(listed):,}")
    read = [(_fact(place, fact, lexicon), bool(fact.get("goes_with", False))) for place, fact in enumerate(listed)]
    asked = tuple(fact for fact, goes_with in read if not goes_with)
    return replace(said, facts=asked, partner=tuple(fact for fact, goes_with in read if goes_with), notes=())


def _fact(place: int, fact: object, lexicon: Lexicon) -> Fact:
    name = f"facts[{place}]"
    if not isinstance(fact, Mapping):
        raise QueryError(f"{name} must be a mapping such as {EXAMPLE}, got {shown(fact)}")
    if unknown := [key for key in fact if key not in KEYS]:
        near = suggest(str(unknown[0]), KEYS)
        raise QueryError(f"{name} has an unknown key {shown(unknown[0])}{near}; it takes {', '.join(KEYS)}")
    for key, kind, words in (("hard", bool, "true or false"), ("excluded", bool, "true or false")):
        if not isinstance(fact.get(key, False), kind):
            raise QueryError(f"{name}[{key!r}] must be {words}, got {shown(fact[key])}")
    if not isinstance(fact.get("goes_with", False), bool):
        raise QueryError(f"{name}['goes_with'] must be true or false, got {shown(fact['goes_with'])}")
    item = fact.get("item", 0)
    if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < MOST:
        raise QueryError(f"{name}['item'] must be a whole number from 0 to {MOST - 1}, got {shown(item)}")
    if not isinstance(fact.get("words", ""), str):
        raise QueryError(f"{name}['words'] must be a text, got {shown(fact['words'])}")
    column, excluded = _column(name, fact, lexicon), bool(fact.get("excluded", False))
    role = lexicon.words.role_of(column)
    importance = EXCLUDED if excluded else NAMED if column == "title" else lexicon.words.importance(role)
    value = _value(name, column, fact.get("value"), lexicon)
    hard = bool(fact.get("hard", excluded or lexicon.words.hard(role)))
    nearly = tuple(_texts(f"{name}['nearly']", fact.get("nearly", ())))
    return Fact(
        column, value, hard, fact.get("words") or _words(value, column), excluded, importance, nearly, item=item
    )


def _column(name: str, fact: Mapping[str, Any], lexicon: Lexicon) -> str:
    values = lexicon.values
    known = ["type", "title", *values.texts, *values.numbers, *values.flags]
    column = fact.get("column")
    if not isinstance(column, str) or column not in known:
        near = suggest(str(column), known)
        raise QueryError(f"{name}['column'] must be a column of the catalogue, got {shown(column)}{near}")
    return column


def _value(name: str, column: str, value: object, lexicon: Lexicon) -> Any:
    """The value of a fact: a text, texts, true or false, or bounds."""
    if isinstance(value, bool) and column in lexicon.values.flags:
        return value
    if isinstance(value, Mapping):
        return _bounds(name, column, value, lexicon)
    if column == "title":
        raise QueryError(f'{name}[\'value\'] of the title must be {{"contains": "WORD"}}, got {shown(value)}')
    if isinstance(value, str | list | tuple):
        texts = _texts(f"{name}['value']", value)
        if texts:
            return texts[0] if len(texts) == 1 else texts
    raise QueryError(f"{name}['value'] must be a text, a list of texts, true, false or bounds, got {shown(value)}")


def _bounds(name: str, column: str, value: Mapping[object, object], lexicon: Lexicon) -> dict[str, Any]:
    if column == "title":
        word = value.get("contains")
        if list(value) != ["contains"] or not isinstance(word, str) or not word.strip():
            raise QueryError(f'{name}[\'value\'] of the title must be {{"contains": "WORD"}}, got {shown(value)}')
        return {"contains": lexicon.words.singular((lexicon.keys(word) or (word,))[0])}
    if not value or not set(value) <= {"<=", ">="}:
        raise QueryError(f'{name}[\'value\'] must have bounds ">=", "<=" or both, got {shown(value)}')
    for number in value.values():
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise QueryError(f"{name}['value'] must have finite numbers as bounds, got {shown(number)}")
    return {str(op): number for op, number in value.items()}


def _texts(name: str, value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else check_list(name, value, "texts")
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise QueryError(f"{name} must hold texts, got {shown(wrong[0])}")
    return texts


def _words(value: object, column: str) -> str:
    return value if isinstance(value, str) else column
