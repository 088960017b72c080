"""Imports point down, circles of files do not exist, rooms stay small, and the answering half never imports torch."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.paths import PACKAGE, PROJECT

# a module may import its own room and the rooms in the lines above it (docs/architecture.md)
LAYERS = [
    ("errors",),
    ("core",),
    ("config",),
    ("data",),
    ("models", "evaluation", "encoders", "understanding"),
    ("inference",),
    ("features", "bundle"),
    ("index",),
    ("foldin",),
    ("live", "training"),
    ("cluster",),
    ("retrieval",),
    ("presentation", "feedback", "bulk"),
    ("serving",),
    ("commands",),
    ("cli",),
]
# beside the order: these never meet, though their lines would let them
APART = {"training": ("live", "retrieval"), "live": ("training",)}
WITH_TORCH = ("models", "features", "training", "commands")
PRETRAINED = ("encoders.clip", "encoders.sentences", "encoders.torchvision_import")
MOST_MODULES = 10
MOST_AT_THE_ROOT = 8


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if name != "__init__":
            yield name, path


MODULES = dict(modules())


@cache
def nodes(path):
    """The statements and definitions of a file, inner ones too."""
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt)]


def imports(path):
    """Every module that a file imports, as far as `from a import b` may name the module a.b."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            own = [name for name in inner if name.removeprefix("fashion_hash.") in MODULES]
            yield from own or [node.module or ""]


def own_imports(name):
    return {one.removeprefix("fashion_hash.") for one in imports(MODULES[name]) if one.startswith("fashion_hash.")}


def layer(name):
    for number, rooms in enumerate(LAYERS):
        if name.split(".")[0] in rooms:
            return number
    raise AssertionError(f"fashion_hash.{name} has no layer: give it one in this test and in docs/architecture.md")


@pytest.mark.parametrize("room", sorted({name.split(".")[0] for name in MODULES}))
def test_imports_point_down(room):
    wrong = []
    for name in MODULES:
        if name.split(".")[0] != room:
            continue
        for other in own_imports(name):
            to = other.split(".")[0]
            if to != room and layer(other) >= layer(name):
                wrong.append(f"{name} imports {other}, which does not stand below it")
            if to in APART.get(room, ()):
                wrong.append(f"{name} imports {other}: {room} and {to} stay apart")
    assert not wrong


def test_no_files_import_each_other_in_a_circle():
    below = {name: own_imports(name) & set(MODULES) - {name} for name in MODULES}
    while free := [name for name, others in below.items() if not others]:
        for name in free:
            del below[name]
        for others in below.values():
            others.difference_update(free)
    assert not below, f"a circle lies among {sorted(below)}"


def test_the_answering_half_never_imports_torch():
    for name in MODULES:
        if name.split(".")[0] not in WITH_TORCH and name not in PRETRAINED:
            torch = {one.split(".")[0] for one in imports(MODULES[name])} & {"torch", "torchvision"}
            assert not torch, name


def test_losses_never_see_a_model():
    assert not any("models" in one for one in imports(PACKAGE / "training/losses.py"))


def test_nothing_imports_tools_or_tests():
    for name, path in MODULES.items():
        assert not {one.split(".")[0] for one in imports(path)} & {"tools", "tests"}, name


def test_no_file_is_too_long():
    for path in [*PACKAGE.rglob("*.py"), *(PROJECT / "tests").rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path


def functions():
    for name, path in MODULES.items():
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef):
                yield name, node


def test_functions_are_short_and_take_few_arguments():
    for name, node in functions():
        length = node.end_lineno - node.lineno + 1
        assert length <= 60, f"{name}.{node.name} has {length} lines"
        given = [one.arg for one in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
        parameters = [one for one in given if one not in ("self", "cls")]
        compiled = name.endswith(".kernels") or name == "index.engines.sums.block"  # flat arrays, for numba
        assert len(parameters) <= (8 if compiled else 6), f"{name}.{node.name} takes {parameters}"


def test_no_room_is_too_full():
    rooms = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    for room, count in rooms.items():
        assert count <= (MOST_AT_THE_ROOT if room == PACKAGE else MOST_MODULES), f"{room} holds {count} modules"


def test_every_room_is_in_the_document():
    document = (PROJECT / "docs/architecture.md").read_text()
    rooms = {path.parent.relative_to(PACKAGE).as_posix() for path in MODULES.values()} - {"."}
    missing = [room for room in sorted(rooms) if f"{Path(room).name}/" not in document]
    assert not missing, f"docs/architecture.md does not say what {missing} are for"
