"""Without the packages of an extra the answering half works, and the learning half says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import PROJECT
from tests.test_architecture import MODULES, PRETRAINED, WITH_TORCH

# Python's own finder no longer sees these packages; whatever is installed, the process cannot import them
ABSENT = """
import sys
from importlib.machinery import PathFinder
absent, find_spec = {absent!r}, PathFinder.find_spec
def find(name, path=None, target=None):
    return None if name.partition(".")[0] in absent else find_spec(name, path, target)
PathFinder.find_spec = find
"""
TRAIN = ("torch", "torchvision", "lmdb", "matplotlib", "bm25s")
GOLDEN = PROJECT / "tests/golden/v1"
INSTALL = "pip install 'fashion_hash[train]'"


def without(absent: tuple[str, ...], code: str, *arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess:
    """Runs code in a process that cannot import some packages."""
    return subprocess.run(
        [sys.executable, "-c", ABSENT.format(absent=absent) + code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )


def test_every_module_of_the_answering_half_is_imported() -> None:
    names = [
        name
        for name in MODULES
        if name not in PRETRAINED and (name.split(".")[0] not in WITH_TORCH or name.startswith("commands"))
    ]
    code = "from importlib import import_module\nfor name in sys.argv[1:]: import_module(f'fashion_hash.{name}')"
    run = without(TRAIN, code, *names)
    assert run.returncode == 0, run.stderr
    assert len(names) > 100


LEARNING = [  # what it needs, what is tried and what is said
    (TRAIN, "fh.fit", "fashion_hash.training needs torch and matplotlib, which are not installed"),
    (("matplotlib",), "fh.fit", "fashion_hash.training needs matplotlib, which is not installed"),
    (TRAIN, "fh.evaluate", "fashion_hash.training needs torch"),
    (TRAIN, "fh.export_bundle", "fashion_hash.training needs torch"),
    (TRAIN, "fh.Run", "fashion_hash.training needs torch"),
    (TRAIN, "import fashion_hash.models.fhn", "fashion_hash.models needs torch"),
    (TRAIN, "from fashion_hash.features.pictures import *", "fashion_hash.features needs torch"),
    (
        ("torchvision",),
        "from fashion_hash.encoders.torchvision_import import import_models; import_models()",
        "a torchvision network needs torchvision",
    ),
    (
        TRAIN,
        "from fashion_hash.data.stores.lmdb_files import get_all; get_all(sys.argv[1], ['a'])",
        "an LMDB of pictures or features needs lmdb",
    ),
    (
        TRAIN,
        "from fashion_hash.data.stores.lmdb_files import write_lmdb; write_lmdb(sys.argv[1], [('a', b'b')])",
        "an LMDB of pictures or features needs lmdb",
    ),
    (TRAIN, "fh.make_sample(sys.argv[1])", "an LMDB of pictures or features needs lmdb"),
    (
        TRAIN,
        "from fashion_hash.evaluation.requests import bm25; bm25(None)",
        "the BM25 baseline needs bm25s",
    ),
]


@pytest.mark.parametrize("absent", sorted({absent for absent, _, _ in LEARNING}))
def test_the_learning_half_names_the_extra(absent: tuple[str, ...], tmp_path: Path) -> None:
    """One process tries everything that needs a package; the second try after a failed import fails alike."""
    expected = [(statement, message) for needed, statement, message in LEARNING if needed == absent]
    code = f"""
import fashion_hash as fh
for statement in {[statement for statement, _ in expected]!r}:
    try:
        exec(statement)
        print("it ran")
    except fh.FashionHashError as error:
        print(type(error).__name__, error)
"""
    run = without(absent, code, str(tmp_path / "new"))
    assert run.returncode == 0, run.stderr
    for line, (statement, message) in zip(run.stdout.splitlines(), expected, strict=True):
        assert line.startswith(f"MissingExtraError {message}"), statement
        assert line.endswith(f"not installed: {INSTALL}"), statement
    assert not (tmp_path / "new").exists()


COMMANDS = [
    ("train", "configs/demo.yaml"),
    ("evaluate", "runs/demo"),
    ("build-index", "runs/demo"),
    ("extract-features", "configs/polyvore_630.yaml"),
    ("make-sample", "--out", "SAMPLE"),
]


def test_a_command_of_the_learning_half_is_one_line_of_error(tmp_path: Path) -> None:
    code = "from fashion_hash.cli import main\nfor command in eval(sys.argv[1]): print(main(command))"
    given = [[str(tmp_path / "sample") if word == "SAMPLE" else word for word in command] for command in COMMANDS]
    run = without(TRAIN, code, repr(given))
    assert run.stdout.split() == ["2"] * len(COMMANDS), run.stderr
    for line, command in zip(run.stderr.splitlines(), COMMANDS, strict=True):
        assert line.startswith("error: "), command
        assert line.endswith(f": {INSTALL}"), command
    assert not (tmp_path / "sample").exists()


@pytest.mark.slow  # `make bare` runs the same script where these packages are not installed
def test_bundles_answer_search_and_change(tmp_path: Path) -> None:
    code = "import runpy\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    run = without(TRAIN, code, str(PROJECT / ".ci/bare_answers.py"), str(GOLDEN), str(tmp_path / "copies"))
    assert run.returncode == 0, run.stderr
    assert "answers without torch" in run.stdout


def test_a_sample_of_words_alone_needs_no_lmdb(tmp_path: Path) -> None:
    code = "from fashion_hash.cli import main\nsys.exit(main(sys.argv[1:]))"
    sizes = ["--users", "4", "--items", "20", "--outfits-per-user", "10"]
    run = without(TRAIN, code, "make-sample", "--out", str(tmp_path / "sample"), "--no-pictures", *sizes)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "sample/items.csv").is_file()
