"""What requests say, read against a small catalogue: facts, prices, exclusions, slips of the pen."""

import numpy as np
import pytest

from fashion_hash.errors import ConfigError
from fashion_hash.understanding.lexicon import CatalogueValues, Lexicon
from fashion_hash.understanding.numbers import number
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.tokens import folded, neighbours
from fashion_hash.understanding.words import read_words

KINDS = {
    "skirt": 9,
    "pleated skirt": 7,
    "t-shirt": 5,
    "shirt": 6,
    "shorts": 4,
    "ankle boot": 8,
    "heel": 6,
    "trousers": 3,
}
COLOURS = {"red": 5, "black": 9, "white": 4, "navy": 6, "forest green": 3, "mustard": 2}
VALUES = CatalogueValues(
    types=("top", "bottom", "shoe"),
    texts={
        "kind": KINDS,
        "color": COLOURS,
        "material": {"leather": 8, "patent leather": 2, "wool": 4},
        "formality": {"casual": 20, "smart": 10, "everyday": 10, "formal": 5},
        "brand": {"Juniper Row": 9, "The North Face": 3},
        "sizes": {"S": 20, "M": 30, "42": 12},
        "title": {"Draped red jersey skirt": 1},
        "article": {f"A-{number}": 1 for number in range(100)},
    },
    numbers={"price": np.arange(1.0, 101.0), "weight": np.arange(5.0)},
    flags=("in_stock",),
    lists=frozenset({"sizes"}),
    terms={"draped": 40, "button": 50, "jersey": 30, "b0012": 1, "liberty": 2},
    num_items=100,
)
LEXICON = Lexicon(read_words(), VALUES)
TOKENIZER = LEXICON.words.tokenizer
TOKENIZER = LEXICON.words.tokenizer


def read(text: str) -> Understanding:
    return understand(text, LEXICON)


def facts(text: str) -> list[tuple]:
    """Each fact as column, value and how it counts: "hard", "soft" or "not"."""
    return [(fact.column, fact.value, _counts(fact)) for fact in read(text).facts]


def _counts(fact) -> str:
    return "not" if fact.excluded else "hard" if fact.hard else "soft"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red skirt", [("color", "red", "hard"), ("kind", "skirt", "hard")]),
        ("Red  SKIRTS!", [("color", "red", "hard"), ("kind", "skirt", "hard")]),
        ("skirt for the office", [("kind", "skirt", "hard"), ("formality", "smart", "soft")]),
        ("leather boots", [("material", "leather", "soft"), ("kind", "ankle boot", "hard")]),
        ("tshirt", [("kind", "t-shirt", "hard")]),
        ("a t shirt", [("kind", "t-shirt", "hard")]),
        ("pants", [("kind", "trousers", "hard")]),
        ("green", [("color", "forest green", "hard")]),
        ("dark skirt", [("color", ["black", "navy", "forest green"], "hard"), ("kind", "skirt", "hard")]),
        ("shoes by north face", [("type", "shoe", "hard"), ("brand", "The North Face", "hard")]),
        ("red or white shirt", [("color", ["red", "white"], "hard"), ("kind", "shirt", "hard")]),
        ("shirt in size M", [("kind", "shirt", "hard"), ("sizes", "M", "hard")]),
        ("size 42 heels", [("sizes", "42", "hard"), ("kind", "heel", "hard")]),
        ("m", []),
        ("in stock heels", [("in_stock", True, "soft"), ("kind", "heel", "hard")]),
        ("short skirt", [("kind", "skirt", "hard")]),
        ("shorts", [("kind", "shorts", "hard")]),
    ],
)  # fmt: skip
def test_values_plurals_and_synonyms(text, expected):
    assert facts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("skirt under 50", {"<=": 50}),
        ("skirt under €49,90", {"<=": 49.9}),
        ("skirt for less than $ 1,200", {"<=": 1200}),
        ("skirt 50 euros or less", {"<=": 50}),
        ("skirt 50 eur", {"<=": 50}),
        ("skirt 50eur", {"<=": 50}),
        ("skirt max 60", {"<=": 60}),
        ("skirt over 20 euros", {">=": 20}),
        ("skirt between 20 and 50", {">=": 20, "<=": 50}),
        ("skirt between 50 and 20", {">=": 20, "<=": 50}),
        ("skirt 20-50€", {">=": 20, "<=": 50}),
        ("skirt from 20 to 50", {">=": 20, "<=": 50}),
        ("skirt over 20 and under 50", {">=": 20, "<=": 50}),
    ],
)
def test_prices(text, expected):
    assert facts(text) == [("kind", "skirt", "hard"), ("price", expected, "hard")]


def test_numbers_that_are_no_prices_stay_words():
    assert facts("skirt 50") == [("kind", "skirt", "hard")]
    assert read("skirt 50").rest == ("50",)
    assert [number(text) for text in ("49.90", "49,90", "1,200", "1.200,50", "7")] == [49.9, 49.9, 1200, 1200.5, 7]


def test_a_catalogue_without_prices_says_so():
    lexicon = Lexicon(read_words(), CatalogueValues(("top",), {"kind": KINDS}, num_items=40))
    read = understand("skirt under 50", lexicon)
    assert [fact.column for fact in read.facts] == ["kind"]
    assert read.notes == ("'under 50' was left out: the catalogue has no prices",)


def test_cheap_is_a_part_of_the_prices():
    [cheap, kind] = read("cheap skirt").facts
    assert (cheap.column, cheap.hard, kind.value) == ("price", False, "skirt")
    assert list(cheap.value) == ["<="]
    assert 30 < cheap.value["<="] < 36


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("heels, not black", [("kind", "heel", "hard"), ("color", "black", "not")]),
        ("heels not black or white", [("kind", "heel", "hard"), ("color", ["black", "white"], "not")]),
        ("not black and not white", [("color", ["black", "white"], "not")]),
        ("no heels, black", [("kind", "heel", "not"), ("color", "black", "hard")]),
        ("anything but wool", [("material", "wool", "not")]),
        ("something without buttons", [("title", {"contains": "button"}, "not")]),
        ("shirt not too formal", [("kind", "shirt", "hard"), ("formality", ["casual", "everyday"], "soft")]),
        ("red but not red", [("color", "red", "not")]),
        ("red or white, not white", [("color", "red", "hard"), ("color", "white", "not")]),
    ],
)
def test_exclusions(text, expected):
    assert facts(text) == expected


def test_a_contradiction_is_named():
    assert read("red but not red").notes == ("'red' is both asked for and excluded; the exclusion counts",)


@pytest.mark.parametrize("cue", ["to go with my", "to wear with a", "that would suit these", "matching my"])
def test_what_an_item_goes_with_says_nothing_of_the_item(cue):
    understanding = read(f"red skirt {cue} black leather boots")
    assert [fact.value for fact in understanding.facts] == ["red", "skirt"]
    assert [fact.value for fact in understanding.partner] == ["black", "leather", "ankle boot"]


def test_what_comes_after_with_is_beside_the_item():
    understanding = read("a black skirt with a white shirt")
    assert [fact.value for fact in understanding.facts] == ["black", "skirt"]
    assert [fact.value for fact in understanding.partner] == ["white", "shirt"]


@pytest.mark.parametrize(
    ("wrong", "right"), [("skrit", "skirt"), ("skirtt", "skirt"), ("mustrad", "mustard"), ("whte", "white")]
)
def test_words_with_one_wrong_letter_are_read(wrong, right):
    understanding = read(wrong)
    assert [fact.value for fact in understanding.facts] == [right]
    assert understanding.notes == (f"{wrong!r} was read as {right!r}",)
    assert understanding.facts[0].words == wrong


def test_words_that_exist_are_not_corrected():
    assert facts("short") == facts("jersey") == facts("wine") == []
    assert read("short draped thing").rest == ("short", "draped", "thing")


def test_values_that_fit_half():
    [colour, kind] = read("leather skirt").facts
    assert colour.nearly == ("patent leather",)
    assert kind.nearly == ("pleated skirt",)


def test_importance_gives_up_colour_before_price_before_kind():
    understanding = read("red skirt under 50, not wool")
    assert [fact.column for fact in understanding.hard] == ["material", "kind", "price", "color"]


@pytest.mark.parametrize(
    "text",
    ["", "the", "not", "50", "🎉👗", "SELECT * FROM items; DROP TABLE", "<b></b>", "\x00", "-", "not not not", "€",
     "under", "between and", "or", "with", "under 99999999999999999999999", "1.2.3,4,5", "ß" * 500, "red " * 2000],
)  # fmt: skip
def test_odd_texts_are_read(text):
    understanding = read(text)
    assert len(understanding.facts) <= 1
    for fact in understanding.facts:
        assert fact.to_dict()["column"] in ("color", "price")


def test_rare_words_and_numbers_of_articles_name_items():
    assert facts("skirt B0012") == [("kind", "skirt", "hard"), ("title", {"contains": "b0012"}, "hard")]
    assert facts("liberty skirt") == [("title", {"contains": "liberty"}, "soft"), ("kind", "skirt", "hard")]


def test_facts_are_shown_in_words():
    shown = [str(fact) for fact in read("red skirt under 50, not wool, rather smart, in stock, without buttons").facts]
    assert shown == [
        "color = red",
        "kind = skirt",
        "price <= 50",
        "material is not wool",
        "formality rather smart",
        "in_stock rather yes",
        "not (title has 'button')",
    ]


def test_free_texts_and_numbers_of_articles_are_not_facts():
    assert all(fact.column not in ("title", "article") for fact in read("Draped red jersey skirt A-7").facts)


def test_a_column_named_like_a_word():
    lexicon = Lexicon(
        read_words(), CatalogueValues(("top",), {"for": {"red": 4, "blue": 3}}, flags=("the",), num_items=9)
    )
    assert [(fact.column, fact.value) for fact in understand("for the red", lexicon).facts] == [("for", "red")]


def test_a_shops_own_words(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text(
        "columns: {gender: {names: [gender, for], hard: true}}\nsynonyms: {colour: {blood: [red]}}\nexcluding: [kein]\n"
    )
    words = read_words(path)
    lexicon = Lexicon(words, CatalogueValues(("top",), {"color": COLOURS, "for": {"women": 4}}, num_items=40))
    assert [(f.column, f.value, f.excluded) for f in understand("blood women kein black", lexicon).facts] == [
        ("color", "red", False),
        ("for", "women", False),
        ("color", "black", True),
    ]
    assert words.importance("gender") > words.importance("kind")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "must hold keys"),
        ("colums: {}", "unknown key 'colums'"),
        ("synonyms: {colour: red}", "synonyms.colour"),
        ("stop: [no]", "stop.0 must be a text, got False"),
        ("ranges: {price: {cheap: [0, 2]}}", "ranges.price.cheap.1 must be at most 1"),
    ],
)
def test_a_file_of_words_that_does_not_fit(tmp_path, text, said):
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_words(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_a_missing_file_of_words(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_words(tmp_path / "no.yaml")


def test_a_column_of_many_values_is_read_quickly():
    brands = {f"brand {number:x} of many": 2 for number in range(20_000)}
    lexicon = Lexicon(read_words(), CatalogueValues(("top",), {"brand": brands, "kind": KINDS}, num_items=40_000))
    assert [fact.value for fact in understand("skrit brand 1f of many", lexicon).facts] == ["skirt", "brand 1f of many"]


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [("skirt", "skrit", True), ("skirt", "skirts", True), ("skirt", "kirt", True), ("skirt", "skort", True),
     ("skirt", "skirt", False), ("skirt", "strik", False), ("ab", "ba", True), ("abc", "a", False),
     ("abcd", "badc", False)],
)  # fmt: skip
def test_one_letter_apart(first, second, apart):
    assert one_letter_apart(first, second) == one_letter_apart(second, first) == apart
    assert (second in set(neighbours(first, "abcdiorstk")) - {first}) == apart


def one_letter_apart(first: str, second: str) -> bool:
    """Whether two different words differ by one letter added, left out or changed, or two that changed places."""
    if abs(len(first) - len(second)) > 1 or first == second:
        return False
    if len(first) == len(second):
        places = [at for at, (a, b) in enumerate(zip(first, second)) if a != b]
        if len(places) == 1:
            return True
        swapped = len(places) == 2 and places[1] == places[0] + 1
        return swapped and first[places[0]] == second[places[1]] and first[places[1]] == second[places[0]]
    longer, shorter = (first, second) if len(first) > len(second) else (second, first)
    at = next((at for at, (a, b) in enumerate(zip(longer, shorter)) if a != b), len(shorter))
    return longer[at + 1 :] == shorter[at:]


def test_tokens():
    assert [token.key for token in TOKENIZER.tokens("Écru t-shirt, 20-50€ & l'été")] == [
        "ecru", "t", "shirt", ",", "20", "-", "50", "€", "&", "l'ete",
    ]  # fmt: skip
    assert list(map(TOKENIZER.singular, ("boots", "dresses", "dress", "watches", "berries", "bus", "shoes"))) == [
        "boot", "dress", "dress", "watch", "berry", "bus", "shoe",
    ]  # fmt: skip
    assert folded("Größe") == "grosse"


def test_a_pattern_decides_beside_a_kind() -> None:
    [pattern, kind] = understand("a striped shirt", PATTERNED).facts
    assert (pattern.column, pattern.hard, kind.column, kind.hard) == ("pattern", True, "kind", True)
    assert [fact.column for fact in understand("red striped shirt", PATTERNED).hard] == ["kind", "colour", "pattern"]
    [alone] = understand("something striped", PATTERNED).facts
    assert not alone.hard
    other = understand("something striped, not a shirt", PATTERNED)
    assert [fact.hard for fact in other.facts] == [False, True]


PATTERNED = Lexicon(
    read_words(),
    CatalogueValues(
        ("top",),
        {"kind": {"shirt": 9, "skirt": 8}, "colour": {"red": 9}, "pattern": {"striped": 5, "checked": 6}},
        num_items=17,
    ),
)
