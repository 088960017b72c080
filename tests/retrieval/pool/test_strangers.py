"""Strangers and next pages: likes told with a question, what is popular, items and outfits left out, and paging."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.facts import NO_TIME
from fashion_hash.errors import QueryError, UnknownIdError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_contents, random_pool

SLOTS = ("top", "top", "shoe")
DAY = 86_400


def new_recommender(path: Path) -> Recommender:
    bundle = random_bundle(path, slots=SLOTS, num_items=8)
    build_index(bundle, random_pool(bundle, 90))
    return Recommender.load(path)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """A pool in files, and outfits that came since and went."""
    recommender = new_recommender(tmp_path_factory.mktemp("bundles") / "bundle")
    items = {name: recommender.outfit(str(recommender.recommend(None, 1).ids[0])) for name in ("new-1", "new-2")}
    items["new-2"] = {"top": "top-1", "top_2": "top-5", "shoe": "shoe-2"}
    recommender.add_outfits(items)
    recommender.remove_outfits([str(recommender.recommend("user-1", 3).ids[2])])
    return recommender


def told(recommender: Recommender) -> dict[str, Any]:
    ids = recommender.recommend("user-2", 30).ids.tolist()
    return {"liked": [ids[3], {"top": "top-2", "shoe": "shoe-1"}], "disliked": [ids[5]]}


@pytest.mark.parametrize("known", [True, False])
def test_likes_in_a_call_answer_as_if_they_were_told_before(tmp_path: Path, known: bool) -> None:
    recommender = new_recommender(tmp_path / "bundle")
    likes, user = told(recommender), "user-1" if known else None
    if known:
        recommender.update_user("user-1", liked=[recommender.recommend("user-1", 9).ids.tolist()[8]])
    before = recommender.recommend(user, 20)
    calls = [
        lambda who, **options: list(zip(*(column.tolist() for column in recommender.recommend(who, 20, **options)))),
        lambda who, **options: recommender.answer(who, 5, **options),
        lambda who, **options: recommender.compose(who, 5, **options),
        lambda who, **options: recommender.complete(who, {"top": "top-3"}, 5, **options),
        lambda who, **options: recommender.explain(who, {"top": "top-3", "shoe": "shoe-4"}, **options),
    ]
    answers = [call(user, **likes) for call in calls]
    assert recommender.recommend(user, 20).ids.tolist() == before.ids.tolist()  # nothing is stored
    assert answers[0] != calls[0](user)
    if known:
        recommender.update_user("user-1", **likes)
    else:
        recommender.add_user("eve", **likes)
    assert [call("user-1" if known else "eve") for call in calls] == answers
    assert recommender.recommend(None, 3, **likes).personal is True
    assert recommender.recommend(None, 3, liked=[], disliked=None).personal is False


def test_bad_likes_are_named(recommender: Recommender) -> None:
    outfit = str(recommender.recommend(None, 1).ids[0])
    with pytest.raises(QueryError, match="liked must be a list of outfits"):
        recommender.recommend(None, 3, liked=outfit)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="both liked and disliked"):
        recommender.recommend(None, 3, liked=[outfit], disliked=[outfit])
    with pytest.raises(QueryError, match="ask for each user alone"):
        recommender.recommend(["user-0", None], 3, liked=[outfit])
    with pytest.raises(UnknownIdError, match="no-outfit"):
        recommender.recommend(None, 3, liked=["no-outfit"])
    with pytest.raises(UnknownIdError, match="nobody"):
        recommender.recommend("nobody", 3, liked=[outfit])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include_liked": True},
        {"max_per": {"item": 4}},
        {"by": "popular"},
        {"by": "popular", "max_per": {"item": 5}},
        {"exclude": {"top": ["top-1"]}},
    ],
)
@pytest.mark.parametrize("user", ["user-0", None])
def test_pages_are_the_rest_of_one_longer_list(recommender: Recommender, user: str | None, options: Any) -> None:
    whole = recommender.recommend(user, 21, **options)
    for k, skip in ((7, 7), (7, 14), (5, 3), (4, 21)):
        page = recommender.recommend(user, k, skip=skip, **options)
        if skip + k <= 21:
            assert page.ids.tolist() == whole.ids[skip : skip + k].tolist()
            assert page.scores.tolist() == whole.scores[skip : skip + k].tolist()
        assert not set(page.ids) & set(whole.ids[:skip].tolist())
        assert [hit.outfit_id for hit in recommender.answer(user, k, skip=skip, **options)] == page.ids.tolist()
    together = recommender.recommend([user, "user-1"], 7, skip=7, **options)
    shown = whole.ids[7:14].tolist()
    assert together.ids[0].tolist() == shown + [""] * (7 - len(shown))
    assert recommender.recommend(user, 5, skip=500, **options).ids.tolist() == []


@pytest.mark.parametrize("caps", [None, {"item": 3}])
def test_varied_pages_repeat_nothing_and_keep_to_the_caps(recommender: Recommender, caps: dict | None) -> None:
    options: dict[str, Any] = {"diversity": 0.6, "max_per": caps}
    pages = [recommender.recommend("user-0", 4, skip=skip, **options).ids.tolist() for skip in (0, 4, 8, 12)]
    assert pages[0] == recommender.recommend("user-0", 4, **options).ids.tolist()
    shown = [outfit_id for page in pages for outfit_id in page]
    assert len(set(shown)) == len(shown) >= 8
    if caps:
        worn = [{(slot[:3], item) for slot, item in recommender.outfit(outfit_id).items()} for outfit_id in shown]
        assert max(sum(item in outfit for outfit in worn) for item in set().union(*worn)) <= 3


@pytest.mark.parametrize("options", [{}, {"max_repeats": 2}, {"max_per": {"item": 3}}, {"diversity": 0.4}])
def test_composed_pages(recommender: Recommender, options: Any) -> None:
    whole = recommender.compose("user-0", 12, **options).hits
    pages = [recommender.compose("user-0", 4, skip=skip, **options).hits for skip in (0, 4, 8)]
    shown = [hit for page in pages for hit in page]
    assert len({tuple(sorted(hit.items.items())) for hit in shown}) == len(shown) == len(whole)
    if "diversity" not in options:
        assert shown == whole


@pytest.mark.parametrize("skip", [-1, 1.5, True, "3", None])
def test_bad_skips(recommender: Recommender, skip: Any) -> None:
    for call in (recommender.recommend, recommender.answer, recommender.compose):
        with pytest.raises(QueryError, match=r"^skip must be "):
            call("user-0", 3, skip=skip)


def test_items_and_outfits_are_left_out(recommender: Recommender) -> None:
    whole = recommender.recommend("user-0", 500).ids.tolist()
    kept = [name for name in whole if not {"top-1", "top-4"} & set(recommender.outfit(name).values())]
    exclude = {"top": ["top-1", "top-4"], "shoe": []}
    assert 0 < len(kept) < len(whole)
    assert recommender.recommend("user-0", 500, exclude=exclude).ids.tolist() == kept
    hits = recommender.recommend("user-0", 500, exclude=exclude, exclude_outfits=[kept[0], kept[2], "not there"])
    assert hits.ids.tolist() == [kept[1], *kept[3:]]
    assert hits.shortfall is None
    where = {"price": {"exists": False}}
    assert recommender.recommend("user-0", 500, exclude=exclude, where=where).ids.tolist() == [
        name for name in kept if not {"top-0", "shoe-0"} & set(recommender.outfit(name).values())
    ]
    with pytest.raises(UnknownIdError, match="top-77"):
        recommender.recommend("user-0", 3, exclude={"top": ["top-77"]})
    with pytest.raises(QueryError, match="exclude must be a mapping"):
        recommender.recommend("user-0", 3, exclude=["top-1"])  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="exclude_outfits must be a list"):
        recommender.recommend("user-0", 3, exclude_outfits=kept[0])


def popularity(recommender: Recommender, half_life: float | None = None) -> dict[str, float]:
    """By outfit, in plain loops."""
    bundle = recommender.bundle
    times, users = bundle.history_times, bundle.history.users
    known = [] if times is None else [time for time in times.tolist() if time != NO_TIME]
    likes: dict[tuple[str, str], dict[int, float]] = {}
    for line, items in enumerate(bundle.history.items):
        weight = 1.0
        if half_life is not None:
            time = int(times[line]) if times[line] != NO_TIME else min(known)
            weight = 2 ** (-(max(known) - time) / DAY / half_life)
        for item_type, row in zip(bundle.slots, items.tolist()):
            if row != EMPTY:
                fans = likes.setdefault((item_type, bundle.items[item_type].id(row)), {})
                fans[int(users[line])] = max(weight, fans.get(int(users[line]), 0.0))
    means = {}
    for outfit_id in recommender.recommend(None, 500).ids.tolist():
        outfit = [(slot.removesuffix("_2"), item) for slot, item in recommender.outfit(outfit_id).items()]
        means[outfit_id] = sum(sum(likes.get(item, {}).values()) for item in outfit) / len(outfit)
    return means


def test_what_is_popular_is_counted(recommender: Recommender) -> None:
    expected = popularity(recommender)
    hits = recommender.recommend(None, 500, by="popular")
    assert hits.ids.tolist() == sorted(expected, key=lambda name: (-expected[name], name))
    assert hits.scores.tolist() == pytest.approx([expected[name] for name in hits.ids.tolist()])
    assert hits.personal is False
    liked = recommender.recommend("user-0", 500, by="popular").ids.tolist()
    known = {name for name in hits.ids.tolist() if recommender.outfit(name) in recommender.liked("user-0")}
    assert liked == [name for name in hits.ids.tolist() if name not in known]


def test_newer_likes_count_more(tmp_path: Path) -> None:
    history = Outfits.of(SLOTS, [0, 1, 2, 0, 1], [[0, 1, 0], [2, EMPTY, 1], [3, 4, 2], [0, 5, 1], [2, 6, 3]])
    times = np.array([0, 10 * DAY, 20 * DAY, 30 * DAY, NO_TIME]) + 1_600_000_000 * (np.arange(5) < 4)
    bundle = write_bundle(
        tmp_path / "timed", random_contents(slots=SLOTS, num_items=8, history=history, history_times=times)
    )
    build_index(bundle, random_pool(bundle, 60))
    recommender = Recommender.load(bundle.path)
    for half_life in (5, 30.5):
        expected = popularity(recommender, half_life)
        hits = recommender.recommend(None, 500, by="popular", half_life=half_life)
        assert hits.scores.tolist() == pytest.approx(sorted(expected.values(), reverse=True))
        assert dict(zip(hits.ids.tolist(), hits.scores.tolist())) == pytest.approx(expected)
    before = popularity(recommender)
    recommender.remove_user("user-0")
    after = dict(zip(*(column.tolist() for column in recommender.recommend(None, 500, by="popular"))))
    assert sum(after.values()) < sum(before.values())
    recommender.compact()
    again = recommender.recommend(None, 500, by="popular")
    assert dict(zip(again.ids.tolist(), again.scores.tolist())) == after
    bundle_times = np.load(next((tmp_path / "timed").rglob("history/times.npy")))
    assert bundle_times[[0, 3]].tolist() == [NO_TIME, NO_TIME]  # those of the removed user


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "fame"}, 'by must be "score" or "popular", got \'fame\''),
        ({"half_life": 3}, "half_life applies to popularity"),
        ({"by": "popular", "half_life": 0}, "half_life must be a number of days above 0"),
        ({"by": "popular", "half_life": 3}, "does not say when its users liked"),
    ],
)
def test_bad_orders(recommender: Recommender, options: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        recommender.recommend(None, 3, **options)
