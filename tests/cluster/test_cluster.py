"""Real Ray actors on local nodes: answers are those of one machine, whoever dies meanwhile."""

from __future__ import annotations

import math
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bulk.items import ItemCodes
from fashion_hash.bulk.jobs import Job, Workers, run_job
from fashion_hash.bulk.pictures import OpenEncoder, PictureVectors
from fashion_hash.bulk.ranking import RankAll
from fashion_hash.bulk.top_k import TopK
from fashion_hash.cluster.engine import Cluster, ClusterEngine
from fashion_hash.cluster.nodes import LocalNodes, local_nodes
from fashion_hash.errors import BundleError, ClusterError, ConfigError
from fashion_hash.index import scoring
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.http.problems import as_problem
from fashion_hash.serving.models import Models
from tests.index.engines.test_conformance import check
from tests.worlds.jobs_world import NewItems, small_run
from tests.worlds.live_world import World, new_bundle

ray = pytest.importorskip("ray", reason="needs the extra ray")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    """A head, and a second node that may die, of somebody for whom an earlier ray.init() has left a token."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray/auth_token").write_text("0123456789abcdef" * 4, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        with local_nodes(2, cpus=64) as started:
            yield started


@pytest.fixture(scope="module")
def cluster(nodes: LocalNodes) -> Cluster:
    return Cluster(shards=2, replicas=2, address=nodes.address, seconds=120, other_after=5)


@pytest.fixture(scope="module")
def pair(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, Recommender, World]:
    """The same live catalogue, on one machine and on the cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCAN_FROM", 0)
        bundle = new_bundle(tmp_path_factory.mktemp("cluster") / "bundle", 150)
    return Recommender.load(bundle.root, engine="scan"), Recommender.load(bundle.root, engine=cluster), World(bundle)


def test_the_suite_of_engines(pair: tuple[Recommender, Recommender, World]) -> None:
    base = pair[1].live.now().base
    bundle, pool, engine = base.bundle, base.pool, base.engine
    assert isinstance(engine, ClusterEngine)
    assert engine.tests_items
    rng, users = np.random.default_rng(0), len(bundle.users)
    check(bundle, pool, engine)
    check(bundle, pool, engine, excludes=[rng.permutation(150)[:40] for _ in range(users)])
    check(bundle, pool, engine, allowed=rng.random(150) < 0.2)
    assert engine.search_many(bundle.user_keys[:0], 3) == []


def test_every_answer_is_that_of_one_machine(pair: tuple[Recommender, Recommender, World]) -> None:
    one, many, world = pair
    rng = np.random.default_rng(0)
    many.add_items([world.new_item(rng, kind, f"new {kind}") for kind in many.bundle.types])
    many.add_outfits({f"new-{number}": {"top": "new top", "bottom": f"bottom-{number}"} for number in range(5)})
    many.add_user("newcomer", ["outfit-000003"])
    users = ["user-0", None, "newcomer", "user-1"]
    questions = [
        {},
        {"taste": 0.8},
        {"where": {"title": {"exists": True}}},
        {"exclude": {"top": ["top-1"]}},
        {"diversity": 0.3},
    ]
    for options in questions:
        expected, found = (recommender.recommend(users, 12, **options) for recommender in (one, many))
        assert found.ids.tolist() == expected.ids.tolist()
        assert found.scores.tolist() == expected.scores.tolist()
    assert many.answer("user-0", 5) == one.answer("user-0", 5)
    assert many.compose("user-0", 5).hits == one.compose("user-0", 5).hits


def test_a_compaction_gets_actors_of_its_own(pair: tuple[Recommender, Recommender, World]) -> None:
    one, many, _ = pair
    before = many.live.now().base.engine
    many.remove_outfits(["outfit-000007"])
    many.compact()
    after = many.live.now().base.engine
    assert isinstance(after, ClusterEngine)
    assert after is not before
    assert many.recommend("user-0", 20).ids.tolist() == one.recommend("user-0", 20).ids.tolist()

    def compactions() -> list[str]:
        return sorted(name.rpartition(" ")[2] for name in ray.util.list_named_actors())

    assert compactions() == ["0"] * 4 + ["1"] * 4
    after._cluster._make_room(after._files)  # the files before may still be asked for
    assert compactions() == ["0"] * 4 + ["1"] * 4
    after._cluster._make_room(after._files._replace(generation=2))
    assert compactions() == ["1"] * 4


def test_a_service_reloads_onto_the_same_actors(pair: tuple[Recommender, Recommender, World], cluster: Cluster) -> None:
    one, many, _ = pair
    models = Models.open([str(many.bundle.root)], verify=False, engine=cluster)
    for _ in range(2):
        recommender = models.of("user-0").recommender
        engine = recommender.live.now().base.engine
        assert isinstance(engine, ClusterEngine)
        assert engine._actors.keys() == many.live.now().base.engine._actors.keys()  # type: ignore[attr-defined]
        assert recommender.answer("user-0", 6) == one.answer("user-0", 6)
        models.reload()


def test_bulk_work_by_tasks(pair: tuple[Recommender, Recommender, World], nodes: LocalNodes, tmp_path: Path) -> None:
    """Every job writes the same bytes in this process and by tasks."""
    new = NewItems(tmp_path / "new")
    jobs: dict[str, Job] = {
        "top-k": TopK.of(pair[0].bundle.root, 5, users_a_part=2),
        "vectors": PictureVectors.of(new.pictures, OpenEncoder("descriptors"), pictures_a_part=3),
        "codes": ItemCodes.of(new.bundle, new.table, new.pictures, items_a_part=3),
        "ranking": RankAll.of(small_run(tmp_path / "ranked"), scores_a_part=1200),
    }
    for name, job in jobs.items():
        here = run_job(job, tmp_path / name / "here")
        assert here.parts > 1
        assert run_job(job, tmp_path / name / "tasks", Workers(2, nodes.address)) == here
        files = sorted((tmp_path / name / "here").glob("*"))
        assert len(files) == 2 * here.parts + 2
        for file in files:
            assert file.read_bytes() == (tmp_path / name / "tasks" / file.name).read_bytes()


def test_what_a_part_raises_is_said_as_without_ray(
    pair: tuple[Recommender, Recommender, World], nodes: LocalNodes, tmp_path: Path
) -> None:
    job = replace(TopK.of(pair[0].bundle.root, 5, users_a_part=1), state="another")
    said = f"{pair[0].bundle.root} was changed since the job began: begin again in a new folder"
    with pytest.raises(BundleError, match=f"^{re.escape(said)}$"):
        run_job(job, tmp_path / "out", Workers(2, nodes.address))


@pytest.mark.parametrize(("name", "number"), [("shards", 0), ("seconds", 0.0), ("other_after", math.nan)])
def test_numbers_without_meaning_are_refused(name: str, number: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be"):
        Cluster(**{name: number})  # type: ignore[arg-type]


def test_a_service_still_ends_in_its_own_way(cluster: Cluster) -> None:
    assert ray.is_initialized()
    assert "ray" not in getattr(signal.getsignal(signal.SIGTERM), "__module__", "")


def test_killed_actors_and_nodes_lose_no_answer(
    pair: tuple[Recommender, Recommender, World], nodes: LocalNodes
) -> None:
    one, many, _ = pair
    users = one.bundle.users.all()
    expected = {user: one.recommend(user, 8) for user in users}
    engine = many.live.now().base.engine
    assert isinstance(engine, ClusterEngine)
    wrong, ends = [], threading.Event()

    def ask() -> int:
        asked = 0
        while not ends.is_set() or asked < 20:
            user = users[asked % len(users)]
            hits = many.recommend(user, 8)
            if (
                hits.ids.tolist() != expected[user].ids.tolist()
                or hits.scores.tolist() != expected[user].scores.tolist()
            ):
                wrong.append(user)
            asked += 1
        return asked

    def disturb() -> None:
        for actor in list(engine._actors.values())[:3]:  # both replicas of the first share
            ray.kill(actor, no_restart=False)
            time.sleep(0.05)
        nodes.kill(1)
        ends.set()

    killing = threading.Thread(target=disturb)
    killing.start()
    ask()
    killing.join()
    assert not wrong


def test_a_share_that_is_gone_is_an_error_not_a_part(pair: tuple[Recommender, Recommender, World]) -> None:
    _, many, _ = pair
    base = many.live.now().base
    files = base.engine._files._replace(fingerprint="gone")  # type: ignore[attr-defined]
    hasty = Cluster(2, 1, base.engine._cluster.address, seconds=3)  # type: ignore[attr-defined]
    engine = ClusterEngine(base.bundle, base.pool, hasty, files)
    with pytest.raises(ClusterError, match="shards 1, 2 of 2 did not answer within 3 seconds") as raised:
        engine.search(base.bundle.user_keys[0], 5)
    problem = as_problem(raised.value)
    assert (problem.status, problem.detail) == (503, "shards 1, 2 of 2 did not answer within 3 seconds: try again")
