"""What is told, and taken back, while a new generation is being told: the new one ends in the state of the old one."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.commands.forget import main
from fashion_hash.errors import FashionHashError, UnknownIdError
from fashion_hash.live import compaction, store
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.compaction import compact
from fashion_hash.live.forgetting.search import files_of, search
from fashion_hash.retrieval.generations import carry
from fashion_hash.retrieval.generations.told import told_now, told_of
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds import generations as worlds
from tests.worlds.generations import FEATURE, add_generation, generations, retrain

TYPES, USERS = ("top", "bottom", "shoe"), ("user-0", "user-1", "eve", "adam")


@pytest.fixture
def shop(tmp_path: Path) -> Recommender:
    add_generation(tmp_path / "bundle", seed=1)
    return Recommender.load(tmp_path / "bundle")


def switch(shop: Recommender, meanwhile: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds the same model and pool again; changes are made when most of what was told is carried over already."""

    def and_then(live: LiveCatalogue) -> Any:
        told = told_of(live)
        meanwhile()
        return told

    monkeypatch.setattr(carry, "told_of", and_then)
    retrain(shop.live.bundle.root, seed=1)
    monkeypatch.undo()


def state(shop: Recommender) -> dict[str, Any]:
    """Everything that can be told."""
    bundle, ids = shop.live.now().bundle, shop.live.now().ids
    users: dict[str, Any] = {}
    for user in USERS:
        try:
            users[user] = sorted(map(str, shop.liked(user)))
        except UnknownIdError:
            users[user] = None
    return {
        "items": {
            item_type: {
                item_id: bundle.item_codes[item_type][bundle.items[item_type].row(item_id)].tobytes()
                for item_id in bundle.items[item_type].all()
            }
            for item_type in TYPES
        },
        "outfits": {name: shop.outfit(name) for name in ids.all() if name in ids},
        "users": users,
        "hidden": sorted(told_of(shop.live).hidden),
    }


def item(rng: np.random.Generator, item_type: str, item_id: str) -> dict[str, Any]:
    return {"item_id": item_id, "type": item_type, "features": {"image": rng.normal(0, 1, FEATURE)}, "price": 7}


def change(shop: Recommender, rng: np.random.Generator, exported: dict[str, dict[str, str]]) -> None:
    """A random change, which may be refused."""
    item_type, user = str(rng.choice(TYPES)), str(rng.choice(USERS))
    item_id = str(rng.choice([f"{item_type}-{rng.integers(4)}", f"new-{rng.integers(3)}"]))
    outfit, made = str(rng.choice(list(exported))), f"made-{rng.integers(3)}"
    items = {"top": f"top-{rng.integers(3)}", "shoe": f"shoe-{rng.integers(3)}"}
    calls: list[Callable[[], Any]] = [
        lambda: shop.add_items([item(rng, item_type, item_id)]),
        lambda: shop.remove_items({item_type: [item_id]}),
        lambda: shop.hide_items({item_type: [item_id]}),
        lambda: shop.show_items({item_type: [item_id]}),
        lambda: shop.upsert_outfits({made: items}),
        lambda: shop.upsert_outfits({outfit: items}),
        lambda: shop.upsert_outfits({outfit: exported[outfit]}),
        lambda: shop.remove_outfits([str(rng.choice([outfit, made]))]),
        lambda: shop.add_user(user, liked=[items], again=user in ("eve", "adam")),
        lambda: shop.update_user(user, liked=[items]),
        lambda: shop.update_user(user, disliked=[items]),
        lambda: shop.remove_user(user),
    ]
    with suppress(FashionHashError):
        calls[rng.integers(len(calls))]()


def check_random_changes(shop: Recommender, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    outfits = ((name, shop.outfit(name)) for name in shop.live.now().ids.all())
    exported = dict([(name, items) for name, items in outfits if items.get("top") != items.get("top_2")][:3])
    for _ in range(8):
        change(shop, rng, exported)
    states = []

    def meanwhile() -> None:
        for _ in range(8):
            change(shop, rng, exported)
        states.append(state(shop))

    switch(shop, meanwhile, monkeypatch)
    assert state(shop) == states[-1]


def test_some_random_changes(shop: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    check_random_changes(shop, 0, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 100))
def test_random_changes(shop: Recommender, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_random_changes(shop, seed, monkeypatch)


def test_what_is_taken_back_meanwhile_is_taken_back(shop: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outfit and an item that were added, an outfit that was removed, a user who came, and one who came back."""
    rng, exported = np.random.default_rng(0), "outfit-000001"
    items = shop.outfit(exported)
    shop.add_items([item(rng, "top", "new-0")])
    shop.add_outfits({"made-0": {"top": "new-0", "shoe": "shoe-1"}, "made-1": {"top": "top-1"}})
    shop.remove_outfits([exported])
    shop.add_user("eve", liked=[{"top": "top-1"}])
    shop.add_user("adam", liked=[{"top": "top-1"}])
    states = []

    def meanwhile() -> None:
        shop.remove_items({"top": ["new-0"]})
        shop.remove_outfits(["made-1"])
        shop.add_outfits({exported: items})
        shop.remove_user(["eve", "adam"])
        shop.add_user("adam", liked=[{"top": "top-2"}], again=True)
        states.append(state(shop))

    switch(shop, meanwhile, monkeypatch)
    assert state(shop) == states[-1]
    assert shop.outfit(exported) == items


@pytest.mark.parametrize("when", ["while it is written", "after the copy", "before the lock"])
def test_no_byte_of_who_is_forgotten_meanwhile_is_in_the_next_generation(
    shop: Recommender, when: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    root, forgotten = shop.live.bundle.root, ["user-1", "late@example.org"]
    shop.add_user("late@example.org", liked=[{"top": "top-1"}])
    shop.update_user("user-1", liked=[{"top": "top-3"}])
    shop.close()
    status: list[int] = []

    def forget() -> None:
        if not status:
            status.append(main([str(root), "--user", forgotten[0], "--user", forgotten[1]]))

    def and_then(call: Callable[..., Any]) -> Callable[..., Any]:
        def both(*args: Any, **options: Any) -> Any:
            result = call(*args, **options)
            forget()
            return result

        return both

    place = {
        "while it is written": (worlds, "write_generation"),
        "after the copy": (carry, "told_of"),
        "before the lock": (carry, "_keep_out"),
    }[when]
    monkeypatch.setattr(*place, and_then(getattr(*place)))
    carried = retrain(root, seed=2)
    assert status == [1], "a generation that is being built holds them"
    assert "(being built: `fashion-hash build-index` erases removed users" in capsys.readouterr().out
    assert carried.forgotten == (1 if when == "while it is written" else 2)
    assert [occurrence.file for name in forgotten for occurrence in search(name, files_of([root]))] == []
    assert main([str(root), "--user", forgotten[0], "--user", forgotten[1]]) == 0
    fresh = Recommender.load(root, verify=True)
    assert len(fresh.recommend("user-0", 3).ids) == 3
    with pytest.raises(UnknownIdError):
        fresh.recommend("user-1")


def test_a_switch_while_users_are_forgotten(
    shop: Recommender, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    root = shop.live.bundle.root
    shop.close()
    forgotten: list[int] = []

    def and_switch(live: LiveCatalogue) -> bool:
        if not forgotten:
            forgotten.append(1)
            retrain(root, seed=2)
        return compact(live)

    monkeypatch.setattr(compaction, "compact", and_switch)
    assert main([str(root), "--user", "user-1"]) == 0
    assert "removed 1 of 1 user" in capsys.readouterr().out
    assert generations(root) == ["1", "2"], "the open shop holds the older one"
    assert not list(search("user-1", files_of([root])))


def test_an_item_in_the_place_of_an_exported_one_stays_there(
    shop: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.remove_items({"shoe": ["shoe-3"]})
    shop.add_items([item(np.random.default_rng(0), "shoe", "shoe-3")])
    before = state(shop)
    for _ in range(2):  # also from the generation after it
        switch(shop, lambda: None, monkeypatch)
        assert state(shop) == before


@pytest.mark.parametrize("meanwhile", [False, True])
def test_who_came_back_does_not_get_their_history_from_before(
    shop: Recommender, meanwhile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users of the export, whom the next model was trained on as they were before; also two generations later."""
    like = {"top": "top-1", "shoe": "shoe-1"}
    assert shop.liked("user-1")

    def come_back() -> None:
        shop.remove_user(["user-0", "user-1"])
        shop.add_user("user-1", liked=[like], again=True)
        shop.add_user("user-0", again=True)

    if not meanwhile:
        come_back()
    for generation in range(3):
        switch(shop, come_back if meanwhile and not generation else lambda: None, monkeypatch)
        for reader in (shop, Recommender.load(shop.live.bundle.root, verify=True)):
            assert reader.liked("user-1") == [like], generation
            assert reader.liked("user-0") == []
            assert reader.recommend(["user-0", "user-1"], 3).personal.tolist() == [False, True]
    shop.update_user("user-1", liked=[{"top": "top-2"}])
    shop.remove_user("user-1")
    shop.compact()
    switch(shop, lambda: None, monkeypatch)
    assert state(shop)["users"]["user-1"] is None
    shop.add_user("user-1", again=True)
    switch(shop, lambda: None, monkeypatch)
    assert shop.liked("user-1") == []


def test_writers_do_not_wait_while_what_was_told_is_read(shop: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shop.add_items([item(rng, "top", "before")])
    other = Recommender.load(shop.live.bundle.root)
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.1)  # a writer that must wait fails at once
    reader = LiveCatalogue(shop.live.bundle.root)
    other.add_items([item(rng, "top", "passing")])
    other.remove_items({"top": ["passing"]})  # the reader has to catch up first
    with reader.reading() as reading:
        assert reading is not None
        other.add_items([item(rng, "top", "after")])
        other.update_items([{"item_id": "before", "type": "top", "price": 9}])
        told = told_now(reader, reading)
    assert [item_id for _, item_id in told.items] == ["before"]
    assert told.items["top", "before"].details["price"] == 7, "one moment, whatever others write"
    assert {item_id for _, item_id in told_of(reader).items} == {"before", "after"}
