"""Requests of strangers: likes told with a request, items left out, and next pages."""

from pathlib import Path
from typing import Any

import pytest

from fashion_hash.errors import QueryError, UnknownIdError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.words_world import words_bundle

LIKED = [{"top": "top-000", "shoe": "shoe-002"}]


@pytest.fixture(scope="module", params=[None, (0.01, 0.004)], ids=["words", "facts"])
def recommender(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Recommender:
    return Recommender.load(words_bundle(tmp_path_factory.mktemp("words") / "bundle", facts=request.param).path)


def test_likes_told_with_a_request_count_as_those_of_a_new_user(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle").path)
    calls = [
        lambda user, **options: [
            column.tolist() for column in recommender.search("a linen shirt", user, 20, **options)
        ],
        lambda user, **options: [column.tolist() for column in recommender.search(None, user, 20, **options)],
        lambda user, **options: recommender.outfits_for("a linen shirt", user, 5, **options),
    ]
    answers = [call(None, liked=LIKED) for call in calls]
    assert answers[0] != calls[0](None)
    with pytest.raises(QueryError, match="nothing to search by"):
        calls[1](None)
    recommender.add_user("eve", liked=LIKED)
    assert [call("eve") for call in calls] == answers


def test_pages_of_items_and_items_left_out(recommender: Recommender) -> None:
    whole = recommender.search("a red shirt", "user-0", 30)
    pages = [recommender.search("a red shirt", "user-0", 10, skip=skip) for skip in (0, 10, 20)]
    assert [item for page in pages for item in page.ids.tolist()] == whole.ids.tolist()
    assert [score for page in pages for score in page.scores.tolist()] == whole.scores.tolist()
    assert [item for page in pages for item in page.complete.tolist()] == whole.complete.tolist()
    assert len(recommender.search("a red shirt", "user-0", 10, skip=10_000).ids) == 0
    first = list(zip(whole.types.tolist(), whole.ids.tolist()))[:3]
    exclude: dict[str, list[str]] = {}
    for item_type, item_id in first:
        exclude.setdefault(item_type, []).append(item_id)
    left = recommender.search("a red shirt", "user-0", 27, exclude=exclude)
    assert left.ids.tolist() == whole.ids[3:].tolist()
    with pytest.raises(UnknownIdError):
        recommender.search("a red shirt", exclude={"top": ["top-9999"]})


def test_pages_of_outfits_for_a_request(recommender: Recommender) -> None:
    options: dict[str, Any] = {"anchors": 20}
    whole = recommender.outfits_for("a red shirt", "user-0", 12, **options).hits
    pages = [recommender.outfits_for("a red shirt", "user-0", 4, skip=skip, **options).hits for skip in (0, 4, 8)]
    assert [hit for page in pages for hit in page] == whole
    with pytest.raises(QueryError, match=r"anchors must be at least skip \+ k, 24, .* got 20"):
        recommender.outfits_for("a red shirt", "user-0", 4, skip=20, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": -1}, "skip must be at least 0, got -1"),
        ({"skip": 3, "rerank": True}, "skip does not go with rerank"),
        ({"exclude": ["top-001"]}, "exclude must be a mapping"),
        ({"liked": "top-001"}, "liked must be a list of outfits"),
    ],
)
def test_bad_options_are_named(recommender: Recommender, options: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        recommender.search("a red shirt", None, 3, **options)
    with pytest.raises(TypeError, match=r"Recommender\.search"):
        recommender.search("red", None, 3, types=["top"])  # type: ignore[call-arg]
