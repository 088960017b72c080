"""A process answers without compiled code first, loads it in the background, and answers the same with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import impersonal, weighed
from fashion_hash.errors import BundleError
from fashion_hash.index import scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines import early
from fashion_hash.index.engines import open as engines
from fashion_hash.index.engines.contract import Engine, ItemTest
from fashion_hash.index.engines.early import EarlyEngine
from fashion_hash.index.engines.plain import Scan
from fashion_hash.index.engines.sums import kernels, loading
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCAN_FROM", 0)
        bundle = random_bundle(tmp_path_factory.mktemp("early") / "bundle", num_users=9)
        build_index(bundle, random_pool(bundle, 300))
    return bundle, Pool.open(bundle)


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(early, "_loaded", threading.Event())
    monkeypatch.setattr(early, "_background", early._Background())


def answers(engine: Engine, bundle: Bundle) -> list[tuple[list[int], list[float]]]:
    return [(rows.tolist(), scores.tolist()) for rows, scores in engine.search_many(bundle.user_codes, 7)]


def wait() -> None:
    thread = early._background.thread
    assert thread is not None
    thread.join()


def test_kernels_are_loaded_when_searches_took_long_enough(
    world: tuple[Bundle, Pool], nothing_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, pool = world
    expected = answers(Scan(bundle, pool), bundle)
    engine = engines.open_engine("auto", bundle, pool)
    assert isinstance(engine, EarlyEngine)
    assert answers(engine, bundle) == expected
    assert early._background.thread is None
    assert not engine.tests_items
    monkeypatch.setattr(early, "LOAD_AFTER", 0.0)
    assert answers(engine, bundle) == expected
    wait()
    assert isinstance(engine.present, SumScan)
    assert engine.tests_items
    assert answers(engine, bundle) == expected
    assert isinstance(engines.open_engine("auto", bundle, pool), SumScan)


def test_a_batch_moves_over_while_it_is_answered(
    world: tuple[Bundle, Pool], nothing_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, pool = world
    expected = answers(Scan(bundle, pool), bundle)
    monkeypatch.setattr(early, "AT_ONCE", 4)
    engine, asked = EarlyEngine(bundle, pool), []
    search_many = engine._numpy_engine.search_many

    def load_after_the_first(user_keys: np.ndarray, *rest: object) -> object:
        asked.append(len(user_keys))
        early._loaded.set()
        return search_many(user_keys, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._numpy_engine, "search_many", load_after_the_first)
    assert answers(engine, bundle) == expected
    assert asked == [4]


def test_views_begin_without_kernels_and_move_over_as_well(world: tuple[Bundle, Pool], nothing_loaded: None) -> None:
    bundle, pool = world
    views = [impersonal(bundle), weighed(bundle, 0.2), weighed(bundle, 0.9)]
    engine = EarlyEngine(bundle, pool)
    before = [engine.over(view) for view in views]
    expected = [answers(Scan(view, pool), bundle) for view in views]
    assert [answers(view, bundle) for view in before] == expected
    early._loaded.set()
    # a test of items that the engine of the bundle takes is given to engines of its views as well
    nothing = ItemTest(np.zeros(1, dtype=np.uint32), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert len(before[0].search(bundle.user_codes[0], 3, allowed=nothing).rows) == 3  # type: ignore[arg-type]
    assert [answers(view, bundle) for view in before] == expected
    assert [answers(engine.over(view), bundle) for view in views] == expected
    # back from a view to the weights as trained
    assert answers(engine.over(views[2]).over(bundle), bundle) == answers(Scan(bundle, pool), bundle)


def test_what_cannot_be_loaded_is_logged_and_answered_without(
    world: tuple[Bundle, Pool], nothing_loaded: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("no compiler here")

    bundle, pool = world
    monkeypatch.setattr(early, "LOAD_AFTER", 0.0)
    monkeypatch.setattr(loading, "run_all", broken)
    engine = EarlyEngine(bundle, pool)
    for _ in range(2):
        assert answers(engine, bundle) == answers(Scan(bundle, pool), bundle)
        wait()
    assert caplog.text.count("could not be loaded; searches go on without it") == 1
    assert "no compiler here" in caplog.text


def test_the_files_of_the_scan_are_looked_at_before_the_first_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SCAN_FROM", 0)
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 70))
    pool = Pool.open(bundle)
    (pool.path / "scan" / "rows.npy").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"rows\.npy"):
        EarlyEngine(bundle, pool)


def test_what_is_loaded_is_what_searches_use(world: tuple[Bundle, Pool]) -> None:
    """An array of another type would make numba compile for seconds in the middle of an answer."""
    bundle, pool = world
    early.load_kernels()
    used = {
        name: kernel for name, kernel in vars(kernels).items() if hasattr(kernel, "signatures") and kernel.signatures
    }
    before = {name: len(kernel.signatures) for name, kernel in used.items()}
    for view in (bundle, impersonal(bundle), weighed(bundle, 0.9)):
        engine = SumScan(view, pool)
        engine.search(bundle.user_codes[0], 3, np.array([1, 5]), np.arange(300) % 3 == 0)
        engine.search_many(bundle.user_codes, 3)
        engine._make_room(kernels.no_candidates(1, 3), engine._queries(np.ones((1, 16), dtype=np.int64), [[]]), 3)
    assert {name: len(kernel.signatures) for name, kernel in used.items()} == before


PROCESS = """
import sys
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.index.engines import early, open as engines
from fashion_hash.index.pool import Pool

bundle = Bundle.open(sys.argv[1])
engine = engines.open_engine("auto", bundle, Pool.open(bundle))
first = engine.search(bundle.user_codes[0], 5).rows.tolist()
assert "numba" not in sys.modules
early.LOAD_AFTER = 0.0
engine.search(bundle.user_codes[0], 5)
if sys.argv[2] == "wait":
    early._background.thread.join()
    assert type(engine.present).__name__ == "SumScan"
assert engine.search(bundle.user_codes[0], 5).rows.tolist() == first
"""


@pytest.mark.slow
def test_processes_share_what_one_of_them_compiled(
    world: tuple[Bundle, Pool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, _ = world
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-c", PROCESS, str(bundle.path)]
    running = [
        subprocess.Popen([*command, how], stderr=subprocess.PIPE, text=True) for how in ("wait", "wait", "leave")
    ]
    for process in running:
        _, said = process.communicate()
        assert process.returncode == 0, said
        assert not said
    assert list((tmp_path / "cache").rglob("*scan_sums*.1.nbc"))
    assert not list((tmp_path / "cache").rglob("*scan_sums*.2.nbc"))


def test_pools_of_many_millions_do_without_sums_of_numpy(
    world: tuple[Bundle, Pool], nothing_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(engines.open_engine("auto", *world), EarlyEngine)
    monkeypatch.setattr(engines, "EARLY_UP_TO", len(world[1]) - 1)
    assert isinstance(engines.open_engine("auto", *world), SumScan)
