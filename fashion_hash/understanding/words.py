"""The file of words: what users say, and what it means in a catalogue.

`english.yaml` beside this module is the default. A shop's own file has the same form; its roles, synonyms and lists are
added to the default, and replace what has the same name there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fashion_hash.config.experiment import validated
from fashion_hash.config.sections import Section, Share
from fashion_hash.config.yaml_text import parse_yaml
from fashion_hash.errors import ConfigError, shown
from fashion_hash.understanding.tokens import keys

DEFAULT = Path(__file__).with_name("english.yaml")

Word = Annotated[str, Field(min_length=1, max_length=200)]


class Role(Section):
    """What a column says of an item.

    Attributes:
        names: what a catalogue may call the column.
        hard: whether a fact of it decides before taste orders.
        after: words that must stand before a value, such as "size" before "M"; none for most roles.
    """

    names: tuple[Word, ...]
    hard: bool = False
    after: tuple[Word, ...] = ()


class Words(Section):
    """What users say; `english.yaml` describes the keys."""

    columns: dict[Word, Role] = Field(default_factory=dict)
    synonyms: dict[Word, dict[Word, tuple[Word, ...]]] = Field(default_factory=dict)
    ranges: dict[Word, dict[Word, tuple[Share, Share]]] = Field(default_factory=dict)
    currencies: tuple[Word, ...] = ()
    at_most: tuple[Word, ...] = ()
    at_least: tuple[Word, ...] = ()
    or_less: tuple[Word, ...] = ()
    between: tuple[Word, ...] = ()
    excluding: tuple[Word, ...] = ()
    partner: tuple[Word, ...] = ()
    also: tuple[Word, ...] = ()
    only_plural: tuple[Word, ...] = ()
    real: tuple[Word, ...] = ()
    stop: tuple[Word, ...] = ()
    articles: tuple[Word, ...] = ()

    @cached_property
    def stop_tokens(self) -> frozenset[str]:
        """The words that say nothing about an item, one by one, as `tokens` compares them."""
        return frozenset(token for word in self.stop for token in keys(word))

    @property
    def cues(self) -> dict[str, tuple[str, ...]]:
        """Words that turn what follows, by name."""
        return {
            "at_most": self.at_most,
            "at_least": self.at_least,
            "or_less": self.or_less,
            "between": self.between,
            "excluding": self.excluding,
            "partner": self.partner,
            "also": self.also,
        }

    def role_of(self, column: str) -> str:
        """The role of a column: that which lists its name, else the column's own name."""
        return self._roles.get(column.casefold(), column)

    def importance(self, role: str) -> int:
        """How much a role counts: the greater, the later it is given up."""
        names = list(self.columns)
        return len(names) - names.index(role) if role in self.columns else 0

    def hard(self, role: str) -> bool:
        """Whether a fact of this role decides before taste orders."""
        return role in self.columns and self.columns[role].hard

    @cached_property
    def _roles(self) -> dict[str, str]:
        return {name.casefold(): role for role, of_role in self.columns.items() for name in (role, *of_role.names)}


def read_words(path: str | Path | None = None) -> Words:
    """The default words, with those of a shop's own file added.

    Raises:
        ConfigError: the file cannot be read, or a key or value does not fit; with the file and the key.
    """
    default = _read(DEFAULT)
    if path is None:
        return validated(Words, default, DEFAULT.name)
    values = _read(Path(path))
    validated(Words, values, str(path))
    return validated(Words, _merged(default, values), str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the file of words cannot be read ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys such as columns and synonyms, got {shown(values)}")
    return values


def _merged(default: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Roles of the shop's file first, so that they count most; of synonyms the shop's; lists together."""
    merged = dict(default)
    for key, value in values.items():
        if key == "columns":
            merged[key] = {**value, **{role: rule for role, rule in default[key].items() if role not in value}}
        elif isinstance(value, dict):
            roles = {role: {**default[key].get(role, {}), **phrases} for role, phrases in value.items()}
            merged[key] = {**default[key], **roles}
        else:
            merged[key] = list(dict.fromkeys([*default[key], *value]))
    return merged
