"""Requests as users type them: every judgement against the columns of the items, read plainly."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.misspelling import misspell
from fashion_hash.data.requests.table import NOBODY
from fashion_hash.data.requests.typed import FEWEST_HARD, TYPED_KINDS, retyped, typed_requests
from fashion_hash.data.sample.garments import COLOURS, KINDS
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import ConfigError
from tests.worlds.tiny_requests import tiny_requests

EACH = 25


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("sample") / "s", users=25, outfits_per_user=24, pictures=False).root


@pytest.fixture(scope="module")
def data(root):
    return load_requests("polyvore_u", root, subset="630")


@pytest.fixture(scope="module")
def judged(data):
    return typed_requests(data, "test", per_kind=EACH)


@pytest.fixture(scope="module")
def items(data):
    return [data.details[kind][item_id] for kind in data.types for item_id in data.items[kind].ids]


def of_kind(judged, kind):
    return judged[np.array([row for row, name in enumerate(judged.kinds) if name == kind])]


def test_every_kind_is_made(judged):
    assert Counter(judged.kinds) == dict.fromkeys(TYPED_KINDS, EACH)


def test_what_was_taken_satisfies_all(judged):
    for taken, hard, satisfying in zip(judged.requests.items.tolist(), judged.hard, judged.satisfying):
        assert taken in satisfying
        assert set(satisfying.tolist()) <= set(hard.tolist())
        assert len(hard) >= FEWEST_HARD
        assert (np.diff(hard) > 0).all()


def test_plain_colours_and_kinds_are_judged_by_the_columns(judged, items):
    """Written anew from the text: the first words are a colour of the sample, the last ones a kind."""
    checked = 0
    for text, hard in zip(of_kind(judged, "short").requests.texts, of_kind(judged, "short").hard):
        colour = next((name for name in COLOURS if text.startswith(f"{name} ")), None)
        kind = text.removeprefix(f"{colour} ")
        if colour in (None, "green", "blue") or kind not in KINDS:
            continue
        checked += 1
        expected = [row for row, item in enumerate(items) if (item["colour"], item["kind"]) == (colour, kind)]
        assert hard.tolist() == expected
    assert checked >= 3


def test_prices_are_kept(judged, items):
    priced = of_kind(judged, "price")
    for text, hard in zip(priced.requests.texts, priced.hard):
        numbers = [float(number) for number in re.findall(r"\d+", text)]
        least, most = numbers if len(numbers) == 2 else (0.0, numbers[0])
        prices = [items[row]["price"] for row in hard]
        assert all(least <= price <= most for price in prices), text
        kind = {items[row]["kind"] for row in hard}
        left_out = [item for row, item in enumerate(items) if item["kind"] in kind and row not in set(hard.tolist())]
        assert left_out or len(numbers) == 1


def test_exclusions_are_hard(judged, items):
    negated = of_kind(judged, "negation")
    for text, hard in zip(negated.requests.texts, negated.hard):
        said = text.split(" from ")[-1] if " from " in text else text.split()[-1 - text.endswith(" please")]
        names = {"stripes": "striped", "checks": "checked", "dots": "dotted", "flowers": "floral"}
        value = names.get(said, said)
        for row in hard:
            columns = (items[row]["colour"], items[row]["pattern"], items[row]["material"], items[row]["brand"])
            assert value not in columns, (text, items[row])
            assert not any(column.endswith(f" {value}") for column in columns), (text, items[row])


def test_a_partner_says_nothing_about_the_item(judged, items):
    asked = of_kind(judged, "partner")
    for text, hard in zip(asked.requests.texts, asked.hard):
        assert " my " in text
        assert len({items[row]["kind"] for row in hard}) == 1


def test_slips_touch_one_word(data):
    rng = np.random.default_rng(0)
    for _ in range(200):
        wrong = misspell("burgundy trousers", {"burgundy", "trousers"}, rng)
        assert sum(a != b for a, b in zip(wrong.split(), ("burgundy", "trousers"))) == 1
        assert abs(len(wrong) - len("burgundy trousers")) <= 1
    assert misspell("red hat", (), rng) is None
    assert misspell("skirts", {"skirt"}, rng) != "skirt"
    for _ in range(200):  # "spirt" may be either, and "short" is a word
        wrong = misspell("shirts", {"shirts", "skirt", "shorts", "short"}, rng)
        assert wrong not in ("spirts", "shrts", "shorts", "skirts")


def test_the_same_seed_the_same_requests(data, judged):
    again = typed_requests(data, "test", per_kind=EACH)
    assert again.requests.texts == judged.requests.texts
    assert typed_requests(data, "test", seed=1, per_kind=EACH).requests.texts != judged.requests.texts
    assert typed_requests(data, "valid", per_kind=EACH).requests.texts != judged.requests.texts


def test_nobody_says_what_they_said_in_training(data):
    train = set(zip(data.split("train").users.tolist(), data.split("train").texts))
    test = typed_requests(data, "test", per_kind=100).requests
    assert not train & set(zip(test.users.tolist(), test.texts))


def test_kinds_that_the_columns_do_not_allow_are_left_out(data):
    assert len(typed_requests(tiny_requests(), "test")) == 0  # descriptions alone
    without = {
        item_type: {item_id: {"colour": known["colour"], "brand": 7} for item_id, known in items.items()}
        for item_type, items in data.details.items()
    }
    judged = typed_requests(replace(data, details=without), "test", per_kind=5)
    assert set(judged.kinds) == set(TYPED_KINDS) - {"price", "occasion", "several"}
    assert all(len(hard) < data.num_items / 2 for hard in judged.hard)


def test_a_share_of_the_texts_is_typed_anew(data):
    train = data.split("train")
    changed = retyped(data, train, 0.5)
    differs = [old != new for old, new in zip(train.texts, changed.texts)]
    assert 0.4 < np.mean(differs) < 0.6
    assert (changed.users == train.users).all()
    assert (changed.items == train.items).all()
    assert retyped(data, train, 0.5).texts == changed.texts
    assert retyped(data, train, 0.0).texts == train.texts


def test_training_requests_may_be_typed(root, data):
    half = load_requests("polyvore_u", root, subset="630", typed=0.5)
    assert half.split("train").texts == retyped(data, data.split("train"), 0.5).texts
    for split in ("valid", "test"):
        assert half.split(split).texts == data.split(split).texts
    assert half.fingerprint != data.fingerprint
    with pytest.raises(ConfigError, match="request_table does not take typed"):
        load_requests("request_table", root, typed=0.5)


def test_requests_of_nobody(data):
    assert NOBODY not in typed_requests(data, "test", per_kind=3).requests.users
