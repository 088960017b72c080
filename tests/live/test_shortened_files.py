"""Another program shortens files of a bundle that is open: an error or an answer, and never a signal.

A bundle that is opened by a relative path goes on when its process moves to another folder.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core import arrays
from fashion_hash.errors import BundleError
from fashion_hash.index.partners import build_partners
from fashion_hash.live.forgetting.search import search
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

SHORTEN = """
import os, sys
from pathlib import Path
from fashion_hash.core import arrays
from fashion_hash.errors import BundleError
from fashion_hash.retrieval.recommender import Recommender

path, arrays.SMALL = Path(sys.argv[1]), int(sys.argv[2])
questions = {
    "pool": lambda shop: shop.recommend("user-1", 5).ids.tolist(),
    "compose": lambda shop: [hit.items for hit in shop.compose("user-1", 2).hits],
    "tell": lambda shop: shop.update_user("user-2", liked=["outfit-000004"]),
}
shop = Recommender.load(path)
before = {name: ask(shop) for name, ask in questions.items()}
for file in sorted(path.rglob("*.npy"))[:: int(sys.argv[3])]:
    whole, refused = file.read_bytes(), 0
    for size in (0, len(whole) - 1):
        os.truncate(file, size)
        for name, ask in questions.items():
            try:
                assert ask(shop) == before[name], (file, name)
            except BundleError as error:
                assert f"{file} has {size:,} bytes instead of {len(whole):,}: another program" in str(error), error
                refused += 1
    file.write_bytes(whole)
    assert {name: ask(shop) for name, ask in questions.items()} == before, file
    print(file.relative_to(path), refused)
"""


@pytest.mark.parametrize(("small", "step"), [(0, 4), (1 << 20, 12), pytest.param(0, 1, marks=pytest.mark.slow)])
def test_a_file_that_is_shortened_while_it_is_open(tmp_path: Path, small: int, step: int) -> None:
    """Mapped files are looked at before each answer; small ones are in memory, and answer on."""
    bundle = new_bundle(tmp_path / "bundle", num_users=3)
    build_partners(bundle)
    command = [sys.executable, "-c", SHORTEN, str(bundle.path), str(small), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    refused = {file: int(count) for file, count in (line.split() for line in done.stdout.splitlines())}
    assert len(refused) > 20 / step
    assert set(refused.values()) == ({6} if small == 0 else {0})


def test_who_holds_an_array_is_not_asked_about_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "SMALL", 0)
    files = {}
    for name in ("one", "one-more"):
        (tmp_path / name / "codes").mkdir(parents=True)
        np.save(tmp_path / name / "codes/bias.top.npy", np.zeros(9, dtype=np.int32))
        files[name] = arrays.open_array(tmp_path / name / "codes/bias.top.npy", "codes/bias.*.npy")
    mapped = {name: arrays.MappedFiles(tmp_path / name) for name in files}
    os.truncate(tmp_path / "one-more/codes/bias.top.npy", 3)
    mapped["one"].check()
    with pytest.raises(BundleError, match=r"one-more/codes/bias\.top\.npy has 3 bytes instead of 164"):
        mapped["one-more"].check()
    del files["one-more"]  # nobody can read it any more
    mapped["one-more"].check()
    assert not files["one"].flags.writeable


def test_a_file_is_searched_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "notes.txt"
    for at_once in (1, 2, 3, 5, 7, 1000):
        monkeypatch.setattr("fashion_hash.live.forgetting.search.AT_ONCE", at_once)
        for text, times in (("ann", 1), ("an ann-ann annann", 4), ("an n", 0), ("", 0), ("aann", 1)):
            file.write_text(text)
            assert sum(found.times for found in search("ann", [file])) == times, (at_once, text)


def test_a_relative_path_stays_the_same_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_bundle(tmp_path / "bundle", num_users=3)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    shop = Recommender.load("bundle")
    monkeypatch.chdir("elsewhere")
    shop.add_user("eve", liked=["outfit-000003"])
    shop.remove_user("user-2")
    assert shop.compact()
    assert shop.recommend("eve", 3).personal
    assert len(shop.compose("user-1", 1).hits) == 1
    assert shop.bundle.root == tmp_path / "bundle"
    shop.close()
    assert Recommender.load("../bundle").recommend("eve", 3).personal
