"""What an actor does, in this process: it needs no cluster."""

import time
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import weighed
from fashion_hash.cluster import actor
from fashion_hash.cluster.actor import Files, Scales, ShareActor
from fashion_hash.cluster.engine import Cluster
from fashion_hash.errors import ClusterError, ConfigError, MissingExtraError
from fashion_hash.index.engines.open import open_engine
from fashion_hash.index.engines.shares import Question, Share, merged
from fashion_hash.index.pool import Pool
from tests.worlds.live_world import new_bundle


def files_of(bundle: Bundle) -> Files:
    return Files(bundle.root, bundle.path, bundle.fingerprint, 0)


def test_shares_of_every_view_add_up_to_one_engine(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle", 90)
    pool, keys = Pool.open(bundle), bundle.user_keys[:2]
    actors = [ShareActor(files_of(bundle), Share(number, 3), end=lambda: None) for number in range(3)]
    allowed = np.arange(90) % 4 > 0
    for taste in (0.5, 0.0, 1.0, 0.8, 0.2, 0.35, 0.5):  # more views than an actor keeps
        view = weighed(bundle, taste)
        scales = Scales(view.preference_scale, view.compatibility_scale)
        expected = open_engine("scan", view, pool).search_many(keys, 9, None, allowed)
        parts = [one.search_allowed(Question(keys, 9), allowed, scales) for one in actors]
        for ranking, best in zip([merged(rankings, 9) for rankings in zip(*parts)], expected):
            assert ranking.rows.tolist() == best.rows.tolist()
            assert ranking.scores.tolist() == best.scores.tolist()


def test_old_files_are_left_when_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, ended = new_bundle(tmp_path / "bundle", 20), []
    ShareActor(files_of(bundle), Share(0, 1), end=lambda: ended.append(1), idle_seconds=0.02)
    time.sleep(0.2)
    assert not ended  # idle, but the files are those that answer
    (bundle.path / "live" / "generation-2").mkdir(parents=True)  # the first has been replaced already
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        time.sleep(0.01)
    assert ended


def test_another_bundle_at_the_path_is_refused(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle", 20)
    files = files_of(bundle)._replace(fingerprint="another")
    with pytest.raises(RuntimeError, match="but another is asked for"):
        ShareActor(files, Share(0, 1), end=lambda: None)


@pytest.mark.parametrize(
    "wrong", [{"shards": 0}, {"replicas": -1}, {"threads": 0}, {"seconds": 0.0}, {"seconds": float("nan")}]
)
def test_numbers_without_meaning(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be a"):
        Cluster(**wrong)


def test_an_address_of_nobody_is_told_at_once() -> None:
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 .*refused"):
        Cluster(address="127.0.0.1:1")._knock()
    Cluster(address="auto")._knock()


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = new_bundle(tmp_path / "bundle", 20)
    monkeypatch.setattr("fashion_hash.core.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"fashion_hash\[ray\]"):
        Cluster()(bundle, Pool.open(bundle))


def test_views_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = new_bundle(tmp_path / "bundle", 20)
    monkeypatch.setattr(actor, "MOST_VIEWS", 2)
    one = ShareActor(files_of(bundle), Share(0, 1), end=lambda: None)
    for scale in range(5):
        one.search(Question(bundle.user_keys[:1], 3), Scales(scale, 1))
    assert list(one._views) == [Scales(3, 1), Scales(4, 1)]
