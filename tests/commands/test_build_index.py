"""build-index puts the new bundle, with its index, in the place of the old one in one step, and one at a time."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands.build_index import main
from fashion_hash.config.experiment import make_config
from fashion_hash.core import files
from fashion_hash.core.codes import UserForm
from fashion_hash.core.locks import hold
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import BundleError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import Kept, export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_bundle, random_pool
from tests.worlds.tiny import tiny_dataset, tiny_values

# dies at the n-th step that could change what stands at a name; the exports of runs are replaced by random bundles
DIES = """
import os, sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

config = SimpleNamespace(data=SimpleNamespace(live=None))
runs = ModuleType("fashion_hash.training.requests.run")
runs.RequestRun, runs.open_run = type("RequestRun", (), {}), lambda _: SimpleNamespace(path=folder, config=config)
for name in ("fashion_hash.training", "fashion_hash.training.requests", runs.__name__):
    sys.modules[name] = runs  # the learning half stays unloaded
from fashion_hash.commands import build_index as command
from fashion_hash.core import files
from tests.worlds.random_bundles import random_bundle, random_pool

folder, seed, steps, after = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "after"
left = [steps]

def dying(step):
    def counted(*args):
        left[0] -= 1
        if left[0] == 0 and not after:
            os._exit(9)
        step(*args)
        if left[0] == 0:
            os._exit(9)
    return counted

def export(run, path, args):
    bundle = random_bundle(path, seed=seed)
    return bundle, random_pool(bundle, 20), None

command._export_outfits = export
files.os.replace, files._exchange = dying(os.replace), dying(files._exchange)
status = command.main([str(folder)])
print(-left[0])
sys.exit(status)
"""


def build(folder: Path, seed: int, steps: int = 0, when: str = "before") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DIES, str(folder), str(seed), str(steps), when]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("options", "onnx", "form"),
    [([], None, "bits"), (["--no-onnx"], False, "bits"), (["--user-code", "bytes"], None, "bytes")],
)
def test_options_choose_what_a_bundle_keeps(
    tmp_path: Path, options: list[str], onnx: bool | None, form: UserForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bundle without the network says of new pictures: tests/inference/test_pictures_of_new_items.py."""
    fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "run")
    asked: list[bool | None] = []

    def export(run: Run, path: Path, dataset: Dataset, **kept: Unpack[Kept]) -> Bundle:
        asked.append(kept["onnx"])
        return export_bundle(run, path, dataset, **kept)

    monkeypatch.setattr("fashion_hash.training.export.bundle.export_bundle", export)
    monkeypatch.setattr("fashion_hash.training.runs.run.load_data", lambda *_, **__: tiny_dataset())
    assert main([str(tmp_path / "run"), *options]) == 0
    assert asked == [onnx]
    recommender = Recommender.load(tmp_path / "run/bundle")
    assert recommender.bundle.user_form == form
    assert len(recommender.recommend("u0", 3).ids) == 3


@pytest.mark.slow  # tests/kills has ordinary ones
def test_killed_at_any_step_the_old_bundle_or_the_new_one_answers(tmp_path: Path) -> None:
    made, old, folder = tmp_path / "made", tmp_path / "old", tmp_path / "run"
    done = build(made, seed=2)
    total, new = int(done.stdout.split()[-1]), Recommender.load(made / "bundle").bundle.fingerprint
    assert total > 4
    build_index(random_bundle(old, seed=1), random_pool(random_bundle(old, seed=1), 20))
    for steps, when, swapped in (
        (1, "before", False),
        (total - 1, "after", False),
        (total, "before", False),
        (total, "after", True),
    ):
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        shutil.copytree(old, folder / "bundle")
        assert build(folder, 2, steps, when).returncode == 9
        recommender = Recommender.load(folder / "bundle")
        assert (recommender.bundle.fingerprint == new) == swapped
        assert len(recommender.recommend("user-0", 5).ids) == 5
    assert build(folder, seed=2).returncode == 0
    assert {path.name for path in folder.iterdir()} == {"bundle"}, "leftovers of killed processes are removed"


def test_the_second_of_two_is_told_who_builds(tmp_path: Path) -> None:
    with hold(tmp_path / "bundle", "building the bundle", BundleError):
        done = build(tmp_path, seed=1)
    assert done.returncode == 2
    assert "is in use: process" in done.stderr
    assert "building the bundle" in done.stderr
    assert not (tmp_path / "bundle").exists()
    assert build(tmp_path, seed=1).returncode == 0


def test_live_changes_are_carried_over_and_reported(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", seed=1)
    build_index(bundle, random_pool(bundle, 20))
    recommender = Recommender.load(tmp_path / "bundle")
    liked = recommender.outfit(str(recommender.recommend(None, 1).ids[0]))
    recommender.add_user("eve", liked=[liked])
    recommender.add_items([{"item_id": "new", "type": "top", "code": np.ones((1, 16))}])
    done = build(tmp_path, seed=2)
    assert done.returncode == 0, done.stderr
    assert "0 items added, 0 removed, 0 updated, 0 outfits added, 0 removed, 1 user; 0 were known" in done.stdout
    assert "could not be carried over (1):\n  top 'new': it was given as a code" in done.stdout
    assert recommender.bundle.fingerprint != bundle.fingerprint
    assert recommender.liked("eve") == [liked]
    assert Recommender.load(tmp_path / "bundle").recommend("eve", 1).personal


@pytest.mark.parametrize("swaps", [True, False])
def test_folders_swap_with_and_without_the_system_s_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:
        monkeypatch.setattr(files.sys, "platform", "other")
    for text in ("old", "new"):
        with files.atomic_folder(tmp_path / "folder") as folder:
            (folder / "text").write_text(text)
    assert (tmp_path / "folder/text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
