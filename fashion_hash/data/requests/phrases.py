"""How users ask for a garment: words for its attributes, and templates that put them together.

    "dark striped trousers to go with this top", "something linen for a summer wedding",
    "black ankle boots, not too formal"

The tables know the vocabulary of the sample (`garments`); a value that they do not know stands for itself, so
that a shop's own columns (colour, material, ...) can be asked for as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.data.columns import words_of
from fashion_hash.data.sample.garments import FORMALITIES


class Fact(NamedTuple):
    """Something that may be asked for: the words, and the values of the attribute that they fit."""

    attribute: str
    words: str
    values: frozenset[str]


# Columns that are asked for, by their place in a sentence: "sporty dark striped wool" + "trousers" + "for the office".
ADJECTIVES = ("style", "colour", "pattern", "material")
NOUNS = ("kind",)
TAILS = ("formality", "season")
ATTRIBUTES = (*ADJECTIVES, *NOUNS, *TAILS)
SPELLINGS = {"color": "colour", "category": "kind"}  # of the columns

_SHADES = {
    "dark": ("black", "navy", "brown", "forest green", "burgundy"),
    "light": ("white", "cream", "beige", "sky blue", "mint", "pink", "lilac"),
    "bright": ("cobalt", "teal", "mustard", "rust", "coral", "red"),
    "green": ("teal", "mint", "forest green", "olive"),
    "blue": ("navy", "sky blue", "cobalt", "teal"),
    "earthy": ("beige", "brown", "olive", "mustard", "rust"),
}
_MATERIALS = {
    "warm": ("wool", "cashmere", "fleece"),
    "airy": ("linen", "viscose", "silk", "raffia"),
    "soft": ("cashmere", "jersey", "fleece", "suede"),
}
_STYLES = {
    "classic": ("elegant", "classic"),
    "sporty": ("sporty", "athletic"),
    "romantic": ("feminine", "romantic"),
    "urban": ("cool", "streetwear"),
    "boho": ("boho", "hippie"),
}
_KINDS = {
    "t-shirt": ("t-shirt", "tee"),
    "tank top": ("tank top", "sleeveless top"),
    "polo shirt": ("polo", "polo shirt"),
    "shirt": ("shirt", "button-down shirt"),
    "jumper": ("jumper", "sweater"),
    "hoodie": ("hoodie", "hooded sweatshirt"),
    "blazer": ("blazer", "jacket"),
    "trousers": ("trousers", "pants"),
    "joggers": ("joggers", "sweatpants"),
    "skirt": ("skirt",),
    "pleated skirt": ("pleated skirt",),
    "sneaker": ("sneakers", "trainers"),
    "sandal": ("sandals",),
    "ankle boot": ("ankle boots", "short boots"),
    "ballet flat": ("ballet flats", "flats"),
    "loafer": ("loafers", "slip-on shoes"),
    "heel": ("heels", "high heels"),
}
_TYPES = {"top": ("top",), "bottom": ("bottoms",), "shoe": ("shoes", "pair of shoes")}
_OCCASIONS = {
    "for the weekend": ("casual",),
    "for lazy days at home": ("casual",),
    "for every day": ("everyday",),
    "for running errands": ("everyday", "casual"),
    "not too formal": ("casual", "everyday"),
    "for the office": ("smart",),
    "for a dinner out": ("smart", "formal"),
    "for a wedding": ("formal",),
    "dressed up": ("smart", "formal"),
}
_SEASONS = {
    "for spring": ("spring",),
    "for summer": ("summer",),
    "for hot days": ("summer",),
    "for autumn": ("autumn",),
    "for winter": ("winter",),
    "for cold days": ("winter", "autumn"),
    "for mild days": ("spring", "autumn"),
}
_GROUPS: dict[str, Mapping[str, Collection[str]]] = {  # words that stand for several values
    "colour": _SHADES,
    "material": _MATERIALS,
    "formality": _OCCASIONS,
    "season": _SEASONS,
}
_SYNONYMS: dict[str, Mapping[str, Sequence[str]]] = {"style": _STYLES, "kind": _KINDS}
_BARE = {"formality": "{}", "season": "for {}"}  # a value that no group knows
_OPENERS = ("", "", "", "", "looking for ", "I need ", "do you have ", "show me ")
_PARTNERS = ("to go with {}", "to wear with {}", "that would suit {}")


def facts_of(details: Mapping[str, object], rng: np.random.Generator) -> list[Fact]:
    """What may be asked of an item: one fact for each attribute that it has, the words drawn."""
    facts = []
    for column, given in details.items():
        attribute, value = SPELLINGS.get(column, column), words_of(given)
        if attribute not in ATTRIBUTES or (attribute, value) == ("pattern", "plain"):
            continue  # users rarely ask for "plain trousers"
        groups = [words for words, values in _GROUPS.get(attribute, {}).items() if value in values]
        own = _SYNONYMS.get(attribute, {}).get(value, (value,))
        if groups and (attribute in TAILS or rng.random() < 0.5):
            words = groups[rng.integers(len(groups))]
            facts.append(Fact(attribute, words, frozenset(_GROUPS[attribute][words])))
        else:
            words = _BARE.get(attribute, "{}").format(own[int(rng.integers(len(own)))])
            facts.append(Fact(attribute, words, frozenset({value})))
    return facts


def vocabulary() -> set[str]:
    """Every word of the tables: what may be said of a garment."""
    names = [name for table in (_STYLES, _KINDS, _TYPES) for name in (*table, *sum(table.values(), ()))]
    phrases = [*names, *(words for table in _GROUPS.values() for words in table)]
    return {word for phrase in phrases for word in phrase.replace("-", " ").split()}


def noun(item_type: str, said: Mapping[str, object], rng: np.random.Generator) -> str:
    """What a garment is called: by its own kind where that is known, else by its item type."""
    name = str(said.get("kind", ""))
    names = _KINDS.get(name, (name,)) if name else _TYPES.get(item_type, (item_type,))
    return names[rng.integers(len(names))]


def sentence(
    item_type: str, facts: Sequence[Fact], partners: Sequence[str], rng: np.random.Generator
) -> tuple[str, bool]:
    """One request, and whether it tells the item type.

    Args:
        item_type: the item type that is asked for.
        facts: what is said of it; words of a title (attribute "title") stand for themselves, in their order.
        partners: what it may have to go with, as nouns.
        rng: where the draws come from.
    """
    said = {fact.attribute: fact.words for fact in facts if fact.attribute != "title"}
    adjectives = [said[attribute] for attribute in ADJECTIVES if attribute in said]
    adjectives += [fact.words for fact in facts if fact.attribute == "title"]
    named = "kind" in said or "material" not in said or rng.random() < 0.5
    core = " ".join([*adjectives, said.get("kind") or noun(item_type, {}, rng)]) if named else ""
    core = core or f"something {' '.join(adjectives)}"
    opener = _OPENERS[rng.integers(len(_OPENERS))]
    text = opener + (with_article(core) if opener and named else core)
    tails = [said[attribute] for attribute in TAILS if attribute in said]
    if tails[:1] == ["for a wedding"] and len(tails) > 1 and not tails[1].endswith("days"):
        tails = [f"for a {tails[1].split()[-1]} wedding"]
    for tail in tails:
        text += (
            f", {tail}" if text.count(" for ") > opener.count(" for ") or not tail.startswith("for ") else f" {tail}"
        )
    if partners and rng.random() < 0.35:
        partner = partners[int(rng.integers(len(partners)))]
        which = ("these" if _plural(partner) else "this") if rng.random() < 0.7 else "my"
        text += f" {_PARTNERS[rng.integers(len(_PARTNERS))].format(f'{which} {partner}')}"
    return text, named


def _plural(name: str) -> bool:
    return name.endswith("s") and not name.endswith("ss")


def with_article(name: str) -> str:
    """A name with its article: "a skirt", "an ankle boot", "some heels"."""
    if _plural(name) and "pair of" not in name:
        return f"some {name}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


assert {value for values in _OCCASIONS.values() for value in values} == set(FORMALITIES)
