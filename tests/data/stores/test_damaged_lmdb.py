"""A damaged LMDB is refused by our own error, whatever is damaged; a signal never ends the process of the user."""

import os
import random
import shutil
import subprocess
import sys

import lmdb
import numpy as np
import pytest

from fashion_hash.data.stores import lmdb_files
from fashion_hash.data.stores.features import FeatureStore, FeatureWriter
from fashion_hash.data.stores.lmdb_pages import check_pages
from fashion_hash.data.stores.pictures import PictureStore
from fashion_hash.errors import DataError, FeatureError

# reads, then writes, damaged copies of a store; it runs in a process of its own, since a fault would end it
DAMAGE = """
import random, sys
from pathlib import Path
import numpy as np
from fashion_hash.data.stores.features import FeatureStore, FeatureWriter
from fashion_hash.errors import FashionHashError

good, folder, tries = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), int(sys.argv[3])
draw, refused = random.Random(7), 0
for number in range(tries):
    damaged = bytearray(good)
    for _ in range(draw.choice([1, 1, 3])):
        page = draw.randrange(len(good) // 4096) if draw.random() < 0.9 else draw.randrange(2)
        # headers, tables of entries and small entries: what LMDB trusts
        place = 4096 * page + draw.choice([draw.randrange(16), draw.randrange(16, 160), draw.randrange(3600, 4096)])
        damaged[place] = draw.choice([damaged[place] ^ (1 << draw.randrange(8)), 0, 255])
    path = folder / str(number)
    path.mkdir()
    (path / "data.mdb").write_bytes(damaged)
    for use in ("read", "write"):
        try:
            if use == "read":
                store = FeatureStore(path)
                store.matrix(list(store.keys()))
            else:
                with FeatureWriter(path, "f", 40) as writer:
                    keys = [str(draw.randrange(10**6)) for _ in range(40)]
                    writer.put(keys, np.ones((40, 40)))
                    writer.remove([str(row) for row in range(100)])
        except FashionHashError:
            refused += 1
print(refused)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of branch pages, unused pages, and (as pictures) values with pages of their own."""
    path = tmp_path_factory.mktemp("sound") / "features"
    with FeatureWriter(path, "f", 40) as writer:
        for batch in range(6):
            writer.put([str(batch * 100 + row) for row in range(100)], np.ones((100, 40), np.float32))
            writer.remove([str(batch * 100 + row) for row in range(30)])
    return path / "data.mdb"


def damage(store, folder, tries):
    command = [sys.executable, "-c", DAMAGE, str(store), str(folder), str(tries)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > tries / 20


def test_bytes_changed_anywhere_never_end_the_process(store, tmp_path):
    damage(store, tmp_path, 25)


@pytest.mark.slow
def test_many_bytes_changed_anywhere_never_end_the_process(store, tmp_path):
    damage(store, tmp_path, 3000)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_lmdb_writes_is_sound(tmp_path, seed):
    draw = random.Random(seed)
    environment, keys = lmdb.open(str(tmp_path), map_size=1 << 26), []
    for _ in range(15):
        with environment.begin(write=True) as transaction:
            for _ in range(draw.choice([1, 30, 300])):
                if keys and draw.random() < 0.3:
                    transaction.delete(keys.pop(draw.randrange(len(keys))))
                else:
                    keys.append(draw.randbytes(draw.choice([1, 2, 17, 511])) + b"\0" * draw.randrange(2))
                    keys[-1] = keys[-1][:511]
                    transaction.put(keys[-1], bytes(draw.choice([0, 1, 8, 1000, 2000, 5000, 20_000])))
        check_pages(tmp_path / "data.mdb", for_writing=True)
        assert check_pages(tmp_path / "data.mdb").last_page == environment.info()["last_pgno"]
    environment.close()


def test_a_page_out_of_place_is_found(store, tmp_path):
    data = bytearray(store.read_bytes())
    lmdb_files.release(store.parent)
    for page in range(2, len(data) // 4096):  # what is on no page of the trees may be anything
        damaged = bytearray(data)
        damaged[4096 * page : 4096 * page + 4096] = bytes(4096)
        (tmp_path / "data.mdb").write_bytes(damaged)
        used = int.from_bytes(data[4096 * page + 10 : 4096 * page + 12], "little") in (1, 2)
        try:
            check_pages(tmp_path / "data.mdb", for_writing=True)
        except DataError:
            assert used
    swapped = data[:8192] + data[12288:16384] + data[8192:12288] + data[16384:]
    (tmp_path / "data.mdb").write_bytes(swapped)
    with pytest.raises(DataError, match="page"):
        check_pages(tmp_path / "data.mdb")


def test_a_store_damaged_while_it_is_open_is_refused(store, tmp_path):
    shutil.copy(store, tmp_path)
    opened = FeatureStore(tmp_path)
    assert opened.get("99") is not None
    data = bytearray(store.read_bytes())
    for page in range(2, len(data) // 4096):
        data[4096 * page + 10] = 3
    with open(tmp_path / "data.mdb", "r+b") as stream:
        stream.write(data)
    os.utime(tmp_path / "data.mdb", ns=(1, 1))
    with pytest.raises(DataError, match="damaged"):
        opened.get("99")


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "lmdb").mkdir()
    data = tmp_path / "lmdb/data.mdb"
    data.write_bytes(b"")
    with pytest.raises(DataError, match="truncated"):
        PictureStore(tmp_path / "lmdb").get("a")
    data.unlink()
    data.mkdir()
    for use in (lambda: FeatureStore(data.parent), lambda: FeatureWriter(data.parent, "f", 3).__enter__()):
        with pytest.raises(DataError, match="is not a file"):
            use()
    data.rmdir()
    os.mkfifo(data)
    with pytest.raises(DataError, match="is not a file"):
        FeatureStore(data.parent)


def test_a_writer_goes_on_after_one_that_was_killed_at_once(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"")
    with FeatureWriter(tmp_path, "f", 3) as writer:
        writer.put(["a"], np.ones((1, 3)))
    assert FeatureStore(tmp_path).get("a") is not None


@pytest.mark.parametrize("lock", [b"", b"x" * 100, os.urandom(8192)])
def test_a_damaged_lock_file_does_no_harm(tmp_path, lock):
    with FeatureWriter(tmp_path, "f", 3) as writer:
        writer.put(["a"], np.ones((1, 3)))
    (tmp_path / "lock.mdb").write_bytes(lock)
    assert FeatureStore(tmp_path).get("a") is not None
    with FeatureWriter(tmp_path, "f", 3) as writer:
        assert writer.missing(["a"]) == []
    (tmp_path / "lock.mdb").unlink()
    (tmp_path / "lock.mdb").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        FeatureWriter(tmp_path, "f", 3).__enter__()


@pytest.mark.parametrize(
    "record", [b"{", b"[1]", b'{"fingerprint": "f"}', b'{"fingerprint": "f", "dim": 0}', b"[" * 9999]
)
def test_a_damaged_description_of_features_is_refused(tmp_path, record):
    lmdb_files.write_lmdb(tmp_path / "f", [("__features__", record), ("a", bytes(12))])
    with pytest.raises(FeatureError, match="extract again"):
        FeatureStore(tmp_path / "f")


def test_a_named_database_does_no_harm(tmp_path):
    with lmdb.open(str(tmp_path / "named"), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"1", db=environment.open_db(b"inner", transaction))
        transaction.put(b"b", b"2")
    assert PictureStore(tmp_path / "named").get("b") == b"2"
