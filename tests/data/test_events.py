"""The split by time and the contract of requests: nothing of the review of a test pair is known beforehand."""

import numpy as np
import pytest

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.descriptions import clean, review_words
from fashion_hash.data.events import Event, collect, split_by_time
from fashion_hash.data.requests.load import from_log
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import DataError


def split(events, **options):
    log = collect(Event(*event) for event in events)
    rows, blank, counts = split_by_time(log, **options)
    return {name: at.tolist() for name, at in rows.items()}, blank, counts


def test_last_is_test_and_the_one_before_is_valid():
    events = [("u", "a", "one", 30), ("u", "b", "two", 10), ("u", "c", "three", 20), ("v", "a", "four", 5)]
    rows, blank, _ = split([*events, ("w", "b", "five", 1), ("w", "a", "six", 2)])
    assert rows == {"train": [1, 3, 4], "valid": [2], "test": [0, 5]}
    assert not blank


def test_anonymous_events_are_training_only():
    rows, _, _ = split([("", "a", "x", 1), ("", "b", "y", 2), ("", "c", "z", 3)])
    assert rows == {"train": [0, 1, 2], "valid": [], "test": []}


def test_order_within_a_moment_is_drawn_not_read_from_the_file():
    events = [(f"u{user}", f"i{item}", f"{user} {item}", 5) for user in range(300) for item in range(3)]
    lasts = [np.bincount(np.array(split(events, seed=seed)[0]["test"]) % 3, minlength=3) for seed in (0, 1)]
    assert (np.array(lasts) > 70).all()
    assert (lasts[0] != lasts[1]).any()
    assert split(events, seed=1)[0] == split(events, seed=1)[0]


COPIED = [
    ("u", "a", "Old words", 1),
    ("u", "b", "Same words", 9),
    ("u", "c", "same  WORDS", 9),  # the test review again, on a sister item
    ("u", "d", "Same words", 4),  # an earlier event that happens to be worded alike
    ("v", "b", "only this", 9),
    ("v", "c", "only this", 9),
    ("w", "b", "", 1),
    ("w", "c", "", 9),
    ("w", "d", "", 9),  # without words there is nothing to copy
]


def test_copies_of_the_test_review_are_dropped():
    rows, blank, counts = split(COPIED)
    (held,) = set(rows["test"]) & {1, 2}
    assert ({1, 2} - {held}).isdisjoint(rows["train"] + rows["valid"])
    assert {4, 5} <= set(rows["train"])  # one review and nothing earlier: v is in training only
    assert blank == {3}
    assert set(rows["train"] + rows["valid"]) & {0, 3} == {0, 3}
    assert len(set(rows["test"]) & {7, 8}) == 1
    assert 6 in rows["train"]
    assert counts["copies of the test review: left out"] == 1
    assert counts["words of the test review at another time: taken away"] == 1
    assert counts["users in training only: one review on several items"] == 1


def test_copies_of_the_test_review_may_be_kept_without_words():
    rows, blank, _ = split(COPIED, copies="blank")
    assert sum(len(one) for one in rows.values()) == len(COPIED)
    for one, other in ((1, 2), (4, 5)):
        (held,) = {one, other} & set(rows["test"])
        assert ({one, other} - {held}) <= blank
        assert held not in blank
    with pytest.raises(DataError, match=r"copies is 'keep'; it is one of drop, blank"):
        split(COPIED, copies="keep")


@pytest.mark.parametrize("copies", ["drop", "blank"])
def test_words_of_the_test_review_are_nowhere_else(copies):
    log = collect(Event(*event) for event in COPIED)
    data = from_log("made", log, {"item": {one: {} for one in log.item_ids}}, copies=copies)
    held = "same words"
    assert [held in text.casefold().replace("  ", " ") for text in data.split("test").texts].count(True) == 1
    for name in ("train", "valid"):
        assert not any(held in text.casefold().replace("  ", " ") for text in data.split(name).texts)
    assert not any(held in words for words in data.all_descriptions)
    took = [(user, data.item_id(item)) for user, item in zip(data.split("train").users, data.split("train").items)]
    assert (0, "d") in took or copies == "drop"  # the earlier event stays, in training or validation


def test_split_against_a_plain_loop():
    rng = np.random.default_rng(3)
    events = [
        (
            f"u{rng.integers(30)}",
            f"i{rng.integers(9)}",
            f"t{rng.integers(6)}" * (rng.random() < 0.9),
            int(rng.integers(5)),
        )
        for _ in range(300)
    ]
    for copies in ("drop", "blank"):
        log = collect(Event(*event) for event in events)
        rows, blank, _ = split_by_time(log, copies=copies)
        where = {row: name for name, at in rows.items() for row in at.tolist()}
        assert len(where) == sum(map(len, rows.values()))
        for name, earlier in (("test", ("train", "valid")), ("valid", ("train",))):
            assert len(rows[name])
            for held in rows[name].tolist():
                own = [row for row in range(len(log)) if log.users[row] == log.users[held] and row != held]
                assert any(where.get(row) == "train" for row in own)
                for row in own:
                    if where.get(row) in earlier:
                        assert log.times[row] <= log.times[held]
                        copy = log.texts[row] == log.texts[held] != ""
                        assert not copy or row in blank
                        assert not (copy and copies == "drop" and log.times[row] == log.times[held])


def test_descriptions_come_from_training_alone():
    events = [("u", "a", "blue denim", 1), ("u", "b", "secret words of the test", 2)]
    events += [("v", "b", "secret words of the test", 3), ("w", "a", "velvet", 4)]
    events += [(f"x{i}", "a", "Great!", i) for i in range(3)]
    log = collect(Event(*event, variant="Fog") for event in events)
    data = from_log("made", log, {"item": {"a": {"title": "Jeans"}, "b": {}, "c": {"title": "Never taken"}}})
    a, b, c = data.all_descriptions
    assert a == "Jeans / Fog / velvet / blue denim"  # the latest first; what three users wrote alike says nothing
    assert b == "Fog / secret words of the test"
    assert c == "Never taken"
    assert data.split("test").items.tolist() == [1]
    assert data.num_items == 3


def test_descriptions_are_bounded():
    words = " ".join(f"w{i}" for i in range(60))
    log = collect(Event(f"u{i}", "a", f"n{i} {words}", i) for i in range(40))
    description = from_log("made", log, {"item": {"a": {}}}).all_descriptions[0].split()
    assert len(description) <= 300
    assert description[0] == "n39"
    assert "w59" not in description


def test_words_of_reviews():
    assert review_words("Five Stars", "Soft") == "Soft"
    assert review_words("one star.", None) == ""
    assert review_words("Soft", "Soft and warm") == "Soft and warm"
    assert review_words("Too small!", "Returned") == "Too small! Returned"
    assert review_words("Too small", "Returned") == "Too small. Returned"
    assert review_words(5, "") == "5"
    assert clean("a<br />b &amp; c\n\td <3 [[VIDEOID:abc]]") == "a b & c d <3"
    long = clean("word " * 900)
    assert len(long) <= 1000
    assert long.endswith(" word")
    assert len(clean("x" * 5000)) == 1000


def tiny(**splits):
    items = {"top": Vocabulary(["t0", "t1"], "top"), "shoe": Vocabulary(["s0"], "shoe")}
    users = Vocabulary(["u", "v"], "user")
    return RequestData("tiny", users, items, splits, {"top": ("a", "b"), "shoe": ("c",)})


def test_catalogue_rows():
    data = tiny(train=Requests.of([0, -1], [2, 1], ["x", ""]))
    assert data.flat("shoe", 0) == 2
    assert data.flat("top", np.array([0, 1])).tolist() == [0, 1]
    kinds, rows = data.unflat(np.array([0, 1, 2]))
    assert kinds.tolist() == [0, 0, 1]
    assert rows.tolist() == [0, 1, 0]
    assert [data.item_id(row) for row in range(3)] == ["t0", "t1", "s0"]
    assert data.all_descriptions == ("a", "b", "c")
    part = data.split("train")[np.array([True, False])]
    assert len(part) == 1
    assert part.texts == ("x",)
    assert part.items.dtype == np.int32
    assert part.times.dtype == np.int64
    with pytest.raises(DataError, match=r"tiny has no split 'valid' of requests; it has train"):
        data.split("val")


def test_fingerprint_sees_words_and_rows():
    one = tiny(train=Requests.of([0], [2], ["x"]))
    assert one.fingerprint == tiny(train=Requests.of([0], [2], ["x"])).fingerprint
    for other in (Requests.of([0], [2], ["y"]), Requests.of([0], [1], ["x"]), Requests.of([1], [2], ["x"])):
        assert tiny(train=other).fingerprint != one.fingerprint
        assert tiny(train=other).items_fingerprint == one.items_fingerprint


def test_rows_outside_are_refused():
    with pytest.raises(DataError, match=r"train: item rows outside of the catalogue of 3"):
        tiny(train=Requests.of([0], [3], ["x"]))
    with pytest.raises(DataError, match=r"train: user rows outside of 2 users"):
        tiny(train=Requests.of([-2], [0], ["x"]))
    with pytest.raises(DataError, match=r"requests of different lengths: .1, 2."):
        Requests.of([0, 1], [0, 1], ["x"], [0, 0])
