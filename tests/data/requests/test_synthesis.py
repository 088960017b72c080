"""Requests made from outfits: natural, narrow enough to help and wide enough for taste to matter."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.seeds import generator
from fashion_hash.data.checks.requests import leaks
from fashion_hash.data.dataset import Content
from fashion_hash.data.load import load_dataset
from fashion_hash.data.requests.load import from_outfits, load_requests
from fashion_hash.data.requests.phrases import Fact, facts_of, sentence
from fashion_hash.data.requests.synthesis import FEWEST_FITTING, make_requests
from fashion_hash.data.sample.truth import planted_tastes
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import DataError
from fashion_hash.evaluation.requests import request_metrics, request_values
from tests.worlds.tiny import tiny_dataset


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_sample(
        tmp_path_factory.mktemp("sample") / "s", users=25, outfits_per_user=24, variable=True, pictures=False
    ).root


@pytest.fixture(scope="module")
def outfits(root):
    return load_dataset("polyvore_u", root, subset="630")


@pytest.fixture(scope="module")
def data(root):
    return load_requests("polyvore_u", root, subset="630")


def test_every_item_of_every_outfit_is_asked_for(outfits, data):
    assert data.items == outfits.items
    assert data.users == outfits.users
    assert data.items_fingerprint == outfits.items_fingerprint
    for name, split in outfits.splits.items():
        worn = {
            (user, int(data.flat(slot, item)))
            for user, items in split.positives
            for slot, item in zip(outfits.slots, items.tolist())
        }
        asked = set(zip(data.splits[name].users.tolist(), data.splits[name].items.tolist()))
        assert asked <= worn
        assert len(asked) > 0.97 * len(worn)


def test_the_same_seed_the_same_requests(outfits, data):
    assert from_outfits(outfits).fingerprint == data.fingerprint
    assert from_outfits(outfits, seed=1).fingerprint != data.fingerprint
    assert len(from_outfits(outfits, per_outfit=1).split("test")) == len(outfits.splits["test"].positives)


def test_words_narrow_the_catalogue_without_naming_the_item(outfits, data):
    spread: Counter = Counter()
    for name, made in make_requests(outfits).items():
        requests = data.splits[name]
        assert made.texts == list(requests.texts)
        for row, fitting in zip(requests.items.tolist(), made.fitting):
            assert row in fitting
            assert FEWEST_FITTING <= len(fitting) < data.num_items
            kinds = set(data.unflat(fitting)[0].tolist())
            spread[name, len(kinds) > 1] += 1
        titles = {known["title"].lower() for of_type in data.details.values() for known in of_type.values()}
        assert titles.isdisjoint(text.lower() for text in made.texts)
    assert 0 < spread["train", True] < 0.2 * spread["train", False]  # "something linen" may be of any type


def test_what_is_said_is_true(outfits):
    """Against the catalogue's own columns, by the words themselves."""
    made = make_requests(outfits)["train"]
    checked = 0
    for kind, row, text in zip(made.item_types, made.rows, made.texts):
        known = outfits.content.details[kind][outfits.items[kind].ids[row]]
        asked = re.split(r" to go with | to wear with | that would suit ", text)[0]
        for column, words in (
            ("pattern", "striped checked dotted floral"),
            ("material", "linen wool denim suede canvas"),
        ):
            for word in words.split():
                if word in asked.split():
                    checked += 1
                    assert known[column] == word, text
        if "for the office" in asked:
            assert known["formality"] == "smart"
        if asked.split()[0] == "dark":
            assert known["colour"] in ("black", "navy", "brown", "forest green", "burgundy")
    assert checked > 100


def test_people_do_not_repeat_themselves_and_nothing_leaks(data):
    said = [(user, text) for split in data.splits.values() for user, text in zip(split.users.tolist(), split.texts)]
    assert len(set(said)) == len(said)
    assert leaks(data) == []


def test_taste_and_words_beat_each_alone(root, outfits, data):
    """The planted truth itself: what a perfect model of taste, of words, and of both would reach."""
    test, made = data.split("test"), make_requests(outfits)["test"]
    tastes = planted_tastes(root, "tuples_630")
    liked = np.concatenate([tastes[kind] for kind in data.types], axis=1)[test.users]
    fits = np.zeros((len(test), data.num_items), dtype=bool)
    for request, rows in enumerate(made.fitting):
        fits[request, rows] = True
    numbered = replace(test, times=np.arange(len(test)))

    def recall(scores):
        return request_metrics(request_values(lambda asked: scores[asked.times], numbered))["recall@10"]

    words, taste, both = recall(fits), recall(liked), recall(np.where(fits, liked, -np.inf))
    assert 10 / data.num_items < taste < words
    assert both > 1.4 * words


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([("colour", "dark"), ("pattern", "striped"), ("kind", "trousers")], r"(.* )?dark striped trousers"),
        ([("material", "linen"), ("formality", "for a wedding"), ("season", "for summer")],
         r"(.* )?(something linen|linen bottoms) for a summer wedding"),
        ([("colour", "black"), ("kind", "jeans"), ("formality", "not too formal")],
         r"(.* )?black jeans, not too formal"),
        ([("title", "red"), ("title", "corduroy")], r"(.* )?red corduroy bottoms"),
        ([], r"(.* )?bottoms"),
    ],
)  # fmt: skip
def test_sentences(facts, expected):
    rng = generator(0, "sentences")
    for _ in range(30):
        chosen = [Fact(attribute, words, frozenset()) for attribute, words in facts]
        text, named = sentence("bottom", chosen, [], rng)
        assert re.fullmatch(expected, text), text
        assert named == ("something" not in text)
    texts = {sentence("bottom", chosen, ["top", "heels"], rng)[0] for _ in range(60)}
    assert {next(iter(re.findall(r"(this top|my top|these heels|my heels)$", text)), "") for text in texts} == {
        "", "this top", "my top", "these heels", "my heels"}  # fmt: skip


def test_facts_of_unknown_words_stand_for_themselves():
    known = {"color": "puce", "category": "poncho", "season": "monsoon", "price": 3, "pattern": "plain", "title": "A"}
    facts = facts_of(known, generator(0, "facts"))
    assert facts == [
        Fact("colour", "puce", frozenset({"puce"})),
        Fact("kind", "poncho", frozenset({"poncho"})),
        Fact("season", "for monsoon", frozenset({"monsoon"})),
    ]


def test_titles_alone_are_enough():
    """Any slots, a type twice, empty slots; no attributes: words that several titles share."""
    words = ("red", "blue", "green")
    titles = {
        kind: {
            f"{kind}{i}.jpg": {"title": f"The {words[i % 3]} {kind} no{'abcdefghijklmnopqrstuvwxyzABCDEFGHIJ'[i]}x"}
            for i in range(36)
        }
        for kind in ("hat", "coat")
    }
    outfits = tiny_dataset(slots=("hat", "coat", "coat"), items=36, content=Content(details=titles))
    made = make_requests(outfits)
    for split in made.values():
        for kind, row, text, fitting in zip(split.item_types, split.rows, split.texts, split.fitting):
            core = text.split(" to ")[0].split(" that ")[0]
            assert words[row % 3] in core or kind in core
            assert not re.search(r"no.x", core)
            assert len(fitting) >= FEWEST_FITTING
    assert any(words[row % 3] in text for row, text in zip(made["test"].rows, made["test"].texts))


def test_nothing_to_ask_for():
    with pytest.raises(DataError, match=r"tiny has no titles to make requests from: add an items.csv"):
        make_requests(tiny_dataset())
    lonely = {"top": {"top0.jpg": {"title": "Unique"}}}
    with pytest.raises(DataError, match=r"tiny: no item has a title or an attribute that 12 items share"):
        make_requests(tiny_dataset(content=Content(details=lonely)))
