"""Slips in plurals and in phrases of several words, and what "for my" means."""

import pytest

from tests.understanding.test_read import facts, read


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("black heells", "heel"),  # the singular is a value, the plural is misspelt
        ("black heesl", "heel"),
        ("pleated skirrt", "pleated skirt"),  # not any skirt
        ("plaeted skirt", "pleated skirt"),
        ("plaeted skrt", "pleated skirt"),
        ("t-shrit", "t-shirt"),
        ("grey skit", "skirt"),
        ("ankle boto", "ankle boot"),
        ("anklle boots", "ankle boot"),
    ],
)
def test_slips_of_plurals_and_of_phrases(text, kind):
    [fact] = [fact for fact in read(text).facts if fact.column == "kind"]
    assert fact.value == kind
    assert fact.read_as
    assert any("was read as" in note for note in read(text).notes)


def test_the_note_says_the_whole_phrase():
    assert read("red plaeted skrt").notes == ("'plaeted skrt' was read as 'pleated skirt'",)
    assert read("forest gren shirt").facts[0].value == "forest green"


def test_words_that_are_right_are_not_changed():
    assert not read("red pleated skirts, thanks for your help").notes
    assert not read("thank you for looking").facts
    assert facts("short trousers") == [("kind", "trousers", "hard")]


def test_for_my_jeans_is_what_the_item_goes_with():
    said = read("red skirt for my navy trousers")
    assert [(fact.column, fact.value) for fact in said.facts] == [("color", "red"), ("kind", "skirt")]
    assert [(fact.column, fact.value) for fact in said.partner] == [("color", "navy"), ("kind", "trousers")]


def test_for_my_sister_is_not():
    assert facts("a skirt for my sister in red") == [("kind", "skirt", "hard"), ("color", "red", "hard")]
    assert not read("a skirt for my sister in red").partner
    assert facts("a skirt for my mother, in red") == facts("a skirt for my sister in red")
    priced = read("red skirt for my navy trousers under 50")
    assert ("price", {"<=": 50}) in [(fact.column, fact.value) for fact in priced.facts]
