"""A run of the same name, every night: the older run is kept, and its bundle goes on answering where it is."""

import os
import shutil
from pathlib import Path

import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.core.files import sha256
from fashion_hash.core.locks import hold
from fashion_hash.errors import BundleError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.older_run import remove_older, set_aside
from fashion_hash.training.runs.run import Run
from tests.worlds.generations import add_generation
from tests.worlds.random_bundles import random_bundle
from tests.worlds.tiny import tiny_dataset, tiny_values

FILES = ("config.yaml", "last.safetensors", "split.csv", "encoder/vocabulary.txt", "notes/mine.txt")


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "bundle" not in file.parts)
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def a_run(path: Path) -> Path:
    for name in FILES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


def test_a_bundle_answers_and_takes_changes_while_its_run_is_replaced(tmp_path: Path) -> None:
    config, dataset, path = make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "run"
    fit(config, dataset, path)
    add_generation(path / "bundle", seed=1)
    random_bundle(path / "flat", seed=2)
    old, shop, lines = digests(path), Recommender.load(path / "bundle"), []

    def report(line: str) -> None:
        lines.append(line)
        shop.add_user(f"user of line {len(lines)}")
        assert Recommender.load(path / "bundle").recommend("user-1", 3).personal
        with hold(path / "bundle", "building the bundle", BundleError):  # what build-index does meanwhile
            assert (path / ".bundle.holder").exists()

    run = fit(make_config(tiny_values(seed=5, train={"epochs": 1})), dataset, path, report=report)
    assert f"{tmp_path / 'run.old-1'}" in lines[0]
    assert digests(tmp_path / "run.old-1").items() >= {name: old[name] for name in old if "flat" not in name}.items()
    assert not (tmp_path / "run.old-1/flat").exists()
    assert Run.open(tmp_path / "run.old-1").config == config
    assert (run.config.seed, len(run.history)) == (5, 1)
    assert {entry.name for entry in path.iterdir() if entry.is_dir()} == {"bundle", "flat"}
    assert Recommender.load(path / "bundle").liked(f"user of line {len(lines)}") == []


def test_the_lock_of_a_bundle_that_is_built_meanwhile_stays(tmp_path: Path) -> None:
    path = a_run(tmp_path / "run")
    (path / "suppressed.json").write_text("{}")
    with hold(path / "bundle", "building the bundle", BundleError):
        half = path / "bundle/generations/.1.abc.partial"
        half.mkdir(parents=True)
        names = {entry.name for entry in path.iterdir() if entry.name.startswith(".")}
        assert set_aside(path) == tmp_path / "run.old-1"
        assert half.is_dir()
        assert {entry.name for entry in path.iterdir()} == {*names, "bundle", "config.yaml", "suppressed.json"}
    assert digests(tmp_path / "run.old-1").keys() == {*FILES, "suppressed.json"}


def test_a_folder_of_bundles_alone_may_become_a_run_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    fingerprint = add_generation(path / "bundle", seed=1).fingerprint
    for resume in (True, False):
        run = fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), path, resume=resume)
        assert len(run.history) == 1
    assert Recommender.load(path / "bundle").bundle.fingerprint == fingerprint


def test_older_runs_are_numbered_and_what_a_kill_left_is_not_kept_twice(tmp_path: Path) -> None:
    path = a_run(tmp_path / "run")
    for number in (1, 2, 10):
        (tmp_path / f"run.old-{number}").mkdir()
    (tmp_path / "run.old-1x").mkdir()
    (tmp_path / ".run.old-11.abc.partial").mkdir()
    assert set_aside(path).name == "run.old-11"
    assert set_aside(path).name == "run.old-11", "config.yaml is still the old one: it was killed before the new one"
    a_run(path)
    assert set_aside(path).name == "run.old-12"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("links", [True, False])
def test_an_older_run_is_whole_with_and_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*args: object, **options: object) -> None:
        raise OSError("no hard links on this file system")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    path = a_run(tmp_path / "run")
    (path / "gone").symlink_to(tmp_path / "nowhere")
    before = digests(path)
    removed = []
    monkeypatch.setattr(Path, "unlink", lambda file: removed.append(file.name) or os.unlink(file))
    monkeypatch.setattr(shutil, "rmtree", lambda folder, **_: removed.append(folder.name))
    aside = set_aside(path)
    assert digests(aside) == before
    assert (aside / "gone").is_symlink()
    assert removed[0] == "last.safetensors", "what is left of a run is never taken for one that can be resumed"


def older_runs(folder: Path, numbers: range) -> None:
    for number in numbers:
        run = folder / f"run.old-{number}"
        run.mkdir()
        (run / "last.safetensors").write_text("")
        live = {"data": {"format": "shop", "root": "shop", "live": f"elsewhere/run.live-{number}"}}
        (run / "config.yaml").write_text(make_config(tiny_values(**live)).to_yaml())


def live_tables(folder: Path, numbers: range) -> None:
    for number in numbers:
        (folder / f"run.live-{number}").mkdir()
        (folder / f"run.live-{number}/about.json").write_text("{}")


def test_older_runs_and_the_tables_that_nobody_needs_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    older_runs(tmp_path, range(1, 6))
    os.rename(tmp_path / "run.old-5", path)  # trained on run.live-5
    live_tables(tmp_path, range(1, 7))
    (tmp_path / "run.old-0").mkdir()  # no run: not ours to remove
    (tmp_path / "run.old-x").mkdir()
    (tmp_path / "other.old-1").mkdir()
    (tmp_path / ".run.old-1.removed.partial/deep").mkdir(parents=True)
    gone = remove_older(path, 2)
    assert [folder.name for folder in gone] == [
        *("run.old-1", "run.old-2", "run.live-1", "run.live-2", "run.live-6"),
    ]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        *("other.old-1", "run", "run.live-3", "run.live-4", "run.live-5"),
        *("run.old-0", "run.old-3", "run.old-4", "run.old-x"),
    ]
    assert remove_older(path, 2) == []
    assert [folder.name for folder in remove_older(path, 0)] == ["run.old-3", "run.old-4", "run.live-3", "run.live-4"]


def test_no_table_is_removed_when_a_configuration_cannot_be_read(tmp_path: Path) -> None:
    older_runs(tmp_path, range(1, 4))
    live_tables(tmp_path, range(1, 4))
    os.rename(tmp_path / "run.old-3", tmp_path / "run")
    (tmp_path / "run.old-2/config.yaml").write_text("{")
    assert [folder.name for folder in remove_older(tmp_path / "run", 1)] == ["run.old-1"]
