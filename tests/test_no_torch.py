"""The answering half never imports torch, nor draws what it does not need."""

import json
import subprocess
import sys
from pathlib import Path

from fashion_hash.index.build import build_index
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_bundle, random_pool

CODE = """
import json, sys
from fashion_hash.commands.query import main
heavy = {"torch", "torchvision", "faiss", "PIL", "pydantic", "sklearn", "tqdm", "numba", "jinja2", "fastapi"}
before = set()
for options in json.loads(sys.argv[2]):
    status = main([sys.argv[1], "--user", "user-1", *options])
    assert status == 0, status
    loaded = heavy & {name.partition(".")[0] for name in sys.modules}
    print("loaded:", sorted(loaded - before))
    before = loaded
"""
QUERIES = [
    ([], []),
    (["--json"], []),
    (["--engine", "hamming"], ["faiss"]),
    (["--sheet", "sheet.png"], ["PIL"]),
    (["--page", "page.html"], ["jinja2"]),
]
MODULES = [
    "bundle.bundle",
    "bundle.catalogue",
    "core.codes",
    "core.ids",
    "index.build",
    "index.engines.open",
    "presentation.page",
    "serving.workers.run",
]


def test_the_query_path_imports_only_what_it_uses(tmp_path: Path) -> None:
    """One query after the other in one process: what each loads beside what is there."""
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 30))
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(bundle.path), json.dumps([options for options, _ in QUERIES])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stdout.splitlines() if line.startswith("loaded: ")]
    assert lines == [f"loaded: {loaded}" for _, loaded in QUERIES]


def test_no_module_of_the_answering_half_imports_torch() -> None:
    code = f"""
import sys
from importlib import import_module
for name in {MODULES}:
    import_module(f"fashion_hash.{{name}}")
    assert "torch" not in sys.modules, name
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
