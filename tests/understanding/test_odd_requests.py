"""Requests that nobody should type: contradictions, other scripts, code, thousands of words, any mixture of words."""

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.understanding.lexicon import CatalogueValues, Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.satisfaction import complete, missing, soft_shares, tiers
from fashion_hash.understanding.words import languages, read_words

VALUES = CatalogueValues(
    types=("top", "bottom", "shoe"),
    texts={
        "kind": {"skirt": 9, "pleated skirt": 4, "shirt": 6, "ankle boot": 8, "dress": 5},
        "colour": {"red": 5, "black": 9, "white": 4, "off white": 2, "navy": 6, "Other": 7},
        "material": {"leather": 8, "wool": 4},
        "brand": {"The North Face": 3, "One": 4, "New": 5, "With": 3, "H&M": 6},
        "with": {"belt": 9, "buttons": 9},
        "size": {"S": 20, "42": 9, "One Size": 3},
        "sizes": {"S": 20, "M": 9},
        "tags": {"new": 20, "sale": 5},
        "title": {"a red skirt": 1},
    },
    numbers={
        "price": np.array([5.0, 20.0, 80.0]),
        "price_usd": np.array([6.0, 22.0, 90.0]),
        "under": np.array([1.0, 2.0]),
        "heel_cm": np.array([2.0, 8.0]),
        "sleeve_cm": np.array([20.0, 60.0]),
        "volume_ml": np.array([50.0]),
    },
    flags=("in_stock", "and", "waterproof"),
    lists=frozenset({"sizes", "tags"}),
    terms={"liberty": 2, "b0012345": 1, "b0012346": 1, "x9921": 1, "draped": 30, "herringbone": 2},
    num_items=60,
)
LEXICON = Lexicon(read_words(), VALUES)


def read(text):
    return understand(text, LEXICON)


def facts(text):
    return [
        (fact.column, fact.value, "not" if fact.excluded else "hard" if fact.hard else "soft")
        for fact in read(text).facts
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("any other colour", []),
        ("brand new skirt", [("kind", "skirt", "hard")]),
        ("colour other", [("colour", "Other", "hard")]),
        ("brand One", [("brand", "One", "hard")]),
        ("one skirt", [("kind", "skirt", "hard")]),
        ("a new skirt", [("kind", "skirt", "hard")]),
        ("skirt with belt", [("kind", "skirt", "hard"), ("with", "belt", "soft")]),
        ("north face shirt", [("brand", "The North Face", "hard"), ("kind", "shirt", "hard")]),
        ("the north face", [("brand", "The North Face", "hard")]),
        ("h&m skirt", [("brand", "H&M", "hard"), ("kind", "skirt", "hard")]),
        ("off white shirt", [("colour", "off white", "hard"), ("kind", "shirt", "hard")]),
        ("off-white shirt", [("colour", "off white", "hard"), ("kind", "shirt", "hard")]),
        ("size 42 skirt", [("size", "42", "hard"), ("kind", "skirt", "hard")]),
        ("waterproof boots", [("waterproof", True, "soft"), ("kind", "ankle boot", "hard")]),
        ("under 2 dollars", [("price_usd", {"<=": 2}, "hard")]),
        ("under €20", [("price", {"<=": 20}, "hard")]),
        ("20 - 50 $", [("price_usd", {">=": 20, "<=": 50}, "hard")]),
        ("under 20", [("price", {"<=": 20}, "hard")]),
        ("boots, 8 cm heel", [("kind", "ankle boot", "hard"), ("heel_cm", {">=": 8, "<=": 8}, "soft")]),
        ("boots with a heel under 5cm", [("kind", "ankle boot", "hard"), ("heel_cm", {"<=": 5}, "hard")]),
        ("boots under 5 cm", [("kind", "ankle boot", "hard")]),
        ("over 30 ml", [("volume_ml", {">=": 30}, "hard")]),
        ("boots 5 kg", [("kind", "ankle boot", "hard")]),
        ("B0012345", [("title", {"contains": "b0012345"}, "hard")]),
        ("X9912", [("title", {"contains": "x9921"}, "hard")]),
        ("B0012347", []),  # of two articles either may be meant
        ("libertty skirt", [("title", {"contains": "liberty"}, "soft"), ("kind", "skirt", "hard")]),
        ("hrringbone", [("title", {"contains": "herringbone"}, "soft")]),
    ],
)
def test_words_of_the_language_units_currencies_and_names(text, expected):
    assert facts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected", "left_out"),
    [
        ("green cape and white shirt", [("colour", "white"), ("kind", "shirt")], "'green cape'"),
        ("a green cape, a white shirt", [("colour", "white"), ("kind", "shirt")], "'green cape'"),
        ("white shirt and a green cape", [("colour", "white"), ("kind", "shirt")], "'green cape'"),
        ("a red fluffy and leather skirt", [("colour", "red"), ("material", "leather"), ("kind", "skirt")], ""),
        ("a shirt, black and white", [("kind", "shirt"), ("colour", ["black", "white"])], ""),
        ("green cape", [("colour", "green")], ""),
    ],
)
def test_an_item_that_the_catalogue_lacks_says_nothing_of_the_others(text, expected, left_out):
    values = replace(VALUES, texts={**VALUES.texts, "colour": {**VALUES.texts["colour"], "green": 3}})
    said = understand(text, Lexicon(read_words(), values))
    assert sorted((fact.column, fact.value) for fact in said.facts) == sorted(expected)
    assert ("cape" in said.rest) == ("cape" in text)
    assert any("was left out: the catalogue has no 'cape'" in note for note in said.notes) == bool(left_out)
    assert all(note.startswith(left_out) for note in said.notes)


def test_what_an_unknown_item_goes_with_says_nothing_of_it():
    said = read("a red cape with a white shirt")
    assert [(fact.column, fact.value, fact.excluded) for fact in said.facts] == [
        ("colour", "red", False),
        ("kind", "shirt", True),
    ]
    assert [(fact.column, fact.value) for fact in said.partner] == [("colour", "white"), ("kind", "shirt")]


def test_prices_in_a_currency_that_the_catalogue_lacks_are_left_out():
    assert facts("skirt under £20") == [("kind", "skirt", "hard"), ("price", {"<=": 20}, "hard")]  # prices without one
    only = Lexicon(read_words(), CatalogueValues(("top",), {}, {"price_usd": np.array([5.0])}, num_items=9))
    assert understand("under £20", only).facts == ()
    assert understand("under £20", only).notes == ("'under £20' was left out: the catalogue's prices are in USD",)
    told = CatalogueValues(("top",), {"currency": {"EUR": 9}}, {"price": np.array([5.0])}, num_items=9)
    assert understand("under $20", Lexicon(read_words(), told)).notes == (
        "'under $20' was left out: the catalogue's prices are in EUR",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "the",
        "of the and",
        "not",
        "not not",
        "not red",
        "without",
        "50",
        "1234567890" * 20,
        "🎉👗 🏳️‍🌈",
        "👗 red",
        "SELECT * FROM items; DROP TABLE items; --",
        "<script>alert(1)</script>",
        "\x00\x01",
        "-",
        "€",
        "under",
        "under €",
        "between and",
        "or",
        "with",
        "and and and",
        ", , ,",
        "with with with",
        "to go with",
        "to go with to go with",
        "red but not red",
        "not red but red",
        "red not red not red",
        "under 99999999999999999999999999",
        "1.2.3,4,5",
        "ß" * 500,
        "red " * 2000,
        "not " * 2000,
        "skirt and " * 500,
        "skirt with " * 500,
        ",".join(["skirt"] * 500),
        "حذاء أحمر",
        "שמלה אדומה",
        "\u202ered skirt\u202c",
        "re\u0301d",
        "सूती साड़ी",
        "红色裙子",
        "٥٠ under ٥٠",
        "𝐫𝐞𝐝 𝐬𝐤𝐢𝐫𝐭",
        "ﬁve",
        "İSTANBUL",
        "a\u0300\u0301\u0302\u0303" * 200,
        "'" * 50,
        "l'",
        "’red’",
        "red\n\n\tskirt\r",
        "under -5",
        "under 5,",
        "$$$ 5 $$$",
    ],
)
def test_odd_texts_are_read(text):
    said = read(text)
    assert len(said.about) <= len(text)
    assert all(fact.words in text for fact in said.facts if "," not in fact.words)
    _rank(said)


def test_other_scripts_and_letters_are_the_same_words():
    assert facts("𝐫𝐞𝐝 𝐬𝐤𝐢𝐫𝐭") == facts("red skirt") == facts("RED\u200b SKIRT")
    hindi = CatalogueValues(("top",), {"kind": {"साड़ी": 5, "कुर्ता": 4}}, num_items=9)
    lexicon = Lexicon(read_words(), hindi)
    assert [fact.value for fact in understand("साड़ी", lexicon).facts] == ["साड़ी"]
    hebrew = Lexicon(read_words(), CatalogueValues(("top",), {"kind": {"שמלה": 5}, "colour": {"écru": 3}}, num_items=9))
    assert [fact.value for fact in understand("שִׂמְלָה e\u0301cru", hebrew).facts] == ["שמלה", "écru"]


def _rank(said):
    """What an answer does with it."""
    items = [{"kind": "skirt", "colour": "red"}, {"kind": "shirt"}, {}]
    masks = {}

    def mask(where):
        return masks.setdefault(repr(where), np.array([hash(repr((where, row))) % 2 == 0 for row in range(len(items))]))

    tier = tiers(said, "top", len(items), mask, frozenset({"sizes", "tags"}))
    assert (tier >= 0).all()
    assert complete(said, tier).shape == (len(items),)
    for value in tier.tolist():
        assert (missing(said, value) == ()) == bool(complete(said, np.array([value]))[0])
    shares = soft_shares(said, "top", len(items), mask, frozenset({"sizes", "tags"}))
    assert ((shares >= 0) & (shares <= 1)).all()
    assert all(str(fact) for fact in (*said.facts, *said.partner))
    for companion in said.companions:
        assert companion.facts


def _vocabulary(words):
    said = [value for of_column in VALUES.texts.values() for value in of_column]
    said += [*VALUES.texts, *VALUES.numbers, *VALUES.flags, *VALUES.terms, *VALUES.types, *words.stop, *words.articles]
    said += [cue for cues in words.cues.values() for cue in cues]
    said += [phrase for of_role in (*words.synonyms.values(), *words.ranges.values()) for phrase in of_role]
    said += [word for group in (words.currencies, words.units) for of_group in group.values() for word in of_group]
    return [
        *said,
        *",.;:!?()-–€$&+'\"",
        "5",
        "49,90",
        "1,200",
        "20-50",
        "50eur",
        "8cm",
        "👗",
        "\u202e",
        "ß",
        "#x",
        "12E4",
    ]


def _mixtures(count):
    lexicons = [Lexicon(read_words(language=language), VALUES) for language in languages()]
    generator = random.Random(7)
    for lexicon in lexicons:
        vocabulary = _vocabulary(lexicon.words)
        for _ in range(count // len(lexicons)):
            words = generator.choices(vocabulary, k=generator.randrange(1, 25))
            if generator.random() < 0.3:
                word = words[0]
                at = generator.randrange(len(word) + 1)
                words[0] = word[:at] + generator.choice("aeiqz7") + word[at:]
            yield lexicon, generator.choice([" ", " ", ""]).join(words)


def _check(count):
    for lexicon, text in _mixtures(count):
        said = understand(text, lexicon)
        _rank(said)
        again = understand(text, lexicon)
        assert again == said


def test_any_mixture_of_words_is_read():
    _check(150)


@pytest.mark.slow
def test_any_mixture_of_words_is_read_20000():
    _check(20_000)


@pytest.mark.parametrize(
    "part",
    ["red skirt and black boots, not wool under 50 ", "libertty ", "with ", "a not ", "b0012345 ", "20-50€ ", "é̀ "],
)
def test_time_grows_with_the_length(part):
    def seconds(times):
        text = part * times
        started = time.process_time()
        read(text)
        return time.process_time() - started

    seconds(10)
    short, long = min(seconds(50) for _ in range(3)), seconds(800)
    assert long < 16 * max(short, 0.002) * 4  # quadratic time would be 16 times as much again
