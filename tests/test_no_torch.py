"""The answering half never imports torch, nor draws what it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from fashion_hash.index.build import build_index
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_bundle, random_pool

CODE = """
import sys
from fashion_hash.commands.query import main
status = main(sys.argv[1:])
assert status == 0, status
loaded = {name.partition(".")[0] for name in sys.modules}
heavy = {"torch", "torchvision", "faiss", "PIL", "pydantic", "sklearn", "tqdm", "numba", "jinja2", "fastapi"}
print("loaded:", sorted(loaded & heavy))
"""


@pytest.mark.parametrize(
    ("options", "loaded"),
    [
        ([], []),
        (["--json"], []),
        (["--engine", "hamming"], ["faiss"]),
        (["--sheet", "sheet.png"], ["PIL"]),
        (["--page", "page.html"], ["jinja2"]),
    ],
)
def test_the_query_path_imports_only_what_it_uses(tmp_path: Path, options: list[str], loaded: list[str]) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 30))
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(bundle.path), "--user", "user-1", *options],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == f"loaded: {loaded}"


@pytest.mark.parametrize(
    "module",
    [
        "bundle.bundle",
        "bundle.catalogue",
        "core.codes",
        "core.ids",
        "index.build",
        "index.engines.open",
        "presentation.page",
        "serving.workers.run",
    ],
)
def test_no_module_of_the_answering_half_imports_torch(module: str) -> None:
    code = f"import sys, fashion_hash.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
