"""Files of words: what users say in one language, and what it means in a catalogue.

`english.yaml`, `german.yaml` and `french.yaml` lie beside this module; the first describes the keys. A shop's own file
has the same form: it names the language (`language: german`), and what it holds is added to the file of that language
and replaces what has the same name there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fashion_hash.config.experiment import validated
from fashion_hash.config.sections import Section, Share
from fashion_hash.config.yaml_text import parse_yaml
from fashion_hash.errors import ConfigError, shown, suggest
from fashion_hash.understanding.tokens import Tokenizer, folded

FOLDER = Path(__file__).parent
DEFAULT_LANGUAGE = "english"
CLEARLY = 1.2  # another language is taken if a catalogue holds so many times as many of its words
LOOKED_AT = 20_000  # texts

Word = Annotated[str, Field(min_length=1, max_length=200)]
Listed = tuple[Word, ...]


class Role(Section):
    """What a column says of an item.

    Attributes:
        names: what a catalogue may call the column.
        hard: whether a fact of it decides before taste orders; "beside kind" where only beside what an item is.
        after: words that must stand before a value, such as "size" before "M"; none for most roles.
        head: which word of a longer value names it: a "pleated skirt" is a skirt by its "last"; "none" for names.
    """

    names: Listed = ()
    hard: bool | Literal["beside kind"] = False
    after: Listed = ()
    head: Literal["first", "last", "none"] = "none"


class Words(Section):
    """What users say; `english.yaml` describes the keys."""

    language: Word = DEFAULT_LANGUAGE
    columns: dict[Word, Role] = Field(default_factory=dict)
    synonyms: dict[Word, dict[Word, Listed]] = Field(default_factory=dict)
    ranges: dict[Word, dict[Word, tuple[Share, Share]]] = Field(default_factory=dict)
    currencies: dict[str, Listed] = Field(default_factory=dict)
    units: dict[Word, Listed] = Field(default_factory=dict)
    at_most: Listed = ()
    at_least: Listed = ()
    or_less: Listed = ()
    between: Listed = ()
    up_to: Listed = ()
    excluding: Listed = ()
    partner: Listed = ()
    perhaps_partner: Listed = ()
    partner_behind: Listed = ()
    beside: Listed = ()
    joining: Listed = ()
    but: Listed = ()
    also: Listed = ()
    only_plural: Listed = ()
    real: Listed = ()
    vague: Listed = ()
    stop: Listed = ()
    articles: Listed = ()
    plurals: dict[Word, str] = Field(default_factory=dict)
    compounds: bool = False
    texts: Listed = ()

    @field_validator("currencies", mode="before")
    @classmethod
    def _of_any_currency(cls, value: Any) -> Any:
        """Bundles of the first format hold a list, which does not say which word means which currency."""
        return {"": value} if isinstance(value, list | tuple) else value

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Cuts texts into the tokens of this language."""
        units = [word for group in (self.currencies, self.units) for words in group.values() for word in words]
        return Tokenizer(self.articles, units, self.plurals)

    @cached_property
    def stop_tokens(self) -> frozenset[str]:
        """The words that say nothing about an item, one by one, as tokens compare them."""
        articles = {folded(article) for article in self.articles}
        return frozenset(token for word in self.stop for token in self.tokenizer.keys(word)) | articles

    @cached_property
    def vague_tokens(self) -> frozenset[str]:
        """The words that name a value only behind the name of its column: "brand Other", but not "any other"."""
        return self.stop_tokens | {token for word in self.vague for token in self.tokenizer.keys(word)}

    @property
    def cues(self) -> dict[str, Listed]:
        """Words that turn what follows, by name."""
        names = (
            "at_most",
            "at_least",
            "or_less",
            "between",
            "up_to",
            "excluding",
            "partner",
            "perhaps_partner",
            "partner_behind",
            "beside",
            "joining",
            "but",
            "also",
        )
        return {name: getattr(self, name) for name in names}

    def singular(self, word: str) -> str:
        """The singular of a folded word."""
        return self.tokenizer.singular(word)

    def role_of(self, column: str) -> str:
        """The role of a column: that which lists its name, else the column's own name."""
        return self._roles.get(column.casefold(), column)

    def importance(self, role: str) -> int:
        """How much a role counts: the greater, the later it is given up."""
        names = list(self.columns)
        return len(names) - names.index(role) if role in self.columns else 0

    def hard(self, role: str) -> bool:
        """Whether a fact of this role decides before taste orders."""
        return role in self.columns and self.columns[role].hard is True

    def hard_beside_kind(self, role: str) -> bool:
        """Whether a fact of this role decides before taste orders where the request also says what the item is."""
        return role in self.columns and self.columns[role].hard == "beside kind"

    @cached_property
    def _roles(self) -> dict[str, str]:
        return {name.casefold(): role for role, of_role in self.columns.items() for name in (role, *of_role.names)}


def languages() -> list[str]:
    """The languages that the package has words of."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_words(path: str | Path | None = None, language: str | None = None) -> Words:
    """The words of a language, with those of a shop's own file added.

    Args:
        path: the shop's file; None for the words of the language alone.
        language: one of `languages()`; by default what the file says, else English.

    Raises:
        ConfigError: the file cannot be read, or a key or value does not fit; with file, line and key.
    """
    if path is None:
        return _of_language(language or DEFAULT_LANGUAGE, "")
    read, text = _read(Path(path))
    values = validated(Words, read, str(path), text).model_dump(mode="json", exclude_unset=True)
    base = _of_language(values.get("language", language or DEFAULT_LANGUAGE), str(path))
    return validated(Words, _merged(base.model_dump(mode="json"), values), str(path))


def own_synonyms(path: str | Path) -> Mapping[str, Mapping[str, Listed]]:
    """The synonyms of a shop's file alone, by role, without those of its language.

    Raises:
        ConfigError: as `read_words`.
    """
    values, text = _read(Path(path))
    return validated(Words, values, str(path), text).synonyms


def words_of_bundle(values: Mapping[str, Any]) -> Words:
    """The words that a bundle keeps; what older bundles lack is that of the file of their language."""
    if set(Words.model_fields) <= set(values):
        return Words.model_validate(values)
    base = _of_language(values.get("language", DEFAULT_LANGUAGE), "the bundle").model_dump(mode="json")
    columns = {
        role: {**{"head": base["columns"].get(role, {}).get("head", "none")}, **rule}
        for role, rule in values.get("columns", {}).items()
    }
    return Words.model_validate({**base, **values, "columns": columns})


def language_of(texts: Iterable[str]) -> str:
    """The language whose words occur most often in texts; English unless another one is clearly ahead."""
    counts: Counter[str] = Counter()
    for _, text in zip(range(LOOKED_AT), texts):
        counts.update(Tokenizer().keys(text))
    known = {language: _vocabulary(read_words(language=language)) for language in languages()}
    held = {language: sum(counts[word] for word in words) for language, words in known.items()}
    best = max(held, key=lambda language: held[language])
    return best if held[best] > CLEARLY * held[DEFAULT_LANGUAGE] else DEFAULT_LANGUAGE


def _vocabulary(words: Words) -> set[str]:
    said = [
        phrase
        for of_role in words.synonyms.values()
        for phrase, meant in of_role.items()
        for phrase in (phrase, *meant)
    ]
    return {token for phrase in (*said, *words.stop, *words.articles) for token in words.tokenizer.keys(phrase)} | {
        folded(article) for article in words.articles
    }


def _of_language(language: object, source: str) -> Words:
    if not isinstance(language, str) or language not in languages():
        near = suggest(str(language), languages())
        raise ConfigError(
            f"{source and f'{source}: '}language must be one of {', '.join(languages())}, got {shown(language)}{near}"
        )
    return _of_file(FOLDER / f"{language}.yaml")


@cache
def _of_file(path: Path) -> Words:
    values, text = _read(path)
    return validated(Words, values, path.name, text)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the file of words cannot be read ({error})") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys such as columns and synonyms, got {shown(values)}")
    return values, text


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Roles of the shop's file first, so that they count most; of synonyms the shop's; lists together."""
    merged = dict(base)
    for key, value in values.items():
        if key == "columns":
            merged[key] = {role: _role(base[key].get(role, {}), rule) for role, rule in value.items()}
            merged[key] |= {role: rule for role, rule in base[key].items() if role not in value}
        elif key in ("synonyms", "ranges"):
            roles = {role: {**base[key].get(role, {}), **phrases} for role, phrases in value.items()}
            merged[key] = {**base[key], **roles}
        elif isinstance(value, dict):
            merged[key] = {**base[key], **value}
        elif isinstance(value, list):
            merged[key] = list(dict.fromkeys([*base[key], *value]))
        else:
            merged[key] = value
    return merged


def _role(base: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """A role of the shop's file: its names are added to those of the language, the rest replaces."""
    return {**base, **rule, "names": list(dict.fromkeys([*rule.get("names", ()), *base.get("names", ())]))}
