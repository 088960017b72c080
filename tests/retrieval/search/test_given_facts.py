"""Facts that a caller gives instead of those that are understood."""

import json
from pathlib import Path
from typing import Any

import pytest

from fashion_hash.commands import query
from fashion_hash.errors import QueryError
from fashion_hash.presentation.json_answers import request_as_json
from fashion_hash.retrieval.recommender import Recommender
from tests.retrieval.search.test_facts import make
from tests.worlds.words_world import words_bundle

TEXT = "green silk skirt under 30 and a shirt, not red, to go with black boots"


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return make(tmp_path_factory.mktemp("given") / "bundle")


def chips(recommender: Recommender, text: str) -> list[dict[str, Any]]:
    """What an answer in JSON says was understood, read back from JSON."""
    answer = json.loads(json.dumps(request_as_json(recommender, None, recommender.search(text))))
    return [*answer["understood"], *answer["goes_with"]]


@pytest.mark.parametrize("text", ["red skirt", TEXT, "something linen, cheap", "b0012 boots", "not wool", "xyz"])
def test_what_was_understood_comes_back_the_same(recommender: Recommender, text: str) -> None:
    if text == "xyz":
        facts = chips(recommender, "red")[:0]
        assert recommender.search("red", facts=facts).understood == ()
        return
    facts = chips(recommender, text)
    first, again = recommender.search(text, "user-1", 20), recommender.search(text, "user-1", 20, facts=facts)
    assert first.ids.tolist() == again.ids.tolist()
    assert first.scores.tolist() == again.scores.tolist()
    assert first.complete.tolist() == again.complete.tolist()
    assert [fact.to_dict() for fact in again.understood] == [fact.to_dict() for fact in first.understood]
    outfits = [recommender.outfits_for(text, "user-1", 3, **options) for options in ({}, {"facts": facts})]
    assert outfits[0].hits == outfits[1].hits


def test_facts_are_removed_made_soft_and_made_hard(recommender: Recommender) -> None:
    red, skirt = chips(recommender, "red skirt")
    without = recommender.search("red skirt", facts=[skirt], k=10)
    assert without.complete.all()
    assert [fact.value for fact in without.understood] == ["skirt"]
    soft = recommender.search("red skirt", facts=[{**red, "hard": False}, skirt], k=25)
    assert soft.complete.all()
    assert not recommender.search("red skirt", k=25).complete.all()
    silk, shirt = chips(recommender, "silk shirt")
    assert not silk["hard"]
    hard = recommender.search("silk shirt", facts=[{**silk, "hard": True}, shirt], k=6)
    assert hard.complete.tolist() == [True] * 5 + [False]
    why = recommender.explain_request("silk shirt", None, str(hard.ids[5]), facts=[{**silk, "hard": True}, shirt])
    assert [fact.value for fact in why.lacking] == ["silk"]


def test_facts_alone_are_a_request(recommender: Recommender) -> None:
    hits = recommender.search(
        "", facts=[{"column": "colour", "value": "red"}, {"column": "kind", "value": "skirt"}], k=5
    )
    assert hits.complete.all()
    assert hits.by == "words alone"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ("red", "facts must be a list of facts"),
        ([3], r"facts\[0\] must be a mapping"),
        ([{"column": "colur", "value": "red"}], r"\['column'\] must be a column of the catalogue, got 'colur'.*colour"),
        ([{"column": "colour"}], r"facts\[0\]\['value'\] must be a text"),
        ([{"column": "colour", "value": [3]}], r"must hold texts, got 3"),
        ([{"column": "colour", "value": "red", "hrd": 1}], r"unknown key 'hrd'.*hard"),
        ([{"column": "colour", "value": "red", "hard": "yes"}], r"\['hard'\] must be true or false, got 'yes'"),
        ([{"column": "colour", "value": "red", "item": -1}], r"\['item'\] must be a whole number"),
        ([{"column": "price", "value": {"<": 3}}], r'must have bounds ">=", "<=" or both'),
        ([{"column": "price", "value": {"<=": float("nan")}}], r"must have finite numbers"),
        ([{"column": "title", "value": "x"}], r"of the title must be"),
        ([{"column": "colour", "value": "red"}] * 101, "at most 100"),
    ],
)  # fmt: skip
def test_facts_that_do_not_fit_are_named(recommender: Recommender, facts: Any, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        recommender.search("red", facts=facts)


def test_a_bundle_without_facts_takes_none(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle").path)
    assert recommender.understand("red skirt").facts == ()
    with pytest.raises(QueryError, match="facts need a bundle that reads them"):
        recommender.search("red", facts=[])


def test_the_command_line(recommender: Recommender, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(recommender.bundle.path)

    def asked(*options: str) -> Any:
        assert query.main([path, "--text", "red silk skirt", "--json", "-k", "5", "--no-verify", *options]) == 0
        return json.loads(capsys.readouterr().out)["answers"][0]

    columns = [fact["column"] for fact in asked()["understood"]]
    assert columns == ["colour", "material", "kind"]
    assert [fact["column"] for fact in asked("--drop", "colour")["understood"]] == ["material", "kind"]
    assert [fact["hard"] for fact in asked("--make-hard", "material", "--make-soft", "kind")["understood"]] == [
        True,
        True,
        False,
    ]
    given = json.dumps(asked()["understood"][:1])
    assert [fact["value"] for fact in asked("--facts", given)["understood"]] == ["red"]
    assert asked("--outfits", "--drop", "colour")["outfits"]
    for options, said in (
        (("--drop", "brand"), "nothing that is understood is about 'brand'"),
        (("--facts", "{"), "is not JSON"),
        (("--facts", "{}"), "must be a JSON list"),
    ):
        assert query.main([path, "--text", "red", "--no-verify", *options]) != 0
        assert said in capsys.readouterr().err
    assert query.main([path, "--user", "user-1", "--drop", "colour"]) != 0
    assert "--drop needs a request" in capsys.readouterr().err
