import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import lmdb
import numpy as np
import pytest
from PIL import Image

from fashion_hash.data.stores import lmdb_files
from fashion_hash.data.stores.decoding import decode
from fashion_hash.data.stores.features import FeatureStore, FeatureWriter
from fashion_hash.data.stores.pictures import PictureStore, picture_digest, survey
from fashion_hash.errors import DataError, FeatureError


def jpeg(grey: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8), grey).save(stream, "JPEG")
    return stream.getvalue()


PICTURES = {f"{name}.jpg": jpeg(40 * at) for at, name in enumerate("abc")}


@pytest.fixture(params=["folder", "lmdb"])
def store(request, tmp_path) -> PictureStore:
    path = tmp_path / request.param
    if request.param == "lmdb":
        lmdb_files.write_lmdb(path, PICTURES.items())
    else:
        path.mkdir()
        for name, data in PICTURES.items():
            (path / name).write_bytes(data)
    return PictureStore(path)


def read_in_worker(store, queue):
    inherited = len(lmdb_files._opened)
    queue.put((inherited, {key: store.get(key) for key in PICTURES}))


def test_pictures_folder_and_lmdb_alike(store):
    assert list(store.keys()) == list(PICTURES)
    assert {key: store.get(key) for key in PICTURES} == PICTURES
    assert len(store) == 3
    assert "a.jpg" in store
    for absent in ("x.jpg", "", "../folder/a.jpg", "/etc/passwd", "x" * 600, "a.jpg/b"):
        assert absent not in store
        assert store.get(absent) is None


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_open_their_own(store, method):
    assert store.get("a.jpg")  # opened here first: the handle must not reach the worker
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=read_in_worker, args=(store, queue))
    worker.start()
    assert queue.get(timeout=60) == (0, PICTURES)
    worker.join(timeout=60)
    assert worker.exitcode == 0
    assert store.get("b.jpg") == PICTURES["b.jpg"]


def test_only_the_path_is_pickled(store):
    assert store.get("a.jpg")
    assert len(pickle.dumps(store)) < 600
    again = pickle.loads(pickle.dumps(store))
    assert again.get("c.jpg") == PICTURES["c.jpg"]  # two stores of one LMDB in one process


def test_threads_share_one_environment(tmp_path):
    lmdb_files.write_lmdb(tmp_path / "lmdb", ((str(i), b"%d" % i) for i in range(500)))
    store, wrong = PictureStore(tmp_path / "lmdb"), []

    def read():
        wrong.extend(i for i in range(500) if store.get(str(i)) != b"%d" % i)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_replaced_lmdb_is_read_anew(tmp_path):
    lmdb_files.write_lmdb(tmp_path / "lmdb", [("a", b"old")])
    store = PictureStore(tmp_path / "lmdb")
    assert store.get("a") == b"old"
    lmdb_files.write_lmdb(tmp_path / "lmdb", [("a", b"new")])
    assert store.get("a") == b"new"


def test_the_map_grows(tmp_path, monkeypatch):
    opened = lmdb.open

    def small(path, **options):
        return opened(path, **({**options, "map_size": 1 << 16} if "map_size" in options else options))

    monkeypatch.setattr(lmdb, "open", small)
    assert lmdb_files.write_lmdb(tmp_path / "lmdb", ((str(i), bytes(1000)) for i in range(700))) == 700
    assert len(PictureStore(tmp_path / "lmdb")) == 700


@pytest.mark.parametrize("keep", [0, 100, 5000, 9000])
def test_truncated_lmdb(tmp_path, keep):
    lmdb_files.write_lmdb(tmp_path / "lmdb", ((str(i), bytes(3000)) for i in range(100)))
    data = tmp_path / "lmdb/data.mdb"
    data.write_bytes(data.read_bytes()[:keep])
    # in a process of its own: without the check, reading kills it with SIGBUS
    code = "from fashion_hash.data.stores.pictures import PictureStore as P; import sys; P(sys.argv[1]).get('7')"
    done = subprocess.run([sys.executable, "-c", code, str(data.parent)], capture_output=True, text=True)
    assert done.returncode == 1, done
    assert "DataError" in done.stderr
    assert str(data) in done.stderr
    assert "copy it again" in done.stderr


def test_not_an_lmdb(tmp_path):
    (tmp_path / "lmdb").mkdir()
    with pytest.raises(DataError, match=r"no LMDB at .*lmdb"):
        PictureStore(tmp_path / "lmdb").get("a")
    (tmp_path / "lmdb/data.mdb").write_bytes(os.urandom(50_000))
    with pytest.raises(DataError, match=r"data\.mdb is not a readable LMDB"):
        PictureStore(tmp_path / "lmdb").get("a")
    with pytest.raises(DataError, match=r"no pictures at .*nowhere"):
        PictureStore(tmp_path / "nowhere")


def test_survey_counts_what_is_missing_and_broken(tmp_path):
    whole = PICTURES["a.jpg"]
    records = {"a": whole, "cut": whole[: len(whole) // 2], "text": b"not a picture", "empty": b""}
    lmdb_files.write_lmdb(tmp_path / "lmdb", records.items())
    store = PictureStore(tmp_path / "lmdb")
    found = survey(store, ["a", "cut", "x", "text", "empty", "y"])
    assert found.missing == ["x", "y"]
    assert list(found.undecodable) == ["cut", "text", "empty"]
    assert found.undecodable["text"] == "cannot decode a picture of 13 bytes: it is in no known format"
    assert not any(" at 0x" in reason for reason in found.undecodable.values())
    assert survey(store, ["a", "cut", "x"], decoding=False) == (["x"], {})
    assert decode(whole).size == (8, 8)


def features(keys):
    return np.array([[float(key), 1.5, -2.0] for key in keys], dtype=np.float32)


def test_features_round_trip_and_resume(tmp_path):
    path = tmp_path / "features"
    keys = [str(i) for i in range(10)]
    with FeatureWriter(path, "resnet-1", 3) as writer:
        assert writer.missing(keys) == keys
        writer.put(keys[:4], features(keys[:4]))
    store = FeatureStore(path)
    assert (store.dim, store.fingerprint, len(store)) == (3, "resnet-1", 4)
    assert store.get("3").tolist() == [3.0, 1.5, -2.0]
    assert store.get("7") is None
    with pytest.raises(FeatureError, match=r"lacks 6 of 10 features, first '4'"):
        store.matrix(keys)
    with FeatureWriter(path, "resnet-1", 3) as writer:
        rest = writer.missing(keys)
        assert rest == keys[4:]
        writer.put(rest, features(rest))
    assert np.array_equal(store.matrix(keys[::-1]), features(keys[::-1]))  # the same store, read anew
    assert store.matrix(keys).dtype == np.float32
    assert sorted(store.keys()) == keys
    assert "5" in pickle.loads(pickle.dumps(store))


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    with FeatureWriter(tmp_path / "f", "x", 3) as writer:
        with pytest.raises(DataError, match="has 600 bytes"):
            writer.put(["1", "2" * 600], np.ones((2, 3)))
        with pytest.raises(FeatureError, match="feature of '2' is not finite"):
            writer.put(["1", "2"], np.array([[1, 2, 3], [1, np.nan, 3]]))
        with pytest.raises(FeatureError, match=r"shape \(2, 4\) for 2 keys of 3 floats"):
            writer.put(["1", "2"], np.ones((2, 4)))
        assert writer.missing(["1", "2"]) == ["1", "2"]


def test_features_of_another_extractor_are_not_mixed(tmp_path):
    with FeatureWriter(tmp_path / "f", "resnet-1", 3) as writer:
        writer.put(["1"], features(["1"]))
    for fingerprint, dim in (("resnet-2", 3), ("resnet-1", 4)):
        with (
            pytest.raises(FeatureError, match="of another extractor"),
            FeatureWriter(tmp_path / "f", fingerprint, dim),
        ):
            pass
    assert FeatureStore(tmp_path / "f").get("1") is not None


def test_a_store_made_elsewhere(tmp_path):
    lmdb_files.write_lmdb(tmp_path / "f", [("a", np.ones(5, np.float32).tobytes()), ("b", b"1234")])
    store = FeatureStore(tmp_path / "f")
    assert (store.dim, store.fingerprint, len(store)) == (5, "", 2)
    with pytest.raises(FeatureError, match=r"'b' has 4 bytes, not 20"):
        store.get("b")
    lmdb_files.write_lmdb(tmp_path / "none", [])
    with pytest.raises(FeatureError, match="holds no features"):
        FeatureStore(tmp_path / "none")
    lmdb_files.write_lmdb(tmp_path / "g", [("a", b"12345")])
    with pytest.raises(FeatureError, match="'a' has 5 bytes, not a whole number of float32 values"):
        FeatureStore(tmp_path / "g")


def test_features_of_other_pictures_are_missing(tmp_path):
    path, long = tmp_path / "f", "7" * 511
    old, new = picture_digest(b"old"), picture_digest(b"new")
    with FeatureWriter(path, "resnet-1", 3) as writer:
        writer.put(["1", "2", long], np.ones((3, 3)), {"1": old, long: old})
        assert writer.missing(["1", "2", "3", long]) == ["3"]
        assert writer.missing(["1", "2", "3", long], {"1": old, "2": old, long: old}) == ["2", "3"]
        assert writer.missing(["1", "2", long], {"1": new}) == ["1"]
        writer.put(["1"], np.zeros((1, 3)), {"1": new})
        assert writer.missing(["1"], {"1": new}) == []
        writer.put(["1"], np.zeros((1, 3)))  # of nobody knows which picture
        assert writer.missing(["1"], {"1": new}) == ["1"]
        writer.remove(["1", "nobody"])
    store = FeatureStore(path)
    assert list(store.keys()) == ["2", long]
    assert len(store) == 2


def test_what_is_on_disk_is_plain(tmp_path):
    """Anyone can read it: key -> raw float32, one JSON record, and digests under keys that begin with NUL."""
    with FeatureWriter(tmp_path / "f", "resnet-1", 3) as writer:
        writer.put(["7"], features(["7"]), {"7": picture_digest(b"picture")})
    environment = lmdb.open(str(tmp_path / "f"), readonly=True)
    with environment.begin() as transaction:
        assert transaction.get(b"7") == np.array([7, 1.5, -2], "<f4").tobytes()
        assert json.loads(transaction.get(b"__features__")) == {"fingerprint": "resnet-1", "dim": 3}
        assert [key[:1] for key, _ in transaction.cursor()] == [b"\0", b"7", b"_"]
    environment.close()


GROW = """
import sys
import numpy as np
from fashion_hash.data.stores.features import FeatureWriter
with FeatureWriter(sys.argv[1], "f", 1000) as writer:
    for batch in range(4):
        keys = [f"n{batch}-{row}" for row in range(1000)]
        writer._writer.set_mapsize(2 * writer._writer.info()["map_size"])
        writer.put(keys, np.ones((1000, 1000), np.float32))
"""


def test_a_store_that_another_process_has_grown_is_read_on(tmp_path, monkeypatch):
    path = tmp_path / "features"
    monkeypatch.setattr(lmdb_files, "MAP_SIZE", 1 << 20)
    with FeatureWriter(path, "f", 1000) as writer:
        writer.put([f"k{row}" for row in range(10)], np.ones((10, 1000), np.float32))
    store = FeatureStore(path)
    keys = store.keys()
    assert next(keys) == "k0"
    subprocess.run([sys.executable, "-c", GROW, str(path)], check=True)
    assert store.get("k0").sum() == 1000
    assert FeatureStore(path).get("n3-999").sum() == 1000
    assert len(store) == 4010
    assert len(list(keys)) >= 9
