"""A full disk and too many open files: errors that say so, and nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_hash.core import files
from fashion_hash.errors import BundleError, naming, unreadable
from fashion_hash.index.build import build_index
from fashion_hash.live import compaction
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

# each way of writing under a limit on the size of files, which is as good as a full disk
FULL = """
import json, resource, sys
from pathlib import Path
import numpy as np
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.catalogue import write_catalogue
from fashion_hash.core.files import atomic_folder
from fashion_hash.data.stores.features import FeatureWriter
from fashion_hash.data.stores.lmdb_files import write_lmdb
from fashion_hash.errors import FashionHashError
from fashion_hash.index.build import build_index
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

root = Path(sys.argv[1])
bundle = Bundle.open(root / "bundle")
pool = random_pool(bundle, 3000)
recommender = Recommender.load(root / "bundle")
recommender.add_user("new", liked=[{"top": bundle.items["top"].id(0)}])


def features():
    with FeatureWriter(root / "features", "f", 100) as writer:
        writer.put([str(row) for row in range(500)], np.ones((500, 100)))


def catalogue():
    with atomic_folder(root / "folder") as folder:
        write_catalogue(folder / "catalogue.sqlite", {"top": map(str, range(5000))}, {}, {})


def faiss():
    from fashion_hash.index.engines.hamming import write_faiss

    with atomic_folder(root / "folder") as folder:
        write_faiss(folder, bundle, pool.items)


writers = {
    "bundle": lambda: random_bundle(root / "other", num_items=3000),
    "catalogue": catalogue,
    "faiss": faiss,
    "index": lambda: build_index(Bundle.open(root / "second"), pool),
    "features": features,
    "lmdb": lambda: write_lmdb(root / "lmdb", ((str(row), bytes(1000)) for row in range(100))),
    "live": lambda: recommender.add_outfits(
        {f"x{row}": {"top": bundle.items["top"].id(0)} for row in range(5000)}
    ),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000 if len(sys.argv) < 3 else int(sys.argv[2]),) * 2)
said = {}
for name, write in writers.items():
    try:
        write()
        said[name] = "written"
    except (FashionHashError, OSError) as error:
        said[name] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


@pytest.fixture
def bundle(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_items=60)
    build_index(bundle, random_pool(bundle, 30))
    return bundle


def test_every_writer_says_that_the_disk_is_full_and_leaves_nothing(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "second")
    command = [sys.executable, "-c", FULL, str(tmp_path), "12000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    for name, message in said.items():
        assert message.startswith(("OSError", "DataError", "BundleError")), (name, message)
        assert str(tmp_path) in message, (name, message)
        assert ".partial" not in message, (name, message)
        assert "broken" not in message, (name, message)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"bundle", "second", "features"}
    assert not [path for path in tmp_path.rglob("*.partial*")]
    assert len(Recommender.load(tmp_path / "second")) == 30
    assert len(Recommender.load(bundle.path)) == 30


def test_a_full_disk_is_named_also_where_numpy_does_not(tmp_path):
    def fail():
        with files.atomic_folder(tmp_path / "folder"):
            raise OSError("1000 requested and 16 written")

    with pytest.raises(OSError, match=r"free some space and try again.*folder") as caught:
        fail()
    assert caught.value.filename == str(tmp_path / "folder")
    with pytest.raises(OSError, match="ulimit -n"), naming(tmp_path):
        raise OSError(24, os.strerror(24))


OPEN = """
import os, resource, sys
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.errors import FashionHashError
Recommender.load(sys.argv[1], engine="hamming")  # everything is imported
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
held = []
while True:
    try:
        held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        break
said = set()
for free in range(0, 60, 2):  # with each file more that may be open, it comes a little further
    try:
        Recommender.load(sys.argv[1], engine="hamming")
        break
    except Exception as error:
        said.add(f"{type(error).__name__}: {error}")
    os.close(held.pop())
    os.close(held.pop())
print(*said, sep="\\n")
"""


def test_too_many_open_files_are_never_a_broken_bundle(bundle):
    done = subprocess.run([sys.executable, "-c", OPEN, str(bundle.path)], capture_output=True, text=True, timeout=100)
    lines = done.stdout.splitlines()
    assert len(lines) > 1, done.stderr[-2000:]
    for line in lines:
        assert line.startswith("BundleError"), line
        assert "Too many open files; close some, or raise the limit (ulimit -n)" in line


def test_a_file_that_can_be_read_is_itself_at_fault(tmp_path):
    (tmp_path / "file").write_text("")
    assert str(unreadable(tmp_path / "file", ValueError("x"), "broken")) == "broken"
    assert str(unreadable(tmp_path / "none", FileNotFoundError(2, "none"), "missing")) == "missing"


def test_a_live_store_that_cannot_be_made_leaves_no_folder(bundle, monkeypatch):
    monkeypatch.setattr("fashion_hash.live.store.sync_file", lambda path: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(BundleError, match=r"cannot be changed: .*: full; nothing was changed"):
        Recommender.load(bundle.path).add_user("new", liked=[])
    assert not (bundle.path / "live").exists()


def test_a_compaction_in_the_background_that_fails_is_a_warning(bundle, monkeypatch, caplog):
    recommender = Recommender.load(bundle.path)
    recommender.add_outfits({"new": {"top": bundle.items["top"].id(0)}})
    live = LiveCatalogue(bundle.path)
    monkeypatch.setattr(compaction, "COMPACT_FROM", 0)
    monkeypatch.setattr(compaction, "COMPACT_SHARE", 0)

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(compaction, "write_generation", full)
    thread = compaction.compact_in_background(live)
    assert thread is not None
    thread.join()
    assert "were not compacted" in caplog.text


def test_leftovers_of_others_stay(tmp_path):
    for name in (".config.yaml.x.partial", ".bundle.x.partial"):
        (tmp_path / name).mkdir()
    files.sweep(tmp_path, "config.yaml", "last.safetensors")
    assert [path.name for path in Path(tmp_path).iterdir()] == [".bundle.x.partial"]
    files.sweep(tmp_path)
    assert not list(tmp_path.iterdir())
