"""Feedback is kept once and durably, written as tables that training reads, and reported by model."""

from __future__ import annotations

import json
import sqlite3
import threading

import pytest

from fashion_hash import load_dataset
from fashion_hash.cli import main
from fashion_hash.errors import BundleError
from fashion_hash.feedback.export import effective
from fashion_hash.feedback.report import report_feedback
from fashion_hash.feedback.store import FILE, Event, FeedbackStore
from tests.worlds.live_world import new_bundle

ITEMS = {"top": "top-1", "shoe": "shoe-2"}


def event(event_id, user="user-1", kind="liked", items=ITEMS, time=1_700_000_000.0, **changes):
    values = dict(outfit_id=None, item_type=None, item_id=None, recommendation_id=None, model="main")
    return Event(event_id, time, user, kind, items=items, **{**values, **changes})


def test_events_are_kept_once_in_their_order(tmp_path):
    store = FeedbackStore(tmp_path)
    assert store.append([event("a"), event("b", kind="shown")]) == 2
    assert store.append([event("b", kind="bought"), event("c")]) == 1
    assert [(each.event_id, each.kind) for each in store.events()] == [("a", "liked"), ("b", "shown"), ("c", "liked")]
    assert next(iter(store.events())).items == ITEMS


def test_threads_share_transactions_and_lose_nothing(tmp_path):
    store = FeedbackStore(tmp_path)
    threads = [
        threading.Thread(target=lambda first=first: [store.append([event(f"{first}-{n}")]) for n in range(10)])
        for first in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.event_id for each in FeedbackStore(tmp_path).events()}) == 80


def test_a_batch_that_cannot_be_written_is_not_kept_and_the_next_one_is(tmp_path):
    store = FeedbackStore(tmp_path)
    with pytest.raises(BundleError):
        store.append([event("a"), event("b", items=ITEMS, model=object())])
    assert list(store.events()) == []
    assert store.append([event("c")]) == 1


def test_a_file_that_is_no_feedback_is_an_error_of_the_tree(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database" * 200)
    with pytest.raises(BundleError):
        FeedbackStore(tmp_path).append([event("a")])


def test_what_is_forgotten_is_not_in_the_file(tmp_path):
    store = FeedbackStore(tmp_path)
    store.append([event("a", user="an.uncommon.name"), event("b")])
    assert store.forget(["an.uncommon.name"]) == 1
    assert [each.user_id for each in store.events()] == ["user-1"]
    assert not any(b"an.uncommon.name" in file.read_bytes() for file in tmp_path.iterdir())


def test_opinions_that_were_taken_back_or_replaced_do_not_count():
    other = {"top": "top-2"}
    events = [
        event("1"),
        event("2", kind="shown"),
        event("3", kind="undone"),
        event("4", items=other),
        event("5", items=other, kind="disliked"),
    ]
    assert [each.event_id for each in effective(events)] == ["2", "5"]


def test_a_report_counts_by_model():
    events = [event("1", kind="shown"), event("2", kind="shown"), event("3"), event("4", model="B", user="other")]
    main_model, other = sorted(report_feedback(events), key=lambda report: report.model == "B")
    assert (main_model.counts["shown"], main_model.liked_share, main_model.users) == (2, 0.5, 1)
    assert other.liked_share is None


def test_the_exported_tables_are_a_data_set_that_training_reads(tmp_path, capsys):
    bundle = new_bundle(tmp_path / "bundle")
    store = FeedbackStore(tmp_path / "bundle/service")
    liked = {"top": "top-3", "bottom": "bottom-2", "shoe": "shoe-4"}
    store.append([event("a", user="newcomer", items=liked), event("b", user="newcomer", kind="shown", items=liked)])
    store.append([event("c", items={"top": "top-5"}, item_type="top", item_id="top-5", kind="bought")])
    assert main(["feedback", "export", str(tmp_path / "bundle"), str(tmp_path / "served")]) == 0
    assert "1 with items" in capsys.readouterr().out
    dataset = load_dataset("shop", tmp_path / "served")
    newcomer = dataset.users.row("newcomer")
    found = [split.positives.items[split.positives.users == newcomer] for split in dataset.splits.values()]
    named = {
        frozenset(dataset.items[kind].ids[row] for kind, row in zip(dataset.slots, outfit.tolist()) if row >= 0)
        for outfits in found
        for outfit in outfits
    }
    assert frozenset(liked.values()) in named
    assert len(dataset.items["top"]) <= len(bundle.items["top"])
    assert main(["feedback", "export", str(tmp_path / "bundle"), str(tmp_path / "served")]) == 0  # it replaces its own
    (tmp_path / "other").mkdir()
    (tmp_path / "other/precious").touch()
    assert main(["feedback", "export", str(tmp_path / "bundle"), str(tmp_path / "other")]) == 2


def test_the_report_of_the_command(tmp_path, capsys):
    new_bundle(tmp_path / "bundle")
    assert main(["feedback", "report", str(tmp_path / "bundle")]) == 0
    assert "no feedback yet" in capsys.readouterr().out
    FeedbackStore(tmp_path / "bundle/service").append([event("a")])
    assert main(["feedback", "report", str(tmp_path / "bundle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["liked"] == 1


def test_forget_removes_feedback(tmp_path):
    new_bundle(tmp_path / "bundle")
    FeedbackStore(tmp_path / "bundle/service").append([event("a", user="user-1")])
    assert main(["forget", str(tmp_path / "bundle"), "--user", "user-1"]) == 0
    with sqlite3.connect(tmp_path / "bundle/service" / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
