"""Changes of users that come at the same time share a transaction, and each is still made or refused by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fashion_hash.errors import BundleError, DataError, UnknownIdError
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.updates.together import Together
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

LIKED = [{"top": "top-1", "shoe": "shoe-1"}]


def at_once(told: Together, calls: Sequence[Callable[[], object]]) -> list[object]:
    """What calls return or raise that wait for the same turn, in their order."""
    results: list[object] = [None] * len(calls)

    def run(place: int) -> None:
        try:
            results[place] = calls[place]()
        except Exception as error:
            results[place] = error

    threads = []
    with told._writing:
        for place in range(len(calls)):
            threads.append(threading.Thread(target=run, args=(place,)))
            threads[-1].start()
            until = time.monotonic() + 30
            while len(told._pending) <= place and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    return results


def test_all_that_waits_is_written_in_one_call_and_only_what_is_refused_raises() -> None:
    together, batches = Together(), []
    refused = DataError("not this one")

    def write(changes: Sequence[int]) -> list[Exception | None]:
        batches.append(list(changes))
        return [refused if change == 1 else None for change in changes]

    results = at_once(together, [lambda change=change: together.write(change, write) for change in range(4)])
    assert results == [None, refused, None, None]
    assert batches == [[0, 1, 2, 3]]


def test_when_nothing_can_be_written_all_are_told_and_the_next_ones_go_on() -> None:
    together, full = Together(), BundleError("the disk is full")

    def fail(changes: Sequence[int]) -> list[Exception | None]:
        raise full

    results = at_once(together, [lambda: together.write(0, fail), lambda: together.write(1, fail)])
    assert results == [full, full]
    together.write(2, lambda changes: [None])


def test_users_who_are_told_at_once_are_as_if_told_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_bundle(tmp_path / "bundle")
    recommender, transactions = Recommender.load(tmp_path / "bundle"), []
    recommender.add_user("gone", LIKED)
    recommender.remove_user("gone")
    writing = LiveCatalogue.writing
    monkeypatch.setattr(LiveCatalogue, "writing", lambda live: transactions.append(1) or writing(live))
    results = at_once(
        recommender.live.told,
        [
            lambda: recommender.put_user("first", LIKED),
            lambda: recommender.put_user("second", [{"top": "no such top"}]),
            lambda: recommender.update_user("first", [], LIKED),
            lambda: recommender.put_user("gone", LIKED),
            lambda: recommender.update_user("unknown", LIKED),
            lambda: recommender.add_user("first", LIKED),
            lambda: recommender.put_user("third", LIKED),
        ],
    )
    assert [type(result) for result in results] == [
        *(bool, UnknownIdError, type(None), DataError, UnknownIdError, DataError, bool)
    ]
    assert len(transactions) == 2  # once more without the user who was removed
    assert recommender.liked("first") == []
    assert recommender.liked("third") == LIKED
    assert not recommender.knows_user("second")
    assert not recommender.knows_user("gone")
    again = Recommender.load(tmp_path / "bundle")
    assert again.answer("third", 5) == recommender.answer("third", 5)
