"""Imports point down: the answering half never imports torch, losses never see a model."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "fashion_hash"

# a module may import itself and what stands before it in this list
LAYERS = [
    ("errors", "files", "seeds", "codes", "data.outfits", "data.vocabulary", "features.torchvision_import"),
    (
        "manifest",
        "ids",
        "config",
        "config_network",
        "config_requests",
        "config_training",
        "data",
        "normaliser",
        "titles",
        "encoders",
    ),
    ("losses", "losses_requests", "catalogue", "heads", "outfit_encoder", "evaluation"),
    ("request_contents", "request_tower"),
    ("features", "bundle"),
    ("models", "index"),
    ("live",),
    ("retrieval",),
    ("training",),
    ("commands",),
    ("cli",),
]
WITHOUT_TORCH = (
    "bundle",
    "catalogue",
    "codes",
    "data",
    "evaluation",
    "heads",
    "ids",
    "index",
    "live",
    "manifest",
    "normaliser",
    "outfit_encoder",
    "request_contents",
    "request_tower",
    "retrieval",
    "titles",
)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if name != "__init__":
            yield name, path


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer(name):
    for number, names in enumerate(LAYERS):
        if any(name == one or name.startswith(f"{one}.") for one in names):
            return number
    raise AssertionError(f"fashion_hash.{name} has no layer: give it one in this test and in docs/architecture.md")


MODULES = dict(modules())


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    for imported in imports(MODULES[name]):
        if imported.startswith("fashion_hash."):
            other = imported.removeprefix("fashion_hash.")
            assert layer(other) <= layer(name), f"{name} imports {other}, which stands above it"


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] in WITHOUT_TORCH])
def test_the_answering_half_never_imports_torch(name):
    assert not {one.split(".")[0] for one in imports(MODULES[name])} & {"torch", "torchvision"}


def test_losses_never_see_a_model():
    assert not any("models" in one for one in imports(PACKAGE / "losses.py"))


def test_nothing_imports_tools():
    for name, path in MODULES.items():
        assert "tools" not in {one.split(".")[0] for one in imports(path)}, name


def test_no_file_is_too_long():
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "tests").rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path
