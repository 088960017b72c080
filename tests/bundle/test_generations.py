"""A bundle of several generations: which of them is opened, and when an old one is removed."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.generations import hold_current, next_generation, remove_unused
from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.manifest import current_folder
from fashion_hash.errors import BundleError
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import open_partners
from fashion_hash.retrieval.recommender import Recommender
from tests.paths import PROJECT
from tests.worlds.generations import add_generation, generations
from tests.worlds.live_world import new_bundle
from tests.worlds.random_bundles import random_bundle, random_contents, random_pool

GOLDEN = PROJECT / "tests/golden/v1/fhn/bundle"


def test_the_current_generation_is_opened_and_the_one_before_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    first = add_generation(path, seed=1).fingerprint
    assert Bundle.open(path).fingerprint == first
    second = add_generation(path, seed=2)
    assert second.fingerprint != first
    assert second.root == path
    assert second.path == path / "generations/2"
    assert generations(path) == ["2"]
    assert sorted(file.name for file in path.iterdir()) == ["current", "generations"]


def test_a_generation_that_is_held_stays_and_its_files_can_still_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    held = add_generation(path, seed=1)
    view = held.view(preference_scale=0)
    del held
    add_generation(path, seed=2)
    add_generation(path, seed=3)
    assert generations(path) == ["1", "3"], "nobody held 2"
    assert open_partners(view)
    assert view.catalogue.item("top", 0).item_id == "top-0"
    del view
    remove_unused(path)
    assert generations(path) == ["3"]


def test_the_process_that_holds_a_generation_may_die(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        hold = hold_current(path)
        os.write(done, b"x")
        while hold:
            os.read(ready, 0)
    os.read(ready, 1)
    add_generation(path, seed=2)
    assert generations(path) == ["1", "2"]
    os.kill(child, 9)
    os.waitpid(child, 0)
    remove_unused(path)
    assert generations(path) == ["2"]


def test_a_bundle_without_generations_gets_them_and_its_old_files_go_when_nobody_holds_them(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN, tmp_path / "bundle")
    (path / "notes.txt").write_text("of the shop")
    old = Recommender.load(path)
    old.add_user("adam")
    golden, fingerprint = Bundle.open(path), old.bundle.fingerprint
    add_generation(path, seed=1)
    assert (path / "manifest.json").exists()
    assert golden.catalogue.item(golden.types[0], 0)
    assert old.bundle.fingerprint != fingerprint, "it moved over"
    del golden
    remove_unused(path)
    assert sorted(file.name for file in path.iterdir()) == ["current", "generations", "notes.txt"]
    del old
    add_generation(path, seed=2)
    assert generations(path) == ["2"]


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    first = add_generation(path, seed=1).fingerprint
    with next_generation(path) as folder:  # killed before it was made current
        new_bundle(folder, seed=2)
    (path / "generations/.3.abc.partial/ids").mkdir(parents=True)
    assert Bundle.open(path).fingerprint == first
    remove_unused(path)
    assert generations(path) == [".3.abc.partial", "1", "2"], "another build may be writing them"
    add_generation(path, seed=3)
    assert generations(path) == ["2"]
    with pytest.raises(ZeroDivisionError), next_generation(tmp_path / "none/bundle"):
        raise ZeroDivisionError
    assert not (tmp_path / "none/bundle").exists()


def test_the_folder_can_be_copied_and_moved_as_a_whole(tmp_path: Path) -> None:
    add_generation(tmp_path / "bundle", seed=1)
    add_generation(tmp_path / "bundle", seed=2)
    recommender = Recommender.load(tmp_path / "bundle")
    copy = Recommender.load(shutil.copytree(tmp_path / "bundle", tmp_path / "copy"))
    assert copy.recommend("user-0", 5).ids.tolist() == recommender.recommend("user-0", 5).ids.tolist()
    assert pickle.loads(pickle.dumps(recommender)).bundle.path == tmp_path / "bundle/generations/2"
    (tmp_path / "bundle").rename(tmp_path / "moved")
    assert len(recommender.recommend("user-0", 5).ids) == 5
    with pytest.raises(BundleError, match="was moved or removed"):
        recommender.add_user("eve")
    # what is read at the first question that needs it
    assert recommender.recommend("user-0", 5, where={"price": {">": 1}}).ids.dtype.kind == "U"
    for ask in (
        lambda: recommender.search("a fine top"),
        lambda: recommender.add_items([{"item_id": "new", "type": "top", "features": {"image": np.ones(6)}}]),
    ):
        with pytest.raises(BundleError, match="was moved or removed after it was opened, and not all of it"):
            ask()


def test_write_bundle_and_build_index_add_a_generation_to_a_folder_of_them(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    old = add_generation(path, seed=1).fingerprint
    bundle = write_bundle(path, random_contents(seed=2))
    assert Bundle.open(path).fingerprint == old, "it has no index yet"
    build_index(bundle, random_pool(bundle, 20))
    recommender = Recommender.load(path)
    assert recommender.bundle.fingerprint == bundle.fingerprint != old
    recommender.add_user("eve")
    with pytest.raises(BundleError, match="holds changes"):
        write_bundle(path, random_contents(seed=3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold the number of a generation, got ''"),
        ("../1", "must hold the number of a generation, got '../1'"),
        ("1" * 5000, "must hold the number of a generation, got '1111"),
        ("7", "names generation 7, but .* does not exist"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_damaged_name_of_the_current_generation_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    (path / "current").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=message):
        Bundle.open(path)


@pytest.mark.parametrize("name", ["current", "manifest.json", "live/live.sqlite"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 12))
    (tmp_path / "bundle" / name).unlink(missing_ok=True)
    (tmp_path / "bundle" / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "bundle" / name)
    load = f"from fashion_hash.retrieval.recommender import Recommender; Recommender.load({str(bundle.path)!r})"
    done = subprocess.run([sys.executable, "-c", load], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert "BundleError" in done.stderr.splitlines()[-1]
    assert name in done.stderr.splitlines()[-1]


def test_a_path_with_a_nul_character_is_refused() -> None:
    with pytest.raises(BundleError, match="name a folder without NUL characters"):
        Bundle.open("bundle\0")


def test_item_coders_open_the_current_generation(tmp_path: Path) -> None:
    assert current_folder(GOLDEN) == GOLDEN
    path = tmp_path / "bundle"
    add_generation(path, seed=1)
    assert current_folder(path) == path / "generations/1"
