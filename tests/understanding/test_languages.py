"""Other languages than English, by their files of words; and a shop's own file."""

import pytest

from fashion_hash.errors import ConfigError
from fashion_hash.understanding.lexicon import CatalogueValues, Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.words import language_of, languages, read_words, words_of_bundle

GERMAN = CatalogueValues(
    types=("oberteil", "unterteil", "schuh"),
    texts={
        "art": {"Rock": 9, "Faltenrock": 4, "Hose": 8, "Stiefel": 6, "Kleid": 7, "T-Shirt": 5, "Jeans": 3},
        "farbe": {"rot": 5, "schwarz": 9, "weiß": 4, "dunkelblau": 3, "grün": 6},
        "material": {"Leder": 5, "Wolle": 4},
        "anlass": {"festlich": 5, "business": 6},
        "größe": {"38": 9, "40": 8},
        "marke": {"Hugo Boss": 3, "Die Schöne": 5},
    },
    numbers={"preis": [10.0, 50.0, 90.0], "absatz_cm": [2.0, 8.0]},
    num_items=40,
)
FRENCH = CatalogueValues(
    types=("haut", "bas", "chaussure"),
    texts={
        "catégorie": {"jupe": 9, "jupe plissée": 4, "pantalon": 8, "bottine": 6, "robe": 7},
        "couleur": {"rouge": 5, "noir": 9, "blanc": 4, "bleu marine": 3, "vert": 6},
        "matière": {"cuir": 5, "laine": 4},
        "saison": {"été": 5, "hiver": 6},
        "taille": {"38": 9, "M": 8},
    },
    numbers={"prix": [10.0, 50.0, 90.0]},
    num_items=40,
)
LEXICONS = {
    "german": Lexicon(read_words(language="german"), GERMAN),
    "french": Lexicon(read_words(language="french"), FRENCH),
}


def values(language, text):
    return [f"-{fact.value}" if fact.excluded else fact.value for fact in understand(text, LEXICONS[language]).facts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ein roter Rock", ["rot", "Rock"]),
        ("rote Röcke", ["rot", "Rock"]),
        ("weißes Kleid", ["weiß", "Kleid"]),
        ("schwarze Stiefel aus Leder", ["schwarz", "Stiefel", "Leder"]),
        ("dunkle Hosen", [["schwarz", "dunkelblau"], "Hose"]),
        ("Rock unter 50 Euro", ["Rock", {"<=": 50}]),
        ("Kleid zwischen 20 und 50 €", ["Kleid", {">=": 20, "<=": 50}]),
        ("Kleid bis 49,90€", ["Kleid", {"<=": 49.9}]),
        ("Kleid, nicht schwarz", ["Kleid", "-schwarz"]),
        ("Kleid ohne Wolle", ["Kleid", "-Wolle"]),
        ("Kleid für die Hochzeit", ["Kleid", "festlich"]),
        ("Kleid in Größe 38", ["Kleid", "38"]),
        ("Stiefel mit 8 cm Absatz", ["Stiefel", {">=": 8, "<=": 8}]),
        ("roter Rock mit schwarzen Stiefeln", ["rot", "Rock"]),
        ("Oberteil passend zu meiner grünen Hose", ["oberteil"]),
        ("Tshirt", ["T-Shirt"]),
        ("hugo boss kleid", ["Hugo Boss", "Kleid"]),
        ("Falltenrock", ["Faltenrock"]),
    ],
)
def test_german(text, expected):
    assert values("german", text) == expected


def test_a_compound_is_a_sort_of_its_last_word():
    [rock] = understand("Rock", LEXICONS["german"]).facts
    assert rock.nearly == ("Faltenrock",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("une jupe rouge", ["jupe", "rouge"]),
        ("des jupes noires", ["jupe", "noir"]),
        ("robe blanche en laine", ["robe", "blanc", "laine"]),
        ("une robe verte d'été", ["robe", "vert", "été"]),
        ("pantalon à moins de 50 €", ["pantalon", {"<=": 50}]),
        ("robe entre 20 et 50 euros", ["robe", {">=": 20, "<=": 50}]),
        ("robe pas noire", ["robe", "-noir"]),
        ("robe sans laine", ["robe", "-laine"]),
        ("bottines en cuir taille 38", ["bottine", "cuir", "38"]),
        ("jupe rouge avec des bottines noires", ["jupe", "rouge"]),
        ("un haut pour aller avec ma jupe bleu marine", ["haut"]),
        ("jupe plissée", ["jupe plissée"]),
        ("pantalln", ["pantalon"]),
    ],
)
def test_french(text, expected):
    assert values("french", text) == expected


def test_the_first_word_names_french_values():
    [jupe] = understand("jupe", LEXICONS["french"]).facts
    assert jupe.nearly == ("jupe plissée",)


@pytest.mark.parametrize(
    ("language", "text"),
    [("german", "roter Rock mit schwarzen Stiefeln"), ("french", "jupe rouge avec des bottines noires")],
)
def test_companions(language, text):
    [companion] = understand(text, LEXICONS[language]).companions
    assert [fact.value for fact in companion.facts][:1] in (["schwarz"], ["bottine"])


def test_the_language_of_titles():
    assert languages() == ["english", "french", "german"]
    assert language_of(["Rotes Kleid mit Punkten für die Hochzeit", "Schwarze Hose aus Wolle"]) == "german"
    assert language_of(["Jupe rouge pour la plage", "Robe noire avec des pois"]) == "french"
    assert language_of(["red dress with dots for the beach", "black wool trousers"]) == "english"
    assert language_of([]) == language_of(["B0012", "xyz"]) == "english"


def test_unknown_languages_are_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^language must be one of english, french, german, got 'germn' \(nearest: 'german'\)"
    ):
        read_words(language="germn")
    path = tmp_path / "words.yaml"
    path.write_text("language: klingon\n")
    with pytest.raises(ConfigError, match=r"words.yaml: language must be one of"):
        read_words(path)


def test_a_shops_file_says_its_language(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text("language: german\nsynonyms: {colour: {kirsche: [rot]}}\ncolumns: {material: {hard: true}}\n")
    words = read_words(path)
    assert words.language == "german"
    assert words.hard("material")
    assert words.columns["material"].names == read_words(language="german").columns["material"].names
    assert next(iter(words.columns)) == "material"
    [cherry, kind] = understand("kirsche Rock", Lexicon(words, GERMAN)).facts
    assert (cherry.value, kind.value) == ("rot", "Rock")


def test_lines_of_a_shops_file_are_named(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text("# ours\nlanguage: english\nsynonyms:\n  colour:\n    blood: red\n")
    with pytest.raises(ConfigError, match=r"words.yaml:5: synonyms.colour.blood"):
        read_words(path)


def test_words_of_earlier_bundles():
    """They were written before languages were: what they lack is English."""
    words = read_words()
    earlier = words.model_dump(mode="json")
    for key in ("language", "units", "joining", "beside", "but", "up_to", "vague", "plurals", "compounds", "texts"):
        del earlier[key]
    for rule in earlier["columns"].values():
        del rule["head"]
    earlier["currencies"] = ["€", "eur", "$"]
    read = words_of_bundle(earlier)
    assert read.model_copy(update={"currencies": words.currencies}) == words
    assert read.currencies == {"": ("€", "eur", "$")}
