"""Snapshots stay what they are; readers see whole changes only; ties between old and new go by id."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.codes import UserForm
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.contract import NOTHING
from fashion_hash.live import pool_search as pool_search
from fashion_hash.live.pool_search import search_pool
from fashion_hash.retrieval.recommender import Recommender
from tests.paths import PROJECT
from tests.worlds.live_world import World, new_bundle
from tests.worlds.random_bundles import random_bundle, random_pool


def test_an_old_snapshot_does_not_change(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)
    recommender.add_outfits({"new": {"top": "top-1", "shoe": "shoe-2"}})
    snapshot = recommender.live.now()
    before = search_pool(snapshot, bundle.user_codes, 100)
    ids = [snapshot.ids.at(ranking.rows) for ranking in before]
    recommender.remove_outfits(["new", "outfit-000001"])
    recommender.add_outfits({f"more-{number}": {"top": "top-3", "bottom": "bottom-4"} for number in range(600)})
    recommender.add_outfits({"new": {"bottom": "bottom-1"}})
    recommender.add_items([{"item_id": "x", "type": "top", "code": np.ones((2, 16))}])
    recommender.remove_items({"top": ["top-5"]})
    recommender.compact()
    after = search_pool(snapshot, bundle.user_codes, 100)
    assert [snapshot.ids.at(ranking.rows) for ranking in after] == ids
    assert all((a.scores == b.scores).all() for a, b in zip(before, after))
    assert snapshot.items_of(np.array([snapshot.ids.row("new")])).tolist() == [[1, -1, -1, 2]]
    assert "x" not in snapshot.bundle.items["top"]
    assert "top-5" in snapshot.bundle.items["top"]
    assert snapshot.num_outfits == 61
    assert recommender.live.now().num_outfits == len(recommender) != 61


@pytest.mark.parametrize(
    ("compiled_from", "user_form"), [(1, "bits"), (10**9, "bits"), (1, "floats"), (10**9, "bytes")]
)
def test_ties_between_old_and_new_outfits_go_by_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_from: int, user_form: UserForm
) -> None:
    monkeypatch.setattr(pool_search, "COMPILED_FROM", compiled_from)
    # 8 bits, unit weights and ten items: a handful of different scores
    options = {"slots": ("top", "bottom"), "num_bits": 8, "variant": "T0", "num_items": 10}
    bundle = random_bundle(tmp_path / "bundle", user_form=user_form, **options)
    pool = random_pool(bundle, 300)
    build_index(bundle, pool, [f"{number:03d}" for number in range(300)])
    recommender = Recommender.load(bundle.path)
    names = bundle.slot_names
    new = {
        f"{number:03d}{'ab'[number % 2]}": {
            name: bundle.items[name].id(row) for name, row in zip(names, items.tolist()) if row >= 0
        }
        for number, items in enumerate(pool.items)
    }
    recommender.add_outfits(new)
    snapshot = recommender.live.now()
    every = snapshot.items_of(np.arange(600))
    for code in bundle.user_codes:
        score = exact.scores(bundle, exact.terms(bundle, code, every))
        expected = sorted(zip((-score).tolist(), snapshot.ids.at(np.arange(600))))
        for k in (1, 3, 10, 100, 599):
            [ranking] = search_pool(snapshot, code[None], k, [NOTHING])
            assert list(zip((-ranking.scores).tolist(), snapshot.ids.at(ranking.rows))) == expected[:k]


def test_threads_read_while_one_writes(tmp_path: Path) -> None:
    """Outfits come and go in pairs that are never seen apart."""
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)
    stop, faults = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            ids = recommender.recommend(None, 1000).ids.tolist()
            halves = [outfit_id.split("-")[0] for outfit_id in ids if outfit_id.endswith(("-a", "-b"))]
            if any(halves.count(outfit_id) != 2 for outfit_id in halves) or not 60 <= len(ids) <= 64:
                faults.append(ids)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(60):
        recommender.add_outfits({f"{step}-a": {"top": "top-1"}, f"{step}-b": {"shoe": "shoe-1"}})
        if step:
            recommender.remove_outfits([f"{step - 1}-a", f"{step - 1}-b"])
        if step % 20 == 10:
            recommender.compact()
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults, faults[0]
    assert len(recommender) == 62


READER = """
import sys
from fashion_hash.retrieval.recommender import Recommender
recommender = Recommender.load(sys.argv[1], verify=False)
print("ready", flush=True)
seen = 0
while True:
    ids = recommender.recommend(None, 1000).ids.tolist()
    halves = [one.split("-")[0] for one in ids if one.endswith(("-a", "-b"))]
    assert all(halves.count(one) == 2 for one in halves), ids
    seen += bool(halves)
    if "stop" in ids:
        break
assert seen, "saw nothing"
print("seen", seen, flush=True)
"""


def test_processes_never_see_half_a_change(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    project = PROJECT
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(bundle.path)], cwd=project, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        writer = Recommender.load(bundle.path)
        for step in range(150):
            writer.add_outfits({f"{step}-a": {"top": "top-1"}, f"{step}-b": {"shoe": "shoe-1"}})
            if step > 2:
                writer.remove_outfits([f"{step - 3}-a", f"{step - 3}-b"])
            if step == 70:
                writer.compact()
        writer.add_outfits({"stop": {"top": "top-1"}})
        assert reader.stdout.readline().startswith("seen")
        assert reader.wait(20) == 0


def test_two_writers_take_turns(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    world = World(bundle)
    first, second = Recommender.load(bundle.path), Recommender.load(bundle.path)

    def write(recommender: Recommender, name: str) -> None:
        for step in range(30):
            recommender.add_outfits({f"{name}-{step}": {"top": "top-1", "shoe": f"shoe-{step % 9}"}})

    threads = [threading.Thread(target=write, args=pair) for pair in ((first, "one"), (second, "other"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "other"):
        world.outfits |= {f"{name}-{step}": {"top": "top-1", "shoe": f"shoe-{step % 9}"} for step in range(30)}
    for recommender in (first, second):
        world.check(recommender, np.random.default_rng(0))


def test_a_user_who_is_told_leaves_the_snapshot_as_it_is(tmp_path: Path) -> None:
    new_bundle(tmp_path / "bundle")
    reader, writer = Recommender.load(tmp_path / "bundle"), Recommender.load(tmp_path / "bundle")
    writer.put_user("first", [{"top": "top-1"}])  # makes the file
    before = reader.live.now()
    writer.put_user("second", [{"top": "top-1"}])
    assert reader.live.now() is before
    writer.hide_items({"top": ["top-1"]})
    assert reader.live.now() is not before
