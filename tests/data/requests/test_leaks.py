"""The check finds every way by which training may know the test, and nothing where all is well."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.commands.data.import_data import main
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.checks.requests import check_requests, leaks
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import ConfigError, DataError
from tests.worlds.request_files import form_2018, write_lines

TEST = "I wanted a coat for walks in the rain"


def data(train, descriptions=("", "", ""), details=None, test_time=50):
    """One test request of user 0 (item 0); training as (user, item, text, time)."""
    users, items, texts, times = zip(*train)
    return RequestData(
        "made",
        Vocabulary(["u", "v"], "user"),
        {"item": Vocabulary(["a", "b", "c"], "item")},
        {"train": Requests.of(users, items, texts, times), "test": Requests.of([0], [0], [TEST], [test_time])},
        {"item": descriptions},
        {"item": details or {}},
    )


INNOCENT = (1, 1, "something else", 10)


def test_nothing_is_found_where_nothing_is():
    assert leaks(data([INNOCENT, (0, 0, "my old coat", 10), (1, 0, "A coat for the rain", 99)])) == []


@pytest.mark.parametrize(
    ("event", "how"),
    [
        ((0, 0, TEST, 10), "the same user, item and words occur in train"),
        ((0, 2, TEST.upper() + " ", 10), "the same user wrote these words in train, for another item"),
        (
            (0, 2, "", 50),
            "train has wordless events of the same user at the same moment: probably copies of this review",
        ),
        ((0, 2, "later", 60), "train has later events of the same user"),
    ],
)
def test_what_training_knows(event, how):
    assert [(leak.split, leak.row, leak.how) for leak in leaks(data([INNOCENT, event]))] == [("test", 0, how)]


def test_words_in_a_description():
    (leak,) = leaks(data([INNOCENT], ("", "coat / " + TEST.lower(), "")))
    assert leak.how == "the words occur in the description of an item, but not in the requests of train"
    assert leaks(data([INNOCENT], ("", "I wanted a", ""))) == []  # three words tell nothing
    assert leaks(data([INNOCENT, (1, 2, TEST, 10)], ("", "", TEST))) == []  # somebody else's words, in training
    assert leaks(data([INNOCENT], (TEST, "", ""), {"a": {"title": TEST}})) == []  # the catalogue's own words


def test_events_without_time_or_user_do_not_accuse():
    assert leaks(data([(0, 2, "", 0), (0, 1, "later", 0), (-1, 0, "x", 10)], test_time=0)) == []


def test_what_the_readers_cut_is_clean_and_a_broken_cut_is_found(tmp_path):
    read = load_requests("amazon_reviews", write_lines(tmp_path / "r.json", form_2018()))
    assert leaks(read) == []
    train, test = read.split("train"), read.split("test")
    joined = Requests.of(
        np.append(train.users, test.users[:2]),
        np.append(train.items, test.items[:2]),
        train.texts + test.texts[:2],
        np.append(train.times, test.times[:2]),
    )
    found = leaks(replace(read, splits={**read.splits, "train": joined}))
    assert {leak.row for leak in found if leak.split == "test" and leak.how.startswith("the same user, item")} == {
        0,
        1,
    }
    assert {leak.how for leak in found if leak.split == "valid"} == {"train has later events of the same user"}


def test_report(tmp_path):
    rows = form_2018()
    report = check_requests("amazon_reviews", write_lines(tmp_path / "r.json", [*rows, rows[0]]))
    assert report.ok
    assert report.holds["users"] == 4
    assert report.holds["items"] == {"item": 4}
    assert report.holds["splits"]["test"] == {
        "requests": 3, "people": 3, "items": 3, "without words": 0, "median words": 7}  # fmt: skip
    said = {finding.what: finding.count for finding in report.findings}
    assert said["read: duplicates"] == 1
    assert any(what.startswith("no leak") for what in said)
    assert "split  requests  people  items  without words  median words" in str(report)


def test_bad_lines_are_counted_and_the_rest_is_told(tmp_path):
    path = write_lines(tmp_path / "r.json", form_2018())
    path.write_text(path.read_text() + "{broken\n" * 30 + '{"asin": 1}\n')
    report = check_requests("amazon_reviews", path)
    assert not report.ok
    assert report.findings[0].count == 31
    assert len(report.findings[0].examples) == 20
    assert report.findings[0].examples[0].endswith("r.json:13: not JSON: Expecting property name enclosed in double "
                                                   "quotes (column 2)")  # fmt: skip
    assert report.holds["users"] == 4
    assert not check_requests("yelp", path).ok  # nothing of another form is left: the report says so
    with pytest.raises(DataError, match=r"no file or folder"):
        check_requests("yelp", tmp_path / "nowhere")


def test_new_users_and_items_are_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,text,split\n1,7,red,train\n1,8,blue,test\n2,7,red,test\n")
    findings = {finding.what: finding for finding in check_requests("request_table", path).findings}
    assert findings["users of test without a request in train (new users)"].examples == ["2"]
    assert findings["items of test without a request in train (new items)"].examples == ["8"]
    assert findings["items without any description"].examples == ["8"]


def test_command(tmp_path, capsys):
    path = write_lines(tmp_path / "r.json", form_2018())
    assert main(["check", "amazon_reviews", str(path)]) == 0
    assert "no leak" in capsys.readouterr().out
    assert main(["check", "amazon_reviews", str(path), "--json", "--min-events", "4"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"]["users"] == 2
    path.write_text("{broken")
    assert main(["check", "amazon_reviews", str(path)]) == 1
    assert main(["check", "yelp", str(tmp_path / "nowhere")]) == 2
    assert main(["check", "amazon_reviews", str(path), "--subset", "630"]) == 2
    assert "subset" in capsys.readouterr().err


def test_options_of_another_format_are_refused(tmp_path):
    path = write_lines(tmp_path / "r.json", form_2018())
    with pytest.raises(ConfigError, match=r"amazon_reviews does not take subset: leave out subset '630'"):
        load_requests("amazon_reviews", path, subset="630")
    with pytest.raises(ConfigError, match=r"polyvore_u does not take min_rating"):
        load_requests("polyvore_u", tmp_path, min_rating=3)
