"""Two words for one column, exclusions, what is owned already, and words that only look like another."""

import pytest

from tests.understanding.test_read import facts, read


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("dark green skirt", "forest green"),  # not everything dark and everything green
        ("navy blue skirt", "navy"),
        ("dark navy skirt", "navy"),
        ("dark or green skirt", ["black", "navy", "forest green"]),
        ("red black skirt", ["red", "black"]),  # nothing is both
        ("dark, green skirt", ["black", "navy", "forest green"]),
    ],
)
def test_two_words_of_one_column(text, colours):
    [fact] = [fact for fact in read(text).facts if fact.column == "color"]
    assert sorted([fact.value] if isinstance(fact.value, str) else fact.value) == sorted(
        [colours] if isinstance(colours, str) else colours
    )


def test_the_words_of_both_are_shown():
    [fact, _] = read("a dark green skirt").facts
    assert fact.words == "dark green"


def test_what_is_owned_already_is_a_partner():
    said = read("I already have black trousers, show me a matching skirt")
    assert [(fact.column, fact.value) for fact in said.facts] == [("kind", "skirt")]
    assert [(fact.column, fact.value) for fact in said.partner] == [("color", "black"), ("kind", "trousers")]
    assert facts("I own nothing red") == [("color", "red", "not")]


def test_matching_behind_an_item_names_its_partner():
    said = read("heels matching a red skirt")
    assert [fact.value for fact in said.facts] == ["heel"]
    assert [fact.value for fact in said.partner] == ["red", "skirt"]
    assert facts("a matching red skirt") == [("color", "red", "hard"), ("kind", "skirt", "hard")]
    assert [fact.value for fact in read("something matching my red skirt").partner] == ["red", "skirt"]


def test_a_dress_is_not_dressy():
    assert facts("dress for a party") == facts("for a party")
    assert "dress" in read("dress for a party").rest
    assert facts("a dressy skirt")[0][0] == "formality"


def test_an_exclusion_takes_what_is_nearly_that_with_it():
    assert facts("heels, not leather")[1] == ("material", ["leather", "patent leather"], "not")
    assert facts("no skirts please") == [("kind", ["skirt", "pleated skirt"], "not")]
    assert facts("a skirt, not pleated skirts") == [("kind", "skirt", "hard"), ("kind", "pleated skirt", "not")]
    assert facts("leather heels")[0] == ("material", "leather", "soft")
