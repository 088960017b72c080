"""`fashion-hash extract`: any source, good and bad pictures, killed and continued."""

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from fashion_hash import cli
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.data.stores.lmdb_files import write_lmdb
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from tests.paths import PROJECT
from tests.worlds.damaged import bad_files, encoded, good_files, shirt, write_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good and bad pictures."""
    path = tmp_path_factory.mktemp("pictures") / "all"
    path.mkdir()
    write_pictures(path)
    return path


def extract(source, store, *options):
    """Runs the command; returns its exit status."""
    return cli.main(
        ["extract", str(source), "--encoder", "descriptors", "--out", str(store), "--workers", "1", *options]
    )


def reasons(store):
    """The list of bad pictures."""
    with open(store / "bad_pictures.csv", encoding="utf-8", newline="") as stream:
        return {row["key"]: row["reason"] for row in csv.DictReader(stream)}


def vectors(store):
    """Everything a store holds, as bytes."""
    opened = FeatureStore(store)
    return {key: opened.get(key).tobytes() for key in opened.keys()}  # noqa: SIM118


def test_every_good_picture_has_a_vector_and_every_bad_one_a_reason(folder, tmp_path, capsys):
    assert extract(folder, tmp_path / "store", "--batch-size", "5", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    bad = {name: words for name, (_, words) in bad_files().items()}
    bad |= {"folder.jpg": "a folder, not a picture", "broken_link.jpg": "a broken link"}
    assert (said["done"], said["already"], said["bad"]) == (len(good_files()), 0, len(bad))
    listed = reasons(tmp_path / "store")
    assert listed.keys() == bad.keys()
    for name, words in bad.items():
        assert words in listed[name], (name, listed[name])
    store = FeatureStore(tmp_path / "store")
    assert set(store.keys()) == set(good_files())
    expected = DescriptorEncoder().encode_pictures([good_files()["cmyk.jpg"]])[0]
    assert store.get("cmyk.jpg").tobytes() == expected.tobytes()


def test_archives_and_lmdbs_hold_the_same_pictures(folder, tmp_path, capsys):
    files = good_files() | {name: content for name, (content, _) in bad_files().items()}
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(folder, ".")
    write_lmdb(tmp_path / "all.lmdb", ((name, content) for name, content in files.items() if content))
    assert extract(folder, tmp_path / "of folder") == 0
    assert extract(tmp_path / "all.tar.gz", tmp_path / "of archive") == 0
    assert extract(tmp_path / "all.lmdb", tmp_path / "of lmdb") == 0
    expected = vectors(tmp_path / "of folder")
    assert expected.keys() == good_files().keys()
    assert (
        vectors(tmp_path / "of archive") == {**expected} | {".hidden": b""}
        or vectors(tmp_path / "of archive") == expected
    )
    assert vectors(tmp_path / "of lmdb") == expected
    assert {"folder.jpg", "broken_link.jpg", *bad_files()} <= reasons(tmp_path / "of archive").keys()


def test_a_second_call_does_only_what_changed(folder, tmp_path, capsys):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.png").write_bytes(encoded(shirt(size=30 + number), "PNG"))
    assert extract(source, tmp_path / "store") == 0
    before = vectors(tmp_path / "store")
    (source / "1.png").write_bytes(encoded(shirt().rotate(45), "PNG"))
    (source / "2.png").write_bytes(b"no longer a picture")
    (source / "3.png").write_bytes(encoded(shirt(), "PNG"))
    capsys.readouterr()
    assert extract(source, tmp_path / "store") == 0
    out = capsys.readouterr().out
    assert "2 vectors extracted (1 of them because their picture changed), 1 already stored" in out
    assert "1 file has no vector, listed with reasons in " in out
    after = vectors(tmp_path / "store")
    assert after.keys() == {"0.png", "1.png", "3.png"}
    assert after["0.png"] == before["0.png"]
    assert after["1.png"] != before["1.png"]


def test_a_network_works_too_and_another_encoder_is_refused(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "pictures" / name).write_bytes(encoded(shirt(), "PNG"))
    (tmp_path / "pictures/c.png").write_bytes(b"")
    options = ["--encoder", "mobilenet_v3_small", "--weights", "random", "--size", "64"]
    assert extract(tmp_path / "pictures", tmp_path / "store", *options) == 0
    assert FeatureStore(tmp_path / "store").dim == 1024
    assert reasons(tmp_path / "store").keys() == {"c.png"}
    before = vectors(tmp_path / "store")
    assert extract(tmp_path / "pictures", tmp_path / "store") == 2
    assert "holds features of another extractor ('mobilenet_v3_small" in capsys.readouterr().err
    assert vectors(tmp_path / "store") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "descriptor"], "unknown encoder 'descriptor' (nearest: 'descriptors')"),
        (["--weights", "hub"], "the encoder `descriptors` has no weights, got 'hub'"),
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--batch-size", "-3"], "--batch-size must be at least 1, got -3"),
    ],
)
def test_bad_options_end_in_one_line(options, message, folder, tmp_path, capsys):
    assert extract(folder, tmp_path / "store", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_sources_that_hold_no_pictures(tmp_path, capsys):
    assert extract(tmp_path / "nowhere", tmp_path / "store") == 2
    assert "no pictures at" in capsys.readouterr().err
    (tmp_path / "items.csv").write_text("item_id,type\n")
    assert extract(tmp_path / "items.csv", tmp_path / "store") == 2
    assert "is not a readable tar archive" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert extract(tmp_path / "empty", tmp_path / "store") == 1


@pytest.mark.slow
def test_killed_and_continued_in_workers_nothing_is_done_twice(tmp_path):
    source, store = tmp_path / "pictures", tmp_path / "store"
    source.mkdir()
    draw = np.random.default_rng(0)
    for number in range(150):
        picture = shirt(size=300).rotate(float(draw.integers(360)), fillcolor="white")
        (source / f"{number:03d}.jpg").write_bytes(encoded(picture, "JPEG"))
    (source / "bad.jpg").write_bytes(b"")
    command = [sys.executable, "-m", "fashion_hash.cli", "extract", str(source), "--encoder", "descriptors"]
    command += ["--out", str(store), "--workers", "2", "--batch-size", "8", "--json"]
    options = {"cwd": PROJECT, "env": {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (store / "data.mdb").exists() and (store / "data.mdb").stat().st_size > 150_000:
            workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert len(workers) >= 2
    while time.monotonic() < deadline and any(Path(f"/proc/{worker}").exists() for worker in workers):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers), "workers outlive their parent"
    half = vectors(store)
    assert 0 < len(half) < 150
    done = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    said = json.loads(done.stdout)
    assert (said["done"], said["already"], said["bad"]) == (150 - len(half), len(half), 1)
    assert half.items() <= vectors(store).items()
    assert len(vectors(store)) == 150
