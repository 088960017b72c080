"""Where tests find data: the real sets beside the project, and the sample inside it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.paths import PROJECT

# one thread a process: tests are many small sums, and several processes run them side by side
os.environ.setdefault("OMP_NUM_THREADS", "1")
# many tests start a Python: each would compile the whole package anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest

sys.dont_write_bytecode = False
gc.disable()  # until everything is imported and collected, all of which stays


def pytest_collection_finish() -> None:
    """Collectors of garbage, of which a reload of a service calls some, pass over what stays: a million objects."""
    gc.freeze()
    gc.enable()


def shared_data() -> Path | None:
    """The folder of the real data sets: $FASHION_HASH_DATA, or shared/data beside the project."""
    named = os.environ.get("FASHION_HASH_DATA")
    candidates = [Path(named)] if named else [PROJECT / "shared/data", PROJECT.parent / "shared/data"]
    return next((path for path in candidates if path.is_dir()), None)


@pytest.fixture(scope="session", autouse=True)
def no_curves() -> Iterator[None]:
    """Trainings leave an empty curve.png: a real one takes longer to draw than a tiny model to train."""
    with pytest.MonkeyPatch.context() as patch:
        if "fashion_hash.training.runs.run_folder" in sys.modules:  # tests of other rooms run without torch
            from fashion_hash.training.runs import run_folder

            patch.setattr(run_folder, "draw_curve", lambda path, *_: path.touch())
        yield


@pytest.fixture(scope="session", autouse=True)
def copied_bundles(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A bundle that many tests make alike is written once."""
    from tests.worlds.copies import Copies  # numpy, which reads OMP_NUM_THREADS

    Copies.folder = tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="session", autouse=True)
def no_fsync() -> Iterator[None]:
    """Nothing in this process waits for the disk: no test pulls the plug. Processes that tests start do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def drawn_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw their curves."""
    from fashion_hash.training.runs import curve, run_folder

    monkeypatch.setattr(run_folder, "draw_curve", curve.draw_curve)


@pytest.fixture(scope="session")
def iqon_root() -> Path:
    """IQON3000 in GP-BPR form; skips when it is absent."""
    root = shared_data()
    if root is None or not (root / "iqon3000/train.csv").is_file():
        pytest.skip("no iqon3000: set FASHION_HASH_DATA, or put it into shared/data beside the project")
    return root / "iqon3000"


@pytest.fixture(scope="session")
def amazon_root() -> Path:
    """Amazon Fashion, 5-core of 2018; skips when it is absent."""
    root = shared_data()
    if root is None or not (root / "amazon_fashion").is_dir():
        pytest.skip("no amazon_fashion: set FASHION_HASH_DATA, or put it into shared/data beside the project")
    return root / "amazon_fashion"


@pytest.fixture(scope="session")
def photos_root() -> Path:
    """Photographs of clothes with items.csv (item_id, type, image); skips when they are absent."""
    root = shared_data()
    if root is None or not (root / "photos/items.csv").is_file():
        pytest.skip("no photos: set FASHION_HASH_DATA, or put them into shared/data beside the project")
    return root / "photos"


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in the Polyvore-U layout: polyvore_data, or a copy that is completed where it is not complete."""
    root = PROJECT / "polyvore_data"
    if (root / "sentence_vector/semantic.pkl").is_file() and (root / "tuples_519").is_dir():
        return root
    committed, root = root, tmp_path_factory.mktemp("sample") / "polyvore_data"
    if committed.is_dir():
        shutil.copytree(committed, root)  # its pictures, which take half a minute to draw, are in the repository
    maker = [sys.executable, str(PROJECT / "tools/make_sample.py"), "--out", str(root), "--variable"]
    subprocess.run(maker, check=True, cwd=PROJECT)
    return root
